//! # A runtime of your own: who runs its tasks, and when
//!
//! A runtime is a value. `block_on` can be called on it again and again, and what was spawned on it stays in it. A
//! task makes a stroke a tick. A `current_thread` runtime has no thread but those that call `block_on`: the task
//! makes 1 stroke in 1.5 ticks of `block_on`, and 0 in the 2 ticks after them. In the next `block_on` the overdue
//! stroke comes at once, and another one a tick later: those that were missed aren't made up for. With a worker
//! thread, or with a thread of yours that stays in `block_on`, the task makes strokes in those 2 ticks, too.
//!
//! asyncio: new_event_loop, set_event_loop, run_until_complete, run_forever
//!
//! real clock: threads that block
//!
//! ```python
//! loop = asyncio.new_event_loop()
//! polishing = loop.create_task(polish())
//! loop.run_until_complete(asyncio.sleep(1.5))    # it polishes meanwhile
//! time.sleep(2)                                  # it doesn't
//! loop.run_until_complete(asyncio.sleep(1.4))    # it goes on
//! loop.close()                                   # polishing is lost: "Task was destroyed but it is pending!"
//! ```
//!
//! Not the same: asyncio has no loop with worker threads; in tokio that is the default. `set_event_loop` has a
//! counterpart in `Runtime::enter`, but here nothing needs it: `Runtime::spawn` names its runtime. `run_forever` is a
//! `block_on` of a future that doesn't end. In asyncio one thread at a time can be in it; several can be in
//! `block_on` of one runtime, and on `current_thread` one of them runs the tasks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use anyhow::Result;
use timing::{
    Timings,
    law::{Law, at_least},
    ticks,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::instrument;

/// In ticks: a visit to the workshop, the time away, another visit.
const FIRST: f64 = 1.5;
const AWAY: f64 = 2.0;
const SECOND: f64 = 1.4;

pub fn run(t: &mut Timings) -> Result<()> {
    // Timers are a part that has to be asked for, sockets another one (`enable_io`); `enable_all` asks for both.
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let visits = || visits_twice(&runtime);
    let strokes = t.time_blocking("current_thread", law(), visits);
    count(t, strokes);

    let runtime = Builder::new_multi_thread() // <- the difference
        .worker_threads(1) // otherwise one for each core
        .enable_time()
        .build()?;
    let visits = || visits_twice(&runtime);
    let strokes = t.time_blocking("one worker thread", law(), visits);
    count(t, strokes);

    let runtime = Builder::new_current_thread().enable_time().build()?;
    let visits = || with_a_thread_in_it(&runtime, || visits_twice(&runtime));
    let label = "a thread in block_on";
    let strokes = t.time_blocking(label, law(), visits);
    count(t, strokes);
    Ok(())
}

/// A bound on one side: the runtimes are of different kinds, and what is shown is who makes strokes, not how fast.
fn law() -> Law {
    at_least(FIRST + AWAY + SECOND)
}

/// Returns the strokes made during the first visit, the time away, and the second visit.
fn visits_twice(runtime: &Runtime) -> [u32; 3] {
    let strokes = Arc::new(AtomicU32::new(0));
    // Called outside, this only puts the task into the runtime. In `current_thread` nothing of it runs yet.
    runtime.spawn(polishes(strokes.clone()));

    // The `async` block makes the sleep inside of the runtime. Created out here, it would find no timers and panic.
    runtime.block_on(async { sleep(ticks(FIRST)).await });
    let first = strokes.load(Relaxed);
    leaves_it_alone();
    let away = strokes.load(Relaxed) - first;
    // On `current_thread` the stroke that is overdue is made at once, and the next wait begins after it.
    runtime.block_on(async { sleep(ticks(SECOND)).await });
    let second = strokes.load(Relaxed) - first - away;
    [first, away, second]
}

/// What a thread with `loop.run_forever` is in asyncio.
fn with_a_thread_in_it<T>(runtime: &Runtime, work: impl FnOnce() -> T) -> T {
    let closing = CancellationToken::new();
    thread::scope(|scope| {
        scope.spawn(|| runtime.block_on(closing.cancelled()));
        let _closes = closing.clone().drop_guard(); // also if `work` panics: otherwise the scope would never end
        work()
    })
}

/// Never ends by itself. It is dropped with its runtime, after the variant.
#[instrument(ret, skip(strokes))]
async fn polishes(strokes: Arc<AtomicU32>) {
    loop {
        sleep(ticks(1)).await;
        strokes.fetch_add(1, Relaxed);
    }
}

/// This thread is busy with something that isn't async.
#[instrument(ret)]
fn leaves_it_alone() {
    #[expect(clippy::disallowed_methods, reason = "outside of the runtime")]
    thread::sleep(ticks(AWAY));
}

fn count(t: &mut Timings, [first, away, second]: [u32; 3]) {
    t.count("strokes in block_on", first);
    t.count("strokes outside", away);
    t.count("strokes in block_on again", second);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use timing::report::Poll;

    #[test]
    fn a_task_on_current_thread_runs_only_during_block_on() {
        let t = Timings::of_blocking(run);
        let current = &t["current_thread"];
        assert_ne!(*current.count("strokes in block_on"), 0);
        assert_eq!(*current.count("strokes outside"), 0);
        assert_ne!(*current.count("strokes in block_on again"), 0);
        let away = current.lane("leaves_it_alone");
        let polls = &current.lane("polishes").polls;
        let outside = |poll: &Poll| poll.end <= away.start || poll.start >= away.end;
        assert!(polls.iter().all(outside));
        // What was missed meanwhile isn't made up for.
        let gaps = polls.windows(2).map(|two| two[1].start - two[0].start);
        assert!(gaps.into_iter().all(|gap| gap >= ticks(1)), "{polls:?}");
    }

    #[test]
    fn with_a_thread_that_runs_it_it_goes_on_meanwhile() {
        let t = Timings::of_blocking(run);
        for label in ["one worker thread", "a thread in block_on"] {
            assert_ne!(*t[label].count("strokes outside"), 0, "{label}");
        }
    }

    #[test]
    fn spawn_alone_runs_nothing_on_current_thread() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let task = runtime.spawn(async { "a board" });
        assert!(!task.is_finished());
        assert_eq!(runtime.block_on(task).unwrap(), "a board");
    }

    #[test]
    fn a_sleep_needs_a_runtime_around_it_that_has_timers() {
        let timers = Builder::new_current_thread().enable_time().build().unwrap();
        let none = Builder::new_current_thread().build().unwrap();
        let outside = catch_unwind(|| timers.block_on(sleep(ticks(0))));
        let inside = |runtime: &Runtime| runtime.block_on(async { sleep(ticks(0)).await });
        assert!(outside.is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| inside(&none))).is_err());
        inside(&timers);
    }
}
