//! # One of several fails: what becomes of the others
//!
//! Four dishes are on the stove. The fish burns after 1 tick and the roast after 3; soup and stew would be ready
//! after 2 and 4. `try_join!` returns the first error after 1 tick and drops the other three futures: 3 cancelled, 0
//! ready. `try_join_all` over the handles of tasks returns it as early, but the tasks run on: 2 dishes become ready
//! that nobody takes, and the error of the roast is lost. `join_all` takes 4 ticks and returns all four outcomes, 2
//! dishes and 2 errors. With a `JoinSet`, a set of tasks, the program decides: here it aborts the rest at the first
//! error, and gets each of the 3 back as cancelled.
//!
//! asyncio: gather, return_exceptions
//!
//! ```python
//! await asyncio.gather(*map(cook, menu))    # raises the first error; the rest goes on cooking
//!
//! outcomes = await asyncio.gather(*map(cook, menu), return_exceptions=True)
//! burnt = [o for o in outcomes if isinstance(o, BaseException)]
//! ```
//!
//! Not the same: `gather` never cancels a sibling because another one failed. `try_join!` drops its siblings: that
//! cancels them, unless they are handles of tasks, which run on. With `return_exceptions=True` dishes and exceptions
//! share one list, and a test for `Exception` takes a cancelled child for a dish, because CancelledError is a
//! BaseException. In Rust every outcome is a `Result`, and a task that was cancelled is an `Err` of the type
//! `JoinError`: nothing but a dish can be taken for a dish.

use anyhow::{Result, bail};
use futures_util::future::{join_all, try_join_all};
use timing::{
    Timings,
    law::{exactly, max},
    report::{Ended, Variant},
    ticks,
};
use tokio::{
    task::{JoinError, JoinSet},
    time::sleep,
};
use tracing::{info, instrument};

const MENU: [(&str, u32); 4] = [("soup", 2), ("fish", 1), ("stew", 4), ("roast", 3)];

pub async fn run(t: &mut Timings) -> Result<()> {
    let dishes = t
        .time("try_join!", exactly(1), async {
            let [soup, fish, stew, roast] = MENU.map(|(dish, time)| cook(dish, time));
            tokio::try_join!(soup, fish, stew, roast)
        })
        .await;
    // One `Result` for all four. What was dropped hands nothing back: only its lane tells what became of it.
    t.count("ready", ended(&t["try_join!"], Ended::Returned));
    t.count("errors seen", usize::from(dishes.is_err()));
    t.count("cancelled", ended(&t["try_join!"], Ended::Cancelled));

    // As in `gather`. What is dropped at the first error here are futures that wait for the tasks, not the tasks.
    let mut tasks = MENU.map(|(dish, time)| tokio::spawn(cook(dish, time)));
    let waits = tasks.iter_mut().map(async |task| task.await?);
    let dishes = t
        .time("try_join_all of tasks", exactly(1), try_join_all(waits))
        .await;
    // After the error nobody needs the handles. They are only kept to see what the tasks still do.
    let later = join_all(tasks.into_iter().filter(|task| !task.is_finished())).await;
    let [ready, errors, cancelled] = tally(&later);
    t.count("ready", ready);
    t.count("errors seen", usize::from(dishes.is_err()));
    t.count("errors lost", errors);
    t.count("cancelled", cancelled);

    // To `join_all` an `Err` is a value like any other, so nothing ends early: it takes as long as the slowest dish.
    let all = join_all(MENU.map(|(dish, time)| cook(dish, time)));
    let outcomes = t.time("join_all", max([2, 1, 4, 3]), all).await;
    let ready = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    t.count("ready", ready);
    t.count("errors seen", outcomes.len() - ready);
    t.count("cancelled", ended(&t["join_all"], Ended::Cancelled));

    let aborted = stops_at_the_first_error();
    let outcomes = t.time("JoinSet, abort_all", exactly(1), aborted).await;
    let [ready, errors, cancelled] = tally(&outcomes);
    t.count("ready", ready);
    t.count("errors seen", errors);
    t.count("cancelled", cancelled);
    Ok(())
}

/// The inner `Result` is what became of the dish. The outer one tells whether its task came to an end by itself, or
/// was cancelled, or panicked.
type Outcome = Result<Result<&'static str>, JoinError>;

async fn stops_at_the_first_error() -> Vec<Outcome> {
    let mut stove = JoinSet::new();
    for (dish, time) in MENU {
        stove.spawn(cook(dish, time));
    }
    let mut outcomes = Vec::new();
    // `abort_all` asks and doesn't wait: an aborted task is dropped in a turn of its own, and handed back like the
    // others. So the loop goes on until the set is empty.
    while let Some(outcome) = stove.join_next().await {
        if matches!(outcome, Ok(Err(_))) {
            stove.abort_all();
        }
        outcomes.push(outcome);
    }
    outcomes
}

#[instrument(ret, err)]
async fn cook(dish: &'static str, time: u32) -> Result<&'static str> {
    sleep(ticks(time)).await;
    if matches!(dish, "fish" | "roast") {
        bail!("the {dish} is burnt");
    }
    info!("ready");
    Ok(dish)
}

/// How many dishes are ready, how many failed, how many were cancelled.
fn tally(outcomes: &[Outcome]) -> [usize; 3] {
    let is_ready = |outcome: &&Outcome| matches!(outcome, Ok(Ok(_)));
    let failed = |outcome: &&Outcome| matches!(outcome, Ok(Err(_)));
    let cancelled = |outcome: &&Outcome| matches!(outcome, Err(end) if end.is_cancelled());
    [
        outcomes.iter().filter(is_ready).count(),
        outcomes.iter().filter(failed).count(),
        outcomes.iter().filter(cancelled).count(),
    ]
}

fn ended(variant: &Variant, how: Ended) -> usize {
    let lanes = variant.lanes.iter();
    lanes.filter(|lane| lane.ended == how).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ended::{Cancelled, Failed, Outlived, Returned};

    fn ends(variant: &Variant) -> [Ended; 4] {
        MENU.map(|(dish, _)| variant.lane(dish).ended)
    }

    #[track_caller]
    fn assert_counts(variant: &Variant, ready: usize, errors: usize, cancelled: usize) {
        assert_eq!(*variant.count("ready"), ready);
        assert_eq!(*variant.count("errors seen"), errors);
        assert_eq!(*variant.count("cancelled"), cancelled);
    }

    #[tokio::test(start_paused = true)]
    async fn try_join_drops_the_siblings_at_the_first_error() {
        let t = Timings::of(run).await;
        let joined = &t["try_join!"];
        assert_eq!(joined.elapsed, ticks(1));
        assert_eq!(ends(joined), [Cancelled, Failed, Cancelled, Cancelled]);
        assert_counts(joined, 0, 1, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_run_on_after_the_first_error_as_in_gather() {
        let t = Timings::of(run).await;
        let tasks = &t["try_join_all of tasks"];
        assert_eq!(tasks.elapsed, ticks(1));
        assert_eq!(ends(tasks), [Outlived, Failed, Outlived, Outlived]);
        assert_counts(tasks, 2, 1, 0);
        assert_eq!(*tasks.count("errors lost"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn join_all_hands_back_every_outcome() {
        let t = Timings::of(run).await;
        let all = &t["join_all"];
        assert_eq!(all.elapsed, ticks(4));
        assert_eq!(ends(all), [Returned, Failed, Returned, Failed]);
        assert_counts(all, 2, 2, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_aborted_task_is_handed_back_as_cancelled_and_never_as_a_dish() {
        let t = Timings::of(run).await;
        let set = &t["JoinSet, abort_all"];
        assert_eq!(set.elapsed, ticks(1));
        assert_eq!(ends(set), [Cancelled, Failed, Cancelled, Cancelled]);
        assert_counts(set, 0, 1, 3);
    }
}
