//! # Waiting for all tasks, from inside one of them
//!
//! Three jobs take 1, 2 and 3 ticks, and a fourth task closes the shop when all are done. A `TaskTracker`
//! (`tasks/task-group`) knows when that is: after 3 ticks. If the fourth task is tracked, too, it waits for itself as
//! well: the jobs are done after 3 ticks, and it still waits when the deadline of 5 has come, with 1 task in the
//! tracker. Nothing is reported: a wait for oneself looks like any other.
//!
//! asyncio: all_tasks, current_task, gather
//!
//! ```python
//! async def close(main):               # a task; `main`, the task of `main()`, awaits it
//!     rest = asyncio.all_tasks() - {asyncio.current_task(), main}
//!     await asyncio.gather(*rest)      # with itself or with `main` among them: waits for ever
//! ```
//!
//! Not the same: `all_tasks` has the caller in it and the task of `main`, so both have to be taken out. In tokio there
//! is no such list: a task waits for those that the program has put into a tracker, and the program decides who belongs
//! there. The `main` of asyncio is a task like the others; the function that `block_on` runs is none.

use anyhow::Result;
use timing::{
    Timings,
    law::{exactly, max},
    ticks,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;
use tracing::instrument;

pub async fn run(t: &mut Timings) -> Result<()> {
    let jobs = jobs();
    let closing = tokio::spawn(closes(jobs.clone()));
    let closing = until_the_deadline(closing);
    let shop = t.time("not tracked", max([1, 2, 3]), closing).await?;
    t.count("the shop", shop);
    t.count("tasks it waits for", jobs.len());

    let jobs = self::jobs();
    let closing = jobs.spawn(closes(jobs.clone())); // <- the difference
    let closing = until_the_deadline(closing);
    let shop = t.time("tracked itself", exactly(5), closing).await?;
    t.count("the shop", shop);
    t.count("tasks it waits for", jobs.len());
    Ok(())
}

fn jobs() -> TaskTracker {
    let jobs = TaskTracker::new();
    for time in [1, 2, 3] {
        jobs.spawn(works(time));
    }
    jobs
}

/// `wait` returns when the tracker is closed and no tracked task is left. In an open tracker it waits on, since
/// another task may come.
#[instrument(ret, skip(jobs))]
async fn closes(jobs: TaskTracker) {
    jobs.close();
    jobs.wait().await;
}

async fn until_the_deadline(mut closing: JoinHandle<()>) -> Result<&'static str> {
    let Ok(closed) = timeout(ticks(5), &mut closing).await else {
        // The timeout ends this wait and not the task, which would go on, even without its handle.
        closing.abort();
        return Ok("still open");
    };
    closed?;
    Ok("closed")
}

#[instrument(ret)]
async fn works(time: u32) {
    sleep(ticks(time)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test(start_paused = true)]
    async fn outside_the_tracker_it_waits_for_the_others() {
        let t = Timings::of(run).await;
        let outside = &t["not tracked"];
        assert_eq!(outside.elapsed, ticks(3));
        assert_eq!(outside.lane("closes").ended, Ended::Returned);
        assert_eq!(*outside.count("the shop"), "closed");
        assert_eq!(*outside.count("tasks it waits for"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_tracked_waits_for_itself() {
        let t = Timings::of(run).await;
        let tracked = &t["tracked itself"];
        assert_eq!(tracked.elapsed, ticks(5));
        assert_eq!(tracked.lane("works(3)").end, ticks(3));
        assert_eq!(tracked.lane("closes").ended, Ended::Outlived);
        assert_eq!(*tracked.count("the shop"), "still open");
        assert_eq!(*tracked.count("tasks it waits for"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_on_an_open_tracker_does_not_return() {
        let jobs = TaskTracker::new();
        assert!(timeout(ticks(100), jobs.wait()).await.is_err());
        jobs.close();
        jobs.wait().await;
    }
}
