//! # A cancelled consumer: the parcel in its hands
//!
//! Two sorters take 6 parcels from one belt and need 1 tick for each. After 1.5 ticks the first of them has to end.
//! If it is aborted, the parcel in its hands is dropped with it: 5 are sorted and 1 is lost, without an error. There
//! are three ways to lose 0. The parcel is in a guard (see `streams/guard`) that gives it back when it is dropped,
//! and is sorted at the end: 5 ticks instead of 4. Or the work on it is a task of its own, which goes on: 4 ticks. Or
//! the sorter is told by a token instead (see `tasks/cancel`), looks at it between two parcels, and sorts what it
//! has: 4 ticks.
//!
//! asyncio: Queue.get, Task.cancel
//!
//! ```python
//! parcel = await belt.get()
//! try:
//!     await sort(parcel)
//! except asyncio.CancelledError:
//!     belt.put_nowait(parcel)         # give it back; into a full queue it is a QueueFull, and the parcel is lost
//!     raise
//! ```
//!
//! Not the same: Python loses the parcel too, unless the sorter catches the CancelledError, and the `except` may wait
//! for a place in the queue. Here nothing can be caught, and a `Drop` can't wait: it gives back to a channel without
//! a bound, or to a list. A task that is awaited without a shield is cancelled with its waiter in Python; in tokio it
//! goes on (see `tasks/shield`).

use anyhow::Result;
use async_channel::Receiver;
use timing::{
    Timings,
    law::{max, sum},
    report::{Ended, Variant},
    ticks,
};
use tokio::{
    spawn,
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::instrument;

const PARCELS: u32 = 6;

pub async fn run(t: &mut Timings) -> Result<()> {
    // The second sorter needs 4 ticks for its four parcels, whatever becomes of the first one.
    let day = aborted(1.5, Hands::Bare);
    t.time("aborted", max([1.5, 4.0]), day).await?;
    count(t, "aborted");

    let day = aborted_gives_back(1.5);
    t.time("aborted, gives back", sum([4, 1]), day).await?;
    count(t, "aborted, gives back");

    let day = aborted_works_in_tasks(1.5);
    t.time("aborted, works in tasks", max([2, 4]), day).await?;
    count(t, "aborted, works in tasks");

    t.time("asked to stop", max([2, 4]), asked_to_stop(1.5))
        .await?;
    count(t, "asked to stop");
    Ok(())
}

async fn aborted(after: f64, hands: Hands) -> Result<()> {
    let never = CancellationToken::new();
    let belt = full_belt();
    let first = spawn(sorter(1, belt.clone(), hands.clone(), never.clone()));
    let second = spawn(sorter(2, belt, hands, never));
    sleep(ticks(after)).await;
    first.abort();
    // No error unless it is a panic. That it was done before the abort is none either.
    first
        .await
        .or_else(|end| end.is_cancelled().then_some(()).ok_or(end))?;
    Ok(second.await?)
}

async fn aborted_gives_back(after: f64) -> Result<()> {
    let (back, mut given_back) = unbounded_channel();
    aborted(after, Hands::GiveBack(back)).await?;
    // The sorters are gone, and their senders with them, so this ends.
    while let Some(parcel) = given_back.recv().await {
        sort(parcel).await;
    }
    Ok(())
}

async fn aborted_works_in_tasks(after: f64) -> Result<()> {
    let tasks = TaskTracker::new();
    aborted(after, Hands::SpawnATask(tasks.clone())).await?;
    // The task of a sorter that was aborted may be the last.
    tasks.close();
    tasks.wait().await;
    Ok(())
}

async fn asked_to_stop(after: f64) -> Result<()> {
    let stop = CancellationToken::new();
    let belt = full_belt();
    let first = spawn(sorter(1, belt.clone(), Hands::Bare, stop.clone()));
    let second = spawn(sorter(2, belt, Hands::Bare, CancellationToken::new()));
    sleep(ticks(after)).await;
    // Nothing is dropped by this. The sorter looks at it when it has sorted what it has in hand.
    stop.cancel();
    first.await?;
    Ok(second.await?)
}

/// What a sorter does with a parcel that it has taken.
#[derive(Clone)]
enum Hands {
    Bare,
    GiveBack(UnboundedSender<u32>),
    SpawnATask(TaskTracker),
}

/// Returns at the end of the belt, or between two parcels once it is asked to `stop`. On this belt `recv` never waits.
/// A sorter that waits for a parcel isn't woken by `stop`, and sorts one more: for that it takes a `select!` on
/// `stop.cancelled()` too (see `queues/graceful-drain`).
#[instrument(ret, skip(belt, hands, stop))]
async fn sorter(number: u32, belt: Receiver<u32>, hands: Hands, stop: CancellationToken) {
    while !stop.is_cancelled()
        && let Ok(parcel) = belt.recv().await
    {
        match &hands {
            Hands::Bare => sort(parcel).await,
            Hands::GiveBack(back) => {
                let mut in_hand = InHand(Some(parcel), back.clone());
                sort(parcel).await;
                in_hand.0 = None; // or the guard would give back what is sorted
            }
            // Between the `recv` and this there is no `.await`, so the parcel can't be lost on its way to the task.
            Hands::SpawnATask(tasks) => {
                let sorted = tasks.spawn(sort(parcel)).await;
                sorted.expect("nobody aborts it, and it doesn't panic");
            }
        }
    }
}

/// When the sorter is aborted, this is dropped with everything else that it holds across its `.await`.
struct InHand(Option<u32>, UnboundedSender<u32>);

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some(parcel) = self.0 {
            // This `send` never waits. An error would mean that nobody is there to take the parcel.
            let _refused = self.1.send(parcel);
        }
    }
}

#[instrument(ret)]
async fn sort(parcel: u32) {
    sleep(ticks(1)).await;
}

/// All parcels are on it, and no more will come.
fn full_belt() -> Receiver<u32> {
    let (belt, end) = async_channel::unbounded();
    for parcel in 1..=PARCELS {
        belt.try_send(parcel).expect("the other end is here");
    }
    end
}

fn count(t: &mut Timings, label: &str) {
    let sorted = sorted(&t[label]);
    t.count("sorted", sorted);
    t.count("lost", PARCELS as usize - sorted);
}

fn sorted(variant: &Variant) -> usize {
    let lanes = variant.lanes.iter();
    let sorts = lanes.filter(|lane| lane.label.starts_with("sort("));
    sorts.filter(|lane| lane.ended == Ended::Returned).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prop_assert, prop_assert_eq,
        test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
    };
    use std::cell::Cell;
    use timing::{law::none, on_virtual_clock};

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_sorter_loses_its_parcel_unless_the_work_is_a_task() {
        let t = Timings::of(run).await;
        for (label, lost) in [("aborted", 1), ("aborted, works in tasks", 0)] {
            assert_eq!(t[label].lane("sorter(1)").ended, Ended::Cancelled);
            assert_eq!(t[label].elapsed, ticks(4));
            assert_eq!(*t[label].count("lost"), lost);
        }
        assert_eq!(t["aborted, works in tasks"].lane("sort(3)").end, ticks(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_guard_gives_it_back() {
        let t = Timings::of(run).await;
        let gives_back = &t["aborted, gives back"];
        assert_eq!(gives_back.lane("sorter(1)").ended, Ended::Cancelled);
        assert_eq!(gives_back.elapsed, ticks(5));
        assert_eq!(*gives_back.count("lost"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sorter_that_is_asked_to_stop_sorts_what_it_has() {
        let t = Timings::of(run).await;
        let asked = &t["asked to stop"];
        assert_eq!(asked.lane("sorter(1)").ended, Ended::Returned);
        assert_eq!(asked.lane("sorter(1)").end, ticks(2));
        assert_eq!(asked.elapsed, ticks(4));
        assert_eq!(*asked.count("lost"), 0);
    }

    #[test]
    fn whenever_it_is_stopped_only_the_bare_abort_loses_one() {
        let lost = Cell::new(0);
        let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(Config::with_cases(512), seed);
        let held = runner.run(&(0_u32..50), |tenths| {
            let after = f64::from(tenths) / 10.0;
            let bare = aborted(after, Hands::Bare);
            let (back, tasks) = (aborted_gives_back(after), aborted_works_in_tasks(after));
            on_virtual_clock(async {
                let mut t = Timings::default();
                t.time("bare", none(), bare).await.unwrap();
                t.time("back", none(), back).await.unwrap();
                t.time("tasks", none(), tasks).await.unwrap();
                t.time("asked", none(), asked_to_stop(after)).await.unwrap();
                for label in ["back", "tasks", "asked"] {
                    prop_assert_eq!(sorted(&t[label]), PARCELS as usize);
                }
                let loses = PARCELS as usize - sorted(&t["bare"]);
                prop_assert!(loses <= 1);
                lost.update(|lost| lost + loses);
                Ok(())
            })
        });
        held.unwrap();
        // Each time before tick 3 that isn't a whole tick, at which no parcel is in hand.
        assert!(lost.get() > 200, "a bare abort has lost {}", lost.get());
    }
}
