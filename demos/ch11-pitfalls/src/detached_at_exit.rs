//! # A task that is still at work when `main` returns
//!
//! A shop sells something, which takes 0.5 ticks, and a task writes 3 lines into an audit log, one a tick. If `main`
//! doesn't await the task, the program is over after 0.5 ticks, and 0 of 3 lines are written, even if its handle is
//! kept. If `main` awaits the handle, all 3 are, after 3 ticks. A `TaskTracker` waits for all tasks it has spawned.
//!
//! asyncio: create_task, asyncio.run, TaskGroup
//!
//! real clock: each variant builds and drops its own runtime
//!
//! How to see it: rustc and clippy accept `tokio::spawn(…);`. Of `let _ = tokio::spawn(…);` clippy warns by default
//! (`let_underscore_future`). In the timeline the lane of the task is cancelled where that of its `main` ends.
//!
//! Cured in: `tasks/task-group`, `runtime/wait-for-all`, `runtime/shutdown`
//!
//! ```python
//! async def main():
//!     audit = asyncio.create_task(write_audit_log())    # cancelled at the end of asyncio.run
//!     await sell()
//! asyncio.run(main())
//! ```
//!
//! Not the same: `asyncio.run` cancels the task at its end and waits for its clean-up, so a `finally` can still write
//! with an `await`. The end of a runtime drops the task: only `Drop` still runs (`runtime/runtime-end`). asyncio's
//! loop holds a task weakly, so without `audit` it could be freed even before; a runtime owns its tasks.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use anyhow::Result;
use timing::{
    Timings,
    law::{exactly, max},
    ticks,
};
use tokio::{runtime::Builder, time::sleep};
use tokio_util::task::TaskTracker;
use tracing::instrument;

const LINES: u32 = 3;

pub fn run(t: &mut Timings) -> Result<()> {
    let log = Log::default();
    let shop = || runs(returns_early(log.clone()));
    t.time_blocking("not awaited", exactly(0.5), shop)?;
    t.count("lines written", log.written());

    let law = || max([0.5, f64::from(LINES)]);
    let log = Log::default();
    let shop = || runs(awaits_the_handle(log.clone()));
    t.time_blocking("handle awaited", law(), shop)?;
    t.count("lines written", log.written());

    let log = Log::default();
    let shop = || runs(waits_for_the_tracker(log.clone()));
    t.time_blocking("TaskTracker", law(), shop)?;
    t.count("lines written", log.written());
    Ok(())
}

/// What `#[tokio::main(flavor = "current_thread")]` makes of `async fn main`. At the end of this function the runtime
/// is dropped, and its tasks with it.
fn runs(main: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(main)
}

#[instrument(ret, err, skip_all)]
async fn returns_early(log: Log) -> Result<()> {
    let _audit = tokio::spawn(writes_audit_log(log));
    sells().await;
    Ok(()) // <- the difference: a handle that is only kept makes nobody wait
}

#[instrument(ret, err, skip_all)]
async fn awaits_the_handle(log: Log) -> Result<()> {
    let audit = tokio::spawn(writes_audit_log(log));
    sells().await;
    // A panic of the task is returned here as well. Where nobody awaits the handle only the panic hook tells of it.
    audit.await?; // <- the difference
    Ok(())
}

/// For tasks that are spawned in many places, with no place that holds all their handles.
#[instrument(ret, err, skip_all)]
async fn waits_for_the_tracker(log: Log) -> Result<()> {
    let tasks = TaskTracker::new();
    let audit = tasks.spawn(writes_audit_log(log));
    sells().await;
    tasks.close(); // `wait` doesn't return before that
    tasks.wait().await; // <- the difference
    audit.await?; // the tracker knows that a task has ended, not how: a panic is told by its handle
    Ok(())
}

async fn sells() {
    sleep(ticks(0.5)).await;
}

#[instrument(ret, skip_all)]
async fn writes_audit_log(log: Log) {
    for _ in 0..LINES {
        sleep(ticks(1)).await; // a disk, or a server elsewhere
        log.0.fetch_add(1, Relaxed);
    }
}

/// How many lines have been written.
#[derive(Clone, Default)]
struct Log(Arc<AtomicU32>);

impl Log {
    fn written(&self) -> String {
        format!("{} of {LINES}", self.0.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[test]
    fn a_task_that_is_not_awaited_is_dropped_with_the_runtime_and_nothing_is_written() {
        let t = Timings::of_blocking(run);
        let dropped = &t["not awaited"];
        assert_eq!(*dropped.count("lines written"), "0 of 3");
        assert_eq!(dropped.lane("writes_audit_log").ended, Ended::Cancelled);
        assert_eq!(dropped.lane("returns_early").ended, Ended::Returned);
    }

    #[test]
    fn one_that_is_awaited_writes_all() {
        let t = Timings::of_blocking(run);
        for label in ["handle awaited", "TaskTracker"] {
            assert_eq!(*t[label].count("lines written"), "3 of 3", "{label}");
            assert_eq!(t[label].lane("writes_audit_log").ended, Ended::Returned);
            assert!(t[label].elapsed >= ticks(3), "{label}");
        }
    }
}
