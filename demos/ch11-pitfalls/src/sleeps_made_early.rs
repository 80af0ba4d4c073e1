//! # Sleeps made early: they overlap where work does not
//!
//! A menu is meant to cook tea, 2 ticks, beside a stew, 3 ticks, but awaits the one and then the other: 5 ticks. Its
//! test passes two bare `sleep`s for the dishes and gets 3, as if they were cooked together. For tokio's `sleep`
//! takes its deadline when it is made, and both are made before the first `.await`. A dish begins when it is polled:
//! the stew after 200 ms. With the sleep inside an `async fn` the test gets 5, too. With `join!` the dishes take 3.
//!
//! asyncio: sleep, call_later
//!
//! How to see it: in the timeline the stew's lane begins where the lane of the tea ends; a bare sleep has no lane.
//! Nothing warns of it, neither rustc nor clippy.
//!
//! Cured in: `basics/lazy-future`, `tasks/join`
//!
//! ```python
//! tea, stew = asyncio.sleep(2), asyncio.sleep(3)
//! await tea
//! await stew       # 5 in all: its 3 seconds begin here
//! ```
//!
//! Not the same: `asyncio.sleep` is a coroutine, and its time begins when it is awaited. tokio's `sleep` is an
//! ordinary function that returns a timer. Its time runs from the call on, whether it is polled or not, as with
//! `call_later`.

use anyhow::Result;
use timing::{
    Timings,
    law::{max, sum},
    ticks,
};
use tokio::time::sleep;
use tracing::instrument;

const TEA: u32 = 2;
const STEW: u32 = 3;

pub async fn run(t: &mut Timings) -> Result<()> {
    let menu = serves_in_turn(cook("tea", TEA), cook("stew", STEW));
    t.time("dishes, in turn", sum([TEA, STEW]), menu).await;
    count(t, "dishes, in turn");

    t.time("bare sleeps, in turn", max([TEA, STEW]), async {
        // Each call reads the clock. When the tea is over, 2 of the stew's 3 ticks are over as well.
        let (tea, stew) = (sleep(ticks(TEA)), sleep(ticks(STEW))); // <- the difference
        serves_in_turn(tea, stew).await;
    })
    .await;

    t.time("async sleeps, in turn", sum([TEA, STEW]), async {
        let (tea, stew) = (stands_for("tea", TEA), stands_for("stew", STEW)); // <- the difference
        serves_in_turn(tea, stew).await;
    })
    .await;
    count(t, "async sleeps, in turn");

    let menu = serves_together(cook("tea", TEA), cook("stew", STEW));
    t.time("dishes, join!", max([TEA, STEW]), menu).await;
    count(t, "dishes, join!");
    Ok(())
}

/// Takes futures, so that a test can pass some of its own. Both of them are there from the start, but the second one
/// is polled when the first one is done.
#[instrument(ret, skip_all)]
async fn serves_in_turn(tea: impl Future, stew: impl Future) {
    tea.await;
    stew.await;
}

#[instrument(ret, skip_all)]
async fn serves_together(tea: impl Future, stew: impl Future) {
    tokio::join!(tea, stew);
}

/// The sleep is made by the first poll, like all that an `async fn` does.
#[instrument(ret)]
async fn stands_for(dish: &'static str, time: u32) {
    sleep(ticks(time)).await;
}

/// Two steps, so its second sleep can't be made before the first one is over.
#[instrument(ret)]
async fn cook(dish: &'static str, time: u32) {
    sleep(ticks(time - 1)).await;
    sleep(ticks(1)).await;
}

fn count(t: &mut Timings, label: &str) {
    let begun = t[label].lane("\"stew\"").start;
    t.count("stew begun after, ms", begun.as_secs_f64() * 1e3);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use std::time::Duration;
    use timing::on_virtual_clock;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn bare_sleeps_look_concurrent_where_the_dishes_are_not() {
        let t = Timings::of(run).await;
        assert_eq!(t["bare sleeps, in turn"].elapsed, ticks(3));
        let dishes = &t["dishes, in turn"];
        assert_eq!(dishes.elapsed, ticks(5));
        assert_eq!(dishes.lane("stew").start, dishes.lane("tea").end);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_inside_an_async_fn_takes_as_long_as_a_dish() {
        let t = Timings::of(run).await;
        let honest = &t["async sleeps, in turn"];
        assert_eq!(honest.elapsed, t["dishes, in turn"].elapsed);
        assert_eq!(honest.lane("\"stew\"").start, ticks(TEA));
    }

    #[tokio::test(start_paused = true)]
    async fn join_cooks_the_dishes_side_by_side() {
        let t = Timings::of(run).await;
        let together = &t["dishes, join!"];
        assert_eq!(together.elapsed, ticks(3));
        assert_eq!(together.lane("stew").start, ticks(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_has_its_deadline_before_it_is_polled() {
        let start = Instant::now();
        let stew = sleep(ticks(STEW));
        sleep(ticks(TEA)).await;
        assert_eq!(stew.deadline(), start + ticks(STEW));
        stew.await;
        assert_eq!(start.elapsed(), ticks(STEW));
    }

    #[test]
    fn in_512_cases_in_turn_is_the_sum_and_with_bare_sleeps_the_longest() {
        async fn takes(menu: impl Future<Output = ()>) -> Duration {
            let start = Instant::now();
            menu.await;
            start.elapsed()
        }
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&(0_u32..50, 0_u32..50), |(a, b)| {
            on_virtual_clock(async {
                let bare = serves_in_turn(sleep(ticks(a)), sleep(ticks(b)));
                prop_assert_eq!(takes(bare).await, ticks(a.max(b)));
                let honest = serves_in_turn(stands_for("a", a), stands_for("b", b));
                prop_assert_eq!(takes(honest).await, ticks(a + b));
                let together = serves_together(stands_for("a", a), stands_for("b", b));
                prop_assert_eq!(takes(together).await, ticks(a.max(b)));
                Ok(())
            })
        });
        held.unwrap();
    }
}
