//! # `RwLock`: readers together, a writer alone
//!
//! Five clerks read the exchange rate and one changes it, 1 tick each. Under a `Mutex` they take turns: 6 ticks.
//! Under an `RwLock` 5 read at once and the writer comes after them: 2 ticks. A waiting writer holds back the readers
//! that come later, even while only readers hold the lock: if it comes between two readers, 1 reads before it and 1
//! after it. If it comes last, 2 read before it. And a task that asks to write while it reads waits for itself: its
//! deadline of 3 ticks passes, and the rate is still 100. If it drops its read guard first, it is done in 1 tick, and
//! the rate is 105.
//!
//! asyncio: Lock
//!
//! ```python
//! lock = asyncio.Lock()    # there is no other: readers wait for each other too
//!
//! async with lock:
//!     await report(rate)
//! ```
//!
//! Not the same: in asyncio many reads need no lock, since nothing else runs between two `await`s. A lock is needed
//! where the value must not change during an `await`, as here. A task that takes asyncio's `Lock` twice waits for
//! itself too (tokio's `Mutex`: `pitfalls/deadlock-on-self`). In tokio a read guard can't be turned into a write
//! guard: drop it, ask to write, and look again.

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, sum},
    report::Lane,
    ticks,
};
use tokio::{
    sync::{Mutex, RwLock},
    time::{sleep, timeout},
};
use tracing::instrument;

const OLD: u32 = 100;
const NEW: u32 = 105;

pub async fn run(t: &mut Timings) -> Result<()> {
    let rate = Mutex::new(OLD);
    let everyone = async {
        let readers = join_all(["a", "b", "c", "d", "e"].map(|clerk| locks_to_read(&rate, clerk)));
        tokio::join!(readers, locks_to_write(&rate));
    };
    t.time("Mutex", sum([1; 6]), everyone).await;
    count(t, "Mutex");

    let rate = RwLock::new(OLD);
    let everyone = async {
        let readers = ["a", "b", "c", "d", "e"].map(|clerk| shares(&rate, clerk, 1));
        tokio::join!(join_all(readers), writes_alone(&rate));
    };
    t.time("RwLock", sum([1, 1]), everyone).await;
    count(t, "RwLock");

    // The first reader stays from 0 to 2, and the second comes at 1, when it could read beside the first.
    for (label, writer_comes, law) in [
        ("writer comes last", 1.5, sum([2, 1])),
        ("writer comes between", 0.5, sum([2, 1, 1])),
    ] {
        let rate = RwLock::new(OLD);
        let everyone = async {
            // The marks inside the lanes: when one future is woken, `join!` polls them all (see `tasks/join`).
            tokio::join!(
                shares(&rate, "first", 2),
                comes_at(1.0, shares(&rate, "second", 1)),
                comes_at(writer_comes, writes_alone(&rate)),
            );
        };
        t.time(label, law, everyone).await;
        count(t, label);
    }

    let rate = RwLock::new(OLD);
    let change = timeout(ticks(3), changes_while_it_reads(&rate));
    let change = t.time("read, then write", exactly(3), change).await;
    t.count("rate", *rate.read().await);
    t.count("in time", if change.is_ok() { "yes" } else { "no" });

    let rate = RwLock::new(OLD);
    let change = timeout(ticks(3), changes_after_it_has_read(&rate));
    let change = t.time("read, drop, then write", exactly(1), change).await;
    t.count("rate", *rate.read().await);
    t.count("in time", if change.is_ok() { "yes" } else { "no" });
    Ok(())
}

async fn locks_to_read(rate: &Mutex<u32>, clerk: &str) {
    // Held while the clerk reads: the rate must not change in the middle of a report.
    let _rate = rate.lock().await;
    reads(clerk, 1).await;
}

async fn locks_to_write(rate: &Mutex<u32>) {
    let mut rate = rate.lock().await;
    writes().await;
    *rate = NEW;
}

async fn shares(rate: &RwLock<u32>, clerk: &str, time: u32) {
    // tokio's `RwLock` is fair: readers and writers wait in one queue, and a reader who comes while a writer waits is
    // behind that writer. If such readers were let in, there might always be one of them reading, and the writer
    // would never have its turn. The price: a task that holds a read guard and asks for a second one, in a helper
    // perhaps, is behind that writer, too. The writer waits for the first guard, and both wait for ever.
    let _rate = rate.read().await;
    reads(clerk, time).await;
}

async fn writes_alone(rate: &RwLock<u32>) {
    let mut rate = rate.write().await;
    writes().await;
    *rate = NEW;
}

async fn comes_at(time: f64, visit: impl Future) {
    sleep(ticks(time)).await;
    visit.await;
}

#[instrument(ret, skip_all)]
async fn changes_while_it_reads(rate: &RwLock<u32>) {
    let current = rate.read().await;
    sleep(ticks(1)).await;
    if *current != NEW {
        // A writer waits until no reader is left. This task is a reader itself, until `current` is dropped at the end
        // of the function, which it never reaches.
        *rate.write().await = NEW;
    }
}

#[instrument(ret, skip_all)]
async fn changes_after_it_has_read(rate: &RwLock<u32>) {
    let current = rate.read().await;
    sleep(ticks(1)).await;
    drop(current); // <- the difference
    // Another writer may come between the two guards, so what was read above may be out of date: it looks again.
    let mut current = rate.write().await;
    if *current != NEW {
        *current = NEW;
    }
}

#[instrument(ret)]
async fn reads(clerk: &str, time: u32) {
    sleep(ticks(time)).await;
}

#[instrument(ret)]
async fn writes() {
    sleep(ticks(1)).await;
}

/// A lane of `reads` or `writes` begins when the lock is held, so the lanes show who held it, and when.
fn count(t: &mut Timings, label: &str) {
    let lanes = t[label].lanes.iter();
    let readers: Vec<&Lane> = lanes
        .filter(|lane| lane.label.starts_with("reads"))
        .collect();
    let beside = |now| {
        readers
            .iter()
            .filter(|lane| lane.start <= now && now < lane.end)
            .count()
    };
    let most = readers.iter().map(|reader| beside(reader.start)).max();
    let begins = t[label].lane("writes").start;
    let before = readers.iter().filter(|reader| reader.end <= begins).count();
    t.count("readers at once", most.unwrap_or(0));
    t.count("read before the writer", before);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;
    use tokio::{task::yield_now, time::Instant};

    #[tokio::test(start_paused = true)]
    async fn under_a_mutex_readers_wait_for_each_other_and_under_an_rwlock_they_do_not() {
        let t = Timings::of(run).await;
        for (label, time, at_once) in [("Mutex", 6, 1), ("RwLock", 2, 5)] {
            assert_eq!(t[label].elapsed, ticks(time), "{label}");
            assert_eq!(*t[label].count("readers at once"), at_once, "{label}");
            assert_eq!(*t[label].count("read before the writer"), 5, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_writer_holds_back_later_readers() {
        let t = Timings::of(run).await;
        let last = &t["writer comes last"];
        assert_eq!(*last.count("read before the writer"), 2);
        assert_eq!(last.lane("second").start, ticks(1), "beside the first");
        assert_eq!(last.elapsed, ticks(3));
        let between = &t["writer comes between"];
        assert_eq!(*between.count("read before the writer"), 1);
        assert_eq!(between.lane("second").start, ticks(3), "behind the writer");
        assert_eq!(between.elapsed, ticks(4));
    }

    #[tokio::test(start_paused = true)]
    async fn to_write_while_reading_is_to_wait_for_oneself() {
        let t = Timings::of(run).await;
        let hangs = &t["read, then write"];
        assert_eq!(hangs.elapsed, ticks(3), "the deadline");
        assert_eq!(*hangs.count("rate"), OLD);
        assert_eq!(hangs.lane("changes").ended, Ended::Cancelled);
        let works = &t["read, drop, then write"];
        assert_eq!(works.elapsed, ticks(1));
        assert_eq!(*works.count("rate"), NEW);
        assert_eq!(works.lane("changes").ended, Ended::Returned);
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_who_gives_up_holds_nobody_back_any_more() {
        let rate = RwLock::new(OLD);
        let start = Instant::now();
        let first = rate.read().await;
        let (writer, second) = tokio::join!(timeout(ticks(1), rate.write()), async {
            yield_now().await; // so that the writer asks first
            let _second = rate.read().await;
            start.elapsed()
        });
        assert!(writer.is_err());
        assert_eq!(second, ticks(1));
        drop(first);
    }

    #[tokio::test(start_paused = true)]
    async fn to_read_while_reading_waits_for_ever_if_a_writer_comes_in_between() {
        let rate = RwLock::new(OLD);
        let reads_twice = async {
            let _first = rate.read().await;
            yield_now().await; // here the writer comes
            let _second = rate.read().await;
        };
        let both = async { tokio::join!(reads_twice, rate.write()).0 };
        assert!(timeout(ticks(3), both).await.is_err());
    }
}
