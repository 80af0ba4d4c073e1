//! # Sleeps made early: they overlap where work does not
//!
//! A menu of tea, 2 ticks, and stew, 3 ticks, should be cooked side by side, but `serves_in_turn` awaits the tea and
//! then the stew: 5 ticks. A test that hands it two bare `sleep`s in place of the dishes measures 3, and misses the
//! mistake. tokio's `sleep` sets its deadline when it is called, and both are called before the first `.await`. With
//! each `sleep` inside an `async fn`, as in real work, the test measures 5. The cure of the menu is `join!`: 3.
//!
//! asyncio: sleep, call_later
//!
//! How to see it: in the timeline the stew's lane begins where the lane of the tea ends; a bare sleep has no lane.
//! Neither rustc nor clippy warns.
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
//! ordinary function that returns a timer; its time runs from the call, as with `call_later`. So does the limit of
//! `timeout`: one that is made early is partly used up when it is awaited.

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
    t.time("bare sleeps, in turn", max([TEA, STEW]), async {
        // Each call reads the clock. When the tea is over, 2 of the stew's 3 ticks are over as well.
        let (tea, stew) = (sleep(ticks(TEA)), sleep(ticks(STEW))); // <- the difference
        serves_in_turn(tea, stew).await;
    })
    .await;

    t.time("dishes, in turn", sum([TEA, STEW]), async {
        let (tea, stew) = (cook("tea", TEA), cook("stew", STEW)); // <- the difference
        serves_in_turn(tea, stew).await;
    })
    .await;

    let menu = serves_together(cook("tea", TEA), cook("stew", STEW));
    t.time("dishes, join!", max([TEA, STEW]), menu).await;
    Ok(())
}

/// Takes futures, so that a test can pass some of its own. Both exist from the start, but the second one isn't polled
/// before the first one is done.
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
async fn cook(dish: &'static str, time: u32) {
    sleep(ticks(time)).await;
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
    use tokio::time::{Instant, timeout};

    #[tokio::test(start_paused = true)]
    async fn bare_sleeps_look_concurrent_where_the_dishes_are_not() {
        let t = Timings::of(run).await;
        assert_eq!(t["bare sleeps, in turn"].elapsed, ticks(3));
        let dishes = &t["dishes, in turn"];
        assert_eq!(dishes.elapsed, ticks(5));
        assert_eq!(dishes.lane("stew").start, dishes.lane("tea").end);
    }

    #[tokio::test(start_paused = true)]
    async fn with_bare_sleeps_a_test_can_not_tell_the_mistake_from_its_cure() {
        let start = Instant::now();
        serves_in_turn(sleep(ticks(TEA)), sleep(ticks(STEW))).await;
        let in_turn = start.elapsed();
        let start = Instant::now();
        serves_together(sleep(ticks(TEA)), sleep(ticks(STEW))).await;
        assert_eq!(in_turn, start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_that_is_made_early_is_used_up() {
        let tea = timeout(ticks(TEA), cook("tea", 1));
        sleep(ticks(TEA)).await;
        assert!(tea.await.is_err());
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
                let dishes = serves_in_turn(cook("a", a), cook("b", b));
                prop_assert_eq!(takes(dishes).await, ticks(a + b));
                let together = serves_together(cook("a", a), cook("b", b));
                prop_assert_eq!(takes(together).await, ticks(a.max(b)));
                Ok(())
            })
        });
        held.unwrap();
    }
}
