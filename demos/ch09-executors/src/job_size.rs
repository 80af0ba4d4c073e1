//! # How large a job has to be for its trip to a thread
//!
//! Four million rivets are checked, which is arithmetic. In the task, 1 000 of them take about 1 µs in an optimised
//! build. With a trip to a thread of `spawn_blocking` and back they take tens of µs, because two threads have to be
//! woken, one after the other. The larger the part, the less of its time is the trip: 4 000 trips take some 50 times as
//! long as checking everything in the task, 400 trips some 6 times, 40 trips half as long again. So a job of a few µs
//! stays in the task, where nothing else misses them. One that keeps the loop for milliseconds is far larger than its
//! trip.
//!
//! asyncio: run_in_executor, ProcessPoolExecutor
//!
//! real clock: it measures speed, and a paused clock stands still
//!
//! release build: without optimisation a check takes many times as long, and a trip doesn't
//!
//! ```python
//! for part in parts: cracked += check(part)                                       # in the task
//! for part in parts: cracked += await loop.run_in_executor(threads, check, part)  # a trip each
//! for part in parts: cracked += await loop.run_in_executor(processes, check, part)
//! ```
//!
//! Not the same: what goes to a process is pickled, sent through a pipe and unpickled there, and so is the answer. A
//! pool that is made for one call has to start its processes first, too. So a job for a process pool has to be larger
//! by far. A closure for a thread takes its data along as it is.

use std::{hint::black_box, ops::Range};

use anyhow::Result;
use timing::Timings;
use tokio::task::spawn_blocking;

/// An odd number, so that one of them is the median.
const ROUNDS: usize = 5;
const RIVETS: u32 = 4_000_000;

pub async fn run(t: &mut Timings) -> Result<()> {
    // Each way has its turn before the next round begins, so a machine that slows down slows all of them.
    for round in 0..ROUNDS {
        let (parts, check) = (number_of(1_000), in_the_task(1_000));
        let checked = t.rate("in the task", parts, check).await;
        count(t, round, &checked);

        let (parts, check) = (number_of(1_000), on_threads(1_000));
        let checked = t.rate("1 000 a trip", parts, check).await?;
        count(t, round, &checked);

        let (parts, check) = (number_of(10_000), on_threads(10_000));
        let checked = t.rate("10 000 a trip", parts, check).await?;
        count(t, round, &checked);

        let (parts, check) = (number_of(100_000), on_threads(100_000));
        let checked = t.rate("100 000 a trip", parts, check).await?;
        count(t, round, &checked);
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Checked {
    trips: u32,
    cracked: u32,
}

async fn in_the_task(size: u32) -> Checked {
    let cracked = parts_of(size).map(check).sum();
    Checked { trips: 0, cracked }
}

/// One part after the other, as in the task: the trips are to be told apart from what several cores would save.
async fn on_threads(size: u32) -> Result<Checked> {
    let mut checked = Checked::default();
    for part in parts_of(size) {
        checked.cracked += spawn_blocking(|| check(part)).await?; // <- the difference
        checked.trips += 1;
    }
    Ok(checked)
}

fn parts_of(size: u32) -> impl Iterator<Item = Range<u32>> {
    let starts = (0..RIVETS).step_by(size as usize);
    starts.map(move |start| start..RIVETS.min(start + size))
}

fn number_of(size: u32) -> u32 {
    RIVETS.div_ceil(size)
}

/// How many of these rivets are cracked: about one in a thousand, always the same ones.
fn check(part: Range<u32>) -> u32 {
    // Without `black_box` an optimised build may compute all of it beforehand.
    let sounds = part.map(|rivet| black_box(rivet).wrapping_mul(2_654_435_761));
    sounds.map(|sound| u32::from(sound >> 16 < 65)).sum()
}

fn count(t: &mut Timings, round: usize, checked: &Checked) {
    // The same in every round.
    if round == 0 {
        t.count("trips", checked.trips);
        t.count("cracked", checked.cracked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[tokio::test]
    async fn every_way_checks_every_rivet_and_they_differ_in_their_trips() {
        let t = Timings::of(run).await;
        let cracked = check(0..RIVETS);
        for (label, trips) in [
            ("in the task", 0),
            ("1 000 a trip", 4_000),
            ("10 000 a trip", 400),
            ("100 000 a trip", 40),
        ] {
            assert_eq!(t[label].runs.len(), ROUNDS, "{label}");
            assert_eq!(*t[label].count("cracked"), cracked, "{label}");
            assert_eq!(*t[label].count("trips"), trips, "{label}");
        }
    }

    proptest! {
        #[test]
        fn parts_of_any_size_hold_every_rivet_once(size in 1..=RIVETS + 1) {
            let mut next = 0;
            for part in parts_of(size) {
                prop_assert_eq!(part.start, next);
                prop_assert!(!part.is_empty() && part.len() <= size as usize);
                next = part.end;
            }
            prop_assert_eq!(next, RIVETS);
            prop_assert_eq!(parts_of(size).count(), number_of(size) as usize);
        }
    }
}
