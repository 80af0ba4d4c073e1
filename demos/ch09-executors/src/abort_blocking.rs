//! # A thread can't be aborted, only asked
//!
//! A milling job blocks its thread for two passes of 1 tick. `abort` doesn't end it: it makes both passes, and its
//! waiter gets the 2 after 2 ticks. A job that is still in the queue is aborted: of two jobs 1 has begun. A timeout
//! ends the waiting after half a tick, with 0 passes made; in the end there are 2. A token that the job looks at after
//! each pass does end it, after 1. The end of the runtime waits for the job, too: 2 ticks. `shutdown_timeout` waits as
//! long as it is told, half a tick here, and `shutdown_background` not at all: they leave the thread behind.
//!
//! asyncio: run_in_executor, Future.cancel, shutdown_default_executor
//!
//! real clock: threads that block
//!
//! ```python
//! stop = threading.Event()
//! job = asyncio.create_task(asyncio.to_thread(mill, stop))
//! job.cancel()      # once it is under way: CancelledError for the waiter, and the thread goes on
//! stop.set()        # `mill` looks at it after each pass
//! await asyncio.get_running_loop().shutdown_default_executor(timeout=1)
//! ```
//!
//! Not the same: `cancel` frees the waiter at once, and what the thread returns is lost. After `abort` the waiter goes
//! on waiting, and gets it. When Python exits, it waits for every thread of a `ThreadPoolExecutor`. A Rust program that
//! has left a thread behind ends without waiting, and the thread ends with it, in the middle of its work.

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
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::instrument;

const PASSES: u32 = 2;

pub fn run(t: &mut Timings) -> Result<()> {
    let (runtime, mill) = workshop()?;
    let job = || runtime.block_on(aborted_under_way(&mill));
    let result = t.time_blocking("abort, under way", exactly(2), job);
    count(t, runtime, &mill, result);

    let (runtime, mill) = workshop()?;
    let job = || runtime.block_on(aborted_in_the_queue(&mill));
    let result = t.time_blocking("abort, in the queue", exactly(2), job);
    count(t, runtime, &mill, result);

    let (runtime, mill) = workshop()?;
    let job = || runtime.block_on(given_up(&mill));
    let result = t.time_blocking("timeout", exactly(0.5), job);
    count(t, runtime, &mill, result);

    let (runtime, mill) = workshop()?;
    let job = || runtime.block_on(asked_to_stop(&mill));
    let result = t.time_blocking("asked by a token", exactly(1), job);
    count(t, runtime, &mill, result);

    let ends: [(_, _, fn(Runtime)); 3] = [
        ("drop(runtime)", 2.0, drop),
        ("shutdown_timeout", 0.5, |runtime| {
            runtime.shutdown_timeout(ticks(0.5))
        }),
        ("shutdown_background", 0.0, Runtime::shutdown_background),
    ];
    for (label, waits, end) in ends {
        let (runtime, mill) = workshop()?;
        let job = || {
            runtime.block_on(begun(&mill));
            end(runtime);
        };
        t.time_blocking(label, exactly(waits), job);
        t.count("passes", mill.passes.load(Relaxed));
    }
    Ok(())
}

/// A thread can't be stopped from outside: it could hold a lock, or be in the middle of a write. So `abort` only keeps a
/// job from being begun, and this one has begun.
async fn aborted_under_way(mill: &Arc<Mill>) -> Result<u32> {
    let job = begun(mill).await;
    job.abort();
    Ok(job.await?)
}

async fn aborted_in_the_queue(mill: &Arc<Mill>) -> Result<u32> {
    let _first = begun(mill).await; // keeps the only thread
    let second = mill.start();
    second.abort();
    Ok(second.await?) // comes when a thread takes it from the queue, and drops it
}

/// The timeout drops the handle, and the result has no receiver any more. The job isn't told.
async fn given_up(mill: &Arc<Mill>) -> Result<u32> {
    let job = begun(mill).await;
    Ok(timeout(ticks(0.5), job).await??)
}

async fn asked_to_stop(mill: &Arc<Mill>) -> Result<u32> {
    let job = begun(mill).await;
    mill.stop.cancel(); // <- the difference: the job is told, and ends where it looks
    Ok(job.await?)
}

/// Returns when a thread has begun the job.
async fn begun(mill: &Arc<Mill>) -> JoinHandle<u32> {
    let job = mill.start();
    mill.begins.notified().await;
    job
}

/// One thread for blocking calls, so that a second job has to queue.
fn workshop() -> Result<(Runtime, Arc<Mill>)> {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(1).build()?;
    Ok((runtime, Arc::default()))
}

fn count(t: &mut Timings, runtime: Runtime, mill: &Mill, result: Result<u32>) {
    t.count("passes", mill.passes.load(Relaxed));
    drop(runtime); // waits for what still runs
    t.count("in the end", mill.passes.load(Relaxed));
    t.count("jobs begun", mill.begun.load(Relaxed));
    let result = result.map_or_else(|error| error.to_string(), |passes| passes.to_string());
    t.count("result", result);
}

#[derive(Default)]
struct Mill {
    stop: CancellationToken,
    begins: Notify,
    begun: AtomicU32,
    passes: AtomicU32,
}

impl Mill {
    fn start(self: &Arc<Self>) -> JoinHandle<u32> {
        let mill = self.clone();
        spawn_blocking(move || mill.work())
    }

    /// Makes both passes, or stops after the one in which it is asked to. Returns how many it has made.
    #[instrument(ret, skip(self))]
    fn work(&self) -> u32 {
        self.begun.fetch_add(1, Relaxed);
        self.begins.notify_one();
        for pass in 1..=PASSES {
            #[expect(clippy::disallowed_methods, reason = "a machine that only blocks")]
            thread::sleep(ticks(1));
            self.passes.fetch_add(1, Relaxed);
            if self.stop.is_cancelled() {
                return pass;
            }
        }
        PASSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t).unwrap();
        t
    }

    #[test]
    fn a_job_under_way_goes_on_after_abort_and_its_result_comes() {
        let t = measured();
        let aborted = &t["abort, under way"];
        assert!(aborted.elapsed >= ticks(2));
        assert_eq!(*aborted.count("passes"), 2);
        assert_eq!(*aborted.count("result"), "2");
    }

    #[test]
    fn a_job_in_the_queue_never_begins_after_abort() {
        let t = measured();
        let aborted = &t["abort, in the queue"];
        assert_eq!(*aborted.count("jobs begun"), 1, "the one before it");
        assert_eq!(*aborted.count("in the end"), 2, "the passes of that one");
        let told = format!("{:?}", aborted.count("result"));
        assert!(told.contains("was cancelled"), "{told}");
    }

    #[test]
    fn a_timeout_ends_the_waiting_and_not_the_job() {
        let t = measured();
        let given_up = &t["timeout"];
        assert_eq!(*given_up.count("result"), "deadline has elapsed");
        assert_eq!(*given_up.count("in the end"), 2);
    }

    #[test]
    fn a_job_that_looks_at_a_token_ends_after_a_pass() {
        let mill = Mill::default();
        mill.stop.cancel();
        assert_eq!(mill.work(), 1);

        let t = measured();
        let asked = &t["asked by a token"];
        assert_eq!(*asked.count("in the end"), 1);
        assert_eq!(*asked.count("result"), "1");
    }

    #[test]
    fn the_end_of_a_runtime_waits_for_the_job_unless_it_is_told_not_to() {
        let t = measured();
        assert!(t["drop(runtime)"].elapsed >= ticks(2));
        assert_eq!(*t["drop(runtime)"].count("passes"), 2);
        assert!(t["shutdown_timeout"].elapsed >= ticks(0.5));
        for left_behind in ["shutdown_timeout", "shutdown_background"] {
            assert_ne!(*t[left_behind].count("passes"), 2, "{left_behind}");
        }
    }
}
