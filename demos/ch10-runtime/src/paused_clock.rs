//! # A paused clock: an hour's wait in a test, in no time
//!
//! Glue dries for an hour. On a paused clock, the one of `--virtual`, that takes less than a second, and inside the
//! runtime it is exactly an hour: when every task waits, the clock jumps to the next timer. While a task has work the
//! clock stands still: 1 000 strokes of a busy task fit into a wait of 1 tick. `advance` jumps over the timers on its
//! way: of two coats that dry for 1 tick each, one after the other, 2 are dry after a sleep of 2.5 ticks, and 1 after
//! an advance by 2.5. What is outside the runtime has another clock. A job of `spawn_blocking` holds the paused one
//! still, and answers within a limit of an hour. A thread of your own doesn't: the hour is over before it answers.
//!
//! asyncio: loop.time, unittest.IsolatedAsyncioTestCase
//!
//! real clock: it builds the paused one itself
//!
//! ```python
//! class Test(unittest.IsolatedAsyncioTestCase):
//!     async def test_glue(self):
//!         start = asyncio.get_running_loop().time()
//!         await dries()            # an hour
//!         self.assertGreaterEqual(asyncio.get_running_loop().time() - start, 3600)
//! ```
//!
//! Not the same: Python's standard library has no such clock. A test waits, or replaces `asyncio.sleep` by a function
//! of its own, or overrides the `time` of its loop. With tokio the code under test stays as it is, as long as it
//! reads `tokio::time::Instant`, not `std::time`, and waits for nothing outside of its runtime, such as a server on
//! another thread. A test asks for the clock by `#[tokio::test(start_paused = true)]`, with the feature `test-util`.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use anyhow::Result;
use timing::{
    Timings,
    law::{at_most, exactly},
    ticks,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{spawn_blocking, yield_now},
    time::{advance, sleep, timeout},
};
use tracing::instrument;

/// In ticks, of 100 ms unless told otherwise.
const HOUR: u32 = 36_000;
const STROKES: u32 = 1_000;

pub fn run(t: &mut Timings) -> Result<()> {
    // This thread has no runtime, so the time is read from the machine's clock.
    let runtime = paused()?;
    let outside = || runtime.block_on(dries());
    t.time_blocking("an hour, from outside", at_most(10), outside);

    // From here on the time is read inside the runtime, as code under test does it.
    runtime.block_on(async {
        t.time("an hour, from inside", exactly(HOUR), dries()).await;

        let polishing = polishes();
        let strokes = t.time("beside a busy task", exactly(1), polishing).await;
        t.count("strokes in that tick", strokes);

        let coats = past_two_coats(sleep(ticks(2.5)));
        let dry = t.time("sleep of 2.5 ticks", exactly(2.5), coats).await;
        t.count("coats dry", dry);

        let coats = past_two_coats(advance(ticks(2.5))); // <- the difference
        let dry = t.time("advance by 2.5 ticks", exactly(2.5), coats).await;
        t.count("coats dry", dry);

        let answer = timeout(ticks(HOUR), spawn_blocking(measures));
        let answer = t.time("spawn_blocking", exactly(0), answer).await;
        t.count("answers", usize::from(matches!(answer, Ok(Ok(_)))));

        let answer = timeout(ticks(HOUR), measures_on_a_thread());
        let answer = t.time("a plain thread", exactly(HOUR), answer).await;
        t.count("answers", usize::from(matches!(answer, Ok(Ok(_)))));
    });
    Ok(())
}

/// What `#[tokio::test(start_paused = true)]` builds for a test.
fn paused() -> Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    Ok(builder.enable_time().start_paused(true).build()?)
}

/// Has no lane: a lane's time is read inside the runtime, and the first variant's outside.
async fn dries() {
    sleep(ticks(HOUR)).await;
}

/// Polishes while a timer of 1 tick is set, and returns the strokes made by its end. `yield_now` lets the runtime
/// look at its timers after each stroke, but this task wants its next turn at once: the clock has no reason to jump.
#[instrument(ret)]
async fn polishes() -> u32 {
    let strokes = Cell::new(0);
    let polishing = async {
        for _ in 0..STROKES {
            strokes.update(|made| made + 1);
            yield_now().await;
        }
    };
    let timer = async {
        sleep(ticks(1)).await;
        strokes.get()
    };
    tokio::join!(timer, polishing).0
}

/// How many of two coats of varnish are dry after `wait`. The second one is put on when the first is dry.
async fn past_two_coats(wait: impl Future<Output = ()>) -> u32 {
    let dry = Arc::new(AtomicU32::new(0));
    let varnishing = tokio::spawn(varnishes_twice(dry.clone()));
    // For the first coat: without this turn it would be put on only after `advance`.
    yield_now().await;
    // `sleep` stops at each timer: 1 tick, 2 ticks, 2.5 ticks. `advance` is at 2.5 ticks at once, where the second
    // coat is only put on.
    wait.await;
    yield_now().await; // `advance` has fired the timer; the task that waited for it still needs its turn
    varnishing.abort();
    dry.load(Relaxed)
}

#[instrument(ret, skip(dry))]
async fn varnishes_twice(dry: Arc<AtomicU32>) {
    for _coat in 0..2 {
        sleep(ticks(1)).await;
        dry.fetch_add(1, Relaxed);
    }
}

/// The runtime doesn't know of this thread: its one task waits, and the next timer is the limit. So the clock jumps
/// there at once.
async fn measures_on_a_thread() -> Result<u32, oneshot::error::RecvError> {
    let (sender, answer) = oneshot::channel();
    thread::spawn(|| sender.send(measures()));
    answer.await
}

/// Takes half a second of the machine's time. The paused clock doesn't see it pass.
fn measures() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "a gauge that only blocks")]
    thread::sleep(ticks(5));
    42
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{panic::catch_unwind, time::Duration};
    use timing::on_virtual_clock;
    use tokio::time::Instant;

    #[test]
    fn an_hour_passes_inside_and_not_outside() {
        let t = Timings::of_blocking(run);
        assert_eq!(t["an hour, from inside"].elapsed, ticks(HOUR));
        assert!(t["an hour, from outside"].elapsed < Duration::from_secs(60));
    }

    #[test]
    fn the_clock_stands_still_while_a_task_has_work() {
        let t = Timings::of_blocking(run);
        let busy = &t["beside a busy task"];
        assert_eq!(busy.elapsed, ticks(1));
        assert_eq!(*busy.count("strokes in that tick"), STROKES);
    }

    #[test]
    fn advance_does_not_stop_at_the_timers_on_its_way() {
        let t = Timings::of_blocking(run);
        let [slept, advanced] =
            ["sleep of", "advance by"].map(|way| &t[&format!("{way} 2.5 ticks")[..]]);
        assert_eq!([slept.elapsed, advanced.elapsed], [ticks(2.5); 2]);
        assert_eq!(*slept.count("coats dry"), 2);
        assert_eq!(*advanced.count("coats dry"), 1);
    }

    #[test]
    fn spawn_blocking_holds_the_clock_and_a_plain_thread_does_not() {
        let t = Timings::of_blocking(run);
        let [pool, thread] = ["spawn_blocking", "a plain thread"].map(|label| &t[label]);
        assert_eq!(pool.elapsed, ticks(0));
        assert_eq!(*pool.count("answers"), 1);
        assert_eq!(thread.elapsed, ticks(HOUR));
        assert_eq!(*thread.count("answers"), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn a_sleep_is_never_early_and_less_than_a_millisecond_late(asked in 1_u64..10_000_000) {
            let asked = Duration::from_micros(asked);
            let slept = on_virtual_clock(async {
                let start = Instant::now();
                sleep(asked).await;
                start.elapsed()
            });
            prop_assert!(asked <= slept && slept < asked + Duration::from_millis(1));
            prop_assert_eq!(slept.subsec_micros() % 1_000, 0);
        }
    }

    #[test]
    fn a_multi_thread_runtime_cannot_be_paused() {
        let runtime = Builder::new_multi_thread().enable_time().build().unwrap();
        let paused = runtime.block_on(async { catch_unwind(tokio::time::pause) });
        assert!(paused.is_err());
    }
}
