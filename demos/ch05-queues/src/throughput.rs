//! # Throughput: which channel, for how many consumers
//!
//! A belt hands 50 000 parcels to sorters that only collect them; all of them are tasks of one thread. With 1 sorter
//! a parcel takes some 20 to 70 ns through any channel, bounded or not. With 4 sorters a tokio `mpsc` behind a lock
//! takes 120 to 200 ns, at least twice as long as the others. async-channel and flume are as fast as with 1 sorter,
//! but then only 1 is at work: it gets all 50 000, since these sorters wait for nothing but the next parcel.
//!
//! asyncio: Queue
//!
//! real clock: it measures speed, and a paused clock stands still
//!
//! release build: without optimisation all of it takes several times as long
//!
//! ```python
//! queue = asyncio.Queue(100)    # an item takes about 1 µs from put to get
//! ```
//!
//! Not the same: there are several channels to choose from. For 1 consumer, tokio's `mpsc`, and its `recv_many` if
//! items come faster than they are handled. For consumers that share the work, async-channel or flume, which are
//! about equal. As soon as each parcel makes a sorter wait, 4 sorters get a quarter each; without that 1 gets all,
//! in asyncio too. One `mpsc` each, if the producer decides who gets what. And an item that takes 1 ms to handle
//! takes 5 000 times as long as its way through the slowest of them.

use std::sync::Arc;

use anyhow::{Result, ensure};
use timing::Timings;
use tokio::sync::{Mutex, mpsc};

/// An odd number, so that one of them is the median.
const ROUNDS: usize = 7;
const PARCELS: u32 = 50_000;
const ROOM: usize = 100;

pub async fn run(t: &mut Timings) -> Result<()> {
    // Each channel has its turn before the next round begins, so a machine that slows down slows all of them.
    for round in 0..ROUNDS {
        all_channels(t, round).await?;
    }
    Ok(())
}

async fn all_channels(t: &mut Timings, round: usize) -> Result<()> {
    for (sorters, room) in [(1, Some(ROOM)), (1, None), (4, Some(ROOM)), (4, None)] {
        let bound = room.map_or("unbounded", |_| "bounded");
        let label = |channel| format!("{channel}, {bound}, {sorters}");
        let shares = tokio_mpsc(room, sorters);
        let shares = t.rate(label("tokio mpsc"), PARCELS, shares).await?;
        count(t, round, &shares);
        let shares = one_mpsc_each(room, sorters);
        let shares = t.rate(label("one mpsc each"), PARCELS, shares).await?;
        count(t, round, &shares);
        let shares = async_channel(room, sorters);
        let shares = t.rate(label("async-channel"), PARCELS, shares).await?;
        count(t, round, &shares);
        let shares = flume(room, sorters);
        let shares = t.rate(label("flume"), PARCELS, shares).await?;
        count(t, round, &shares);
    }
    Ok(())
}

/// What each sorter got.
type Shares = Vec<Vec<u32>>;

/// Hands over all parcels, and returns the shares. A macro, because each channel has types of its own. So the calls
/// that are compared stand below as they are, with nothing around them.
macro_rules! hand_over {
    ($n:ident to $belt:ident: $put:expr; $end:pat in $ends:expr, $got:ident: $take:expr) => {{
        let mut sorters = Vec::new();
        for $end in $ends {
            sorters.push(tokio::spawn(async move {
                let mut $got = Vec::new();
                while $take {}
                $got
            }));
        }
        for $n in 0..PARCELS {
            $put?;
        }
        drop($belt); // or the sorters would wait for more
        let mut shares = Shares::new();
        for sorter in sorters {
            shares.push(sorter.await?);
        }
        Ok(shares)
    }};
}

/// The receiver of an `mpsc` can't be cloned. Several sorters share it in a lock, which one of them holds while it
/// waits for a parcel.
pub async fn tokio_mpsc(room: Option<usize>, sorters: usize) -> Result<Shares> {
    match (room, sorters) {
        (Some(room), 1) => {
            let (belt, end) = mpsc::channel(room);
            hand_over! { n to belt: belt.send(n).await;
            mut end in [end], got: add(end.recv().await, &mut got) }
        }
        (None, 1) => {
            let (belt, end) = mpsc::unbounded_channel();
            hand_over! { n to belt: belt.send(n);
            mut end in [end], got: add(end.recv().await, &mut got) }
        }
        (Some(room), _) => {
            let (belt, end) = mpsc::channel(room);
            let end = Arc::new(Mutex::new(end));
            hand_over! { n to belt: belt.send(n).await;
            end in vec![end; sorters], got: add(end.lock().await.recv().await, &mut got) }
        }
        (None, _) => {
            let (belt, end) = mpsc::unbounded_channel();
            let end = Arc::new(Mutex::new(end));
            hand_over! { n to belt: belt.send(n);
            end in vec![end; sorters], got: add(end.lock().await.recv().await, &mut got) }
        }
    }
}

/// The belt decides who gets a parcel. `recv_many` takes all that are there, up to 100, in one go.
pub async fn one_mpsc_each(room: Option<usize>, sorters: usize) -> Result<Shares> {
    ensure!(sorters > 0, "there is nobody to decide for");
    let numbers = 0..sorters;
    if let Some(room) = room {
        let (belts, ends): (Vec<_>, Vec<_>) = numbers.map(|_| mpsc::channel(room)).unzip();
        return hand_over! { n to belts: belts[n as usize % sorters].send(n).await;
        mut end in ends, got: end.recv_many(&mut got, ROOM).await > 0 };
    }
    let (belts, ends): (Vec<_>, Vec<_>) = numbers.map(|_| mpsc::unbounded_channel()).unzip();
    hand_over! { n to belts: belts[n as usize % sorters].send(n);
    mut end in ends, got: end.recv_many(&mut got, ROOM).await > 0 }
}

pub async fn async_channel(room: Option<usize>, sorters: usize) -> Result<Shares> {
    let (belt, end) = room.map_or_else(async_channel::unbounded, async_channel::bounded);
    hand_over! { n to belt: belt.send(n).await;
    end in vec![end; sorters], got: add(end.recv().await.ok(), &mut got) }
}

pub async fn flume(room: Option<usize>, sorters: usize) -> Result<Shares> {
    let (belt, end) = room.map_or_else(flume::unbounded, flume::bounded);
    hand_over! { n to belt: belt.send_async(n).await;
    end in vec![end; sorters], got: add(end.recv_async().await.ok(), &mut got) }
}

/// Whether there was a parcel: none is the end.
fn add(parcel: Option<u32>, got: &mut Vec<u32>) -> bool {
    got.extend(parcel);
    parcel.is_some()
}

/// In the first round only: in the later ones these figures would stand there again, beside the last channel.
fn count(t: &mut Timings, round: usize, shares: &[Vec<u32>]) {
    if round == 0 {
        let most = shares.iter().map(Vec::len).max();
        t.count("most to one", most.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use timing::ticks;
    use tokio::{
        join,
        time::{sleep, timeout},
    };

    #[tokio::test(start_paused = true)]
    async fn every_parcel_arrives_once_and_a_sorter_gets_its_share_in_order() {
        for (sorters, room) in [
            (1, Some(ROOM)),
            (1, None),
            (4, Some(ROOM)),
            (3, Some(1)),
            (4, None),
        ] {
            for shares in [
                tokio_mpsc(room, sorters).await.unwrap(),
                one_mpsc_each(room, sorters).await.unwrap(),
                async_channel(room, sorters).await.unwrap(),
                flume(room, sorters).await.unwrap(),
            ] {
                assert_eq!(shares.len(), sorters);
                assert!(shares.iter().all(|share| share.is_sorted()));
                let mut together = shares.concat();
                together.sort_unstable();
                assert!(together.into_iter().eq(0..PARCELS), "{room:?}, {sorters}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_four_sorters_that_wait_for_nothing_else_one_gets_all() {
        let mut t = Timings::default();
        all_channels(&mut t, 0).await.unwrap();
        for bound in ["bounded", "unbounded"] {
            let most = |channel| t[format!("{channel}, {bound}, 4").as_str()].count("most to one");
            assert_eq!(*most("async-channel"), PARCELS);
            assert_eq!(*most("flume"), PARCELS);
            assert_eq!(*most("one mpsc each"), PARCELS / 4);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sorters_that_wait_for_each_parcel_share_them() {
        let (belt, end) = async_channel::bounded(ROOM);
        let sorters = vec![end; 4].into_iter().map(async |end| {
            let mut got = 0;
            while end.recv().await.is_ok() {
                sleep(ticks(1)).await;
                got += 1;
            }
            got
        });
        let puts = async move {
            for n in 0..2_000 {
                belt.send(n).await.unwrap();
            }
        };
        assert_eq!(join!(join_all(sorters), puts).0, [500; 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_sorter_it_fails_and_does_not_hang() {
        let all = async {
            assert!(tokio_mpsc(Some(ROOM), 0).await.is_err());
            assert!(one_mpsc_each(Some(ROOM), 0).await.is_err());
            assert!(async_channel(Some(ROOM), 0).await.is_err());
            assert!(flume(Some(ROOM), 0).await.is_err());
        };
        timeout(ticks(600), all).await.unwrap();
    }
}
