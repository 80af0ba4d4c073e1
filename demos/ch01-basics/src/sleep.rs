//! # Sleeping without blocking, and blocking without meaning to
//!
//! Tea and eggs take 2 ticks each. Two tokio sleeps overlap: 2 ticks for both. Two thread sleeps don't: 4 ticks,
//! although the code around them is the same, with `async`, `.await` and `join!`. `std::thread::sleep` doesn't tell
//! the loop that it waits. It keeps the loop's only thread, and until it returns nothing else can run there: no other
//! task, and no timer. For calls that have to block there are other threads: `executors/blocking-io`.
//!
//! asyncio: sleep, time.sleep
//!
//! real clock: a paused clock doesn't notice a blocked thread, and would show 0
//!
//! ```python
//! async def wait(): await asyncio.sleep(2)
//! async def nap(): time.sleep(2)
//!
//! await asyncio.gather(wait(), wait())   # 2
//! await asyncio.gather(nap(), nap())     # 4
//! ```
//!
//! Not the same: in Python `await time.sleep(2)` fails at run time, with a TypeError after the 2 seconds. In Rust
//! `thread::sleep(..).await` doesn't compile (E0277). Without the `.await` neither language complains. In this
//! workspace clippy forbids `thread::sleep`, so the call below has to say with `#[expect]` why it is there.

use std::thread;

use anyhow::Result;
use timing::{
    Timings,
    law::{max, sum},
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    t.time("tokio sleeps, together", max([2, 2]), async {
        tokio::join!(wait("tea", "kettle"), wait("eggs", "pan"))
    })
    .await;

    t.time("thread sleeps, together", sum([2, 2]), async {
        tokio::join!(nap("tea", "kettle"), nap("eggs", "pan"))
    })
    .await;
    Ok(())
}

#[instrument(ret, skip(pot))]
async fn wait(dish: &'static str, pot: &'static str) {
    info!("{pot} on");
    // Sets a timer and gives the thread back to the loop. No thread sleeps.
    sleep(ticks(2)).await;
    info!("done");
}

#[instrument(ret, skip(pot))]
async fn nap(dish: &'static str, pot: &'static str) {
    info!("{pot} on");
    // The signature, the types and the result are those of `wait`. Only the time differs, and the solid bar in the
    // timeline. The same holds for any other blocking call, such as reading a file with `std::fs`.
    #[expect(clippy::disallowed_methods, reason = "the blocked loop is the lesson")]
    thread::sleep(ticks(2)); // <- the difference
    info!("done");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tokio_sleeps_overlap_in_two_turns_each() {
        let t = Timings::of(run).await;
        let waits = &t["tokio sleeps, together"];
        assert_eq!(waits.elapsed, ticks(2));
        for dish in ["tea", "eggs"] {
            let lane = waits.lane(dish);
            assert_eq!(
                lane.polls.len(),
                2,
                "one turn before the wait, one after it"
            );
        }
    }

    #[tokio::test]
    async fn a_thread_sleep_is_one_turn_and_the_other_begins_when_it_is_over() {
        let t = Timings::of(run).await;
        let naps = &t["thread sleeps, together"];
        for dish in ["tea", "eggs"] {
            let lane = naps.lane(dish);
            assert_eq!(lane.polls.len(), 1, "it never gave the thread back");
            assert!(lane.longest_poll() >= ticks(2));
            assert!(lane.polls[0].on_loop);
        }
        assert!(naps.lane("eggs").start >= naps.lane("tea").end);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_does_not_see_a_thread_sleep() {
        let t = Timings::of(run).await;
        assert_eq!(t["thread sleeps, together"].elapsed, ticks(0));
    }
}
