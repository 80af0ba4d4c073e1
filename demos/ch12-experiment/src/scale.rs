//! # How many can wait: ten tasks, a hundred thousand
//!
//! A hundred thousand tasks that sleep a tick are done a tick after the last one was made, and each costs a few
//! hundred bytes: its future, the task around it, and a handle. The bytes a task stay the same from ten to the end of the table,
//! so a million is a matter of memory alone: try `--tasks 1000000`.
//!
//! asyncio: create_task
//!
//! real clock: it measures memory and the cost of starting, which a paused clock hides
//!
//! release build: starting a task takes several times as long without optimisation
//!
//! ```python
//! tasks = [asyncio.create_task(asyncio.sleep(1)) for _ in range(100_000)]
//! await asyncio.gather(*tasks)
//! ```
//!
//! Not the same: a Rust task is one allocation of a size known when it is compiled, with no stack and no dictionaries in it.
//! And it needn't be a task: futures that wait side by side in one task spare the task around each, and run on one
//! thread for ever. `join_all` keeps a node for each, so that a wake-up polls the one it is for and not all.

use anyhow::Result;
use futures_util::{future::join_all, poll};
use timing::{Timings, law::at_least, memory::Usage, ticks};
use tokio::{
    task::{JoinHandle, coop::unconstrained, yield_now},
    time::{Sleep, sleep},
};

use crate::options::Options;

/// With fewer tasks than this, whole pages blur what one of them keeps resident.
const MANY: usize = 10_000;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    // Ten times as many each time, and at last what the reader asked for.
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
    t.count("of it a Sleep", size_of::<Sleep>());
    Ok(())
}

/// Starts the tasks, waits for all of them, and tells what they took while they waited.
async fn one_task_each(tasks: usize) -> Result<Usage> {
    let before = Usage::now();
    let handles: Vec<JoinHandle<()>> = (0..tasks).map(|_| tokio::spawn(sleep(ticks(1)))).collect();
    // Every task gets its first poll here, and with it its place among the timers.
    yield_now().await;
    let cost = before.growth();
    for handle in handles {
        handle.await?;
    }
    Ok(cost)
}

async fn side_by_side(futures: usize) -> Usage {
    let before = Usage::now();
    // Unconstrained: in its own interest a task must let others run after 128 steps with tokio's timers, and whoever polls
    // a hundred thousand of them from one task would start over 800 times.
    let mut all = unconstrained(join_all((0..futures).map(|_| sleep(ticks(1)))));
    // One poll of the whole starts every timer in it, as `.await` would; then there is something to weigh.
    let done = poll!(&mut all).is_ready();
    let cost = before.growth();
    if !done {
        all.await;
    }
    cost
}

fn count(t: &mut Timings, tasks: usize, cost: Usage) {
    t.count("bytes each", cost.asked / tasks);
    // What an earlier variant gave back is used again, so this can fall below what was asked for.
    if let Some(resident) = cost.resident.filter(|_| tasks >= MANY) {
        t.count("resident each", resident / tasks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_of_them_wait_at_the_same_time() {
        let mut t = Timings::default();
        let options = Options {
            tasks: 1_000,
            ..Options::default()
        };
        run(&mut t, &options).await.unwrap();
        for variant in ["10 tasks", "100 tasks", "1000 tasks", "1000 in one task"] {
            assert_eq!(t[variant].elapsed, ticks(1), "{variant}");
        }
    }
}
