//! # A sync function between async ones
//!
//! A task calls an ordinary function, and that one needs what an `async fn` returns after 2 ticks. It can't await,
//! and `block_on` panics (`executors/sync-to-async`). A second runtime in a thread of its own does give the answer,
//! but the loop stands still until that thread is joined, all of 2 ticks. `block_in_place`, in a runtime with worker
//! threads, first leaves the other tasks of its thread to another one, so a ticker among them goes on. In a runtime
//! of the `current_thread` kind it panics. Its own task stands still in any case: two calls take 2 ticks in two tasks,
//! and 4 ticks in one `join!`. If the function can be made `async`, none of this is needed.
//!
//! asyncio: nest_asyncio, asyncio.run from a running loop
//!
//! real clock: threads that block
//!
//! ```python
//! def size(): return asyncio.run(measure())       # called in a task: RuntimeError
//! with ThreadPoolExecutor() as pool: size = pool.submit(asyncio.run, measure()).result()  # the loop stands still
//! nest_asyncio.apply()                            # `size` works now: a last resort
//! ```
//!
//! Not the same: nest_asyncio lets the one loop run again inside itself, in the same thread. If a task that gets its
//! turn there makes such a call, too, then the first call can't return before the second. With `block_in_place` the
//! other tasks run in another thread, and each call returns when its own answer comes. That thread is one of the pool
//! of `spawn_blocking`: if all of the pool's threads are blocked (512, or `max_blocking_threads`) and every worker is
//! in such a call, nobody drives the timers and sockets any more, and all of the calls wait for ever.

use std::{io, thread, time::Duration};

use anyhow::Result;
use futures_util::future::try_join_all;
use timing::{
    Ticked, Timings, beside_ticker,
    law::{exactly, max, sum},
    ticks,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::{JoinError, block_in_place},
    time::sleep,
};
use tracing::instrument;

const EVERY: Duration = Duration::from_millis(10);

pub fn run(t: &mut Timings) -> Result<()> {
    let one_thread = single_threaded()?;
    // There is no second worker that could run the ticker while the first one is blocked.
    let mut workers = Builder::new_multi_thread();
    let one_worker = workers.worker_threads(1).enable_all().build()?;

    let call = || in_a_task(&one_thread, async { vec![asks_a_second_runtime()] });
    let sizes = t.time_blocking("own runtime, joined", exactly(2), call);
    show(t, sizes);

    let call = || in_a_task(&one_thread, async { vec![asks_in_place()] });
    let sizes = t.time_blocking("block_in_place, one thread", exactly(0), call);
    show(t, sizes);

    let call = || in_a_task(&one_worker, async { vec![asks_in_place()] });
    let sizes = t.time_blocking("block_in_place, one worker", exactly(2), call);
    show(t, sizes);

    let call = || in_a_task(&one_worker, asks_in_two_tasks());
    let sizes = t.time_blocking("two calls, two tasks", max([2, 2]), call);
    show(t, sizes);

    let call = || in_a_task(&one_worker, asks_in_one_task());
    let sizes = t.time_blocking("two calls, one join!", sum([2, 2]), call);
    show(t, sizes);
    Ok(())
}

/// The two runtimes don't disturb each other. It is `join` that keeps the loop's thread, as any blocking call does.
#[instrument(ret)]
fn asks_a_second_runtime() -> u32 {
    let measures = || single_threaded().map(|runtime| runtime.block_on(measure()));
    let size = thread::spawn(measures).join();
    let size = size.expect("measuring doesn't panic");
    size.expect("a runtime needs a few file descriptors, and there are some")
}

/// In here `block_on` is allowed: until the closure returns this thread isn't a worker, and drives nothing but this
/// one future.
#[instrument(ret)]
fn asks_in_place() -> u32 {
    block_in_place(|| Handle::current().block_on(measure()))
}

async fn asks_in_two_tasks() -> Vec<u32> {
    let calls = [(); 2].map(|()| tokio::spawn(async { asks_in_place() }));
    let sizes = try_join_all(calls).await;
    sizes.expect("measuring doesn't panic, and nobody aborts it")
}

/// One task can't go on in two threads: while its first branch blocks, the second one isn't polled.
async fn asks_in_one_task() -> Vec<u32> {
    let (first, second) = tokio::join!(async { asks_in_place() }, async { asks_in_place() });
    vec![first, second]
}

/// Makes the calls in a task of a runtime, beside another task that ticks. A panic ends that task, and its handle
/// holds the panic.
fn in_a_task(
    runtime: &Runtime,
    calls: impl Future<Output = Vec<u32>> + Send + 'static,
) -> Result<(Vec<u32>, Ticked), JoinError> {
    runtime.block_on(runtime.spawn(beside_ticker(EVERY, calls)))
}

fn single_threaded() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn show(t: &mut Timings, sizes: Result<(Vec<u32>, Ticked), JoinError>) {
    t.count("panics", u32::from(sizes.is_err()));
    if let Ok((sizes, ticked)) = sizes {
        t.count("answers", sizes.len());
        ticked.show(t);
    }
}

/// Stands for a gauge with an async driver.
#[instrument(ret)]
async fn measure() -> u32 {
    sleep(ticks(2)).await;
    20_002
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use timing::report::Ended;
    use tokio::sync::Barrier;

    fn gap(t: &Timings, label: &str) -> Duration {
        Duration::from_secs_f64(t[label].count("longest gap, ms").number() / 1e3)
    }

    #[test]
    fn a_thread_that_is_joined_stops_the_loop() {
        let t = Timings::of_blocking(run);
        let label = "own runtime, joined";
        assert_eq!(*t[label].count("answers"), 1);
        assert!(gap(&t, label) >= ticks(2), "all of the wait");
        assert_ne!(*t[label].count("missed turns"), 0);
    }

    #[test]
    fn block_in_place_lets_other_tasks_go_on() {
        let t = Timings::of_blocking(run);
        let label = "block_in_place, one worker";
        assert_eq!(*t[label].count("answers"), 1);
        assert!(t[label].elapsed >= ticks(2));
        // A blocked loop has a gap of all of it.
        let elapsed = t[label].elapsed;
        assert!(gap(&t, label) < elapsed * 9 / 10, "turns in between");
    }

    #[test]
    fn one_thread_has_no_other_to_leave_its_tasks_to() {
        let t = Timings::of_blocking(run);
        let refused = &t["block_in_place, one thread"];
        assert_eq!(*refused.count("panics"), 1);
        assert_eq!(refused.lane("asks_in_place").ended, Ended::Panicked);
        assert!(refused.lanes.iter().all(|lane| lane.label != "measure()"));

        let one_thread = single_threaded().unwrap();
        let panic = in_a_task(&one_thread, async { vec![asks_in_place()] }).unwrap_err();
        let told = panic.to_string();
        let expected = "can call blocking only when running on the multi-threaded runtime";
        assert!(told.contains(expected), "{told}");
    }

    #[test]
    fn it_stops_the_other_branches_of_its_own_task() {
        let t = Timings::of_blocking(run);
        let joined = &t["two calls, one join!"];
        assert!(joined.elapsed >= ticks(4), "one after the other");
        assert_eq!(*joined.count("answers"), 2);
        assert_eq!(*t["two calls, two tasks"].count("answers"), 2);
        assert!(t["two calls, two tasks"].elapsed >= ticks(2));
        let gap = gap(&t, "two calls, one join!");
        assert!(gap < joined.elapsed * 9 / 10, "other tasks go on");
    }

    #[test]
    fn calls_in_two_tasks_wait_at_the_same_time() {
        let mut workers = Builder::new_multi_thread();
        let one_worker = workers.worker_threads(1).build().unwrap();
        let both = Arc::new(Barrier::new(2));
        let calls = [(); 2].map(|()| {
            let both = both.clone();
            let call = move || Handle::current().block_on(async { both.wait().await.is_leader() });
            one_worker.spawn(async { block_in_place(call) })
        });
        // Neither returns before the other one waits, too.
        let leaders = one_worker.block_on(try_join_all(calls)).unwrap();
        assert_eq!(leaders.iter().filter(|&&leader| leader).count(), 1);
    }

    #[test]
    fn calls_that_take_the_last_thread_wait_for_ever() {
        let mut workers = Builder::new_multi_thread();
        workers.worker_threads(1).max_blocking_threads(1);
        let full = workers.enable_all().build().unwrap();
        let (both, (tell, told)) = (Arc::new(Barrier::new(2)), std::sync::mpsc::channel());
        for _ in 0..2 {
            let (both, tell) = (both.clone(), tell.clone());
            let waits = async move {
                both.wait().await;
                tell.send("both have begun").unwrap();
                sleep(ticks(1)).await;
                tell.send("answered").unwrap();
            };
            full.spawn(async { block_in_place(|| Handle::current().block_on(waits)) });
        }
        assert_eq!(told.recv(), Ok("both have begun"));
        assert_eq!(told.recv(), Ok("both have begun"));
        let answer = told.recv_timeout(ticks(10));
        assert!(answer.is_err(), "no thread is left that sees the time");
        full.shutdown_background();
    }
}
