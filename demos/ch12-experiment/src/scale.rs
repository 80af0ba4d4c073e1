//! # How many can wait: ten tasks, a hundred thousand
//!
//! A hundred thousand tasks that each sleep for a tick take a tick, plus the time to spawn and to wake them all. Each
//! costs about 270 bytes of what is asked of the allocator, whether there are ten tasks or a hundred thousand, and
//! some 450 resident, since the allocator aligns and rounds. Of these bytes 112 are the `Sleep`. For a million, add
//! `--tasks 1000000`.
//!
//! asyncio: create_task
//!
//! real clock: it measures memory and the cost of spawning, which a paused clock hides
//!
//! release build: spawning a task takes several times as long without optimisation
//!
//! ```python
//! tasks = [asyncio.create_task(asyncio.sleep(1)) for _ in range(100_000)]
//! await asyncio.gather(*tasks)
//! ```
//!
//! Not the same: a Rust task is one allocation, of a size the compiler knows: the future with the runtime's fields
//! around it. And a future needs no task of its own. `join_all` lets any number of them wait in one task, for fewer
//! bytes each, here some 180, but then all of them share that task's thread.

use anyhow::Result;
use futures_util::{future::join_all, poll};
use timing::{Timings, law::at_least, memory::Usage, ticks};
use tokio::{
    task::{JoinHandle, coop::unconstrained},
    time::{Sleep, sleep},
};

use crate::options::Options;

/// With fewer tasks the resident set, which grows by whole pages, says little about one of them.
const MANY: usize = 10_000;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    // Ten times as many each time, up to the number asked for.
    let most = options.tasks as usize;
    let growing = std::iter::successors(Some(10), |tasks| Some(tasks * 10));
    for tasks in growing.take_while(|&tasks| tasks < most).chain([most]) {
        let cost = t
            .time(format!("{tasks} tasks"), at_least(1), one_task_each(tasks))
            .await?;
        count(t, tasks, cost);
    }
    let cost = t
        .time(
            format!("{most} in one task"),
            at_least(1),
            side_by_side(most),
        )
        .await;
    count(t, most, cost);
    Ok(())
}

/// Returns what the tasks cost in memory once each has had its first poll. Where that takes longer than a tick, most
/// are done by then. Their memory is still there: a task's stays until its handle is dropped, too.
async fn one_task_each(tasks: usize) -> Result<Usage> {
    let before = Usage::now();
    let handles: Vec<JoinHandle<()>> = (0..tasks).map(|_| tokio::spawn(sleep(ticks(1)))).collect();
    // Ready tasks run in the order in which they were spawned: when this one is done, all others had their first poll
    // and have registered their timers.
    tokio::spawn(async {}).await?;
    let cost = before.growth();
    for handle in handles {
        handle.await?;
    }
    Ok(cost)
}

async fn side_by_side(futures: usize) -> Usage {
    let before = Usage::now();
    // A task may poll 128 of tokio's timers in a turn (`runtime/yield-and-budget`); the others then ask to be polled
    // again. With 100 000 timers in one task that is so slow that the budget is switched off here.
    let mut all = unconstrained(join_all((0..futures).map(|_| sleep(ticks(1)))));
    // The first poll registers every timer. It is made by hand so that memory can be read before the wait.
    let first = poll!(&mut all);
    let cost = before.growth();
    assert!(first.is_pending(), "a tick is longer than one poll");
    all.await;
    cost
}

fn count(t: &mut Timings, tasks: usize, cost: Usage) {
    t.count("bytes each", cost.asked / tasks);
    t.count("of which Sleep", size_of::<Sleep>());
    // Pages that an earlier variant freed are used again, so this can be less than what was asked for.
    if let Some(resident) = cost.resident.filter(|_| tasks >= MANY) {
        t.count("resident each", resident / tasks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_of_them_wait_at_the_same_time() {
        let options = Options {
            tasks: 1_000,
            ..Options::default()
        };
        let t = Timings::of(async |t| run(t, &options).await).await;
        for variant in ["10 tasks", "100 tasks", "1000 tasks", "1000 in one task"] {
            assert_eq!(t[variant].elapsed, ticks(1), "{variant}");
        }
    }
}
