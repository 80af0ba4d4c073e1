//! # A runtime by hand: its tasks run while somebody runs it
//!
//! A runtime is a value. `block_on` can be called on it again and again, and what was spawned on it stays in it. A
//! task polishes a board, a stroke a tick. A `current_thread` runtime has no thread but the one that calls
//! `block_on`: in 1.5 ticks of `block_on` it makes 1 stroke, in the 2 ticks after them 0, and in the next `block_on`
//! it goes on. With a worker thread, or with a thread of yours that stays in `block_on`, it makes 2 strokes in those
//! 2 ticks.
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
//! loop.run_until_complete(asyncio.sleep(0.2))    # it goes on
//! loop.close()
//! ```
//!
//! Not the same: asyncio has no loop with worker threads; in tokio that is the default. `set_event_loop` has no
//! counterpart, since `Runtime::spawn` needs no current runtime. `run_forever` is a `block_on` of a future that
//! doesn't end; in asyncio one thread at a time can be in it, while several can be in `block_on` of one runtime.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use anyhow::Result;
use timing::{Timings, law::sum, ticks};
use tokio::{
    runtime::{Builder, Runtime},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::instrument;

/// In ticks: a visit to the workshop, the time away, another visit.
const FIRST: f64 = 1.5;
const AWAY: f64 = 2.0;
const SECOND: f64 = 0.2;

pub fn run(t: &mut Timings) -> Result<()> {
    // Timers are a part that has to be asked for, sockets another one (`enable_io`); `enable_all` asks for both.
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let visits = || visits_twice(&runtime);
    let strokes = t.time_blocking("current_thread", sum([FIRST, AWAY, SECOND]), visits);
    count(t, strokes);

    let runtime = Builder::new_multi_thread() // <- the difference
        .worker_threads(1) // otherwise one for each core
        .enable_time()
        .build()?;
    let visits = || visits_twice(&runtime);
    let strokes = t.time_blocking("one worker thread", sum([FIRST, AWAY, SECOND]), visits);
    count(t, strokes);

    let runtime = Builder::new_current_thread().enable_time().build()?;
    let visits = || with_a_thread_in_it(&runtime, || visits_twice(&runtime));
    let label = "a thread in block_on";
    let strokes = t.time_blocking(label, sum([FIRST, AWAY, SECOND]), visits);
    count(t, strokes);
    Ok(())
}

/// Returns the strokes made during the first visit, the time away, and the second visit.
fn visits_twice(runtime: &Runtime) -> [u32; 3] {
    let strokes = Arc::new(AtomicU32::new(0));
    // Called outside, this only puts the task into the runtime. In `current_thread` nothing of it runs yet.
    runtime.spawn(polishes(strokes.clone()));

    // The `async` block makes the sleep inside of the runtime. Made out here, it would find no timers and panic.
    runtime.block_on(async { sleep(ticks(FIRST)).await });
    let first = strokes.load(Relaxed);
    is_away();
    let away = strokes.load(Relaxed) - first;
    // The stroke that was due meanwhile is made at once. The strokes that were not made are not made up for: the next
    // wait begins after this one.
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

/// Anything that isn't async: this thread is busy, and not with the runtime.
#[instrument(ret)]
fn is_away() {
    #[expect(clippy::disallowed_methods, reason = "outside of the runtime")]
    thread::sleep(ticks(AWAY));
}

fn count(t: &mut Timings, [first, away, second]: [u32; 3]) {
    t.count("strokes in block_on", first);
    t.count("strokes outside", away);
    t.count("in block_on again", second);
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
    fn a_task_on_current_thread_runs_only_during_block_on() {
        let t = measured();
        let current = &t["current_thread"];
        assert_ne!(*current.count("strokes in block_on"), 0);
        assert_eq!(*current.count("strokes outside"), 0);
        assert_ne!(*current.count("in block_on again"), 0);
        let away = current.lane("is_away");
        let polls = &current.lane("polishes").polls;
        assert!(
            polls
                .iter()
                .all(|poll| poll.end <= away.start || poll.start >= away.end)
        );
    }

    #[test]
    fn with_a_thread_that_runs_it_it_goes_on_meanwhile() {
        let t = measured();
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
    fn a_sleep_is_made_inside() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let outside = std::panic::catch_unwind(|| runtime.block_on(sleep(ticks(0))));
        assert!(outside.is_err());
    }
}
