//! # When waiting ends: the first, the first failure, or all
//!
//! Tea is ready after 1 tick, the toast burns after 2, the stew is ready after 3. Waiting for the first one takes 1
//! tick, waiting for the first failure 2, waiting for all 3. asyncio has a parameter for it, tokio has none: all
//! three are a loop over `join_next` of a `JoinSet`, and they differ in the condition under which it ends.
//!
//! asyncio: FIRST_EXCEPTION, ALL_COMPLETED
//!
//! ```python
//! done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
//! for task in pending:
//!     task.cancel()
//! ```
//!
//! Not the same: to `asyncio.wait` a task has failed when it has raised an exception. In Rust a task can fail in two
//! ways: it returns an `Err`, which is a value like any other, or it panics or is aborted, and then awaiting it gives
//! a `JoinError`. Both are failures here. And what is pending needs no loop to be cancelled: the set aborts it.

use anyhow::{Error, Result, bail};
use timing::{Timings, law::exactly, ticks};
use tokio::{task::JoinSet, time::sleep};
use tracing::{info, instrument};

/// When waiting ends, as asyncio's `return_when` has it.
#[derive(Clone, Copy)]
enum Until {
    FirstCompleted,
    FirstException,
    AllCompleted,
}

pub async fn run(t: &mut Timings) -> Result<()> {
    for (label, law, until) in [
        ("FIRST_COMPLETED", exactly(1), Until::FirstCompleted),
        ("FIRST_EXCEPTION", exactly(2), Until::FirstException),
        ("ALL_COMPLETED", exactly(3), Until::AllCompleted),
    ] {
        let kitchen = t.time(label, law, waits(until)).await;
        t.count("ready", kitchen.ready);
        t.count("failed", kitchen.failed);
        t.count("pending", kitchen.pending);
    }
    Ok(())
}

struct Kitchen {
    ready: usize,
    failed: usize,
    pending: usize,
}

async fn waits(until: Until) -> Kitchen {
    let mut tasks = JoinSet::new();
    tasks.spawn(cook("tea", 1));
    tasks.spawn(burn("toast", 2));
    tasks.spawn(cook("stew", 3));

    let (mut ready, mut failed) = (0, 0);
    while let Some(ended) = tasks.join_next().await {
        // A panic or an abort first, then the task's own error: one kind of failure for both.
        let dish = ended.map_err(Error::from).and_then(|dish| dish);
        match dish {
            Ok(_) => ready += 1,
            Err(_) => failed += 1,
        }
        let enough = match until {
            Until::FirstCompleted => true,
            Until::FirstException => failed > 0,
            Until::AllCompleted => false,
        };
        if enough {
            break;
        }
    }
    // A task that is done and wasn't taken out is counted too; to asyncio it is `done`. Here no two end together.
    let pending = tasks.len();
    // Dropping the set would abort them too. This also waits until they are gone. It throws away what they return, also
    // the result, error or panic of a task that is done: to see those, call `abort_all` and go on with `join_next`.
    tasks.shutdown().await;
    Kitchen {
        ready,
        failed,
        pending,
    }
}

#[instrument(ret, err)]
async fn cook(dish: &'static str, time: u32) -> Result<&'static str> {
    sleep(ticks(time)).await;
    info!("ready");
    Ok(dish)
}

#[instrument(ret, err)]
async fn burn(dish: &'static str, time: u32) -> Result<&'static str> {
    sleep(ticks(time)).await;
    bail!("the {dish} is black")
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test(start_paused = true)]
    async fn each_mode_stops_where_it_says() {
        let t = Timings::of(run).await;
        for (label, time, ready, failed, pending) in [
            ("FIRST_COMPLETED", 1, 1, 0, 2),
            ("FIRST_EXCEPTION", 2, 1, 1, 1),
            ("ALL_COMPLETED", 3, 2, 1, 0),
        ] {
            assert_eq!(t[label].elapsed, ticks(time), "{label}");
            assert_eq!(*t[label].count("ready"), ready, "{label}");
            assert_eq!(*t[label].count("failed"), failed, "{label}");
            assert_eq!(*t[label].count("pending"), pending, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_pending_is_cancelled_and_what_failed_is_marked() {
        let t = Timings::of(run).await;
        let first = &t["FIRST_EXCEPTION"];
        assert_eq!(first.lane("tea").ended, Ended::Returned);
        assert_eq!(first.lane("toast").ended, Ended::Failed);
        assert_eq!(first.lane("stew").ended, Ended::Cancelled);
        assert_eq!(first.lane("stew").end, ticks(2));
    }
}
