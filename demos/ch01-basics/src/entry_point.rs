//! # The entry point: a runtime, and `block_on`
//!
//! `#[tokio::main]` does three things: it builds a runtime, hands it the function's body as one future, and blocks
//! the thread until that future is done. The same can be written by hand, and in either form it can run more than
//! once. Three runtimes one after another take 3 ticks; side by side, each on a thread of its own, they take 1. One
//! inside another is refused with a panic. It is caught here, so the outer one goes on; else it would end both. What
//! works there: `executors/sync-to-async`. When a runtime is dropped, its unfinished tasks are cancelled: here 1.
//!
//! asyncio: run, Runner
//!
//! real clock: each runtime has a clock of its own, and its thread is blocked until it is done
//!
//! ```python
//! async def main(): await cook("soup")
//!
//! asyncio.run(main())
//! with asyncio.Runner() as runner: runner.run(main())    # the same by hand
//! ```
//!
//! Not the same: inside a running loop `asyncio.run` raises RuntimeError, `block_on` panics. At its end `asyncio.run`
//! cancels the tasks that are left and waits while they clean up; a tokio runtime drops them at the `.await` they
//! have reached, and only the `Drop`s of what they hold still run (`runtime/runtime-end`). Without a flavour
//! `#[tokio::main]` starts a worker thread for every core that the process may use, or as many as the environment
//! variable `TOKIO_WORKER_THREADS` says. These lessons ask for `current_thread`, which runs every task on the calling
//! thread, as asyncio does.

use std::{
    io,
    panic::catch_unwind,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use anyhow::Result;
use timing::{
    Timings,
    law::{exactly, max, sum},
    ticks,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Barrier,
    time::sleep,
};
use tracing::{info, instrument};

const RUNTIMES: usize = 3;

/// Not `async`: like `main`, this runs outside any runtime.
pub fn run(t: &mut Timings) -> Result<()> {
    t.time_blocking("the attribute", exactly(1), runs_by_attribute);
    t.time_blocking("the same by hand", exactly(1), runs_by_hand)?;

    let workers = t.time_blocking("without a flavour", exactly(1), runs_on_every_core);
    t.count("workers", workers);
    t.count("cores", thread::available_parallelism()?.get());

    t.time_blocking("one after another", sum([1; RUNTIMES]), || {
        (0..RUNTIMES).try_for_each(|_| runs_by_hand())
    })?;

    let peak = t.time_blocking("side by side", max([1; RUNTIMES]), runs_side_by_side)?;
    t.count("open at once", peak);

    let nested = t.time_blocking("one inside another", exactly(1), runs_inside_another)?;
    t.count("refused", usize::from(nested.is_err()));

    let cancelled = t.time_blocking("dropped too early", exactly(1), drops_the_runtime)?;
    t.count("cancelled", usize::from(cancelled));
    Ok(())
}

/// The attribute removes the `async`: callers see an ordinary function, which blocks them and returns what the body
/// returned. It need not be `main`, and it can be called again.
#[tokio::main(flavor = "current_thread")]
async fn runs_by_attribute() {
    cook("soup", 1).await;
}

/// What the attribute writes, with one difference: if the runtime can't be built, this returns the error, where
/// `#[tokio::main]` panics.
fn runs_by_hand() -> io::Result<()> {
    new_runtime()?.block_on(cook("soup", 1));
    Ok(())
}

#[tokio::main]
async fn runs_on_every_core() -> usize {
    // The body itself stays on the calling thread; the workers are for the tasks that it spawns.
    cook("soup", 1).await;
    Handle::current().metrics().num_workers()
}

/// Timers and sockets are separate parts of a runtime, and off unless asked for: without `enable_all` the first
/// `sleep` panics.
fn new_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Each thread drives a runtime of its own: a program has no single "the" event loop. Returns how many were open at
/// the same moment.
fn runs_side_by_side() -> io::Result<usize> {
    let (open, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Each waits here until all three are there (`sync/barrier`). One barrier for three runtimes: tokio's primitives
    // belong to no runtime. An `asyncio.Barrier` belongs to one loop, and raises RuntimeError when it has to wait in
    // another.
    let all_open = Barrier::new(RUNTIMES);
    let run = |runtime: Runtime| {
        runtime.block_on(async {
            peak.fetch_max(open.fetch_add(1, Relaxed) + 1, Relaxed);
            all_open.wait().await; // nobody cooks, and no runtime is dropped, before all three are open
            cook("soup", 1).await;
            open.fetch_sub(1, Relaxed);
        });
    };
    // All are built before the first thread begins. If one couldn't be built in its thread, the others would wait at
    // the barrier for ever.
    let runtimes = (0..RUNTIMES).map(|_| new_runtime());
    let runtimes = runtimes.collect::<io::Result<Vec<_>>>()?;
    thread::scope(|scope| {
        for runtime in runtimes {
            scope.spawn(|| run(runtime));
        }
    });
    Ok(peak.into_inner())
}

/// Makes the call that worked above, on a thread that is running a runtime already. The inner call would block that
/// thread until it is done, and for so long the outer loop and every task on it would stop. So tokio panics before
/// the inner runtime begins. Where the panic is caught, as here, the outer one keeps working.
fn runs_inside_another() -> io::Result<thread::Result<()>> {
    Ok(new_runtime()?.block_on(async {
        // Caught so that the lesson can count the refusal and go on. This is no routine `try`/`except`: errors that a
        // program expects are a `Result`, and a panic means that the program itself is wrong.
        let inner = catch_unwind(runs_by_attribute);
        cook("soup", 1).await;
        inner
    }))
}

/// Drops the runtime when the soup is done. Says whether that cancelled the stew, which takes longer.
fn drops_the_runtime() -> io::Result<bool> {
    let runtime = new_runtime()?;
    // `spawn` makes a task, as `create_task` does, and returns a handle to it: see `tasks/spawn`.
    let stew = runtime.spawn(cook("stew", 3));
    runtime.block_on(cook("soup", 1));
    drop(runtime); // the stew is cancelled here, in the middle of its wait
    // Its handle is still valid, and can be awaited in a second runtime: it says how the task ended.
    let ended = new_runtime()?.block_on(stew);
    Ok(ended.is_err_and(|error| error.is_cancelled()))
}

#[instrument(ret)]
async fn cook(dish: &'static str, time: u32) {
    info!("on the stove");
    sleep(ticks(time)).await;
    info!("served");
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[test]
    fn the_attribute_is_a_builder_and_block_on() {
        let t = Timings::of_blocking(run);
        for variant in ["the attribute", "the same by hand"] {
            assert!(t[variant].elapsed >= ticks(1), "blocked until the end");
            assert_eq!(t[variant].lane("soup").ended, Ended::Returned);
            assert!(
                t[variant]
                    .lane("soup")
                    .polls
                    .iter()
                    .all(|poll| poll.on_loop)
            );
        }
    }

    #[test]
    fn a_task_on_current_thread_runs_in_the_calling_thread() {
        let t = Timings::of_blocking(run);
        let stew = t["dropped too early"].lane("stew");
        assert!(stew.polls.iter().all(|poll| poll.on_loop));
    }

    #[test]
    fn without_a_flavour_there_is_a_worker_for_every_core() {
        let cores = thread::available_parallelism().unwrap().get();
        assert_eq!(runs_on_every_core(), cores);
    }

    #[test]
    fn runtimes_may_follow_one_another_or_stand_side_by_side() {
        let t = Timings::of_blocking(run);
        assert_eq!(t["one after another"].lanes.len(), RUNTIMES);
        assert!(t["one after another"].elapsed >= ticks(3));
        assert_eq!(*t["side by side"].count("open at once"), RUNTIMES);
    }

    #[test]
    fn one_inside_another_is_refused_and_the_outer_one_goes_on() {
        let t = Timings::of_blocking(run);
        let nested = &t["one inside another"];
        assert_eq!(*nested.count("refused"), 1);
        assert_eq!(nested.lanes.len(), 1, "the inner soup was never begun");
        assert_eq!(nested.lane("soup").ended, Ended::Returned);

        let refusal = runs_inside_another().unwrap().unwrap_err();
        let message = refusal.downcast_ref::<&str>().unwrap();
        assert!(
            message.contains("Cannot start a runtime from within a runtime"),
            "{message}"
        );
    }

    #[test]
    fn dropping_a_runtime_cancels_its_tasks() {
        let t = Timings::of_blocking(run);
        let dropped = &t["dropped too early"];
        assert_eq!(*dropped.count("cancelled"), 1);
        assert_eq!(dropped.lane("soup").ended, Ended::Returned);
        assert_eq!(dropped.lane("stew").ended, Ended::Cancelled);
    }
}
