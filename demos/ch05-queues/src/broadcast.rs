//! # A broadcast: what a slow receiver loses, and a late one
//!
//! A belt announces 10 parcels to two clerks, one every 0.3 ticks, and is done after 3 ticks however slow a clerk is.
//! The channel has places for 4 messages and drops the oldest when it is full. A clerk that needs 0.1 ticks for a
//! message hears of all 10. One that needs 1 tick hears of 7 and is told that 3 are lost: `Lagged(1)`, then
//! `Lagged(2)`. One that comes after 1 tick hears of 7 too, and isn't told that there were 3 before.
//!
//! asyncio: Queue
//!
//! ```python
//! desks = [asyncio.Queue(4), asyncio.Queue(4)]    # one for each subscriber
//! for parcel in parcels:
//!     for desk in desks:
//!         await desk.put(parcel)
//! ```
//!
//! Not the same: asyncio has no such channel. An item of a Queue goes to one consumer, so each needs a Queue of its
//! own, and a `put` into a full one waits: the slowest consumer slows down all. A message of a `broadcast` goes to
//! all receivers. They share one store of messages, and each remembers how far it has read; `send` isn't async and
//! never waits. The number of places is rounded up to a power of two: 3 becomes 4.

use std::iter::{once, repeat_n};

use anyhow::Result;
use timing::{Timings, law::sum, tick, ticks};
use tokio::{
    spawn,
    sync::broadcast::{self, Receiver, Sender, error::RecvError},
    time::sleep,
};
use tracing::{info, instrument};

const PARCELS: u32 = 10;
const PLACES: usize = 4;
/// In ticks: between two parcels, and what a quick and a slow clerk need for a message.
const PAUSE: f64 = 0.3;
const QUICK: f64 = 0.1;
const SLOW: f64 = 1.0;

pub async fn run(t: &mut Timings) -> Result<()> {
    // A quick clerk is done soon after the last parcel.
    let until_the_last = || sum(repeat_n(PAUSE, 10).chain(once(QUICK)));
    let label = "both quick";
    let clerks = two_clerks(PLACES, 0.0, QUICK);
    let logs = t.time(label, until_the_last(), clerks).await?;
    count(t, label, &logs);

    let label = "one slow";
    // From the first message on it always has one to read. It needs a tick for each of the 7 that it gets.
    let busy = sum(once(PAUSE).chain(repeat_n(SLOW, 7)));
    let logs = t.time(label, busy, two_clerks(PLACES, 0.0, SLOW)).await?;
    count(t, label, &logs);

    let label = "one late";
    let clerks = two_clerks(PLACES, 1.0, QUICK);
    let logs = t.time(label, until_the_last(), clerks).await?;
    count(t, label, &logs);
    Ok(())
}

/// The first clerk is quick and there from the beginning; the second comes when it likes and takes its time.
async fn two_clerks(places: usize, comes: f64, work: f64) -> Result<[Log; 2]> {
    let (belt, first) = broadcast::channel(places);
    // Tasks, so each is polled only when it can go on.
    let first = spawn(clerk("first", first, QUICK));
    let second = spawn(subscribes_later(belt.clone(), comes, work));
    announces(belt).await;
    Ok([first.await?, second.await?])
}

async fn subscribes_later(belt: Sender<u32>, comes: f64, work: f64) -> Log {
    sleep(ticks(comes)).await;
    // A receiver stands at the end of what has been sent, and gets what follows.
    let receiver = belt.subscribe();
    // The channel is closed when its last sender is gone. If this one were kept, both clerks would wait for ever.
    drop(belt);
    clerk("second", receiver, work).await
}

#[instrument(ret, skip(belt))]
async fn announces(belt: Sender<u32>) {
    for parcel in 1..=PARCELS {
        sleep(ticks(PAUSE)).await;
        // An `Err` says that there is no receiver at this moment. It isn't final: one may subscribe before the next.
        if belt.send(parcel).is_err() {
            info!("nobody hears of {parcel}");
        }
    }
}

#[instrument(ret, skip(belt, work))]
async fn clerk(place: &str, mut belt: Receiver<u32>, work: f64) -> Log {
    let mut log = Log::default();
    loop {
        match belt.recv().await {
            Ok(parcel) => {
                log.heard.push(parcel);
                sleep(ticks(work)).await;
            }
            // Not the end: the receiver stands at the oldest message that is left, and goes on from there. A loop
            // with `while let Ok(…)` would stop here and miss the rest.
            Err(RecvError::Lagged(lost)) => {
                info!("Lagged({lost})");
                log.told_lost += lost;
            }
            // The last sender is gone, and what was left has been read.
            Err(RecvError::Closed) => return log,
        }
    }
}

/// The parcels that a clerk heard of, and how many it was told it had missed.
#[derive(Debug, Default)]
struct Log {
    heard: Vec<u32>,
    told_lost: u64,
}

fn count(t: &mut Timings, label: &str, [first, second]: &[Log; 2]) {
    let last = t[label].lane("announces").end;
    t.count("last sent at tick", last.div_duration_f64(tick()));
    t.count("first heard of", first.heard.len());
    let heard: Vec<String> = second.heard.iter().map(u32::to_string).collect();
    t.count("second heard of", heard.join(" "));
    t.count("second told of lost", second.told_lost);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use timing::on_virtual_clock;

    #[tokio::test(start_paused = true)]
    async fn a_slow_receiver_loses_the_oldest_and_is_told_how_many() {
        let t = Timings::of(run).await;
        let slow = &t["one slow"];
        assert_eq!(slow.elapsed, ticks(7.3));
        assert_eq!(*slow.count("second heard of"), "1 2 4 7 8 9 10");
        assert_eq!(*slow.count("second told of lost"), 3);
        let said: Vec<_> = slow.said.iter().map(|said| &said.text).collect();
        assert_eq!(said, ["Lagged(1)", "Lagged(2)"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_receiver_misses_what_was_sent_before_and_is_told_nothing() {
        let t = Timings::of(run).await;
        let late = &t["one late"];
        assert_eq!(*late.count("second heard of"), "4 5 6 7 8 9 10");
        assert_eq!(*late.count("second told of lost"), 0);
        assert_eq!(late.elapsed, ticks(3.1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_receiver_holds_up_neither_the_sender_nor_the_other() {
        let t = Timings::of(run).await;
        for label in ["both quick", "one slow", "one late"] {
            assert_eq!(t[label].lane("announces").end, ticks(3), "{label}");
            assert_eq!(t[label].lane("first").end, ticks(3.1), "{label}");
            assert_eq!(*t[label].count("first heard of"), 10, "{label}");
        }
        let both = t["both quick"].count("second heard of");
        assert_eq!(*both, "1 2 3 4 5 6 7 8 9 10");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_nobody_hears_is_gone_and_the_next_one_is_sent() {
        let mut t = Timings::default();
        let (belt, receiver) = broadcast::channel(PLACES);
        drop(receiver);
        t.time("nobody", None, announces(belt)).await;
        assert_eq!(t["nobody"].elapsed, ticks(3));
        assert_eq!(t["nobody"].said.len(), 10);
    }

    #[test]
    fn the_number_of_places_is_a_power_of_two_and_never_zero() {
        let (belt, receiver) = broadcast::channel(3);
        for parcel in 1..=6 {
            belt.send(parcel).unwrap();
        }
        let mut kept = receiver;
        assert_eq!(
            kept.try_recv().unwrap_err().to_string(),
            "channel lagged by 2"
        );
        assert_eq!(kept.len(), 4);
        assert!(std::panic::catch_unwind(|| broadcast::channel::<u32>(0)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn every_message_is_heard_or_told_of_and_the_sender_never_waits(
            places in 1_usize..20,
            tenths in 1_u32..60,
        ) {
            on_virtual_clock(async {
                let mut t = Timings::default();
                let clerks = two_clerks(places, 0.0, f64::from(tenths) / 10.0);
                let logs = t.time("a case", None, clerks).await.unwrap();
                prop_assert_eq!(t["a case"].lane("announces").end, ticks(3));
                for log in logs {
                    prop_assert_eq!(log.heard.len() as u64 + log.told_lost, u64::from(PARCELS));
                    prop_assert!(log.heard.is_sorted_by(|a, b| a < b));
                    prop_assert_eq!(log.heard.last(), Some(&PARCELS));
                }
                Ok(())
            })?;
        }
    }
}
