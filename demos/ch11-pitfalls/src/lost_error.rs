//! # Lost errors: five orders confirmed, three saved
//!
//! A shop saves five orders; the disk refuses two of them. If each `save` is a task that nobody waits for, its `Err`
//! is dropped with the task: 5 orders are confirmed, 3 are saved, 0 errors are logged. It is the same with a
//! `join_all` whose list of results is dropped. Where each result decides what is confirmed and what is logged, 3 are
//! confirmed, 3 saved, and 2 errors logged.
//!
//! asyncio: gather, return_exceptions, Task exception was never retrieved
//!
//! How to see it: by `#[instrument(err)]` on `save`, which logs its own errors; otherwise not at all. rustc's
//! `unused_must_use`, on by default, warns of a `Result` that is dropped, but not of one inside a `JoinHandle` or a
//! `Vec`. `let _ = handle.await?` is as silent: its `?` is for the task, and `let _` drops what `save` has returned.
//!
//! Cured in: `tasks/join-errors`, `tasks/detached`, `runtime/exception-handler`
//!
//! ```python
//! for order in orders: asyncio.create_task(save(order))
//!
//! await asyncio.gather(*map(save, orders), return_exceptions=True)     # as silent, if nobody reads the list
//! ```
//!
//! Not the same: asyncio logs "Task exception was never retrieved" when such a task is freed. tokio logs nothing: the
//! panic hook reports a panic, and an `Err` that is dropped leaves nothing (`tasks/detached`). `gather` without
//! `return_exceptions` hands over the first error only, and so does `try_join_all`.

use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use timing::{Timings, law::exactly, ticks};
use tokio::{task::JoinSet, time::sleep};
use tracing::{instrument, warn};

const ORDERS: [u32; 5] = [1, 2, 3, 4, 5];
/// The orders that the disk refuses.
const REFUSED: [u32; 2] = [2, 4];
/// `lock` of a std `Mutex` fails when a thread has panicked while it held the lock.
const NO_PANIC: &str = "nothing panics while it holds the lock";

pub async fn run(t: &mut Timings) -> Result<()> {
    let shop = Shop::refusing(REFUSED);
    let confirmed = t.time("spawn", exactly(2), spawns(&shop)).await;
    count(t, "spawn", &confirmed, &shop);

    let shop = Shop::refusing(REFUSED);
    let confirmed = t.time("join_all", exactly(1), joins(&shop)).await;
    count(t, "join_all", &confirmed, &shop);

    let shop = Shop::refusing(REFUSED);
    let confirmed = t.time("JoinSet, each matched", exactly(1), matches_each(&shop));
    let confirmed = confirmed.await;
    count(t, "JoinSet, each matched", &confirmed, &shop);
    Ok(())
}

/// The two ticks stand for the other work of the shop, which gives every task the time to end.
#[instrument(ret, skip_all)]
async fn spawns(shop: &Arc<Shop>) -> Vec<u32> {
    for saving in saves(shop) {
        tokio::spawn(saving); // <- the difference
    }
    sleep(ticks(2)).await;
    ORDERS.to_vec()
}

/// Waits until all are done, and drops a list of five results. `.into_iter().collect::<Result<Vec<_>>>()?` would not:
/// it ends with the first error in the list.
#[instrument(ret, skip_all)]
async fn joins(shop: &Arc<Shop>) -> Vec<u32> {
    join_all(saves(shop)).await; // <- the difference
    ORDERS.to_vec()
}

/// Confirms what is saved and nothing else.
#[instrument(ret, skip_all)]
async fn matches_each(shop: &Arc<Shop>) -> Vec<u32> {
    let mut saving: JoinSet<_> = saves(shop).collect();
    let mut confirmed = Vec::new();
    while let Some(saved) = saving.join_next().await {
        match saved {
            Ok(Ok(order)) => confirmed.push(order),
            Ok(Err(error)) => warn!("not saved: {error}"), // <- the difference
            Err(error) => warn!("not known to be saved: {error}"), // it has panicked, or was aborted
        }
    }
    confirmed
}

fn saves(
    shop: &Arc<Shop>,
) -> impl Iterator<Item = impl Future<Output = Result<u32>> + Send + 'static> {
    let shop = shop.clone();
    ORDERS
        .into_iter()
        .map(move |order| save(order, shop.clone()))
}

/// An order that is not saved isn't logged in here: what to do about it is the caller's decision. `ret` alone records
/// the `Err` as a value like any other.
#[instrument(ret, skip(shop))]
async fn save(order: u32, shop: Arc<Shop>) -> Result<u32> {
    sleep(ticks(1)).await;
    ensure!(
        !shop.refused.contains(&order),
        "the disk refuses order {order}"
    );
    shop.saved.lock().expect(NO_PANIC).push(order);
    Ok(order)
}

/// Has on its disk what was saved.
struct Shop {
    refused: Vec<u32>,
    saved: Mutex<Vec<u32>>,
}

impl Shop {
    fn refusing(refused: impl Into<Vec<u32>>) -> Arc<Self> {
        let refused = refused.into();
        let saved = Mutex::default();
        Arc::new(Self { refused, saved })
    }
}

/// The log is the record of the variant: whatever was said at any level is a line in it, and here only errors are.
fn count(t: &mut Timings, label: &str, confirmed: &[u32], shop: &Shop) {
    let logged = t[label].said.len();
    t.count("confirmed", confirmed.len());
    t.count("saved", shop.saved.lock().expect(NO_PANIC).len());
    t.count("errors logged", logged);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prop_assert_eq,
        sample::subsequence,
        test_runner::{Config, TestRunner},
    };
    use timing::on_virtual_clock;

    const SILENT: [&str; 2] = ["spawn", "join_all"];

    /// How many of these orders are not on the disk.
    fn missing(shop: &Shop, confirmed: &[u32]) -> usize {
        let saved = shop.saved.lock().unwrap();
        let missing = confirmed.iter().filter(|order| !saved.contains(order));
        missing.count()
    }

    #[tokio::test(start_paused = true)]
    async fn where_no_result_is_read_five_orders_are_confirmed_and_three_saved() {
        let t = Timings::of(run).await;
        for label in SILENT {
            assert_eq!(*t[label].count("confirmed"), 5, "{label}");
            assert_eq!(*t[label].count("saved"), 3, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_logged_unless_the_results_are_read() {
        let t = Timings::of(run).await;
        for label in SILENT {
            assert!(t[label].said.is_empty(), "{label}");
        }
        assert_eq!(*t["JoinSet, each matched"].count("errors logged"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn where_each_is_matched_three_are_confirmed_and_three_saved() {
        let t = Timings::of(run).await;
        let matched = &t["JoinSet, each matched"];
        assert_eq!(*matched.count("confirmed"), 3);
        assert_eq!(*matched.count("saved"), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_mark_for_the_task_drops_the_error_of_save() {
        async fn confirms(shop: Arc<Shop>) -> Result<()> {
            let _ = tokio::spawn(save(REFUSED[0], shop)).await?;
            Ok(())
        }
        let shop = Shop::refusing(REFUSED);
        confirms(shop.clone()).await.unwrap();
        assert_eq!(missing(&shop, &REFUSED[..1]), 1);
    }

    #[test]
    fn whatever_is_refused_in_512_cases_only_saved_orders_are_confirmed() {
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&subsequence(&ORDERS[..], 0..=5), |refused| {
            on_virtual_clock(async {
                let shop = Shop::refusing(refused.clone());
                let confirmed = matches_each(&shop).await;
                prop_assert_eq!(confirmed.len(), ORDERS.len() - refused.len());
                prop_assert_eq!(missing(&shop, &confirmed), 0);

                let shop = Shop::refusing(refused.clone());
                prop_assert_eq!(missing(&shop, &spawns(&shop).await), refused.len());
                let shop = Shop::refusing(refused.clone());
                prop_assert_eq!(missing(&shop, &joins(&shop).await), refused.len());
                Ok(())
            })
        });
        held.unwrap();
    }
}
