//! # Several consumers: one queue for all, or one for each
//!
//! Two sorters share 7 parcels. The fast one needs 1 tick for a parcel, the slow one 2.4. If both take from one
//! queue, the sorter that is free takes the next parcel: they sort 5 and 2, in 5 ticks. With a queue for each, filled
//! in turn, they sort 4 and 3, in 7.2 ticks. One queue for both is a channel of the crate async-channel, or tokio's
//! receiver, which can't be cloned, behind a lock. A lock that is kept while sorting lets only one sorter work at a
//! time: 11.2 ticks.
//!
//! asyncio: Queue.get
//!
//! ```python
//! async def sorter(belt):
//!     while True:
//!         await sort(await belt.get())    # until it is cancelled, or the queue is shut down
//!
//! sorters = [asyncio.create_task(sorter(belt)) for _ in range(2)]
//! ```
//!
//! Not the same: any number of tasks may `get` from an asyncio queue. The name of tokio's `mpsc` says what it is:
//! multiple producers, single consumer. Its `recv` takes `&mut self`, so only the one task that owns the receiver, or
//! has locked it, can call it. And the sorters need no cancelling: they end by themselves (see
//! `queues/end-of-queue`).

use std::sync::Arc;

use anyhow::Result;
use timing::{Timings, law::sum, ticks};
use tokio::{
    spawn,
    sync::{Mutex, mpsc},
    time::sleep,
};
use tracing::instrument;

const PARCELS: usize = 7;
/// How many parcels a belt holds.
const PLACES: usize = 3;
/// How long the two sorters need for a parcel, in ticks.
const FAST: f64 = 1.0;
const SLOW: f64 = 2.4;

pub async fn run(t: &mut Timings) -> Result<()> {
    let (belt, end) = async_channel::bounded(PLACES);
    let put = async move |parcel| belt.send(parcel).await;
    // A clone takes from the same queue, and each parcel goes to one of the two.
    let ends = [End::Cloned(end.clone()), End::Cloned(end)];
    let day = fast_and_slow(put, ends, sorter);
    let shares = t.time("async-channel", sum([FAST; 5]), day).await?;
    count(t, shares);

    let (belt, end) = mpsc::channel(PLACES);
    let put = async move |parcel| belt.send(parcel).await;
    let end = Arc::new(Mutex::new(end));
    let ends = [End::Locked(end.clone()), End::Locked(end)];
    let day = fast_and_slow(put, ends, sorter);
    let shares = t.time("Arc<Mutex<Receiver>>", sum([FAST; 5]), day).await?;
    count(t, shares);

    let (belt, end) = mpsc::channel(PLACES);
    let put = async move |parcel| belt.send(parcel).await;
    let end = Arc::new(Mutex::new(end));
    let day = fast_and_slow(put, [end.clone(), end], keeps_the_lock);
    let law = sum([FAST, SLOW, FAST, SLOW, FAST, SLOW, FAST]);
    let shares = t.time("lock kept while sorting", law, day).await?;
    count(t, shares);

    let ((odd, odd_end), (even, even_end)) = (mpsc::channel(PLACES), mpsc::channel(PLACES));
    // In turn, whether its sorter is free or not.
    let put = async move |parcel: usize| [&even, &odd][parcel % 2].send(parcel).await;
    let ends = [odd_end, even_end].map(End::Own);
    let day = fast_and_slow(put, ends, sorter);
    let shares = t.time("a channel for each", sum([SLOW; 3]), day).await?;
    count(t, shares);
    Ok(())
}

/// What a sorter takes its parcels from.
enum End {
    Cloned(async_channel::Receiver<usize>),
    Locked(Arc<Mutex<mpsc::Receiver<usize>>>),
    Own(mpsc::Receiver<usize>),
}

impl End {
    /// `None` when all senders are dropped and the belt is empty.
    async fn next(&mut self) -> Option<usize> {
        match self {
            Self::Cloned(end) => end.recv().await.ok(),
            // One sorter waits for a parcel, and the others for the lock. The guard is dropped when this returns.
            Self::Locked(end) => end.lock().await.recv().await,
            Self::Own(end) => end.recv().await,
        }
    }
}

/// Returns its share: how many parcels it has sorted.
#[instrument(ret, skip(end))]
async fn sorter(time: f64, mut end: End) -> usize {
    let mut share = 0;
    while let Some(parcel) = end.next().await {
        sort(parcel, time).await;
        share += 1;
    }
    share
}

#[instrument(ret, skip(end))]
async fn keeps_the_lock(time: f64, end: Arc<Mutex<mpsc::Receiver<usize>>>) -> usize {
    let mut share = 0;
    // <- the difference: a temporary of a `while let` lives to the end of the round, and `end.lock().await` is one.
    while let Some(parcel) = end.lock().await.recv().await {
        sort(parcel, time).await;
        share += 1;
    }
    share
}

/// Each sorter is a task, and has one of the two ends. Returns their shares.
async fn fast_and_slow<E, T, F>(
    put: impl AsyncFn(usize) -> Result<(), E>,
    [fast_end, slow_end]: [T; 2],
    sorter: fn(f64, T) -> F,
) -> Result<[usize; 2]>
where
    E: std::error::Error + Send + Sync + 'static,
    F: Future<Output = usize> + Send + 'static,
{
    let fast = spawn(sorter(FAST, fast_end));
    let slow = spawn(sorter(SLOW, slow_end));
    for parcel in 1..=PARCELS {
        put(parcel).await?;
    }
    // This drops the senders, and the sorters learn that nothing more comes.
    drop(put);
    Ok([fast.await?, slow.await?])
}

#[instrument(ret, skip(time))]
async fn sort(parcel: usize, time: f64) -> usize {
    sleep(ticks(time)).await;
    parcel
}

fn count(t: &mut Timings, [fast, slow]: [usize; 2]) {
    t.count("share of the fast one", fast);
    t.count("share of the slow one", slow);
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use proptest::{collection::vec, prelude::*};
    use std::{panic::resume_unwind, pin::pin};
    use timing::{law::none, on_virtual_clock, report::Ended};
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn the_shares_follow_the_sorters_only_if_they_take_from_one_queue() {
        let t = Timings::of(run).await;
        for (label, [fast, slow], time) in [
            ("async-channel", [5, 2], 5.0),
            ("Arc<Mutex<Receiver>>", [5, 2], 5.0),
            ("lock kept while sorting", [4, 3], 11.2),
            ("a channel for each", [4, 3], 7.2),
        ] {
            assert_eq!(*t[label].count("share of the fast one"), fast, "{label}");
            assert_eq!(*t[label].count("share of the slow one"), slow, "{label}");
            assert_eq!(t[label].elapsed, ticks(time), "{label}");
        }
    }

    /// In tenths of a tick: for a parcel, and until it is stopped if it hasn't ended; and whether by a panic.
    type Sorter = (u32, u32, bool);

    async fn is_stopped((time, after, panics): Sorter, end: End) -> bool {
        let mut sorter = pin!(sorter(f64::from(time) / 10.0, end));
        let in_time = timeout(ticks(f64::from(after) / 10.0), &mut sorter).await;
        if in_time.is_err() && panics {
            resume_unwind(Box::new("drops the sorter, and prints nothing"));
        }
        in_time.is_err()
    }

    async fn check<E>(
        parcels: usize,
        put: impl AsyncFn(usize) -> Result<(), E>,
        sorters: &[Sorter],
        end: impl Fn() -> End,
    ) -> Result<(), TestCaseError> {
        let mut t = Timings::default();
        let day = t.time("", none(), async {
            let sorters = sorters
                .iter()
                .map(|&sorter| spawn(is_stopped(sorter, end())));
            let sorters: Vec<_> = sorters.collect(); // or none of them would be spawned yet
            drop(end);
            for parcel in 0..parcels {
                let _refused_if_no_sorter_is_left = put(parcel).await;
            }
            drop(put);
            join_all(sorters).await
        });
        let ends = timeout(ticks(10_000), day).await.expect("nothing hangs");
        let stopped = ends.iter().filter(|end| !matches!(end, Ok(false))).count();
        let mut taken = t[""].lanes.clone();
        taken.retain(|lane| lane.label.starts_with("sort("));
        let lost = taken.iter().filter(|lane| lane.ended != Ended::Returned);
        prop_assert!(lost.count() <= stopped);
        // Each once, in the order they were put on the belt, and all of them if there is a sorter left.
        let numbers = (0..taken.len()).map(|number| format!("sort({number})"));
        prop_assert!(numbers.eq(taken.iter().map(|lane| lane.label.clone())));
        prop_assert!(stopped == sorters.len() || taken.len() == parcels);
        Ok(())
    }

    #[test]
    #[should_panic(expected = "capacity cannot be zero")]
    fn an_async_channel_without_a_place_panics() {
        async_channel::bounded::<u32>(0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn each_parcel_is_sorted_once_and_a_sorter_that_is_stopped_loses_one_at_most(
            parcels in 0_usize..24,
            sorters in vec((0_u32..30, 0_u32..200, any::<bool>()), 0..5),
            places in 1_usize..5,
        ) {
            on_virtual_clock(async {
                let (belt, end) = async_channel::bounded(places);
                let put = async move |parcel| belt.send(parcel).await;
                check(parcels, put, &sorters, move || End::Cloned(end.clone())).await
            })?;
            on_virtual_clock(async {
                let (belt, end) = mpsc::channel(places);
                let put = async move |parcel| belt.send(parcel).await;
                let end = Arc::new(Mutex::new(end));
                check(parcels, put, &sorters, move || End::Locked(end.clone())).await
            })?;
        }
    }
}
