//! # As completed: each result when it is ready
//!
//! Stew, tea and rice need 3, 1 and 2 ticks and cook side by side. A waiter who takes the results in the order of the
//! list gets the first one after 3 ticks, since the stew is first in it. A waiter who takes what is ready next gets
//! the tea after 1. Everything is done after 3 ticks in either case. What changes is how long finished dishes wait to
//! be served: 3 ticks in all, or 0.
//!
//! asyncio: as_completed
//!
//! ```python
//! async for task in asyncio.as_completed([stew, tea, rice]):    # 3.13 yields the tasks that were passed in
//!     print(task.get_name(), await task)
//! ```
//!
//! Not the same: `JoinSet::join_next` and `FuturesUnordered` hand out values, and not what they came from. So the key
//! is made part of the value: here each dish says its name. A task that panics or is aborted returns no value, so no
//! key either. Which task it was is told by `JoinError::id`, and for values by `join_next_with_id`. A `JoinSet` owns
//! tasks, which need `'static`, and wraps each value in a `Result`, because a task can panic. `FuturesUnordered` polls
//! its futures from the task it stands in, so they may borrow, and there is no second error to handle. It is a stream:
//! `streams/unordered` shows it with a bound.

use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, stream::FuturesUnordered};
use timing::{Timings, law::max, ticks};
use tokio::{task::JoinSet, time::sleep};
use tracing::{info, instrument};

const DISHES: [(&str, u32); 3] = [("stew", 3), ("tea", 1), ("rice", 2)];

pub async fn run(t: &mut Timings) -> Result<()> {
    let law = || max(DISHES.map(|(_, time)| time));
    t.time("in the order of the list", law(), in_list_order())
        .await?;
    count_served(t, "in the order of the list");

    t.time("JoinSet", law(), from_a_join_set()).await?;
    count_served(t, "JoinSet");

    t.time("FuturesUnordered", law(), from_futures_unordered())
        .await;
    count_served(t, "FuturesUnordered");
    Ok(())
}

async fn in_list_order() -> Result<()> {
    // All three are cooking. Only the waiting happens in the order of the list.
    let tasks = DISHES.map(|(dish, time)| tokio::spawn(cook(dish, time)));
    for task in tasks {
        serve(task.await?);
    }
    Ok(())
}

async fn from_a_join_set() -> Result<()> {
    let mut tasks: JoinSet<&str> = DISHES
        .iter()
        .map(|&(dish, time)| cook(dish, time))
        .collect();
    // `None` when the set is empty: no counting of how many are still to come.
    while let Some(dish) = tasks.join_next().await {
        serve(dish?);
    }
    Ok(())
}

async fn from_futures_unordered() {
    let dishes = DISHES.iter().map(|&(dish, time)| cook(dish, time));
    let mut dishes: FuturesUnordered<_> = dishes.collect();
    // It is polled only while `next` is awaited. If `serve` had to wait between two dishes, the cooking would stand
    // still meanwhile: see `pitfalls/buffered-stall`.
    while let Some(dish) = dishes.next().await {
        serve(dish);
    }
}

/// Reads from the lanes in which order the dishes were served, and for how many ticks in all they waited for that.
fn count_served(t: &mut Timings, label: &str) {
    let mut dishes = DISHES.map(|(dish, _)| {
        let served = t[label].lane(&format!("serve(\"{dish}\"")).start;
        let waited = served - t[label].lane(&format!("cook(\"{dish}\"")).end;
        (served, waited, dish)
    });
    let waited: Duration = dishes.iter().map(|(_, waited, _)| *waited).sum();
    // A stable sort: dishes that are served at the same moment keep the order of the list.
    dishes.sort_by_key(|(served, _, _)| *served);
    t.count("served", dishes.map(|(_, _, dish)| dish).join(", "));
    t.count("ticks unserved", waited.div_duration_f64(ticks(1)));
}

/// Returns its key: `join_next` and `next` hand out nothing else that tells which future a value came from.
#[instrument(ret)]
async fn cook(dish: &'static str, time: u32) -> &'static str {
    sleep(ticks(time)).await;
    info!("ready");
    dish
}

#[instrument(ret)]
fn serve(dish: &'static str) {
    info!("on the table");
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Value;

    #[tokio::test(start_paused = true)]
    async fn all_is_done_when_the_slowest_is_in_whatever_order_they_are_served() {
        let t = Timings::of(run).await;
        for label in ["in the order of the list", "JoinSet", "FuturesUnordered"] {
            assert_eq!(t[label].elapsed, ticks(3), "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn in_the_order_of_the_list_the_others_wait_for_the_slow_first_one() {
        let t = Timings::of(run).await;
        let listed = &t["in the order of the list"];
        assert_eq!(*listed.count("served"), "stew, tea, rice");
        // The tea waits from 1 to 3, the rice from 2 to 3.
        assert_eq!(*listed.count("ticks unserved"), Value::Fraction(3.0));
        assert_eq!(listed.lane("serve(\"tea\"").start, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn as_completed_no_dish_waits_and_the_key_says_which_it_was() {
        let t = Timings::of(run).await;
        for label in ["JoinSet", "FuturesUnordered"] {
            assert_eq!(*t[label].count("served"), "tea, rice, stew", "{label}");
            assert_eq!(
                *t[label].count("ticks unserved"),
                Value::Fraction(0.0),
                "{label}"
            );
            assert_eq!(t[label].lane("serve(\"tea\"").start, ticks(1), "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_set_is_done_at_once() {
        assert!(JoinSet::<()>::new().join_next().await.is_none());
        assert!(
            FuturesUnordered::<std::future::Ready<()>>::new()
                .next()
                .await
                .is_none()
        );
    }
}
