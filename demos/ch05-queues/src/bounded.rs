//! # A bounded queue: the producer waits for the consumer
//!
//! Five parcels go from a van over a belt to a sorter. The belt holds 2. Unloading a parcel takes 0.4 ticks and
//! sorting it takes 2, so the belt fills up and the unloader waits for places: with `--virtual`, 2.4 ticks in all.
//! That is backpressure. `try_send` never waits: it hands back the 2 parcels for which there is no place. If the
//! sorter is the faster one, the bound is never reached: at most 1 parcel is on the belt, and the unloader waits 0
//! ticks.
//!
//! asyncio: Queue, Queue.put, put_nowait, QueueFull, maxsize, qsize
//!
//! ```python
//! belt = asyncio.Queue(maxsize=2)
//! await belt.put(parcel)              # waits while the belt is full
//! belt.put_nowait(parcel)             # raises QueueFull
//! print(belt.qsize())
//! ```
//!
//! Not the same: `maxsize=0` is a queue without a bound, and `channel(0)` panics; without a bound there is
//! `unbounded_channel` (see `queues/backpressure`). A Queue is one object for all tasks. A channel has two ends, and
//! its one receiver can't be cloned (see `queues/many-consumers`). `qsize` is `len` at the receiver; at the sender it
//! is `max_capacity()` minus `capacity()`, which is the number of places that are free.

use std::time::Duration;

use anyhow::Result;
use timing::{Timings, law::sum, report::Variant, ticks};
use tokio::{
    spawn,
    sync::mpsc::{
        Receiver, Sender, channel,
        error::{SendError, TrySendError},
    },
    time::sleep,
};
use tracing::{info, instrument};

const PARCELS: u32 = 5;
/// How many parcels the belt holds.
const PLACES: usize = 2;

pub async fn run(t: &mut Timings) -> Result<()> {
    // From the first parcel on the sorter works without a pause, so the unloader's waiting costs no time overall.
    let law = sum([0.4, 2.0, 2.0, 2.0, 2.0, 2.0]);
    let sent = t.time("send", law, day(sends, 0.4, 2.0, PLACES)).await?;
    count(t, "send", sent);

    // It is done sooner because two parcels are missing.
    let law = sum([0.4, 2.0, 2.0, 2.0]);
    let tried = day(tries_to_send, 0.4, 2.0, PLACES);
    let tried = t.time("try_send", law, tried).await?;
    count(t, "try_send", tried);

    // Each parcel is sorted before the next one comes, so what takes time is the unloading, and sorting the last one.
    let law = sum([2.0, 2.0, 2.0, 2.0, 2.0, 0.4]);
    let swapped = day(sends, 2.0, 0.4, PLACES); // <- the difference to the first
    let swapped = t.time("send, sorter faster", law, swapped).await?;
    count(t, "send, sorter faster", swapped);
    Ok(())
}

/// Returns what the unloader has seen, and the parcels in the order in which they were sorted.
async fn day(
    unloads: impl AsyncFnOnce(Sender<u32>, f64) -> Result<Unloader>,
    unloading: f64,
    sorting: f64,
    places: usize,
) -> Result<(Unloader, Vec<u32>)> {
    let (belt, end) = channel(places);
    // A task of its own, so each of the two is polled only when it can go on.
    let sorter = spawn(sort_all(end, sorting));
    Ok((unloads(belt, unloading).await?, sorter.await?))
}

/// Owns the only sender, and drops it when the van is empty. The sorter gets what is still on the belt, and then the
/// end.
async fn sends(belt: Sender<u32>, time: f64) -> Result<Unloader> {
    let mut unloader = Unloader::default();
    for parcel in 1..=PARCELS {
        sleep(ticks(time)).await;
        put(parcel, &belt).await?;
        unloader.looks_at(&belt);
    }
    Ok(unloader)
}

/// Returns at once if there is a place, and otherwise when the sorter has taken a parcel. A full belt is no error; a
/// receiver that is closed or dropped is.
#[instrument(ret, err, skip(belt))]
async fn put(parcel: u32, belt: &Sender<u32>) -> Result<(), SendError<u32>> {
    belt.send(parcel).await
}

async fn tries_to_send(belt: Sender<u32>, time: f64) -> Result<Unloader> {
    let mut unloader = Unloader::default();
    for parcel in 1..=PARCELS {
        sleep(ticks(time)).await;
        match put_now(parcel, &belt) {
            Ok(()) => {}
            Err(TrySendError::Full(parcel)) => unloader.handed_back.push(parcel),
            // The receiver takes no more parcels, so the next one couldn't be sent either.
            Err(closed) => return Err(closed.into()),
        }
        unloader.looks_at(&belt);
    }
    Ok(unloader)
}

/// Not an `async fn`: it has nothing to wait for, so it can also be called where you can't await. The parcel comes
/// back in the error, so it can be kept and sent later.
#[instrument(ret, err, skip(belt))]
fn put_now(parcel: u32, belt: &Sender<u32>) -> Result<(), TrySendError<u32>> {
    belt.try_send(parcel)
}

async fn sort_all(mut belt: Receiver<u32>, time: f64) -> Vec<u32> {
    let mut sorted = Vec::new();
    // A place is free as soon as `recv` has returned, before the parcel is sorted.
    while let Some(parcel) = belt.recv().await {
        sorted.push(sort(parcel, time).await);
    }
    sorted
}

#[instrument(ret, skip(time))]
async fn sort(parcel: u32, time: f64) -> u32 {
    sleep(ticks(time)).await;
    parcel
}

/// What the unloader has seen.
#[derive(Default)]
struct Unloader {
    most_on_belt: usize,
    handed_back: Vec<u32>,
}

impl Unloader {
    /// Nobody else makes the belt longer, so a look after each parcel sees it at its longest.
    fn looks_at(&mut self, belt: &Sender<u32>) {
        // What `qsize` gives in asyncio. A place that is promised to a sender that waits isn't free either.
        let on_belt = belt.max_capacity() - belt.capacity();
        info!("{on_belt} on the belt");
        self.most_on_belt = self.most_on_belt.max(on_belt);
    }
}

fn count(t: &mut Timings, label: &str, (unloader, sorted): (Unloader, Vec<u32>)) {
    let waited = ticks_waited(&t[label]);
    t.count("most on the belt", unloader.most_on_belt);
    t.count("ticks waited", waited);
    t.count("handed back", unloader.handed_back.len());
    t.count("sorted", sorted.len());
}

/// How long the calls of `put` and `put_now` took in all, to a tenth of a tick.
fn ticks_waited(variant: &Variant) -> f64 {
    let lanes = variant.lanes.iter();
    let puts = lanes.filter(|lane| lane.label.starts_with("put"));
    let waited: Duration = puts.map(|lane| lane.end - lane.start).sum();
    waited.div_duration_f64(ticks(0.1)).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use timing::{on_virtual_clock, report::Ended};
    use tokio::time::Instant;

    fn check(t: &Timings, label: &str, after: f64, most: usize, waited: f64, sorted: usize) {
        assert_eq!(t[label].elapsed, ticks(after), "{label}");
        assert_eq!(*t[label].count("most on the belt"), most, "{label}");
        assert_eq!(ticks_waited(&t[label]), waited, "{label}");
        assert_eq!(*t[label].count("sorted"), sorted, "{label}");
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_sorter_that_is_faster_the_bound_is_never_reached() {
        let t = Timings::of(run).await;
        check(&t, "send, sorter faster", 10.4, 1, 0.0, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn the_unloader_waits_while_the_belt_is_full() {
        let t = Timings::of(run).await;
        check(&t, "send", 10.4, 2, 2.4, 5);
        let ends = ["put(3)", "put(4)", "put(5)"].map(|put| t["send"].lane(put).end);
        // 4 and 5 end when the sorter takes one.
        assert_eq!(ends, [1.2, 2.4, 4.4].map(ticks));
    }

    #[tokio::test(start_paused = true)]
    async fn try_send_hands_back_what_has_no_place() {
        let t = Timings::of(run).await;
        check(&t, "try_send", 6.4, 2, 0.0, 3);
        let put = |parcel| t["try_send"].lane(&format!("put_now({parcel})")).ended;
        assert_eq!(put(3), Ended::Returned);
        assert_eq!([put(4), put(5)], [Ended::Failed; 2]);
        assert_eq!(*t["try_send"].count("handed back"), 2);
    }

    #[test]
    #[should_panic(expected = "buffer > 0")]
    fn a_channel_without_a_place_panics() {
        channel::<u32>(0);
    }

    /// When the last parcel is sorted, computed without a channel.
    fn end(unloading: u32, sorting: u32, places: usize) -> u32 {
        let (mut put, mut taken, mut sorted) = (0, Vec::new(), 0);
        for parcel in 0..PARCELS as usize {
            let place = parcel.checked_sub(places).map_or(0, |before| taken[before]);
            put = place.max(put + unloading);
            taken.push(sorted.max(put));
            sorted = taken[parcel] + sorting;
        }
        sorted
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn the_bound_holds_and_every_parcel_is_sorted_in_order(
            unloading in 0_u32..9,
            sorting in 0_u32..9,
            places in 1_usize..7,
        ) {
            on_virtual_clock(async {
                let start = Instant::now();
                let day = day(sends, unloading.into(), sorting.into(), places);
                let (unloader, sorted) = day.await.unwrap();
                prop_assert!(unloader.most_on_belt <= places);
                prop_assert!(sorted.into_iter().eq(1..=PARCELS));
                prop_assert_eq!(start.elapsed(), ticks(end(unloading, sorting, places)));
                Ok(())
            })?;
        }
    }
}
