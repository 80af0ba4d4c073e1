//! # The way in: a runtime, and `block_on`
//!
//! `#[tokio::main]` writes three steps: build a runtime, hand it the function's body as one future, block the thread
//! until that is done. Written by hand they do what the attribute can't: three runtimes one after another (3 ticks),
//! or three at once on threads of their own (1 tick). One inside another is refused, with a panic. And a runtime that
//! goes takes along what it hasn't finished: 1 task dropped.
//!
//! asyncio: run, Runner
//!
//! real clock: each runtime has a clock of its own, and its thread is blocked until it is done
//!
//! ```python
//! async def main():
//!     await cook("soup")
//!
//! asyncio.run(main())
//! ```
//!
//! Not the same: inside a running loop `asyncio.run` raises RuntimeError, `block_on` panics. (Nothing else is
//! forbidden, here or there: neither has to be called once only, or in the main thread.) At its end `asyncio.run`
//! cancels what is left and waits while that cleans up; tokio drops it where it stands. And `#[tokio::main]` without
//! a flavour starts a worker thread for every core: these lessons ask for `current_thread`, which is asyncio's shape.

use std::{io, panic::catch_unwind, thread};

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

const KITCHENS: usize = 3;

/// Not `async`, and called from a plain thread: as `main` is.
pub fn run(t: &mut Timings) -> Result<()> {
    let workers = t.time_blocking("the attribute", exactly(1), opens_by_attribute);
    t.count("workers", workers);

    let workers = t.time_blocking("the same by hand", exactly(1), opens_by_hand)?;
    t.count("workers", workers);

    let workers = t.time_blocking("the attribute, bare", exactly(1), opens_on_every_core);
    t.count("workers", workers);

    t.time_blocking("one after another", sum([1; KITCHENS]), || {
        (0..KITCHENS).try_for_each(|_| opens_by_hand().map(drop))
    })?;

    let met = t.time_blocking("side by side", max([1; KITCHENS]), opens_side_by_side)?;
    t.count("open at once", met);

    let nested = t.time_blocking("one inside another", exactly(1), opens_inside_another)?;
    t.count("refused", usize::from(nested.is_err()));

    let dropped = t.time_blocking("closed too early", exactly(1), closes_too_early)?;
    t.count("tasks dropped", usize::from(dropped));
    Ok(())
}

/// The attribute takes the `async` away: callers see a function that blocks them and returns what the body returned.
#[tokio::main(flavor = "current_thread")]
async fn opens_by_attribute() -> usize {
    cook("soup", 1).await;
    workers()
}

/// What the attribute writes, but for one word: where the machine has no runtime to give, `?` hands the error on, and
/// the attribute panics.
fn opens_by_hand() -> io::Result<usize> {
    Ok(new_runtime()?.block_on(async {
        cook("soup", 1).await;
        workers()
    }))
}

#[tokio::main]
async fn opens_on_every_core() -> usize {
    // The body itself stays on the thread that called; the workers are for what it spawns.
    cook("soup", 1).await;
    workers()
}

/// Timers and sockets are separate parts of tokio's loop, and off unless asked for: without `enable_all` the first
/// `sleep` would panic.
fn new_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A runtime belongs to whoever built it, on whatever thread: there is no "the" event loop of a program. Returns how
/// many were open at the same moment.
fn opens_side_by_side() -> io::Result<usize> {
    // Nobody cooks before all three are there: had one to wait for another's end, none would ever get past this.
    let all_there = Barrier::new(KITCHENS);
    let open = || {
        let runtime = new_runtime()?;
        runtime.block_on(async {
            all_there.wait().await;
            cook("soup", 1).await;
        });
        io::Result::Ok(1)
    };
    thread::scope(|scope| {
        let threads = [(); KITCHENS].map(|()| scope.spawn(open));
        let met = threads.map(|thread| thread.join().expect("cooking soup does not panic"));
        met.into_iter().sum()
    })
}

/// Makes the call that worked above, on a thread that is driving a runtime already. To block there would stop the
/// very loop that has to wake it, so tokio refuses. The outer runtime is none the worse: it cooks on.
fn opens_inside_another() -> io::Result<thread::Result<usize>> {
    Ok(new_runtime()?.block_on(async {
        let inner = catch_unwind(opens_by_attribute);
        cook("soup", 1).await;
        inner
    }))
}

/// Leaves when the soup is done. Says whether the stew, which takes longer, was dropped.
fn closes_too_early() -> io::Result<bool> {
    let runtime = new_runtime()?;
    let stew = runtime.spawn(cook("stew", 3));
    runtime.block_on(cook("soup", 1));
    drop(runtime); // here the stew ends, in the middle of its wait
    // The task's handle has outlived its runtime, and any other one can ask it how things went.
    let stew = new_runtime()?.block_on(stew);
    Ok(stew.is_err_and(|error| error.is_cancelled()))
}

fn workers() -> usize {
    Handle::current().metrics().num_workers()
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

    fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t).unwrap();
        t
    }

    #[test]
    fn the_attribute_is_a_builder_and_block_on() {
        let t = measured();
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
            assert_eq!(*t[variant].count("workers"), 1);
        }
    }

    #[test]
    fn without_a_flavour_there_is_a_worker_for_every_core() {
        let cores = thread::available_parallelism().unwrap().get();
        assert_eq!(opens_on_every_core(), cores);
    }

    #[test]
    fn runtimes_may_follow_one_another_or_stand_side_by_side() {
        let t = measured();
        assert_eq!(t["one after another"].lanes.len(), KITCHENS);
        assert!(t["one after another"].elapsed >= ticks(3));
        assert_eq!(*t["side by side"].count("open at once"), KITCHENS);
    }

    #[test]
    fn one_inside_another_is_refused_and_the_outer_one_goes_on() {
        let t = measured();
        let nested = &t["one inside another"];
        assert_eq!(*nested.count("refused"), 1);
        assert_eq!(nested.lanes.len(), 1, "the inner soup was never begun");
        assert_eq!(nested.lane("soup").ended, Ended::Returned);

        let refusal = opens_inside_another().unwrap().unwrap_err();
        let message = refusal.downcast_ref::<&str>().unwrap();
        assert!(
            message.contains("Cannot start a runtime from within a runtime"),
            "{message}"
        );
    }

    #[test]
    fn a_runtime_that_goes_takes_its_tasks_along() {
        let t = measured();
        let closed = &t["closed too early"];
        assert_eq!(*closed.count("tasks dropped"), 1);
        assert_eq!(closed.lane("soup").ended, Ended::Returned);
        assert_eq!(closed.lane("stew").ended, Ended::Cancelled);
    }
}
