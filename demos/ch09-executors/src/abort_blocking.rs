//! # A thread can't be aborted, only asked
//!
//! A milling job blocks its thread for two passes of 1 tick. `abort` doesn't end it: both passes are made, and the
//! waiter gets the result after 2 ticks. A job that is still in the queue never begins after `abort`, but its waiter
//! hears of it only when a thread takes it from the queue, here when the job before it ends, after 2 ticks. A timeout
//! of half a tick ends the waiting and not the job: both passes are made in the end. A `CancellationToken` that the
//! job looks at after each pass ends it after 1 pass. How the end of a runtime waits for such a job, or leaves
//! it behind, is in `runtime/runtime-end`.
//!
//! asyncio: run_in_executor, Future.cancel
//!
//! real clock: threads that block
//!
//! ```python
//! stop = threading.Event()
//! job = asyncio.create_task(asyncio.to_thread(mill, stop))
//! job.cancel()      # once it is under way: CancelledError for the waiter, and the thread goes on
//! stop.set()        # `mill` looks at it after each pass
//! ```
//!
//! Not the same: `cancel` frees the waiter at once, and what the thread returns is lost. After `abort` the waiter
//! goes on waiting, and gets what the thread returns. `asyncio.run` waits at its end for the threads of `to_thread`,
//! as the drop of a runtime does, and Python waits for its pools once more when it exits. A Rust program that ends
//! ends all of its threads, wherever they are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    task::{JoinError, JoinHandle, spawn_blocking},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::instrument;

const PASSES: u32 = 2;

pub fn run(t: &mut Timings) -> Result<()> {
    time(t, "abort, under way", 2.0, aborted_under_way)?;
    time(t, "abort, in the queue", 2.0, aborted_in_the_queue)?;
    time(t, "timeout", 0.5, given_up)?;
    time(t, "asked by a token", 1.0, asked_to_stop)?;
    Ok(())
}

/// Each on a runtime of its own. Its drop waits for a job that still runs, and shows how that ends.
fn time(
    t: &mut Timings,
    label: &str,
    law: f64,
    waits: impl AsyncFnOnce(&Arc<Mill>) -> Result<u32>,
) -> Result<()> {
    let (runtime, mill) = (single_threaded()?, Mill::making(PASSES));
    let job = || runtime.block_on(waits(&mill));
    let result = t.time_blocking(label, exactly(law), job);
    t.count("passes then", mill.made.load(Relaxed));
    drop(runtime);
    t.count("in the end", mill.made.load(Relaxed));
    t.count("begun", mill.begun.load(Relaxed));
    let result = match result {
        Ok(passes) => format!("{passes} made"),
        Err(error) if error.is::<JoinError>() => "cancelled".into(), // its text also tells the id of the task
        Err(error) => error.to_string(),
    };
    t.count("result", result);
    Ok(())
}

/// Nothing stops a thread safely from outside: it may hold a lock, or be in the middle of a write. So `abort` only
/// keeps a job from being begun, and this one has begun.
async fn aborted_under_way(mill: &Arc<Mill>) -> Result<u32> {
    let job = begun(mill).await;
    job.abort();
    Ok(job.await?)
}

async fn aborted_in_the_queue(mill: &Arc<Mill>) -> Result<u32> {
    let _first = begun(mill).await; // occupies the only thread
    let second = mill.start();
    second.abort();
    Ok(second.await?) // the `Err` comes when a thread takes the job from the queue, and drops it
}

/// The timeout drops the handle, and the result has no receiver any more. The job isn't told.
async fn given_up(mill: &Arc<Mill>) -> Result<u32> {
    let job = begun(mill).await;
    Ok(timeout(ticks(0.5), job).await??)
}

async fn asked_to_stop(mill: &Arc<Mill>) -> Result<u32> {
    let job = begun(mill).await;
    mill.stop.cancel(); // the job is told, and ends where it looks
    Ok(job.await?)
}

/// Returns when a thread has begun the job.
async fn begun(mill: &Arc<Mill>) -> JoinHandle<u32> {
    let job = mill.start();
    mill.begins.notified().await;
    job
}

/// One thread for blocking calls, so that a second job has to queue.
fn single_threaded() -> Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    Ok(builder.enable_all().max_blocking_threads(1).build()?)
}

#[derive(Default)]
struct Mill {
    passes: u32,
    stop: CancellationToken,
    begins: Notify,
    begun: AtomicU32,
    made: AtomicU32,
}

impl Mill {
    fn making(passes: u32) -> Arc<Self> {
        let mill = Self::default();
        Arc::new(Self { passes, ..mill })
    }

    fn start(self: &Arc<Self>) -> JoinHandle<u32> {
        let mill = self.clone();
        spawn_blocking(move || mill.work())
    }

    /// Makes all passes, or stops after the one in which it is asked to. Returns how many it has made.
    #[instrument(ret, skip(self))]
    fn work(&self) -> u32 {
        self.begun.fetch_add(1, Relaxed);
        self.begins.notify_one();
        for pass in 1..=self.passes {
            #[expect(clippy::disallowed_methods, reason = "a machine that only blocks")]
            thread::sleep(ticks(1));
            self.made.fetch_add(1, Relaxed);
            if self.stop.is_cancelled() {
                return pass;
            }
        }
        self.passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u32 = 3_000; // no job ends by itself during a test

    #[test]
    fn a_job_under_way_goes_on_after_abort_and_its_result_comes() {
        let t = Timings::of_blocking(run);
        let aborted = &t["abort, under way"];
        assert!(aborted.elapsed >= ticks(2));
        assert_eq!(*aborted.count("passes then"), 2);
        assert_eq!(*aborted.count("result"), "2 made");
    }

    #[test]
    fn a_job_in_the_queue_never_begins_after_abort_and_its_waiter_hears_of_it_late() {
        let t = Timings::of_blocking(run);
        let aborted = &t["abort, in the queue"];
        assert_eq!(*aborted.count("begun"), 1, "the one before it");
        assert_eq!(*aborted.count("result"), "cancelled");
        assert!(aborted.elapsed >= ticks(2), "the passes of the first job");
    }

    #[test]
    fn a_timeout_ends_the_waiting_and_a_token_the_job() {
        let (runtime, mill) = (single_threaded().unwrap(), Mill::making(MANY));
        let error = runtime.block_on(given_up(&mill)).unwrap_err();
        assert_eq!(error.to_string(), "deadline has elapsed");
        let by_then = mill.made.load(Relaxed);
        mill.stop.cancel();
        drop(runtime); // waits until the job looks at the token
        let made = mill.made.load(Relaxed);
        assert!(by_then < made && made < MANY, "it went on, and was stopped");
        let t = Timings::of_blocking(run);
        assert_eq!(*t["timeout"].count("in the end"), PASSES);

        let (runtime, mill) = (single_threaded().unwrap(), Mill::making(MANY));
        assert!(runtime.block_on(asked_to_stop(&mill)).unwrap() < MANY);
        assert_eq!(mill.work(), 1, "it looks after each pass");
    }
}
