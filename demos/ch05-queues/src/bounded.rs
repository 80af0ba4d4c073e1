//! # A bounded queue: the producer waits for the consumer
//!
//! Five parcels go from a van over a belt to a sorter. The belt holds 2. Unloading a parcel takes 0.4 ticks and
//! sorting it takes 2, so the belt fills up, and the unloader waits for places: 2.4 ticks in all. That is
//! backpressure. With the two times swapped there is never more than 1 parcel on the belt, and the unloader waits 0
//! ticks. An example in which the consumer is the faster side doesn't show what the bound is for. `try_send` never
//! waits: it hands back the 2 parcels for which there is no place.
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
//! Not the same: `maxsize=0` is a queue without a limit, and `channel(0)` panics; without a limit there is
//! `unbounded_channel`. A Queue is one object that everybody holds. A channel has two ends, and there is one
//! receiver, which can't be cloned. `qsize` has a counterpart at each end: `len` at the receiver, and at the sender
//! `capacity`, the number of places that are free.

use std::time::Duration;

use anyhow::Result;
use timing::{Timings, law::sum, report::Variant, ticks};
use tokio::{
    join,
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
    // Each parcel is sorted before the next one comes, so what takes time is the unloading, and sorting the last one.
    let law = sum([2.0, 2.0, 2.0, 2.0, 2.0, 0.4]);
    let (belt, sorter) = channel(PLACES);
    let both = async { join!(sends(belt, 2.0), sort_all(sorter, 0.4)) };
    let (unloader, sorted) = t.time("send, sorter faster", law, both).await;
    count(t, "send, sorter faster", unloader?, &sorted);

    // From the first parcel on the sorter works without a pause, so it costs no time that the unloader waits.
    let law = sum([0.4, 2.0, 2.0, 2.0, 2.0, 2.0]);
    let (belt, sorter) = channel(PLACES);
    // <- the difference: the two times are swapped.
    let both = async { join!(sends(belt, 0.4), sort_all(sorter, 2.0)) };
    let (unloader, sorted) = t.time("send", law, both).await;
    count(t, "send", unloader?, &sorted);

    // It is done sooner because two parcels are missing.
    let law = sum([0.4, 2.0, 2.0, 2.0]);
    let (belt, sorter) = channel(PLACES);
    let both = async { join!(tries_to_send(belt, 0.4), sort_all(sorter, 2.0)) };
    let (unloader, sorted) = t.time("try_send", law, both).await;
    count(t, "try_send", unloader?, &sorted);
    Ok(())
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

/// Returns at once if there is a place, and otherwise when the sorter has taken a parcel. It fails only when there is
/// no receiver any more: a full belt is no error.
#[instrument(ret, err, skip(belt))]
async fn put(parcel: u32, belt: &Sender<u32>) -> Result<(), SendError<u32>> {
    belt.send(parcel).await
}

async fn tries_to_send(belt: Sender<u32>, time: f64) -> Result<Unloader> {
    let mut unloader = Unloader::default();
    for parcel in 1..=PARCELS {
        sleep(ticks(time)).await;
        match put_now(parcel, &belt) {
            Err(TrySendError::Full(parcel)) => unloader.handed_back.push(parcel),
            // Either it is on the belt, or the receiver is gone, and then no later parcel could be sent either.
            sent => sent?,
        }
        unloader.looks_at(&belt);
    }
    Ok(unloader)
}

/// Not an `async fn`: it has nothing to wait for, so it can also be called where nothing may wait. The parcel comes
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
        // What `qsize` gives in asyncio. A place that is promised to a sender who waits isn't free either.
        let on_belt = belt.max_capacity() - belt.capacity();
        info!("{on_belt} on the belt");
        self.most_on_belt = self.most_on_belt.max(on_belt);
    }
}

fn count(t: &mut Timings, label: &str, unloader: Unloader, sorted: &[u32]) {
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

    #[tokio::test(start_paused = true)]
    async fn with_a_sorter_that_is_faster_the_bound_is_never_reached() {
        let t = Timings::of(run).await;
        let faster = &t["send, sorter faster"];
        assert_eq!(faster.elapsed, ticks(10.4));
        assert_eq!(*faster.count("most on the belt"), 1);
        assert_eq!(ticks_waited(faster), 0.0);
        assert_eq!(*faster.count("sorted"), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn the_unloader_waits_while_the_belt_is_full() {
        let t = Timings::of(run).await;
        let send = &t["send"];
        assert_eq!(send.elapsed, ticks(10.4));
        assert_eq!(*send.count("most on the belt"), 2);
        assert_eq!(ticks_waited(send), 2.4);
        let ends = ["put(3)", "put(4)", "put(5)"].map(|put| send.lane(put).end);
        assert_eq!(
            ends,
            [1.2, 2.4, 4.4].map(ticks),
            "4 and 5 end when the sorter takes one"
        );
        assert_eq!(*send.count("sorted"), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn try_send_hands_back_what_has_no_place() {
        let t = Timings::of(run).await;
        let tries = &t["try_send"];
        assert_eq!(tries.elapsed, ticks(6.4));
        assert_eq!(ticks_waited(tries), 0.0);
        let ends = ["(3)", "(4)", "(5)"].map(|put| tries.lane(&format!("put_now{put}")).ended);
        assert_eq!(ends, [Ended::Returned, Ended::Failed, Ended::Failed]);
        assert_eq!(*tries.count("most on the belt"), 2);
        assert_eq!(*tries.count("handed back"), 2);
        assert_eq!(*tries.count("sorted"), 3);
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
                let (belt, sorter) = channel(places);
                let sends = sends(belt, unloading.into());
                let (unloader, sorted) = join!(sends, sort_all(sorter, sorting.into()));
                prop_assert!(unloader.unwrap().most_on_belt <= places);
                prop_assert!(sorted.into_iter().eq(1..=PARCELS));
                prop_assert_eq!(start.elapsed(), ticks(end(unloading, sorting, places)));
                Ok(())
            })?;
        }
    }
}
