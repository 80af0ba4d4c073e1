//! # One cook, three dishes: waits overlap, nothing gets faster
//!
//! Tea draws for 2 ticks (of 100 ms), eggs boil for 3, toast browns for 1. A cook who waits for each dish before
//! starting the next needs 6 ticks. One who starts all three and then waits needs 3. Both do the same six steps by
//! hand, both wait for the same 6 ticks in all, and no egg boils faster. The factor is the number of waits that
//! overlap, on average: 6 / 3 = 2 here, and 18 / 3 = 6 with six eggs. Async has no fixed factor of its own.
//!
//! asyncio: async, await
//!
//! ```python
//! async def cook(dish, time):
//!     await asyncio.sleep(time)
//!
//! await cook("tea", 2); await cook("eggs", 3); await cook("toast", 1)         # 6
//! await asyncio.gather(cook("tea", 2), cook("eggs", 3), cook("toast", 1))     # 3
//! ```
//!
//! Not the same: Python's standard library contains an event loop. Rust has the keywords `async` and `await`, but its
//! standard library has nothing that runs them. That is the job of another library, here tokio. Tokio can use many
//! threads. These lessons use one, as asyncio does, so nothing here is faster because of a second thread.

use std::cell::Cell;

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{max, sum},
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

const EGGS: u32 = 6;

pub async fn run(t: &mut Timings) -> Result<()> {
    // A tally for each variant, so that each starts at 0.
    let tally = Tally::default();
    t.time("one dish at a time", sum([2, 3, 1]), async {
        // Each dish is started when the one above it is served: while the tea draws, no eggs are boiled.
        cook("tea", 2, &tally).await;
        cook("eggs", 3, &tally).await;
        cook("toast", 1, &tally).await;
    })
    .await;
    t.count("steps by hand", tally.by_hand.get());
    t.count("ticks waited", tally.waited.get());

    let tally = Tally::default();
    t.time("watching all three", max([2, 3, 1]), async {
        // `join!` starts all three and waits until all three are done: see `tasks/join`.
        tokio::join!(
            cook("tea", 2, &tally),
            cook("eggs", 3, &tally),
            cook("toast", 1, &tally),
        )
    })
    .await;
    t.count("steps by hand", tally.by_hand.get());
    t.count("ticks waited", tally.waited.get());

    // Twice the dishes, three times the waiting, the same 3 ticks: where waits overlap, only the longest counts. The
    // steps by hand don't overlap: there are 12 now, and one cook does them one at a time. `join_all` does for a list
    // what `join!` does for a fixed number.
    let tally = Tally::default();
    let eggs = (0..EGGS).map(|_| cook("egg", 3, &tally));
    t.time("watching six eggs", max([3; EGGS as usize]), join_all(eggs))
        .await;
    t.count("steps by hand", tally.by_hand.get());
    t.count("ticks waited", tally.waited.get());
    Ok(())
}

/// `async` makes this a function that can stop in the middle, at its `.await`, so that another one can run meanwhile.
#[instrument(ret, skip(tally))]
async fn cook(dish: &'static str, time: u32, tally: &Tally) {
    info!("on the stove");
    tally.add_one_by_hand();
    // The stove does this part. The cook is needed before it and after it, but not during it.
    sleep(ticks(time)).await;
    tally.waited.update(|waited| waited + time);
    info!("served");
    tally.add_one_by_hand();
}

/// What was counted while cooking. A `Cell` is enough, without a lock: all of this runs on one thread, so no two
/// lines run at the same moment.
#[derive(Default)]
struct Tally {
    by_hand: Cell<u32>,
    waited: Cell<u32>,
}

impl Tally {
    fn add_one_by_hand(&self) {
        self.by_hand.update(|steps| steps + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_adds_up_and_together_takes_as_long_as_the_slowest() {
        let t = Timings::of(run).await;
        assert_eq!(t["one dish at a time"].elapsed, ticks(6));
        assert_eq!(t["watching all three"].elapsed, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn no_dish_gets_faster() {
        let t = Timings::of(run).await;
        for (dish, time) in [("tea", 2), ("eggs", 3), ("toast", 1)] {
            for variant in ["one dish at a time", "watching all three"] {
                let lane = t[variant].lane(dish);
                assert_eq!(lane.end - lane.start, ticks(time), "{dish}, {variant}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn steps_by_hand_and_waiting_stay_the_same() {
        let t = Timings::of(run).await;
        for variant in ["one dish at a time", "watching all three"] {
            assert_eq!(*t[variant].count("steps by hand"), 6, "{variant}");
            assert_eq!(*t[variant].count("ticks waited"), 6, "{variant}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_factor_is_the_number_of_waits_that_overlap() {
        let t = Timings::of(run).await;
        let six = &t["watching six eggs"];
        assert_eq!(six.elapsed, ticks(3));
        assert_eq!(*six.count("ticks waited"), 3 * EGGS);
        assert_eq!(*six.count("steps by hand"), 2 * EGGS);
    }
}
