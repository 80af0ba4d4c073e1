//! # A cancelled consumer: the parcel in its hands
//!
//! Two sorters take 6 parcels from one belt and need 1 tick for each. After 1.5 ticks the first of them is stopped.
//! If it is aborted, the parcel in its hands is dropped with it: 5 are sorted and 1 is lost, without an error. If the
//! parcel is in a guard that gives it back when it is dropped, 0 are lost; it is sorted at the end, after 5 ticks
//! instead of 4. If the sorter is asked to stop, and looks for that between two parcels, it sorts what it has, and 0
//! are lost in 4 ticks.
//!
//! asyncio: Queue.get, Task.cancel
//!
//! ```python
//! parcel = await belt.get()
//! try:
//!     await sort(parcel)
//! except asyncio.CancelledError:
//!     belt.put_nowait(parcel)         # give it back
//!     raise
//! ```
//!
//! Not the same: Python loses the parcel too, unless somebody catches the CancelledError, and the `except` may wait
//! for a place in the queue. In Rust there is nothing to catch. What has to happen at a cancel stands in the `Drop`
//! of a value that the future holds, and a `Drop` can't wait: what it gives back needs a channel without a bound, or
//! a list.

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
use tokio_util::sync::CancellationToken;
use tracing::instrument;

const PARCELS: u32 = 6;

pub async fn run(t: &mut Timings) -> Result<()> {
    // The second sorter needs 4 ticks for its four parcels, whatever becomes of the first one.
    let day = aborted(1.5, false);
    t.time("aborted", max([1.5, 4.0]), day).await?;
    count(t, "aborted");

    // <- the difference: what the sorter has in its hands is given back when it is dropped.
    let day = aborted(1.5, true);
    t.time("aborted, gives back", sum([4, 1]), day).await?;
    count(t, "aborted, gives back");

    let day = asked_to_stop(1.5);
    t.time("asked to stop", max([2, 4]), day).await?;
    count(t, "asked to stop");
    Ok(())
}

async fn aborted(after: f64, gives_back: bool) -> Result<()> {
    let (back, mut given_back) = unbounded_channel();
    let back = gives_back.then_some(back);
    let never = CancellationToken::new();
    let belt = full_belt();
    let first = spawn(sorter(1, belt.clone(), back.clone(), never.clone()));
    let second = spawn(sorter(2, belt, back, never));
    sleep(ticks(after)).await;
    first.abort();
    match first.await {
        Err(end) if !end.is_cancelled() => return Err(end.into()),
        // Cancelled, or done before the abort.
        _ => {}
    }
    second.await?;
    // The sorters are gone, and their senders with them, so this ends. Without guards it ends at once.
    while let Some(parcel) = given_back.recv().await {
        sort(parcel).await;
    }
    Ok(())
}

async fn asked_to_stop(after: f64) -> Result<()> {
    let stop = CancellationToken::new();
    let belt = full_belt();
    let first = spawn(sorter(1, belt.clone(), None, stop.clone()));
    let second = spawn(sorter(2, belt, None, CancellationToken::new()));
    sleep(ticks(after)).await;
    // Nothing is dropped by this. The sorter looks at it when it has sorted what it is at.
    stop.cancel();
    first.await?;
    second.await?;
    Ok(())
}

/// With `back` it gives back what it can't finish. Returns at the end of the belt, or between two parcels once it is
/// asked to `stop`.
#[instrument(ret, skip(belt, back, stop))]
async fn sorter(
    number: u32,
    belt: Receiver<u32>,
    back: Option<UnboundedSender<u32>>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled()
        && let Ok(parcel) = belt.recv().await
    {
        let mut in_hand = InHand {
            parcel: Some(parcel),
            back: back.clone(),
        };
        sort(parcel).await;
        in_hand.parcel = None; // or the guard would give back what is sorted
    }
}

/// When the sorter is aborted, this is dropped with everything else that it holds across its `.await`.
struct InHand {
    parcel: Option<u32>,
    back: Option<UnboundedSender<u32>>,
}

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some((parcel, back)) = self.parcel.zip(self.back.as_ref()) {
            // This `send` never waits. An error would mean that nobody is there to take the parcel.
            let _refused = back.send(parcel);
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
    let sorts = variant
        .lanes
        .iter()
        .filter(|lane| lane.label.starts_with("sort("));
    sorts.filter(|lane| lane.ended == Ended::Returned).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prop_assert, prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use std::cell::Cell;
    use timing::{law::none, on_virtual_clock};

    #[tokio::test(start_paused = true)]
    async fn an_abort_loses_the_parcel_in_hand() {
        let t = Timings::of(run).await;
        assert_eq!(t["aborted"].lane("sorter(1)").ended, Ended::Cancelled);
        assert_eq!(t["aborted"].elapsed, ticks(4));
        assert_eq!(*t["aborted"].count("lost"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_guard_gives_it_back() {
        let t = Timings::of(run).await;
        let gives_back = &t["aborted, gives back"];
        assert_eq!(gives_back.lane("sorter(1)").ended, Ended::Cancelled);
        assert_eq!(gives_back.elapsed, ticks(5));
        assert_eq!(*gives_back.count("lost"), 0);
        let third = gives_back
            .lanes
            .iter()
            .filter(|lane| lane.label == "sort(3)");
        assert!(
            third
                .map(|lane| lane.ended)
                .eq([Ended::Cancelled, Ended::Returned])
        );
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
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&(0_u32..50), |tenths| {
            let after = f64::from(tenths) / 10.0;
            on_virtual_clock(async {
                let mut t = Timings::default();
                t.time("aborted", none(), aborted(after, false))
                    .await
                    .unwrap();
                t.time("gives back", none(), aborted(after, true))
                    .await
                    .unwrap();
                t.time("asked", none(), asked_to_stop(after)).await.unwrap();
                prop_assert_eq!(sorted(&t["gives back"]), PARCELS as usize);
                prop_assert_eq!(sorted(&t["asked"]), PARCELS as usize);
                let loses = PARCELS as usize - sorted(&t["aborted"]);
                prop_assert!(loses <= 1);
                lost.update(|lost| lost + loses);
                Ok(())
            })
        });
        held.unwrap();
        assert!(
            lost.get() > 200,
            "a bare abort has lost {} parcels",
            lost.get()
        );
    }
}
