//! # A blocking call: how long everything else stands still
//!
//! Three gauges are read by a driver that only blocks; this takes 2, 1 and 2 ticks. A ticker beside it wants a turn
//! every 10 ms. Read inline, the gauges keep the loop's only thread: no turn for 500 ms. `join_all` doesn't help:
//! it takes 5 ticks, the sum. On threads of `spawn_blocking`, one after another, they still take 5 ticks, but the
//! longest gap between two turns is about 11 ms. All at once they take 2 ticks, the longest of them, with the same gap.
//! The time doesn't tell whether a call blocks the loop, for the first two take equally long. The gap does.
//!
//! asyncio: to_thread, run_in_executor
//!
//! real clock: threads that block
//!
//! ```python
//! sizes = [measure(part) for part in parts]               # the loop stands still
//! size = await asyncio.to_thread(measure, "shaft")        # it goes on
//! size = await loop.run_in_executor(None, measure, "shaft")
//! sizes = await asyncio.gather(*(asyncio.to_thread(measure, part) for part in parts))
//! ```
//!
//! Not the same: `to_thread` returns a coroutine, so nothing runs before it is awaited. `spawn_blocking` starts at the
//! call, as `run_in_executor` does. It takes a closure that owns what it uses, since the thread can outlive the caller.
//! Python's default pool has 32 threads at most; tokio's grows up to 512, and a thread without work ends after 10 s.

use std::{thread, time::Duration};

use anyhow::Result;
use futures_util::future::{join_all, try_join_all};
use timing::{
    Timings, beside_ticker,
    law::{max, sum},
    ticks,
};
use tokio::task::{JoinError, spawn_blocking};
use tracing::instrument;

/// Each with the ticks it takes to measure it.
const PARTS: [(&str, u32); 3] = [("shaft", 2), ("gear", 1), ("axle", 2)];
const EVERY: Duration = Duration::from_millis(10);

pub async fn run(t: &mut Timings) -> Result<()> {
    let times = PARTS.map(|(_, time)| time);

    let work = beside_ticker(EVERY, measures_inline());
    let (sizes, ticked) = t.time("inline, in a join_all", sum(times), work).await;
    t.count("parts measured", sizes.len());
    ticked.show(t);

    let work = beside_ticker(EVERY, measures_in_turn());
    let (sizes, ticked) = t.time("spawn_blocking, in turn", sum(times), work).await;
    t.count("parts measured", sizes?.len());
    ticked.show(t);

    let work = beside_ticker(EVERY, measures_at_once());
    let (sizes, ticked) = t.time("spawn_blocking, at once", max(times), work).await;
    t.count("parts measured", sizes?.len());
    ticked.show(t);
    Ok(())
}

/// These three futures never wait: each is done at its first poll. So `join_all` gets to the second one when the first
/// one is done, and all of it is one poll.
async fn measures_inline() -> Vec<u32> {
    join_all(PARTS.map(|(part, time)| async move { measure(part, time) })).await
}

/// The task suspends at each `.await`, and the loop's thread is free while a thread of the pool waits for the gauge.
async fn measures_in_turn() -> Result<Vec<u32>, JoinError> {
    let mut sizes = Vec::new();
    for (part, time) in PARTS {
        sizes.push(spawn_blocking(move || measure(part, time)).await?);
    }
    Ok(sizes)
}

/// All three are started before the first of them is awaited, each on a thread of its own. The `Err` of a handle is a
/// panic in its thread.
async fn measures_at_once() -> Result<Vec<u32>, JoinError> {
    let jobs = PARTS.map(|(part, time)| spawn_blocking(move || measure(part, time)));
    try_join_all(jobs).await
}

/// Stands for the driver: an ordinary function that returns when the gauge has answered, in micrometres. Its thread
/// has nothing to do meanwhile, and can't do anything else.
#[instrument(ret)]
fn measure(part: &'static str, time: u32) -> u32 {
    #[expect(clippy::disallowed_methods, reason = "a driver that has no async form")]
    thread::sleep(ticks(time));
    20_000 + time
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Value, Variant};

    const INLINE: &str = "inline, in a join_all";
    const THREADS: [&str; 2] = ["spawn_blocking, in turn", "spawn_blocking, at once"];

    fn gap(variant: &Variant) -> Duration {
        match variant.count("longest gap, ms") {
            Value::Fraction(ms) => Duration::from_secs_f64(ms / 1e3),
            other => panic!("{other:?} is no number of milliseconds"),
        }
    }

    #[tokio::test]
    async fn inline_the_gap_is_the_whole_job() {
        let t = Timings::of(run).await;
        let inline = &t[INLINE];
        assert!(inline.elapsed >= ticks(5), "join_all doesn't overlap them");
        assert!(gap(inline) >= ticks(5));
        assert_ne!(*inline.count("missed ticks"), 0);
        // All of them were over before the ticker had its first turn.
        let ticker = inline.lane("ticker").polls[0].turn;
        assert!(
            PARTS
                .iter()
                .all(|(part, _)| inline.lane(part).polls[0].turn < ticker)
        );
    }

    #[tokio::test]
    async fn on_threads_the_loop_goes_on() {
        let t = Timings::of(run).await;
        for label in THREADS {
            assert!(gap(&t[label]) < ticks(2.5), "{label}: half of the job");
        }
        assert!(
            t[THREADS[0]].elapsed >= ticks(5),
            "in turn nothing overlaps"
        );
        assert!(t[THREADS[1]].elapsed >= ticks(2));
    }

    #[tokio::test]
    async fn every_part_is_measured_and_only_inline_on_the_loops_thread() {
        let t = Timings::of(run).await;
        // A test records its own thread only, so a call on another one has no lane.
        let here = |label: &str| {
            let lanes = t[label].lanes.iter();
            lanes.filter(|lane| lane.label.contains("measure")).count()
        };
        assert_eq!([INLINE, THREADS[0], THREADS[1]].map(here), [3, 0, 0]);
        for label in [INLINE, THREADS[0], THREADS[1]] {
            assert_eq!(*t[label].count("parts measured"), 3, "{label}");
        }
    }

    #[tokio::test]
    async fn spawn_blocking_starts_at_the_call() {
        let (tell, told) = std::sync::mpsc::channel();
        let job = spawn_blocking(move || tell.send("begun"));
        // This blocks the loop, so nothing has been awaited by now.
        let told = told.recv_timeout(Duration::from_secs(10));
        assert_eq!(told, Ok("begun"));
        job.await.unwrap().unwrap();
    }
}
