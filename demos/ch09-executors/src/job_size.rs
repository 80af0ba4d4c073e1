//! # How large a job has to be to be worth a trip to a thread
//!
//! Four million rivets are checked, which is arithmetic. An optimised build checks 10 000 of them in some ten µs. A
//! trip to a thread of `spawn_blocking` and back takes tens of µs, because two threads have to be woken one after the
//! other, and longer where every core is busy. In parts of 10 000, each with a trip, all rivets take several times as
//! long as in the task. The larger the parts, the less the trips matter. So a job of some µs stays in the task. A
//! job of milliseconds goes to a thread: the trip is a small part of it, and the loop is free meanwhile
//! (`executors/cpu`).
//!
//! asyncio: run_in_executor
//!
//! real clock: it measures speed, and a paused clock stands still
//!
//! release build: without optimisation a check takes many times as long, so the trips show less
//!
//! ```python
//! for part in parts: cracked += check(part)                                       # in the task
//! for part in parts: cracked += await loop.run_in_executor(threads, check, part)  # a trip each
//! ```
//!
//! Not the same: a trip that takes Python's job to another process also pickles the arguments and the answer. A
//! closure for a thread takes its data along as it is.

use std::{hint::black_box, ops::Range};

use anyhow::Result;
use timing::Timings;
use tokio::task::spawn_blocking;

/// An odd number, so that one of them is the median.
const ROUNDS: usize = 5;
const RIVETS: u32 = 4_000_000;
const SIZES: [(&str, u32); 3] = [
    ("10 000 a trip", 10_000),
    ("100 000 a trip", 100_000),
    ("1 000 000 a trip", 1_000_000),
];

pub async fn run(t: &mut Timings) -> Result<()> {
    // All ways take turns, so a machine that slows down for a while slows all of them.
    for round in 0..ROUNDS {
        t.rate("in the task", RIVETS, in_the_task()).await;
        if round == 0 {
            t.count("trips", 0);
        }
        for (label, size) in SIZES {
            let checked = t.rate(label, RIVETS, on_threads(size)).await?;
            if round == 0 {
                t.count("trips", checked.trips);
            }
        }
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq)]
struct Checked {
    cracked: u32,
    trips: u32,
}

async fn in_the_task() -> u32 {
    parts(10_000).map(check).sum()
}

/// One part after another, as in the task. At once they would also show what several cores save.
async fn on_threads(size: u32) -> Result<Checked> {
    let mut checked = Checked::default();
    for part in parts(size) {
        checked.cracked += spawn_blocking(move || check(part)).await?;
        checked.trips += 1;
    }
    Ok(checked)
}

fn parts(size: u32) -> impl Iterator<Item = Range<u32>> {
    let starts = (0..RIVETS).step_by(size as usize);
    starts.map(move |start| start..start + size)
}

/// How many of these rivets are cracked: about one in a thousand, always the same ones.
fn check(part: Range<u32>) -> u32 {
    // Without `black_box` an optimised build may compute all of it beforehand.
    let sounds = part.map(|rivet| black_box(rivet).wrapping_mul(2_654_435_761));
    sounds.map(|sound| u32::from((sound >> 16) < 65)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_way_checks_every_rivet_and_they_differ_in_their_trips() {
        let cracked = in_the_task().await;
        assert_eq!(cracked, 3_968);
        for ((_, size), trips) in SIZES.into_iter().zip([400, 40, 4]) {
            let checked = on_threads(size).await.unwrap();
            assert_eq!(checked, Checked { cracked, trips });
        }
    }

    #[tokio::test]
    async fn each_row_counts_its_trips_and_all_of_its_rounds() {
        let t = Timings::of(run).await;
        let rows = ["in the task", SIZES[0].0, SIZES[1].0, SIZES[2].0];
        for (label, trips) in rows.into_iter().zip([0, 400, 40, 4]) {
            assert_eq!(t[label].runs.len(), ROUNDS, "{label}");
            assert_eq!(*t[label].count("trips"), trips, "{label}");
        }
    }
}
