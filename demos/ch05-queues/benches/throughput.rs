//! What the lesson `throughput` measures beside the same calls made bare: the lesson's functions, timed as the lesson
//! times them, and loops written out by hand for 4 sorters and 100 places.
//!
//! `cargo bench -p ch05-queues --bench throughput`
//!
//! The two sides take turns, since a machine's speed drifts, and each turn is compared with the one beside it. A
//! ratio of 1 says that the lesson adds nothing to what it measures.

use std::{
    io::{self, Write},
    sync::Arc,
};

use anyhow::Result;
use timing::Timings;
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};

#[path = "../src/throughput.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "neither the lesson's own run nor its tests belong to the benchmark"
)]
mod throughput;

const PAIRS: usize = 31;
const PARCELS: u32 = 50_000;
const PLACES: usize = 100;
const SORTERS: usize = 4;
/// The lesson should be within this of the bare calls.
const MOST: f64 = 1.2;

/// Measures a lesson's function and a bare loop in turn, and prints the median of the ratios.
macro_rules! pairs {
    ($out:ident, $name:literal, $lesson:path, $bare:path) => {{
        let mut ratios = Vec::new();
        for _ in 0..PAIRS {
            let mut t = Timings::default();
            let lesson = $lesson(Some(PLACES), SORTERS);
            t.rate("lesson", PARCELS, lesson).await?;
            let start = Instant::now();
            $bare().await?;
            let bare = start.elapsed();
            ratios.push(t["lesson"].elapsed.div_duration_f64(bare));
        }
        ratios.sort_by(f64::total_cmp);
        let (least, median, most) = (ratios[0], ratios[PAIRS / 2], ratios[PAIRS - 1]);
        writeln!(
            $out,
            "{:<15} {median:>5.2}   ({least:.2} to {most:.2})",
            $name
        )?;
    }};
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "lesson / bare, median of {PAIRS} pairs (target: under {MOST})"
    )?;
    pairs!(out, "tokio mpsc", throughput::through_mpsc, tokio_mpsc);
    pairs!(
        out,
        "mpsc, recv_many",
        throughput::through_mpsc_each,
        one_mpsc_each
    );
    pairs!(
        out,
        "async-channel",
        throughput::through_async_channel,
        async_channel
    );
    pairs!(out, "flume", throughput::through_flume, flume);
    Ok(())
}

async fn tokio_mpsc() -> Result<()> {
    let (sender, receiver) = mpsc::channel(PLACES);
    let receiver = Arc::new(Mutex::new(receiver));
    let mut tasks = Vec::new();
    for _ in 0..SORTERS {
        let receiver = Arc::clone(&receiver);
        tasks.push(tokio::spawn(async move {
            let mut got = Vec::new();
            loop {
                let parcel = receiver.lock().await.recv().await;
                let Some(parcel) = parcel else { return got };
                got.push(parcel);
            }
        }));
    }
    for parcel in 0..PARCELS {
        sender.send(parcel).await?;
    }
    drop(sender);
    let mut parcels = 0;
    for task in tasks {
        parcels += task.await?.len();
    }
    assert_eq!(parcels, PARCELS as usize);
    Ok(())
}

async fn one_mpsc_each() -> Result<()> {
    let mut senders = Vec::new();
    let mut tasks = Vec::new();
    for _ in 0..SORTERS {
        let (sender, mut receiver) = mpsc::channel(PLACES);
        senders.push(sender);
        tasks.push(tokio::spawn(async move {
            let mut got = Vec::new();
            while receiver.recv_many(&mut got, PLACES).await > 0 {}
            got
        }));
    }
    for parcel in 0..PARCELS {
        senders[parcel as usize % SORTERS].send(parcel).await?;
    }
    drop(senders);
    let mut parcels = 0;
    for task in tasks {
        parcels += task.await?.len();
    }
    assert_eq!(parcels, PARCELS as usize);
    Ok(())
}

async fn async_channel() -> Result<()> {
    let (sender, receiver) = async_channel::bounded(PLACES);
    let mut tasks = Vec::new();
    for _ in 0..SORTERS {
        let receiver = receiver.clone();
        tasks.push(tokio::spawn(async move {
            let mut got = Vec::new();
            while let Ok(parcel) = receiver.recv().await {
                got.push(parcel);
            }
            got
        }));
    }
    for parcel in 0..PARCELS {
        sender.send(parcel).await?;
    }
    drop(sender);
    let mut parcels = 0;
    for task in tasks {
        parcels += task.await?.len();
    }
    assert_eq!(parcels, PARCELS as usize);
    Ok(())
}

async fn flume() -> Result<()> {
    let (sender, receiver) = flume::bounded(PLACES);
    let mut tasks = Vec::new();
    for _ in 0..SORTERS {
        let receiver = receiver.clone();
        tasks.push(tokio::spawn(async move {
            let mut got = Vec::new();
            while let Ok(parcel) = receiver.recv_async().await {
                got.push(parcel);
            }
            got
        }));
    }
    for parcel in 0..PARCELS {
        sender.send_async(parcel).await?;
    }
    drop(sender);
    let mut parcels = 0;
    for task in tasks {
        parcels += task.await?.len();
    }
    assert_eq!(parcels, PARCELS as usize);
    Ok(())
}
