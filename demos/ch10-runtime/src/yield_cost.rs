//! # `yield_now` is not the price of a switch
//!
//! In each row tasks get 10 000 turns on `current_thread`. A turn costs some tens of ns if the task wakes itself, and
//! of the order of 100 if two tasks wake each other by messages (ping-pong, as in `runtime/flavours`). A task that
//! gives up its turns with `yield_now` pays half a µs or more for each, several times as much: before its next turn
//! the runtime asks the system about sockets and timers. In a runtime that has neither (no driver) it pays about what
//! a turn of ping-pong costs. So a loop of `yield_now` measures the system, not the runtime's switch from task to task.
//!
//! asyncio: sleep(0), uvloop
//!
//! real clock: it measures speed, and a paused clock stands still
//!
//! release build: without optimisation all of it takes several times as long
//!
//! ```python
//! for _ in range(10_000):
//!     await asyncio.sleep(0)
//! ```
//!
//! Not the same: asyncio asks its selector in every round of the loop, whatever woke the task, so a message between
//! two tasks costs as many questions as a `sleep(0)`. tokio asks after 61 turns, or when no task is ready. A task
//! that is alone with its `yield_now` isn't ready until the runtime has asked.

use std::{future::poll_fn, mem, task::Poll};

use anyhow::Result;
use timing::Timings;
use tokio::{runtime::Builder, spawn, task::yield_now};

use crate::flavours::{Put, ROUNDS, TURNS, ping_pong};

pub fn run(t: &mut Timings) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let no_driver = Builder::new_current_thread().build()?; // <- the difference
    // Each has its turn before the next round begins, so a machine that slows down slows all of them.
    for _ in 0..ROUNDS {
        runtime.block_on(t.rate("wakes itself", TURNS, wakes_itself()))?;
        runtime.block_on(t.rate("ping-pong", TURNS, ping_pong(Put::Spawn)))?;
        runtime.block_on(t.rate("yield_now", TURNS, yields()))?;
        no_driver.block_on(t.rate("yield_now, no driver", TURNS, yields()))?;
    }
    Ok(())
}

/// One task, alone in its runtime. Its next turn comes after all else that is to be done, and the sockets and timers
/// are part of that. It is spawned: what `block_on` itself is given is no task, and is polled in another way.
async fn yields() -> Result<()> {
    let turns = async {
        for _ in 0..TURNS {
            yield_now().await;
        }
    };
    Ok(spawn(turns).await?)
}

/// The same task, put back into the queue by its own waker: nothing is looked at before its next turn.
async fn wakes_itself() -> Result<()> {
    let turns = async {
        for _ in 0..TURNS {
            wake_oneself().await;
        }
    };
    Ok(spawn(turns).await?)
}

/// A hand-made yield. For a comparison only: a task that does this again and again has sockets and timers wait for
/// up to 61 of its turns, each time.
async fn wake_oneself() {
    let mut woken = false;
    poll_fn(|cx| {
        if mem::replace(&mut woken, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref(); // <- the difference: `yield_now` leaves that to the runtime
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use timing::ticks;
    use tokio::time::sleep;

    /// How many turns a task takes before another one, which waits for a timer that is due, has ended.
    fn turns_until_a_timer_is_seen<F>(turn: fn() -> F) -> u32
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut runtime = Builder::new_current_thread();
        // Not 61: it looks at its timers so rarely by itself that no test sees it.
        let runtime = runtime.enable_all().event_interval(1_000_000).build();
        let turns = async move {
            let timer = spawn(sleep(ticks(0.1)));
            yield_now().await; // it begins to wait
            #[expect(clippy::disallowed_methods, reason = "the timer is not to be seen yet")]
            thread::sleep(ticks(0.2));
            let mut turns = 0;
            while !timer.is_finished() && turns < TURNS {
                turn().await;
                turns += 1;
            }
            turns
        };
        let turns = runtime.unwrap().block_on(async { spawn(turns).await });
        turns.unwrap()
    }

    #[test]
    fn a_yield_is_a_look_at_the_timers_and_a_turn_alone_is_not() {
        assert!(turns_until_a_timer_is_seen(yield_now) < 10);
        assert_eq!(turns_until_a_timer_is_seen(wake_oneself), TURNS);
    }

    #[test]
    fn all_rows_have_the_same_number_of_rounds() {
        let t = Timings::of_blocking(run);
        for row in [
            "wakes itself",
            "ping-pong",
            "yield_now",
            "yield_now, no driver",
        ] {
            assert_eq!(t[row].runs.len(), ROUNDS, "{row}");
        }
    }
}
