//! # The end of a queue: the last sender is dropped
//!
//! Two vans put 4 parcels on a belt, and two sorters take them off. When the vans have dropped their senders and the
//! belt is empty, `recv` gives `None`, as often as it is called: 2 of 2 sorters end, after 2 ticks. If one more clone
//! of the sender is alive, 0 of 2 end. They wait for a parcel that can't come, without an error, until a deadline at
//! 5 ticks. A `None` that is sent as a sentinel ends only the sorter that takes it, 1 of 2; it needs one for each.
//! The other end works the same way: with the receiver gone, `send` is an `Err`, and 2 of 2 vans are refused.
//!
//! asyncio: Queue.shutdown, QueueShutDown, None sentinel
//!
//! ```python
//! for sorter in sorters:
//!     await belt.put(None)            # a sentinel for each of them
//! # from Python 3.13 on:
//! belt.shutdown()                     # once the queue is empty, get raises QueueShutDown
//! ```
//!
//! Not the same: an asyncio queue doesn't know who is going to put something. The end has to be announced, by
//! `shutdown` or by as many sentinels as there are consumers. A channel counts its senders, so nobody has to announce
//! the end or to know how many consumers there are. What can go wrong is the opposite: somebody still has a sender
//! and doesn't use it.

use anyhow::Result;
use futures_util::future::{join_all, try_join_all};
use timing::{
    Timings,
    law::{exactly, waves},
    report::{Ended, Variant},
    ticks,
};
use tokio::{
    join,
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel, error::SendError},
    },
    time::{sleep, timeout},
};
use tracing::instrument;

const VANS: [[u32; 2]; 2] = [[11, 12], [21, 22]];
const SORTERS: usize = 2;
/// How many parcels the belt holds.
const PLACES: usize = 2;
/// In ticks. Without a deadline this program would wait as long as its sorters: for ever.
const DEADLINE: u32 = 5;

pub async fn run(t: &mut Timings) -> Result<()> {
    let (belt, receiver) = channel(PLACES);
    let vans = VANS.map(|parcels| unload(parcels, belt.clone()));
    // Each van has a clone, and drops it when it is empty. The first one isn't needed any more.
    drop(belt);
    let work = until_deadline(try_join_all(vans), receiver, SORTERS);
    t.time("senders dropped", waves(4, 2, 1), work).await?;
    count(t, "senders dropped");

    let (belt, receiver) = channel(PLACES);
    let vans = VANS.map(|parcels| unload(parcels, belt.clone()));
    // <- the difference: no `drop`, so `belt` lives to the end of this function.
    let work = until_deadline(try_join_all(vans), receiver, SORTERS);
    t.time("one forgotten", exactly(DEADLINE), work).await?;
    count(t, "one forgotten");

    for (label, sentinels, law) in [
        ("one None", 1, exactly(DEADLINE)),
        ("a None each", 2, waves(4, 2, 1)),
    ] {
        let (belt, receiver) = channel(PLACES);
        let van = unload_and_say_so(&belt, sentinels);
        t.time(label, law, until_deadline(van, receiver, SORTERS))
            .await?;
        count(t, label);
    }

    let (belt, receiver) = channel(PLACES);
    let vans = VANS.map(|parcels| unload(parcels, belt.clone()));
    drop(receiver);
    // What the vans return is an error each, with the parcel in it that couldn't be sent.
    t.time("receiver dropped", exactly(0), join_all(vans)).await;
    count(t, "receiver dropped");
    Ok(())
}

/// It owns its sender, so the sender is dropped when it returns, with an error or without.
#[instrument(ret, err, skip(belt))]
async fn unload(parcels: [u32; 2], belt: Sender<u32>) -> Result<(), SendError<u32>> {
    for parcel in parcels {
        belt.send(parcel).await?;
    }
    Ok(())
}

/// As in Python: the queue outlives its producers, so its end is a message like any other.
#[instrument(ret, err, skip(belt))]
async fn unload_and_say_so(belt: &Sender<Option<u32>>, sentinels: usize) -> Result<()> {
    for parcel in VANS.concat() {
        belt.send(Some(parcel)).await?;
    }
    for _ in 0..sentinels {
        belt.send(None).await?;
    }
    Ok(())
}

/// Over when the vans are empty and all sorters have ended, or at the deadline.
async fn until_deadline<U, E>(
    unloading: impl Future<Output = Result<U, E>>,
    belt: Receiver<impl Into<Option<u32>>>,
    sorters: usize,
) -> Result<(), E> {
    let belt = Mutex::new(belt);
    let sorters = join_all((1..=sorters).map(|number| sorter(number, &belt)));
    let both = async { join!(unloading, sorters) };
    match timeout(ticks(DEADLINE), both).await {
        Ok((unloaded, _)) => unloaded.map(drop),
        // Whoever hasn't ended by now is dropped, and the counts say how many they are.
        Err(_elapsed) => Ok(()),
    }
}

/// Returns how many parcels it has sorted.
#[instrument(ret, skip(belt))]
async fn sorter(number: usize, belt: &Mutex<Receiver<impl Into<Option<u32>>>>) -> u32 {
    let mut sorted = 0;
    loop {
        // The sorters share the one receiver. The lock is free again at the end of this line.
        let taken = belt.lock().await.recv().await;
        // Either there is no sender left, or somebody has sent a `None`.
        let Some(parcel) = taken.and_then(Into::into) else {
            return sorted;
        };
        sort(parcel).await;
        sorted += 1;
    }
}

#[instrument(ret)]
async fn sort(parcel: u32) -> u32 {
    sleep(ticks(1)).await;
    parcel
}

fn count(t: &mut Timings, label: &str) {
    let figures = figures(&t[label]);
    let names = [
        "sorters ended",
        "still waiting",
        "parcels sorted",
        "vans refused",
    ];
    for (name, figure) in names.into_iter().zip(figures) {
        t.count(name, figure);
    }
}

fn figures(variant: &Variant) -> [usize; 4] {
    [
        lanes(variant, "sorter(", Ended::Returned),
        lanes(variant, "sorter(", Ended::Cancelled),
        lanes(variant, "sort(", Ended::Returned),
        lanes(variant, "unload(", Ended::Failed),
    ]
}

/// How many runs of this function ended like that.
fn lanes(variant: &Variant, function: &str, how: Ended) -> usize {
    let lanes = variant.lanes.iter();
    let lanes = lanes.filter(|lane| lane.label.starts_with(function));
    lanes.filter(|lane| lane.ended == how).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use timing::{law::none, on_virtual_clock};

    #[tokio::test(start_paused = true)]
    async fn dropping_the_last_sender_ends_all_sorters() {
        let t = Timings::of(run).await;
        let dropped = &t["senders dropped"];
        assert_eq!(dropped.elapsed, ticks(2));
        assert_eq!(figures(dropped), [2, 0, 4, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_is_forgotten_keeps_all_of_them_waiting() {
        let t = Timings::of(run).await;
        let forgotten = &t["one forgotten"];
        assert_eq!(
            forgotten.elapsed,
            ticks(DEADLINE),
            "only the deadline ends it"
        );
        assert_eq!(figures(forgotten), [0, 2, 4, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sentinel_ends_one_sorter() {
        let t = Timings::of(run).await;
        assert_eq!(t["one None"].elapsed, ticks(DEADLINE));
        assert_eq!(figures(&t["one None"]), [1, 1, 4, 0]);
        assert_eq!(t["a None each"].elapsed, ticks(2));
        assert_eq!(figures(&t["a None each"]), [2, 0, 4, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_receiver_a_send_is_an_error_that_holds_the_parcel() {
        let t = Timings::of(run).await;
        assert_eq!(t["receiver dropped"].elapsed, ticks(0));
        assert_eq!(figures(&t["receiver dropped"]), [0, 0, 0, 2]);

        let (belt, receiver) = channel(1);
        belt.send(11).await.unwrap();
        // The belt is full, so this one waits, and is told as well.
        let (waiting, ()) = join!(belt.send(12), async { drop(receiver) });
        assert_eq!(waiting, Err(SendError(12)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn as_many_sorters_end_as_there_are_sentinels_and_all_when_the_senders_are_dropped(
            sorters in 1_usize..7,
            sentinels in 0_usize..7,
        ) {
            on_virtual_clock(async {
                let mut t = Timings::default();
                let (belt, receiver) = channel(PLACES);
                let vans = try_join_all(VANS.map(|parcels| unload(parcels, belt.clone())));
                drop(belt);
                t.time("dropped", none(), until_deadline(vans, receiver, sorters)).await.unwrap();
                prop_assert_eq!(figures(&t["dropped"]), [sorters, 0, 4, 0]);

                let (belt, receiver) = channel(PLACES);
                let van = unload_and_say_so(&belt, sentinels);
                t.time("sentinels", none(), until_deadline(van, receiver, sorters)).await.unwrap();
                let end = sorters.min(sentinels);
                prop_assert_eq!(figures(&t["sentinels"]), [end, sorters - end, 4, 0]);
                Ok(())
            })?;
        }
    }
}
