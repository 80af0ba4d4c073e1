//! # One cook, three dishes: waits overlap, nothing gets faster
//!
//! Tea draws for 2 ticks (of 100 ms), eggs boil for 3, toast browns for 1. A cook who stands before each until it is
//! done needs 6 ticks; one who starts all three and turns to whichever is ready needs 3. Both do the same six things
//! by hand, both wait for the same 6 ticks' worth of cooking, and no egg boils faster. The factor is the number of
//! waits that overlap at a time: 2 here, 6 with six eggs, whose 18 ticks of waiting pass in 3. Async has no factor of
//! its own.
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
//! Not the same: Python brings the cook along, as the event loop of its standard library. Rust has the words `async`
//! and `await` and nothing that runs them: that is a library's part, here tokio's. Tokio can put many threads to
//! work; these lessons keep to one, as asyncio does, so nothing in this picture comes from a second pair of hands.

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
    let tally = Tally::default();
    t.time("one dish at a time", sum([2, 3, 1]), async {
        // Each dish is begun when the one above it is on the table: while the tea draws, nobody boils eggs.
        cook("tea", 2, &tally).await;
        cook("eggs", 3, &tally).await;
        cook("toast", 1, &tally).await;
    })
    .await;
    t.count("things done by hand", tally.by_hand.take());
    t.count("ticks waited", tally.waited.take());

    t.time("watching all three", max([2, 3, 1]), async {
        // How `join!` does it, and why it looks at every pot when one of them is ready, is a later chapter's subject.
        // Here it stands for: begin all, wait for all.
        tokio::join!(
            cook("tea", 2, &tally),
            cook("eggs", 3, &tally),
            cook("toast", 1, &tally),
        )
    })
    .await;
    t.count("things done by hand", tally.by_hand.take());
    t.count("ticks waited", tally.waited.take());

    // Twice the dishes, three times the waiting, and no later end: of waits that overlap only the longest shows. The
    // handiwork is another matter: it is twice as much, for one pair of hands, and it sets the limit in the end.
    let eggs = (0..EGGS).map(|_| cook("egg", 3, &tally));
    t.time("watching six eggs", max([3; EGGS as usize]), join_all(eggs))
        .await;
    t.count("things done by hand", tally.by_hand.take());
    t.count("ticks waited", tally.waited.take());
    Ok(())
}

/// `async` makes this a function that can stop in the middle, at its `.await`, and leave its caller free until then.
#[instrument(ret, skip(tally))]
async fn cook(dish: &'static str, time: u32, tally: &Tally) {
    info!("on the stove");
    tally.add_one_by_hand();
    // The stove does this part. The cook is needed before it and after it, and not during it.
    sleep(ticks(time)).await;
    tally.waited.update(|waited| waited + time);
    info!("served");
    tally.add_one_by_hand();
}

/// Kept while cooking. A `Cell` will do, without a lock: there is one cook, so no two lines of this file ever run at
/// the same moment.
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

    async fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        t
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_adds_up_and_together_takes_as_long_as_the_slowest() {
        let t = measured().await;
        assert_eq!(t["one dish at a time"].elapsed, ticks(6));
        assert_eq!(t["watching all three"].elapsed, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn no_dish_gets_faster() {
        let t = measured().await;
        for (dish, time) in [("tea", 2), ("eggs", 3), ("toast", 1)] {
            for variant in ["one dish at a time", "watching all three"] {
                let lane = t[variant].lane(dish);
                assert_eq!(lane.end - lane.start, ticks(time), "{dish}, {variant}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn handiwork_and_waiting_stay_the_same() {
        let t = measured().await;
        for variant in ["one dish at a time", "watching all three"] {
            assert_eq!(*t[variant].count("things done by hand"), 6, "{variant}");
            assert_eq!(*t[variant].count("ticks waited"), 6, "{variant}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_factor_is_the_number_of_waits_that_overlap() {
        let t = measured().await;
        let six = &t["watching six eggs"];
        assert_eq!(six.elapsed, ticks(3));
        assert_eq!(*six.count("ticks waited"), 3 * EGGS);
        assert_eq!(*six.count("things done by hand"), 2 * EGGS);
    }
}
