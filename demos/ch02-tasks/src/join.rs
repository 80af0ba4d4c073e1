//! # `join!`: wait for several futures together
//!
//! Three dishes need 1, 2 and 1 ticks on the stove. Cooked one after another they take 4 ticks, the sum; together
//! they take 2, as long as the slowest. The results keep the order in which the futures were named, also when a later
//! one is ready first. When their number is only known at run time there is `join_all`: five dishes of 1 tick each
//! take 1.
//!
//! asyncio: gather
//!
//! ```python
//! tea, stew, rice = await asyncio.gather(cook("tea", 1), cook("stew", 2), cook("rice", 1))
//! rolls = await asyncio.gather(*(cook("roll", 1) for _ in range(5)))
//! ```
//!
//! Not the same: `gather` makes three tasks. `join!` makes none: it polls all three futures from the task it stands
//! in. So they are concurrent but never parallel (`pitfalls/join-is-not-parallel`), and they may borrow local
//! variables, which a task may not (`tasks/what-spawn-asks`). Each wake-up polls every future that isn't done. The
//! timeline shows it: when the tea is ready the stew is polled too, 3 times in all instead of 2.

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, max, sum},
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

const ROLLS: usize = 5;

pub async fn run(t: &mut Timings) -> Result<()> {
    t.time("one after another", sum([1, 2, 1]), async {
        cook("tea", 1).await;
        cook("stew", 2).await;
        cook("rice", 1).await;
    })
    .await;
    t.count(
        "polls of the stew",
        t["one after another"].lane("stew").polls.len(),
    );

    // A borrow of a local variable is fine: these futures are part of this function and can't outlive it.
    let second = String::from("stew");
    let dishes = t
        .time("join!", max([1, 2, 1]), async {
            tokio::join!(cook("tea", 1), cook(&second, 2), cook("rice", 1))
        })
        .await;
    t.count("polls of the stew", t["join!"].lane("stew").polls.len());
    t.count("results", format!("{dishes:?}"));

    let rolls = join_all([(); ROLLS].map(|()| cook("roll", 1)));
    let rolls = t.time("join_all of five", exactly(1), rolls).await;
    t.count("results", format!("{} rolls", rolls.len()));
    Ok(())
}

#[instrument(ret)]
async fn cook(dish: &str, time: u32) -> &str {
    info!("on the stove");
    sleep(ticks(time)).await;
    info!("ready");
    dish
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn takes_as_long_as_the_slowest() {
        let t = Timings::of(run).await;
        assert_eq!(t["one after another"].elapsed, ticks(4));
        assert_eq!(t["join!"].elapsed, ticks(2));
        assert_eq!(t["join_all of five"].elapsed, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn results_keep_the_order_of_the_futures() {
        let t = Timings::of(run).await;
        assert_eq!(*t["join!"].count("results"), r#"("tea", "stew", "rice")"#);
        let [stew, rice] = ["stew", "rice"].map(|dish| t["join!"].lane(dish).end);
        assert!(rice < stew, "though the rice is ready first");
    }

    #[tokio::test(start_paused = true)]
    async fn one_wake_up_polls_every_future_that_is_not_done() {
        let t = Timings::of(run).await;
        assert_eq!(*t["one after another"].count("polls of the stew"), 2);
        assert_eq!(*t["join!"].count("polls of the stew"), 3);
    }
}
