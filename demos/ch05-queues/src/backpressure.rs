//! # With and without a bound: what a slow consumer costs
//!
//! A van brings 12 parcels of 64 KiB, and a sorter needs 0.3 ticks for each. A belt with a bound of 3 never holds
//! more than 3. With one parcel at the unloader and one at the sorter that is 320 KiB at most, for 24 parcels as for
//! 12. A belt without a bound takes whatever comes: all 12, or all 24, which is 768 or 1 536 KiB. And it gains no
//! time: with a bound or without, 12 parcels take 3.6 ticks and 24 take 7.2, because the sorter is the slower one.
//!
//! asyncio: Queue, maxsize
//!
//! ```python
//! belt = asyncio.Queue()              # no bound: put never waits
//! belt = asyncio.Queue(maxsize=3)     # put waits while there are 3 in it
//! await belt.put(parcel)
//! ```
//!
//! Not the same: a Queue that is made without an argument has no bound, and `put` looks the same for both. In tokio
//! the bound has to be given, or another function has to be called. The call shows it too: the `send` of an unbounded
//! channel isn't async. It can't wait, so nothing tells a producer that it is too fast (what a bound tells it:
//! `queues/bounded`).

use std::cell::Cell;

use anyhow::Result;
use timing::{
    Timings,
    law::{Law, sum},
    ticks,
};
use tokio::{
    join,
    sync::mpsc::{channel, unbounded_channel},
    time::sleep,
};
use tracing::instrument;

/// How many parcels the belt with a bound holds.
const PLACES: usize = 3;
/// Of each parcel, in bytes.
const SIZE: usize = 64 * 1024;
const SORTING: f64 = 0.3;

pub async fn run(t: &mut Timings) -> Result<()> {
    // Twice as many show which of the two stays as it is.
    for parcels in [12, 24] {
        let depot = Depot::default();
        let day = bounded(&depot, parcels);
        t.time(format!("channel(3), {parcels}"), law(parcels), day)
            .await;
        count(t, &depot);

        let depot = Depot::default();
        let day = unbounded(&depot, parcels);
        t.time(format!("unbounded, {parcels}"), law(parcels), day)
            .await;
        count(t, &depot);
    }
    Ok(())
}

/// The sorter works without a pause, and nothing else takes time.
fn law(parcels: usize) -> Law {
    sum(vec![SORTING; parcels])
}

async fn bounded(depot: &Depot, parcels: usize) {
    let (belt, mut end) = channel(PLACES);
    let unloading = unload_all(depot, parcels, async move |parcel| {
        belt.send(parcel).await.is_ok()
    });
    join!(unloading, sort_all(depot, async || end.recv().await));
}

async fn unbounded(depot: &Depot, parcels: usize) {
    let (belt, mut end) = unbounded_channel();
    // <- the difference: this `send` has no `.await`, so the van is empty before the sorter gets its first turn.
    let unloading = unload_all(depot, parcels, async move |parcel| {
        belt.send(parcel).is_ok()
    });
    join!(unloading, sort_all(depot, async || end.recv().await));
}

/// `put` owns the sender, and says whether there is still a receiver.
#[instrument(ret, skip(depot, put))]
async fn unload_all<'a>(depot: &'a Depot, parcels: usize, put: impl AsyncFn(Parcel<'a>) -> bool) {
    for _ in 0..parcels {
        if !put(Parcel::new(depot)).await {
            return;
        }
        // The sorter gets its turn at the next `.await`, so the parcel is still on the belt.
        depot.on_belt.add(1);
    }
}

#[instrument(ret, skip_all)]
async fn sort_all<'a>(depot: &'a Depot, mut next: impl AsyncFnMut() -> Option<Parcel<'a>>) {
    while let Some(parcel) = next().await {
        // The place on the belt is free now, and the next parcel can come while this one is sorted.
        depot.on_belt.remove(1);
        sleep(ticks(SORTING)).await;
        drop(parcel); // only now its bytes are free
    }
}

/// Counts its bytes in when it is made and out when it is dropped, wherever that is.
struct Parcel<'a> {
    content: Vec<u8>,
    depot: &'a Depot,
}

impl<'a> Parcel<'a> {
    fn new(depot: &'a Depot) -> Self {
        let content = vec![0; SIZE];
        depot.bytes.add(content.len());
        Self { content, depot }
    }
}

impl Drop for Parcel<'_> {
    fn drop(&mut self) {
        self.depot.bytes.remove(self.content.len());
    }
}

/// How many parcels are on the belt, and how many bytes are in all parcels that exist. A `Cell` will do in it:
/// unloader and sorter are polled from one task.
#[derive(Default)]
struct Depot {
    on_belt: Level,
    bytes: Level,
}

/// A number that goes up and down, and the highest it has been.
#[derive(Default)]
struct Level {
    now: Cell<usize>,
    most: Cell<usize>,
}

impl Level {
    fn add(&self, more: usize) {
        self.now.update(|now| now + more);
        self.most.set(self.most.get().max(self.now.get()));
    }

    fn remove(&self, less: usize) {
        self.now.update(|now| now - less);
    }
}

fn count(t: &mut Timings, depot: &Depot) {
    t.count("most on the belt", depot.on_belt.most.get());
    t.count("most KiB in parcels", depot.bytes.most.get() / 1024);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use timing::on_virtual_clock;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn with_a_bound_length_and_bytes_stay_the_same_for_twice_as_many() {
        let t = Timings::of(run).await;
        for label in ["channel(3), 12", "channel(3), 24"] {
            assert_eq!(*t[label].count("most on the belt"), 3, "{label}");
            assert_eq!(*t[label].count("most KiB in parcels"), 320, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_bound_every_parcel_is_on_the_belt() {
        let t = Timings::of(run).await;
        for (label, length, kib) in [("unbounded, 12", 12, 768), ("unbounded, 24", 24, 1536)] {
            assert_eq!(*t[label].count("most on the belt"), length, "{label}");
            assert_eq!(*t[label].count("most KiB in parcels"), kib, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_bound_the_unloader_is_done_sooner_and_the_day_is_not() {
        let t = Timings::of(run).await;
        assert_eq!(t["channel(3), 24"].elapsed, ticks(7.2));
        assert_eq!(t["unbounded, 24"].elapsed, ticks(7.2));
        assert_eq!(t["unbounded, 24"].lane("unload_all").end, ticks(0));
        // Before the last parcel has a place, 20 have to be sorted: 3 are on the belt then, and 1 was just taken.
        assert_eq!(t["channel(3), 24"].lane("unload_all").end, ticks(6));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn for_any_number_of_parcels_the_bound_holds_and_costs_no_time(parcels in 0_usize..100) {
            on_virtual_clock(async {
                let [with, without] = [Depot::default(), Depot::default()];
                let start = Instant::now();
                bounded(&with, parcels).await;
                let time = start.elapsed();
                unbounded(&without, parcels).await;
                prop_assert_eq!(start.elapsed(), 2 * time);
                prop_assert!(with.on_belt.most.get() <= PLACES);
                prop_assert!(with.bytes.most.get() <= (PLACES + 2) * SIZE);
                prop_assert_eq!(without.on_belt.most.get(), parcels);
                prop_assert_eq!(with.bytes.now.get() + without.bytes.now.get(), 0);
                Ok(())
            })?;
        }
    }
}
