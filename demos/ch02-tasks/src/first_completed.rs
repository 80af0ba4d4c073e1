//! # The first of several: losers are dropped, or handed back
//!
//! Three dishes need 3, 1 and 2 ticks, each on a burner of its own, and the first one that is ready is eaten, after 1
//! tick. `select!` polls several futures from the task it stands in, like `join!`, and ends with the first that is
//! ready. When it hands that over, the other two are dropped already and 0 burners are in use. A `JoinSet` hands over
//! the first and keeps the rest: 2 burners are in use until the rest is aborted. When two are ready at the same
//! moment, `select!` gives 1 dish and drops the other one, the `JoinSet` gives 2.
//!
//! asyncio: wait, FIRST_COMPLETED
//!
//! ```python
//! tasks = [asyncio.create_task(cook(*dish)) for dish in menu]
//! done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
//! for task in pending:
//!     task.cancel()
//! await asyncio.gather(*pending, return_exceptions=True)    # until they are gone
//! ```
//!
//! Not the same: `wait` cancels nothing, and a task in `pending` that nobody cancels runs on. With `select!` a branch
//! that doesn't win is dropped at once, with everything it holds. What that can lose: `tasks/select`. So nothing is
//! left to cancel, unless a branch awaited the handle of a task: the task runs on, detached (`tasks/detached`). `done`
//! is a set, since several tasks can be done at once; `select!` takes one branch and no other. Nearest to `wait` is the
//! `JoinSet`.

use std::sync::Arc;

use anyhow::Result;
use futures_util::future::{FutureExt, Shared};
use timing::{
    Timings,
    law::exactly,
    report::{Ended, Variant},
    ticks,
};
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet},
    time::{Sleep, sleep},
};
use tracing::{info, instrument};

const BURNERS: usize = 3;

pub async fn run(t: &mut Timings) -> Result<()> {
    // The second round has a tie: soup and rice are ready at the same moment.
    for (round, times) in [("", [3, 1, 2]), (", a tie", [3, 1, 1])] {
        let label = &format!("select!{round}");
        let in_use = t.time(label, exactly(1), selects(times)).await;
        t.count("ready", ended(&t[label], Ended::Returned));
        t.count("burners in use", in_use);
        t.count("cancelled", ended(&t[label], Ended::Cancelled));

        let label = format!("JoinSet{round}");
        let dinner = t.time(label, exactly(1), joins(times)).await?;
        t.count("ready", dinner.ready);
        t.count("burners in use", dinner.in_use);
        t.count("still in the set", dinner.left);
        t.count("cancelled", dinner.cancelled);
    }
    Ok(())
}

/// Returns how many burners are in use when the first dish is ready.
async fn selects([stew, soup, rice]: [usize; 3]) -> usize {
    let stove = Stove::lit();
    // At each wake-up the branches are polled one after another, beginning with one drawn at random, until one is
    // ready. So in a tie chance decides which dish wins, and the other one is dropped without being polled again.
    let first = tokio::select! {
        dish = cook("stew", stew, stove.clone()) => dish,
        dish = cook("soup", soup, stove.clone()) => dish,
        dish = cook("rice", rice, stove.clone()) => dish,
    };
    info!("{first} for dinner");
    stove.in_use()
}

struct Dinner {
    ready: usize,
    in_use: usize,
    left: usize,
    cancelled: usize,
}

async fn joins([stew, soup, rice]: [usize; 3]) -> Result<Dinner, JoinError> {
    let stove = Stove::lit();
    let mut dishes = JoinSet::new();
    dishes.spawn(cook("stew", stew, stove.clone()));
    dishes.spawn(cook("soup", soup, stove.clone()));
    dishes.spawn(cook("rice", rice, stove.clone()));

    let first = dishes.join_next().await.expect("there are three in it")?;
    info!("{first} for dinner");
    let mut dinner = Dinner {
        ready: 1,
        in_use: stove.in_use(),
        left: dishes.len(), // asyncio's `pending`, and whatever of `done` hasn't been taken out yet
        cancelled: 0,
    };

    // Without this line the rest would go on. A task that is done already still hands over its dish.
    dishes.abort_all();
    while let Some(outcome) = dishes.join_next().await {
        match outcome {
            Ok(_) => dinner.ready += 1,
            Err(end) if end.is_cancelled() => dinner.cancelled += 1,
            Err(panic) => return Err(panic),
        }
    }
    Ok(dinner)
}

#[instrument(ret, skip(stove))]
async fn cook(dish: &'static str, time: usize, stove: Arc<Stove>) -> &'static str {
    let burner = stove.burners.acquire().await;
    // The burner is free again when this variable is dropped: at the end, or with the future in the middle.
    let _burner = burner.expect("nobody closes the stove");
    stove.timers[time - 1].clone().await;
    dish
}

struct Stove {
    /// A permit for each burner (`sync/semaphore`).
    burners: Semaphore,
    /// For 1, 2 and 3 ticks. `Shared` is a future for several that wait for it. Dishes of one length share a timer:
    /// if each had its own, the two of a tie would begin, and end, some microseconds apart.
    timers: [Shared<Sleep>; 3],
}

impl Stove {
    fn lit() -> Arc<Self> {
        let burners = Semaphore::new(BURNERS);
        let timers = [1, 2, 3].map(|time| sleep(ticks(time)).shared());
        Arc::new(Self { burners, timers })
    }

    fn in_use(&self) -> usize {
        BURNERS - self.burners.available_permits()
    }
}

fn ended(variant: &Variant, how: Ended) -> usize {
    let lanes = variant.lanes.iter();
    lanes.filter(|lane| lane.ended == how).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ended::{Cancelled, Returned};

    fn ends(variant: &Variant) -> [Ended; 3] {
        ["stew", "soup", "rice"].map(|dish| variant.lane(dish).ended)
    }

    #[tokio::test(start_paused = true)]
    async fn select_has_dropped_the_losers_when_it_hands_over_the_first() {
        let t = Timings::of(run).await;
        let selects = &t["select!"];
        assert_eq!(selects.elapsed, ticks(1));
        assert_eq!(ends(selects), [Cancelled, Returned, Cancelled]);
        assert_eq!(*selects.count("ready"), 1);
        assert_eq!(*selects.count("burners in use"), 0);
        assert_eq!(*selects.count("cancelled"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_join_set_keeps_the_losers_until_they_are_aborted() {
        let t = Timings::of(run).await;
        let joins = &t["JoinSet"];
        assert_eq!(joins.elapsed, ticks(1));
        assert_eq!(ends(joins), [Cancelled, Returned, Cancelled]);
        assert_eq!(*joins.count("ready"), 1);
        assert_eq!(*joins.count("burners in use"), 2);
        assert_eq!(*joins.count("still in the set"), 2);
        assert_eq!(*joins.count("cancelled"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_tie_select_drops_what_would_have_been_ready() {
        let t = Timings::of(run).await;
        let selects = &t["select!, a tie"];
        assert_eq!(selects.elapsed, ticks(1));
        assert_eq!(*selects.count("ready"), 1);
        assert_eq!(*selects.count("cancelled"), 2);
        let rest = ["soup", "rice"].map(|dish| selects.lane(dish));
        let loser = rest.iter().find(|lane| lane.ended == Cancelled); // which of the two is chance
        assert_eq!(loser.unwrap().polls.len(), 1, "it isn't polled again");
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_tie_a_join_set_hands_over_both() {
        let t = Timings::of(run).await;
        let joins = &t["JoinSet, a tie"];
        assert_eq!(joins.elapsed, ticks(1));
        assert_eq!(ends(joins), [Cancelled, Returned, Returned]);
        assert_eq!(*joins.count("ready"), 2);
        assert_eq!(*joins.count("burners in use"), 1);
        assert_eq!(*joins.count("still in the set"), 2);
        assert_eq!(*joins.count("cancelled"), 1);
    }
}
