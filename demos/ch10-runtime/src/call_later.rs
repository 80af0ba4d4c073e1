//! # `call_later`: a task that sleeps, and then calls
//!
//! tokio has no timed callbacks. A task that sleeps and then calls a function does the same. Three of them, due at
//! once, after 1 tick and after 2, are called in that order, although they are asked for in the opposite one. `abort`
//! cancels one that hasn't been called: 0 calls. They don't keep the program going, since the end of the runtime
//! drops them (`basics/entry-point`): if `main` ends after 3 ticks, one that is due after 5 is never called, and no
//! message says so. If it must be called, await its handle: 1 call after 5 ticks.
//!
//! asyncio: call_soon, call_later, call_at, TimerHandle.cancel
//!
//! real clock: it builds its own runtimes, and drops them
//!
//! ```python
//! loop = asyncio.get_running_loop()
//! loop.call_later(2, print, "glue")                  # a TimerHandle, with `cancel`
//! loop.call_at(loop.time() + 1, print, "varnish")
//! loop.call_soon(print, "begun")
//! await asyncio.sleep(3)                             # at the end of main, what is due later is lost
//! ```
//!
//! Not the same: a TimerHandle can't be awaited; the `JoinHandle` of a task can. A callback in asyncio is a plain
//! function and can't await; a task can, so in place of a function it may call and await an `async fn`. The same in
//! both: whether the handle is kept or dropped changes nothing. A `JoinSet` keeps the handles of any number of tasks,
//! to wait for all; dropped, it aborts them (`tasks/task-group`). On a `multi_thread` runtime two tasks that are
//! spawned at once may begin in any order, or together.

use std::{
    future::ready,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use timing::{Timings, law::at_least, ticks};
use tokio::{
    runtime::Builder,
    task::{JoinError, JoinHandle},
    time::{Instant, sleep, sleep_until},
};
use tracing::instrument;

pub fn run(t: &mut Timings) -> Result<()> {
    let log = Log::default();
    let main = || block_on(asks_for_three(&log));
    t.time_blocking("three, main ends at 3", at_least(3), main)?;
    count(t, &log);

    let log = Log::default();
    let main = || block_on(cancels(&log));
    t.time_blocking("cancelled at 1", at_least(3), main)?;
    count(t, &log);

    let log = Log::default();
    let main = || block_on(ends_too_early(&log));
    t.time_blocking("due at 5, main ends at 3", at_least(3), main)?;
    count(t, &log);

    let log = Log::default();
    let main = || block_on(waits_for_it(&log));
    t.time_blocking("due at 5, waited for", at_least(5), main)??;
    count(t, &log);
    Ok(())
}

/// As with `#[tokio::main]` and `asyncio.run`, the runtime ends with `main`, and its tasks with the runtime.
fn block_on<F: Future>(main: F) -> io::Result<F::Output> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    Ok(runtime.block_on(main))
}

async fn asks_for_three(log: &Log) {
    call_later(ticks(2), "glue", log.entry("glue"));
    call_at(Instant::now() + ticks(1), "varnish", log.entry("varnish"));
    call_soon("begun", log.entry("begun"));
    sleep(ticks(3)).await;
}

async fn cancels(log: &Log) {
    let glue = call_later(ticks(2), "glue", log.entry("glue"));
    sleep(ticks(1)).await;
    glue.abort();
    sleep(ticks(2)).await;
}

async fn ends_too_early(log: &Log) {
    call_later(ticks(5), "glue", log.entry("glue"));
    sleep(ticks(3)).await;
}

async fn waits_for_it(log: &Log) -> Result<(), JoinError> {
    let glue = call_later(ticks(5), "glue", log.entry("glue"));
    sleep(ticks(3)).await;
    glue.await // <- the difference
}

fn call_soon(what: &'static str, callback: impl Callback) -> JoinHandle<()> {
    tokio::spawn(timed(what, ready(()), callback))
}

/// The sleep is made here, and not in the task: a sleep counts from the moment it is made, and the task has its first
/// turn later.
fn call_later(delay: Duration, what: &'static str, callback: impl Callback) -> JoinHandle<()> {
    tokio::spawn(timed(what, sleep(delay), callback))
}

fn call_at(when: Instant, what: &'static str, callback: impl Callback) -> JoinHandle<()> {
    tokio::spawn(timed(what, sleep_until(when), callback))
}

#[instrument(ret, skip(timer, callback))]
async fn timed(what: &'static str, timer: impl Future<Output = ()>, callback: impl Callback) {
    timer.await;
    callback();
}

/// What a task may take with it: a function that is called once, on any thread, at any later time.
trait Callback: FnOnce() + Send + 'static {}
impl<F: FnOnce() + Send + 'static> Callback for F {}

/// What was called, in that order.
#[derive(Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    /// A callback that writes `what` into the log.
    fn entry(&self, what: &'static str) -> impl Callback + use<> {
        let log = self.0.clone();
        move || {
            let log = log.lock();
            log.unwrap_or_else(PoisonError::into_inner).push(what);
        }
    }
}

fn count(t: &mut Timings, log: &Log) {
    let log = log.0.lock().unwrap_or_else(PoisonError::into_inner);
    t.count("calls", log.len());
    t.count("what was called", log.join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::{on_virtual_clock, report::Ended};
    use tokio::{
        task::{JoinSet, yield_now},
        time::advance,
    };

    #[test]
    fn they_are_called_in_the_order_of_their_times() {
        let t = Timings::of_blocking(run);
        let three = &t["three, main ends at 3"];
        assert_eq!(*three.count("calls"), 3);
        assert_eq!(*three.count("what was called"), "begun, varnish, glue");
    }

    #[test]
    fn each_is_called_at_its_time() {
        on_virtual_clock(async {
            let start = Instant::now();
            let called = |due: u32| async move {
                assert_eq!(start.elapsed(), ticks(due));
            };
            call_soon("begun", || ()).await.unwrap();
            called(0).await;
            call_at(start + ticks(1), "varnish", || ()).await.unwrap();
            called(1).await;
            call_later(ticks(1), "glue", || ()).await.unwrap();
            called(2).await;
        });
    }

    #[test]
    fn after_abort_it_is_not_called() {
        let t = Timings::of_blocking(run);
        let cancelled = &t["cancelled at 1"];
        assert_eq!(*cancelled.count("calls"), 0);
        assert_eq!(cancelled.lane("glue").ended, Ended::Cancelled);
    }

    #[test]
    fn what_is_due_after_the_end_of_main_is_never_called() {
        let t = Timings::of_blocking(run);
        let lost = &t["due at 5, main ends at 3"];
        assert_eq!(*lost.count("calls"), 0);
        assert_eq!(lost.lane("glue").ended, Ended::Cancelled);
        assert!(lost.said.is_empty(), "and nothing says so");
    }

    #[test]
    fn a_join_set_waits_for_its_tasks_or_aborts_them_when_it_is_dropped() {
        on_virtual_clock(async {
            let log = Log::default();
            let [mut kept, mut dropped] = [JoinSet::new(), JoinSet::new()];
            kept.spawn(timed("glue", sleep(ticks(1)), log.entry("glue")));
            dropped.spawn(timed("varnish", sleep(ticks(1)), log.entry("varnish")));
            drop(dropped);
            drop(call_later(ticks(1), "lacquer", log.entry("lacquer")));
            kept.join_all().await;
            sleep(ticks(1)).await;
            assert_eq!(*log.0.lock().unwrap(), ["glue", "lacquer"]);
        });
    }

    #[test]
    fn what_is_waited_for_is_called() {
        let t = Timings::of_blocking(run);
        let waited = &t["due at 5, waited for"];
        assert!(waited.elapsed >= ticks(5));
        assert_eq!(*waited.count("calls"), 1);
    }

    #[test]
    fn the_delay_counts_from_the_call_and_not_from_the_first_turn() {
        on_virtual_clock(async {
            let glue = call_later(ticks(1), "glue", || ());
            let made_inside = tokio::spawn(async { sleep(ticks(1)).await });
            // `advance` passes before either task has had a turn.
            advance(ticks(1)).await;
            yield_now().await;
            assert!(glue.is_finished());
            assert!(!made_inside.is_finished());
        });
    }
}
