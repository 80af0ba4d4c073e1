//! # A sender in a field: the loop that never ends
//!
//! Two vans bring 2 parcels each to a depot, which sorts until the belt ends. The depot keeps a sender in a field, to
//! give each van a clone. If the field is still there while it sorts, all 4 parcels are sorted after 2 ticks, but the
//! loop doesn't end: at the deadline of 5 ticks it still waits. If the field is dropped first, the loop ends after 2.
//!
//! asyncio: Queue, Queue.get, Queue.shutdown
//!
//! How to see it: neither rustc nor clippy warns, and there is no error. All work is done and the program doesn't
//! end. In the timeline the lanes of the vans are over, and the lane of the sorter is a thin line up to the deadline,
//! which cancels it.
//!
//! Cured in: `queues/end-of-queue`
//!
//! ```python
//! async def sort(self):
//!     while True:
//!         try: parcel = await self.belt.get()
//!         except asyncio.QueueShutDown: return      # after belt.shutdown(), from Python 3.13 on
//! ```
//!
//! Not the same: the end of a Queue is a line of code, and you see when it is missing. The end of a channel is the
//! drop of its last sender. No line says that, and a field is dropped no earlier than its struct.

use std::cell::Cell;

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel, error::SendError},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::instrument;

const VANS: u32 = 2;
/// What each van brings, one a tick.
const PARCELS: u32 = 2;
/// In ticks. Without it this program would not end either.
const DEADLINE: u32 = 5;

pub async fn run(t: &mut Timings) -> Result<()> {
    let (depot, sorted) = (Depot::open(VANS, PARCELS), Cell::new(0));
    let day = until_the_deadline(sorts_with_the_field(depot, &sorted));
    let ended = t.time("field kept", exactly(DEADLINE), day).await?;
    t.count("parcels sorted", sorted.get());
    t.count("ended", if ended { "yes" } else { "no" });

    let (depot, sorted) = (Depot::open(VANS, PARCELS), Cell::new(0));
    let day = until_the_deadline(sorts_without_the_field(depot, &sorted));
    let ended = t.time("field dropped", exactly(PARCELS), day).await?;
    t.count("parcels sorted", sorted.get());
    t.count("ended", if ended { "yes" } else { "no" });
    Ok(())
}

struct Depot {
    /// Each van that arrives gets a clone.
    belt: Sender<u32>,
    parcels: Receiver<u32>,
    vans: JoinSet<Result<(), SendError<u32>>>,
}

impl Depot {
    fn open(vans: u32, parcels: u32) -> Self {
        let (belt, end) = channel(10);
        let mut depot = Self {
            belt,
            parcels: end,
            vans: JoinSet::new(),
        };
        for van in 1..=vans {
            depot.vans.spawn(unloads(van, parcels, depot.belt.clone()));
        }
        depot
    }
}

/// It owns its clone, which is dropped when it returns. When all senders are dropped the belt ends; the depot has one
/// of them.
#[instrument(ret, err, skip(parcels, belt))]
async fn unloads(van: u32, parcels: u32, belt: Sender<u32>) -> Result<(), SendError<u32>> {
    for parcel in 1..=parcels {
        sleep(ticks(1)).await;
        belt.send(parcel).await?;
    }
    Ok(())
}

/// No other van comes, so `depot.belt` isn't used any more. But it is dropped with `depot`, at the end of this
/// function, and the loop has to end before that.
#[instrument(ret, err, skip_all)]
async fn sorts_with_the_field(mut depot: Depot, sorted: &Cell<u32>) -> Result<()> {
    while let Some(_parcel) = depot.parcels.recv().await {
        sorted.update(|parcels| parcels + 1);
    }
    all_left(depot.vans).await
}

#[instrument(ret, err, skip_all)]
async fn sorts_without_the_field(mut depot: Depot, sorted: &Cell<u32>) -> Result<()> {
    drop(depot.belt); // <- the difference: a field can be moved out, as long as the struct has no `Drop` of its own
    while let Some(_parcel) = depot.parcels.recv().await {
        sorted.update(|parcels| parcels + 1);
    }
    all_left(depot.vans).await
}

async fn all_left(mut vans: JoinSet<Result<(), SendError<u32>>>) -> Result<()> {
    while let Some(van) = vans.join_next().await {
        van??;
    }
    Ok(())
}

/// Whether the day has ended by itself.
async fn until_the_deadline(day: impl Future<Output = Result<()>>) -> Result<bool> {
    match timeout(ticks(DEADLINE), day).await {
        Ok(ended) => ended.map(|()| true),
        Err(_elapsed) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use timing::{on_virtual_clock, report::Ended};

    #[tokio::test(start_paused = true)]
    async fn with_the_sender_in_its_field_all_is_sorted_and_the_loop_does_not_end() {
        let t = Timings::of(run).await;
        let kept = &t["field kept"];
        assert_eq!(*kept.count("parcels sorted"), 4);
        assert_eq!(*kept.count("ended"), "no");
        assert_eq!(kept.elapsed, ticks(DEADLINE));
        assert_eq!(kept.lane("sorts_with_the_field").ended, Ended::Cancelled);
        let vans = kept
            .lanes
            .iter()
            .filter(|lane| lane.label.starts_with("unloads"));
        assert!(vans.clone().all(|lane| lane.ended == Ended::Returned));
        assert_eq!(vans.count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn without_it_the_loop_ends_with_the_last_van() {
        let t = Timings::of(run).await;
        let dropped = &t["field dropped"];
        assert_eq!(*dropped.count("parcels sorted"), 4);
        assert_eq!(*dropped.count("ended"), "yes");
        assert_eq!(dropped.elapsed, ticks(2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn the_kept_field_never_lets_it_end_and_the_dropped_one_always(
            vans in 0_u32..6,
            parcels in 0_u32..5,
        ) {
            on_virtual_clock(async {
                let (depot, sorted) = (Depot::open(vans, parcels), Cell::new(0));
                let day = sorts_with_the_field(depot, &sorted);
                prop_assert!(!until_the_deadline(day).await.unwrap());
                prop_assert_eq!(sorted.get(), vans * parcels);

                let (depot, sorted) = (Depot::open(vans, parcels), Cell::new(0));
                let day = sorts_without_the_field(depot, &sorted);
                prop_assert!(until_the_deadline(day).await.unwrap());
                prop_assert_eq!(sorted.get(), vans * parcels);
                Ok(())
            })?;
        }
    }
}
