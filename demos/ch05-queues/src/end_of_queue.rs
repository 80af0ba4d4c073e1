//! # The end of a queue: the last sender is dropped
//!
//! Two vans put 4 parcels on a belt, and two sorters take them off. When the vans have dropped their senders and the
//! belt is empty, `recv` returns `None` to each sorter: 2 of 2 end, after 2 ticks. If one more sender is alive, 0 of
//! 2 end. They wait for a parcel that never comes, without an error, until a deadline at 5 ticks. A `None` that is
//! sent as a sentinel ends only the sorter that takes it, 1 of 2. To end both it takes one for each.
//!
//! asyncio: Queue.shutdown, QueueShutDown, None sentinel
//!
//! ```python
//! for sorter in sorters:
//!     await belt.put(None)            # a sentinel for each of them
//! # from Python 3.13 on:
//! belt.shutdown()                     # put raises QueueShutDown at once, get when the queue is empty
//! ```
//!
//! Not the same: an asyncio queue doesn't know its producers. The end has to be announced: by `shutdown`, by as many
//! sentinels as there are consumers, by one that each consumer puts back, or by a cancel after `join`. A channel
//! counts its senders, so nobody has to announce the end or to know how many consumers there are. What can go wrong
//! is the opposite: a sender that nobody uses any more is still alive
//! (see `pitfalls/forgotten-sender`). Senders learn of the other end too: once the receiver is dropped, `send`
//! returns an `Err` that holds the item.

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
    let (belt, end) = channel(PLACES);
    let vans = VANS.map(|parcels| unload(parcels, belt.clone()));
    // Each van has a clone, and drops it when it is empty. The first one isn't needed any more.
    drop(belt);
    let day = until_deadline(try_join_all(vans), end, SORTERS, sorter);
    t.time("senders dropped", waves(4, 2, 1), day).await?;
    count(t, "senders dropped");

    let (belt, end) = channel(PLACES);
    let vans = VANS.map(|parcels| unload(parcels, belt.clone()));
    // <- the difference: no `drop`, so `belt` lives to the end of this function.
    let day = until_deadline(try_join_all(vans), end, SORTERS, sorter);
    t.time("one forgotten", exactly(DEADLINE), day).await?;
    count(t, "one forgotten");

    for (label, sentinels, law) in [
        ("one None", 1, exactly(DEADLINE)),
        ("a None each", 2, waves(4, 2, 1)),
    ] {
        let (belt, end) = channel(PLACES);
        let van = unload_and_say_so(&belt, sentinels);
        let day = until_deadline(van, end, SORTERS, sorter_until_sentinel);
        t.time(label, law, day).await?;
        count(t, label);
    }
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

/// As in Python: the queue outlives its producer, so its end is a message like any other. One producer has all the
/// parcels: of two, neither would know whether the other one is done.
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
async fn until_deadline<P, U, E>(
    unloading: impl Future<Output = Result<U, E>>,
    belt: Receiver<P>,
    sorters: usize,
    sorter: impl AsyncFn(usize, &Mutex<Receiver<P>>),
) -> Result<(), E> {
    let belt = Mutex::new(belt);
    let sorters = join_all((1..=sorters).map(|number| sorter(number, &belt)));
    let both = async { join!(unloading, sorters) };
    match timeout(ticks(DEADLINE), both).await {
        Ok((unloaded, _)) => unloaded.map(drop),
        // The sorters that haven't ended by now are dropped, and the counts say how many have. An error of the vans is
        // dropped with them, even if it came long before the deadline.
        Err(_elapsed) => Ok(()),
    }
}

#[instrument(ret, skip(belt))]
async fn sorter(number: usize, belt: &Mutex<Receiver<u32>>) {
    loop {
        // The sorters share the one receiver. The lock is free again at the end of this line (see
        // `queues/many-consumers`).
        let taken = belt.lock().await.recv().await;
        // The channel's own `None`: no sender is left, and the belt is empty.
        let Some(parcel) = taken else { return };
        sort(parcel).await;
    }
}

#[instrument(ret, skip(belt))]
async fn sorter_until_sentinel(number: usize, belt: &Mutex<Receiver<Option<u32>>>) {
    loop {
        let taken = belt.lock().await.recv().await;
        // The sender's `None` is `Some(None)` here. The channel's own doesn't come, since the sender lives on.
        let Some(Some(parcel)) = taken else { return };
        sort(parcel).await;
    }
}

#[instrument(ret)]
async fn sort(parcel: u32) -> u32 {
    sleep(ticks(1)).await;
    parcel
}

fn count(t: &mut Timings, label: &str) {
    let [ended, sorted] = ended_and_sorted(&t[label]);
    t.count("sorters ended", ended);
    t.count("parcels sorted", sorted);
}

fn ended_and_sorted(variant: &Variant) -> [usize; 2] {
    ["sorter", "sort("].map(|function| {
        let lanes = variant.lanes.iter();
        let lanes = lanes.filter(|lane| lane.label.starts_with(function));
        lanes.filter(|lane| lane.ended == Ended::Returned).count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use proptest::prelude::*;
    use timing::{law::none, on_virtual_clock};

    #[tokio::test(start_paused = true)]
    async fn dropping_the_last_sender_ends_all_sorters() {
        let t = Timings::of(run).await;
        let dropped = &t["senders dropped"];
        assert_eq!(dropped.elapsed, ticks(2));
        assert_eq!(ended_and_sorted(dropped), [2, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_is_forgotten_keeps_all_of_them_waiting() {
        let t = Timings::of(run).await;
        let forgotten = &t["one forgotten"];
        assert_eq!(forgotten.elapsed, ticks(DEADLINE));
        assert_eq!(ended_and_sorted(forgotten), [0, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sentinel_ends_one_sorter() {
        let t = Timings::of(run).await;
        assert_eq!(t["one None"].elapsed, ticks(DEADLINE));
        assert_eq!(ended_and_sorted(&t["one None"]), [1, 4]);
        assert_eq!(t["a None each"].elapsed, ticks(2));
        assert_eq!(ended_and_sorted(&t["a None each"]), [2, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_van_that_fails_ends_the_sorters_too_and_what_it_has_put_is_sorted() {
        let (belt, end) = channel(PLACES);
        let van = async move {
            belt.send(11).await?;
            bail!("the van breaks down");
        };
        let mut t = Timings::default();
        let day = until_deadline::<_, (), _>(van, end, SORTERS, sorter);
        let error = t.time("fails", none(), day).await.unwrap_err();
        assert_eq!(error.to_string(), "the van breaks down");
        assert_eq!(t["fails"].elapsed, ticks(1));
        assert_eq!(ended_and_sorted(&t["fails"]), [2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_receiver_a_send_is_an_error_that_holds_the_parcel() {
        let (belt, receiver) = channel(1);
        belt.send(11).await.unwrap();
        // The belt is full, so this one waits, and is told as well.
        let (waiting, ()) = join!(belt.send(12), async { drop(receiver) });
        assert_eq!(waiting, Err(SendError(12)));
        assert_eq!(belt.send(13).await, Err(SendError(13)));
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
                let (belt, end) = channel(PLACES);
                let vans = try_join_all(VANS.map(|parcels| unload(parcels, belt.clone())));
                drop(belt);
                t.time("dropped", none(), until_deadline(vans, end, sorters, sorter)).await.unwrap();
                prop_assert_eq!(ended_and_sorted(&t["dropped"]), [sorters, 4]);

                let (belt, end) = channel(PLACES);
                let van = unload_and_say_so(&belt, sentinels);
                let day = until_deadline(van, end, sorters, sorter_until_sentinel);
                t.time("sentinels", none(), day).await.unwrap();
                prop_assert_eq!(ended_and_sorted(&t["sentinels"]), [sorters.min(sentinels), 4]);
                Ok(())
            })?;
        }
    }
}
