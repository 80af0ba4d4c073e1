//! # Detached: a panic is printed, an `Err` is seen by nobody
//!
//! A cook fails in a task that nobody awaits, and the kitchen goes on serving. A panic prints 1 line when it happens.
//! An `Err` prints 0: it is what the function returned, and it is dropped with the task. Of 2 failures in a `JoinSet`
//! 2 are fetched. So a task that can fail is awaited, by its handle or in a set, or it reports its failure itself. One
//! place for all failures: `runtime/exception-handler`.
//!
//! asyncio: Task exception was never retrieved
//!
//! ```python
//! async def burns(): raise Burnt()
//!
//! cook = asyncio.create_task(burns())
//! await serve()     # goes on, and nothing is printed yet
//! del cook          # now: "Task exception was never retrieved"
//! ```
//!
//! Not the same: asyncio keeps the exception in the Task and logs it when the Task is freed and nobody has asked.
//! tokio logs nothing. A panic is printed by the panic hook at once, even if somebody awaits the task; by default on
//! stderr, in these lessons as a line of its lane. rustc doesn't warn about a dropped handle, even with a `Result`
//! inside. And asyncio may collect a waiting task that nobody holds: "Task was destroyed but it is pending!" tokio
//! keeps it as long as the runtime lives, even one that nothing can wake.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use anyhow::Result;
use timing::{Timings, law::exactly, report::Level, ticks};
use tokio::{runtime::Handle, task::JoinSet, time::sleep};
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    let failed = Arc::new(AtomicU32::new(0));
    t.time("panic, detached", exactly(2), async {
        tokio::spawn(drops_the_pot(failed.clone()));
        serves().await;
    })
    .await;
    count(t, "panic, detached", &failed);

    let failed = Arc::new(AtomicU32::new(0));
    t.time("`Err`, detached", exactly(2), async {
        // The compiler says nothing: the `Result` is inside the handle, and a handle may be dropped.
        tokio::spawn(burns_the_stew(failed.clone()));
        serves().await;
    })
    .await;
    count(t, "`Err`, detached", &failed);

    let failed = Arc::new(AtomicU32::new(0));
    t.time("`Err`, reported", exactly(2), async {
        tokio::spawn(burns_and_reports(failed.clone())); // <- the difference
        serves().await;
    })
    .await;
    count(t, "`Err`, reported", &failed);

    let failed = Arc::new(AtomicU32::new(0));
    let mut fetched = 0;
    t.time("kept in a JoinSet", exactly(1), async {
        let mut cooks = JoinSet::new();
        cooks.spawn(drops_the_pot(failed.clone()));
        cooks.spawn(burns_the_stew(failed.clone()));
        // `join_next` hands out a `Result` in a `Result`: a `match` on it doesn't compile without a case for each
        // failure.
        while let Some(ended) = cooks.join_next().await {
            match ended {
                Err(join_error) => info!("fetched: {join_error}"),
                Ok(Err(error)) => info!("fetched: {error}"),
                Ok(Ok(())) => continue,
            }
            fetched += 1;
        }
    })
    .await;
    count(t, "kept in a JoinSet", &failed);
    t.count("fetched", fetched);

    let alive = || Handle::current().metrics().num_alive_tasks();
    let before = alive();
    t.time("nobody can wake it", exactly(2), async {
        tokio::spawn(waits_for_ever());
        serves().await;
    })
    .await;
    t.count("tasks alive", alive() - before);
    Ok(())
}

/// What was printed is read from the record of the variant: lines said as an error, by the panic hook or by a
/// function. Under `cargo test` the hook is the test harness's, whose line isn't in the record.
fn count(t: &mut Timings, variant: &str, failed: &AtomicU32) {
    let said = t[variant].said.iter();
    let lines = said.filter(|line| line.level == Level::Error).count();
    t.count("failed", failed.load(Relaxed));
    t.count("printed", lines);
}

/// What the kitchen does meanwhile. No failure of a task reaches it.
#[instrument(ret)]
async fn serves() {
    sleep(ticks(2)).await;
}

#[instrument(ret, skip(failed))]
async fn drops_the_pot(failed: Arc<AtomicU32>) -> Result<(), &'static str> {
    sleep(ticks(1)).await;
    failed.fetch_add(1, Relaxed);
    panic!("the pot fell");
}

/// Has no `err` in its `#[instrument]`, which would report the error. Most functions don't report what they return.
#[instrument(ret, skip(failed))]
async fn burns_the_stew(failed: Arc<AtomicU32>) -> Result<(), &'static str> {
    sleep(ticks(1)).await;
    failed.fetch_add(1, Relaxed);
    Err("the stew is burnt")
}

/// A task that has to be detached writes down its own failure, here by `err`: an event of level ERROR, and a lane
/// that is marked as failed.
#[instrument(ret, err, skip(failed))]
async fn burns_and_reports(failed: Arc<AtomicU32>) -> Result<(), &'static str> {
    burns_the_stew(failed).await
}

/// `pending` is never ready and keeps nothing that could wake its task (`runtime/waker`). In asyncio that is
/// `await loop.create_future()`.
#[instrument(ret)]
async fn waits_for_ever() {
    pending().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test(start_paused = true)]
    async fn a_detached_failure_does_not_stop_the_others() {
        let t = Timings::of(run).await;
        for label in ["panic, detached", "`Err`, detached", "`Err`, reported"] {
            let variant = &t[label];
            assert_eq!(*variant.count("failed"), 1, "{label}");
            let serves = variant.lane("serves");
            assert_eq!(
                (serves.ended, serves.end),
                (Ended::Returned, ticks(2)),
                "{label}"
            );
        }
        let pot = t["panic, detached"].lane("drops_the_pot");
        assert_eq!((pot.ended, pot.end), (Ended::Panicked, ticks(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_detached_err_vanishes() {
        let t = Timings::of(run).await;
        let vanished = &t["`Err`, detached"];
        assert_eq!(*vanished.count("failed"), 1);
        assert_eq!(*vanished.count("printed"), 0);
        assert!(vanished.said.is_empty());
        assert_eq!(vanished.lane("burns_the_stew").ended, Ended::Returned);
    }

    #[tokio::test(start_paused = true)]
    async fn unless_its_function_reports_it() {
        let t = Timings::of(run).await;
        let reported = &t["`Err`, reported"];
        assert_eq!(*reported.count("printed"), 1);
        assert_eq!(reported.lane("burns_and_reports").ended, Ended::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_join_set_hands_out_both() {
        let t = Timings::of(run).await;
        let kept = &t["kept in a JoinSet"];
        assert_eq!(*kept.count("failed"), 2);
        assert_eq!(*kept.count("fetched"), 2);
        assert_eq!(kept.elapsed, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_nobody_holds_or_can_wake_is_kept() {
        let t = Timings::of(run).await;
        let kept = &t["nobody can wake it"];
        assert_eq!(*kept.count("tasks alive"), 1);
        assert_eq!(kept.lane("waits_for_ever").ended, Ended::Outlived);
    }
}
