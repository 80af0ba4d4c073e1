//! # Throughput: which channel, for how many consumers
//!
//! A belt hands 50 000 parcels to sorters that only collect them; all of them are tasks of one thread. With 1 sorter
//! a parcel takes some 20 to 80 ns through any channel, bounded or not. With 4 sorters a tokio `mpsc` behind a lock
//! takes 120 to 280 ns, mostly several times the others: the lock goes to the sorter that has waited longest, so
//! they take turns, and each gets about a quarter. async-channel and flume are as fast as with 1 sorter, but then
//! only 1 is at work: it gets all 50 000, since it waits for nothing but the next parcel.
//!
//! asyncio: Queue
//!
//! real clock: it measures speed, and a paused clock stands still
//!
//! release build: without optimisation all of it takes several times as long
//!
//! ```python
//! queue = asyncio.Queue(100)
//! ```
//!
//! Not the same: there are several channels to choose from. For 1 consumer, tokio's `mpsc`, and its `recv_many` if
//! items come faster than they are handled. For consumers that share the work (see `queues/many-consumers`),
//! async-channel or flume, about equally fast: as soon as each parcel makes a sorter wait, 4 sorters get a quarter
//! each. But an `mpsc` drops what lies in it with its receiver; in these two it stays until the last sender is gone,
//! and so does each token or `oneshot` in it (see `queues/task-done`). If the producer is to decide which consumer
//! gets an item, an `mpsc` for each. And to handle an item for 1 ms takes thousands of times longer than any channel.

use std::sync::Arc;

use anyhow::{Result, ensure};
use timing::Timings;
use tokio::sync::{Mutex, mpsc};

/// An odd number, so that one of them is the median.
const ROUNDS: usize = 7;
const PARCELS: u32 = 50_000;
const PLACES: usize = 100;

pub async fn run(t: &mut Timings) -> Result<()> {
    // Each channel has its turn before the next round begins, so a machine that slows down slows all of them.
    for round in 0..ROUNDS {
        all_channels(t, round).await?;
    }
    Ok(())
}

async fn all_channels(t: &mut Timings, round: usize) -> Result<()> {
    for (sorters, places) in [(1, Some(PLACES)), (1, None), (4, Some(PLACES)), (4, None)] {
        let bound = places.map_or("unbounded", |_| "bounded");
        let label = |channel| format!("{channel}, {bound}, {sorters}");
        let shares = through_mpsc(places, sorters);
        let shares = t.rate(label("tokio mpsc"), PARCELS, shares).await?;
        count(t, round, &shares);
        let shares = through_mpsc_each(places, sorters);
        let shares = t.rate(label("mpsc, recv_many"), PARCELS, shares).await?;
        count(t, round, &shares);
        let shares = through_async_channel(places, sorters);
        let shares = t.rate(label("async-channel"), PARCELS, shares).await?;
        count(t, round, &shares);
        let shares = through_flume(places, sorters);
        let shares = t.rate(label("flume"), PARCELS, shares).await?;
        count(t, round, &shares);
    }
    Ok(())
}

/// What each sorter got.
type Shares = Vec<Vec<u32>>;

/// The receiver of an `mpsc` can't be cloned. Several sorters share it in a lock, which one of them holds while it
/// waits for a parcel.
pub async fn through_mpsc(places: Option<usize>, sorters: usize) -> Result<Shares> {
    match (places, sorters) {
        (Some(places), 1) => {
            let (belt, mut end) = mpsc::channel(places);
            let sorter = collects(async move || end.recv().await);
            hand_over(async move |n| belt.send(n).await, vec![sorter]).await
        }
        (None, 1) => {
            let (belt, mut end) = mpsc::unbounded_channel();
            let sorter = collects(async move || end.recv().await);
            hand_over(async move |n| belt.send(n), vec![sorter]).await
        }
        (Some(places), _) => {
            let (belt, end) = mpsc::channel(places);
            let end = Arc::new(Mutex::new(end));
            let ends = vec![end; sorters].into_iter();
            let sorters = ends.map(|end| collects(async move || end.lock().await.recv().await));
            hand_over(async move |n| belt.send(n).await, sorters.collect()).await
        }
        (None, _) => {
            let (belt, end) = mpsc::unbounded_channel();
            let end = Arc::new(Mutex::new(end));
            let ends = vec![end; sorters].into_iter();
            let sorters = ends.map(|end| collects(async move || end.lock().await.recv().await));
            hand_over(async move |n| belt.send(n), sorters.collect()).await
        }
    }
}

/// A channel for each sorter: the belt decides which of them gets a parcel. `recv_many` takes all that are there, up
/// to 100, in one go.
pub async fn through_mpsc_each(places: Option<usize>, sorters: usize) -> Result<Shares> {
    ensure!(sorters > 0, "there is nobody to decide for");
    let numbers = 0..sorters;
    if let Some(places) = places {
        let (belts, ends): (Vec<_>, Vec<_>) = numbers.map(|_| mpsc::channel(places)).unzip();
        let sorters = ends.into_iter().map(|mut end| async move {
            let mut got = Vec::new();
            while end.recv_many(&mut got, PLACES).await > 0 {}
            got
        });
        let put = async move |n| belts[n as usize % belts.len()].send(n).await;
        return hand_over(put, sorters.collect()).await;
    }
    let (belts, ends): (Vec<_>, Vec<_>) = numbers.map(|_| mpsc::unbounded_channel()).unzip();
    let sorters = ends.into_iter().map(|mut end| async move {
        let mut got = Vec::new();
        while end.recv_many(&mut got, PLACES).await > 0 {}
        got
    });
    let put = async move |n| belts[n as usize % belts.len()].send(n);
    hand_over(put, sorters.collect()).await
}

pub async fn through_async_channel(places: Option<usize>, sorters: usize) -> Result<Shares> {
    let (belt, end) = places.map_or_else(async_channel::unbounded, async_channel::bounded);
    let ends = vec![end; sorters].into_iter();
    let sorters = ends.map(|end| collects(async move || end.recv().await.ok()));
    hand_over(async move |n| belt.send(n).await, sorters.collect()).await
}

pub async fn through_flume(places: Option<usize>, sorters: usize) -> Result<Shares> {
    let (belt, end) = places.map_or_else(flume::unbounded, flume::bounded);
    let ends = vec![end; sorters].into_iter();
    let sorters = ends.map(|end| collects(async move || end.recv_async().await.ok()));
    hand_over(async move |n| belt.send_async(n).await, sorters.collect()).await
}

/// Hands over all parcels to the sorters, each a task, and returns their shares.
async fn hand_over<E>(
    put: impl AsyncFn(u32) -> Result<(), E>,
    sorters: Vec<impl Future<Output = Vec<u32>> + Send + 'static>,
) -> Result<Shares>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let sorters: Vec<_> = sorters.into_iter().map(tokio::spawn).collect();
    for n in 0..PARCELS {
        put(n).await?;
    }
    drop(put); // or the sorters would wait for more
    let mut shares = Shares::new();
    for sorter in sorters {
        shares.push(sorter.await?);
    }
    Ok(shares)
}

/// A sorter: takes what comes until the end, which is `None`.
async fn collects(mut next: impl AsyncFnMut() -> Option<u32>) -> Vec<u32> {
    let mut got = Vec::new();
    while let Some(parcel) = next().await {
        got.push(parcel);
    }
    got
}

/// In the first round only: in the later ones these figures would stand there again, beside the last channel.
fn count(t: &mut Timings, round: usize, shares: &[Vec<u32>]) {
    if round == 0 {
        let most = shares.iter().map(Vec::len).max();
        t.count("most to one sorter", most.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::ticks;
    use tokio::time::{sleep, timeout};

    #[tokio::test(start_paused = true)]
    async fn every_parcel_arrives_once_and_a_sorter_gets_its_share_in_order() {
        for (sorters, places) in [(1, Some(PLACES)), (3, Some(1)), (4, None)] {
            for shares in [
                through_mpsc(places, sorters).await.unwrap(),
                through_mpsc_each(places, sorters).await.unwrap(),
                through_async_channel(places, sorters).await.unwrap(),
                through_flume(places, sorters).await.unwrap(),
            ] {
                assert_eq!(shares.len(), sorters);
                assert!(shares.iter().all(|share| share.is_sorted()));
                let mut together = shares.concat();
                together.sort_unstable();
                assert!(together.into_iter().eq(0..PARCELS), "{places:?}, {sorters}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_four_sorters_that_wait_for_nothing_else_one_gets_all_unless_a_lock_or_the_belt_decides()
     {
        let t = Timings::of(async |t| all_channels(t, 0).await).await;
        for (bound, places) in [("bounded", Some(PLACES)), ("unbounded", None)] {
            let most =
                |channel| t[format!("{channel}, {bound}, 4").as_str()].count("most to one sorter");
            assert_eq!(*most("async-channel"), PARCELS);
            assert_eq!(*most("flume"), PARCELS);
            assert_eq!(*most("mpsc, recv_many"), PARCELS / 4);
            let in_turns = through_mpsc(places, 4).await.unwrap();
            assert!(in_turns.iter().all(|got| got.len().abs_diff(12_500) < 500));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sorters_that_wait_for_each_parcel_share_them() {
        let (belt, end) = async_channel::bounded(PLACES);
        let ends = vec![end; 4].into_iter();
        let sorters = ends.map(|end| collects(async move || waits(end.recv().await.ok()).await));
        let shares = hand_over(async move |n| belt.send(n).await, sorters.collect());
        assert!(shares.await.unwrap().iter().all(|got| got.len() == 12_500));

        let (belt, end) = flume::bounded(PLACES);
        let ends = vec![end; 4].into_iter();
        let sorters =
            ends.map(|end| collects(async move || waits(end.recv_async().await.ok()).await));
        let shares = hand_over(async move |n| belt.send_async(n).await, sorters.collect());
        assert!(shares.await.unwrap().iter().all(|got| got.len() == 12_500));
    }

    async fn waits(parcel: Option<u32>) -> Option<u32> {
        sleep(ticks(1)).await;
        parcel
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_sorter_it_fails_and_does_not_hang() {
        let all = async {
            assert!(through_mpsc(Some(PLACES), 0).await.is_err());
            assert!(through_mpsc_each(Some(PLACES), 0).await.is_err());
            assert!(through_async_channel(Some(PLACES), 0).await.is_err());
            assert!(through_flume(Some(PLACES), 0).await.is_err());
        };
        timeout(ticks(600), all).await.unwrap();
    }
}
