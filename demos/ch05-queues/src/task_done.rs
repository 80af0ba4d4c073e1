//! # `task_done` and `join`: wait until all is handled
//!
//! Six parcels lie on a belt, a sorter needs 1 tick for each, and the depot waits until all are handled: 6 ticks, in
//! each of three ways. They differ when the sorter panics over the third parcel. Its receiver is dropped then, and so
//! are the parcels that still lie on the belt. A counter that is lowered by hand stays at 4, and the depot waits
//! until its deadline, 10 ticks. A token of a `TaskTracker` (see `tasks/task-group`) travels with each parcel and is
//! dropped with it: the depot goes on after 3 ticks and sees 0 unfinished, although only 2 are handled. With an ack
//! for each parcel, a `oneshot` (see `basics/awaitables`), it goes on after 3 ticks too, and sees that 3, 4, 5 and 6
//! aren't handled.
//!
//! asyncio: Queue.task_done, Queue.join
//!
//! ```python
//! queue.put_nowait(parcel)         # one more is unfinished
//! await queue.join()               # until none is
//! parcel = await queue.get()       # in the sorter
//! try: await sort(parcel)
//! finally: queue.task_done()       # this one is; if the sorter ends here, `join` waits for the others for ever
//! ```
//!
//! Not the same: an asyncio Queue counts its unfinished items, a tokio channel doesn't. `task_done` has to be called,
//! and one call too many is a ValueError. Here a value is given up instead, which can't be done twice: dropping a
//! token is the `task_done`, and dropping the sender of a `oneshot` unused is an `Err` for its receiver. `join`
//! returns whenever the count is 0; `TaskTracker::wait` does only once `close` was called too.

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, sum},
    report::Ended,
    ticks,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;
use tracing::instrument;

const DEADLINE: u32 = 10;

pub async fn run(t: &mut Timings) -> Result<()> {
    let whole = six_parcels(None);
    let law = || sum([1; 6]);
    let day = t.time("a counter", law(), by_hand(&whole)).await;
    count(t, "a counter", day).await;
    let day = t.time("tokens", law(), by_tokens(&whole)).await;
    count(t, "tokens", day).await;
    let day = t.time("acks", law(), by_acks(&whole)).await;
    count(t, "acks", day).await;

    // <- the difference: the third one bursts, and its sorter panics before it says "done".
    let burst = six_parcels(Some(3));
    let law = || sum([1; 3]);
    let day = by_hand(&burst);
    let day = t.time("a counter, a panic", exactly(DEADLINE), day).await;
    count(t, "a counter, a panic", day).await;
    let day = t.time("tokens, a panic", law(), by_tokens(&burst)).await;
    count(t, "tokens, a panic", day).await;
    let day = t.time("acks, a panic", law(), by_acks(&burst)).await;
    count(t, "acks, a panic", day).await;
    Ok(())
}

/// What asyncio's Queue does: one up with each `put`, one down with each `task_done`. A `watch` holds the count and
/// wakes the task that waits for a change of it (see `queues/watch`).
async fn by_hand(parcels: &[Parcel]) -> Day {
    let unfinished = watch::Sender::new(0);
    let (belt, sorter) = open(6, |count: watch::Sender<u32>| {
        count.send_modify(|count| *count -= 1);
    });
    for &parcel in parcels {
        unfinished.send_modify(|count| *count += 1);
        put(&belt, parcel, unfinished.clone()).await;
    }
    let mut count = unfinished.subscribe();
    let join = count.wait_for(|count| *count == 0);
    // Whether 0 was reached before the deadline is told by the count.
    drop(timeout(ticks(DEADLINE), join).await);
    (format!("{} unfinished", *unfinished.borrow()), sorter)
}

/// The tracker counts its tokens. To drop one is the `task_done`, and a panic drops what its task holds.
async fn by_tokens(parcels: &[Parcel]) -> Day {
    let tracker = TaskTracker::new();
    let (belt, sorter) = open(6, drop);
    for &parcel in parcels {
        put(&belt, parcel, tracker.token()).await;
    }
    tracker.close(); // or `wait` would not end, not even at 0
    tracker.wait().await;
    (format!("{} unfinished", tracker.len()), sorter)
}

/// An answer for each parcel, so the depot learns which of them aren't handled.
async fn by_acks(parcels: &[Parcel]) -> Day {
    // `send` fails when nobody waits for this answer any more. The parcel is sorted all the same.
    let (belt, sorter) = open(6, |ack: oneshot::Sender<()>| ack.send(()).unwrap_or(()));
    let mut acks = Vec::new();
    for &parcel in parcels {
        let (ack, handled) = oneshot::channel();
        put(&belt, parcel, ack).await;
        acks.push(handled);
    }
    let acks = parcels.iter().zip(join_all(acks).await);
    let missing = acks.filter(|(_, ack)| ack.is_err());
    let missing: Vec<_> = missing.map(|(parcel, _)| parcel.number).collect();
    (format!("not handled: {missing:?}"), sorter)
}

type Belt<R> = mpsc::Sender<(Parcel, R)>;

/// A belt and the sorter at its end. `R` lies beside each parcel, and is given to `task_done` after it.
fn open<R: Send + 'static>(places: usize, task_done: fn(R)) -> (Belt<R>, JoinHandle<()>) {
    let (belt, parcels) = mpsc::channel(places);
    (belt, tokio::spawn(sorter(parcels, task_done)))
}

/// A parcel that is refused, because the sorter is gone, is dropped with its receipt, like those on the belt.
async fn put<R>(belt: &Belt<R>, parcel: Parcel, receipt: R) {
    drop(belt.send((parcel, receipt)).await);
}

async fn sorter<R>(mut parcels: mpsc::Receiver<(Parcel, R)>, task_done: fn(R)) {
    while let Some((parcel, receipt)) = parcels.recv().await {
        sort(parcel).await;
        task_done(receipt); // not reached after a panic, nor when the sorter is cancelled
    }
}

#[instrument(ret, skip_all, fields(parcel = parcel.number))]
async fn sort(parcel: Parcel) {
    sleep(ticks(parcel.time)).await;
    assert!(!parcel.bursts, "the parcel bursts");
}

#[derive(Clone, Copy, Debug)]
struct Parcel {
    number: u32,
    time: u32,
    bursts: bool,
}

fn six_parcels(bursts: Option<u32>) -> [Parcel; 6] {
    [1, 2, 3, 4, 5, 6].map(|number| Parcel {
        number,
        time: 1,
        bursts: bursts == Some(number),
    })
}

/// What the depot sees when its wait is over, and the sorter.
type Day = (String, JoinHandle<()>);

async fn count(t: &mut Timings, label: &str, (sees, sorter): Day) {
    // A lane that has returned by the end of its variant is a parcel that was handled before the wait was over.
    let handled = t[label].lanes.iter();
    let handled = handled.filter(|lane| lane.ended == Ended::Returned).count();
    t.count("handled", handled);
    t.count("the depot sees", sees);
    let panicked = sorter.await.is_err_and(|end| end.is_panic());
    t.count("the sorter", if panicked { "panicked" } else { "returned" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use timing::on_virtual_clock;
    use tokio::time::Instant;

    fn check(t: &Timings, label: &str, after: u32, handled: usize, sees: &str, sorter: &str) {
        assert_eq!(t[label].elapsed, ticks(after), "{label}");
        assert_eq!(*t[label].count("handled"), handled, "{label}");
        assert_eq!(*t[label].count("the depot sees"), sees, "{label}");
        assert_eq!(*t[label].count("the sorter"), sorter, "{label}");
    }

    #[tokio::test(start_paused = true)]
    async fn all_three_forms_wait_until_all_are_handled() {
        let t = Timings::of(run).await;
        check(&t, "a counter", 6, 6, "0 unfinished", "returned");
        check(&t, "tokens", 6, 6, "0 unfinished", "returned");
        check(&t, "acks", 6, 6, "not handled: []", "returned");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_panic_a_counter_hangs_tokens_hide_it_and_acks_tell() {
        let t = Timings::of(run).await;
        let [counter, tokens] = ["4 unfinished", "0 unfinished"];
        check(&t, "a counter, a panic", 10, 2, counter, "panicked");
        check(&t, "tokens, a panic", 3, 2, tokens, "panicked");
        check(
            &t,
            "acks, a panic",
            3,
            2,
            "not handled: [3, 4, 5, 6]",
            "panicked",
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_tracker_that_is_not_closed_is_waited_for_for_ever() {
        let tracker = TaskTracker::new();
        assert!(timeout(ticks(100), tracker.wait()).await.is_err());
        tracker.close();
        tracker.wait().await;
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn the_wait_is_over_exactly_when_all_accepted_parcels_are_handled_or_lost(
            parcels in vec((0_u32..4, prop::bool::weighted(0.1)), 0..16),
            places in 1_usize..4,
            cancelled in 1_u32..40,
        ) {
            on_virtual_clock(async {
                let tracker = TaskTracker::new();
                let (belt, sorter) = open(places, |(_token, ack): (_, oneshot::Sender<()>)| {
                    ack.send(()).unwrap_or(());
                });
                let cancelled = ticks(f64::from(cancelled) - 0.5); // never when a parcel is done
                tokio::spawn(async move { sleep(cancelled).await; sorter.abort() });

                // When the sorter is free, and when it is gone, computed without receipts.
                let (mut free, mut gone) = (Instant::now(), Instant::now() + cancelled);
                let (mut acks, mut whole) = (Vec::new(), Vec::new());
                for &(time, bursts) in &parcels {
                    let (ack, handled) = oneshot::channel();
                    let receipt = (tracker.token(), ack);
                    if belt.send((Parcel { number: 0, time, bursts }, receipt)).await.is_ok() {
                        acks.push(handled);
                        free = Instant::now().max(free) + ticks(time);
                        whole.push(!bursts && free < gone);
                        if bursts { gone = gone.min(free); }
                    }
                }
                tracker.close();
                let last = Instant::now().max(free.min(gone));
                let by_tokens = async { tracker.wait().await; Instant::now() };
                let by_acks = async { (join_all(acks).await, Instant::now()) };
                let (waited, (acks, acked)) = tokio::join!(by_tokens, by_acks);
                prop_assert_eq!((waited, acked), (last, last));
                prop_assert!(acks.iter().map(Result::is_ok).eq(whole), "{acks:?}");
                Ok(())
            })?;
        }
    }
}
