//! # A blocking call: how long everything else stands still
//!
//! A driver that only blocks measures three parts, which takes 2, 1 and 2 ticks. Beside it a ticker wants a turn
//! every 10 ms. Tasks that call the driver themselves keep the loop's only thread (`basics/sleep`): the ticker has no
//! turn until all three parts are measured, after 5 ticks, and `join_all` makes no difference. On threads of
//! `spawn_blocking`, one part after another takes 5 ticks as well, but the ticker goes on: the longest gap between
//! two of its turns is little more than 10 ms, and longer on a busy machine. All at once take 2 ticks, as long as the
//! longest one. So the time alone doesn't tell whether a call blocks the loop: the first two variants take equally
//! long. The longest gap tells it, and the turns that the ticker has missed.
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
//! Not the same: `to_thread` returns a coroutine, so nothing runs before it is awaited or made a task.
//! `spawn_blocking` starts at the call, as `run_in_executor` does. It takes a closure that owns what it uses, since
//! the thread can outlive the caller. The same is measured with a blocking HTTP client in `http/blocking-client`, and
//! with files in `files/in-the-loop`.

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
    let (_sizes, ticked) = t.time("inline, in a join_all", sum(times), work).await;
    ticked.show(t);

    let work = beside_ticker(EVERY, measures_in_turn());
    let (sizes, ticked) = t.time("spawn_blocking, in turn", sum(times), work).await;
    sizes?;
    ticked.show(t);

    let work = beside_ticker(EVERY, measures_at_once());
    let (sizes, ticked) = t.time("spawn_blocking, at once", max(times), work).await;
    sizes?;
    ticked.show(t);
    Ok(())
}

/// These three futures never wait: each finishes at its first poll, so `join_all` gets to the second one when the
/// first is finished. All of it is one poll.
async fn measures_inline() -> Vec<u32> {
    join_all(PARTS.map(|(part, time)| async move { measure(part, time) })).await
}

/// The task suspends at each `.await`, and the loop's thread is free while a thread of the pool waits for the driver.
async fn measures_in_turn() -> Result<Vec<u32>, JoinError> {
    let mut sizes = Vec::new();
    for (part, time) in PARTS {
        sizes.push(spawn_blocking(move || measure(part, time)).await?);
    }
    Ok(sizes)
}

/// All three are started before the first of them is awaited, each on a thread of its own. A handle gives `Err` if
/// its closure panics, or is aborted before it begins.
async fn measures_at_once() -> Result<Vec<u32>, JoinError> {
    let jobs = PARTS.map(|(part, time)| spawn_blocking(move || measure(part, time)));
    try_join_all(jobs).await
}

/// The driver, which returns when the gauge has answered. Its thread has nothing to do meanwhile, and can't do
/// anything else.
#[instrument(ret)]
fn measure(part: &'static str, time: u32) -> u32 {
    #[expect(clippy::disallowed_methods, reason = "a driver that has no async form")]
    thread::sleep(ticks(time));
    20_000 + time
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use timing::report::Variant;
    use tokio::{runtime::Builder, time::Instant};

    fn gap(variant: &Variant) -> Duration {
        Duration::from_secs_f64(variant.count("longest gap, ms").number() / 1e3)
    }

    #[tokio::test]
    async fn inline_the_gap_is_the_whole_job() {
        let t = Timings::of(run).await;
        let inline = &t["inline, in a join_all"];
        assert!(inline.elapsed >= ticks(5), "join_all doesn't overlap them");
        assert!(gap(inline) >= ticks(5));
        assert_eq!(inline.lane("ticker").polls.len(), 1, "at the very end");
    }

    #[tokio::test]
    async fn on_threads_the_loop_goes_on() {
        let t = Timings::of(run).await;
        for (label, time) in [
            ("spawn_blocking, in turn", 5),
            ("spawn_blocking, at once", 2),
        ] {
            let variant = &t[label];
            assert!(variant.elapsed >= ticks(time), "{label}");
            assert!(gap(variant) < variant.elapsed * 9 / 10, "{label}");
            // A test records its own thread only, so a call on another one has no lane.
            let mut lanes = variant.lanes.iter();
            assert!(lanes.all(|lane| !lane.label.contains("measure")), "{label}");
        }
    }

    /// How long the pool needs for what the first poll of `work` has started. It has one thread here, which takes the
    /// job behind that last.
    fn started_by_its_first_poll(work: impl Future) -> (bool, Duration) {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            let finished = work.now_or_never().is_some();
            spawn_blocking(|| ()).await.unwrap();
            (finished, start.elapsed())
        })
    }

    #[test]
    fn inline_all_is_one_poll_and_on_threads_one_poll_starts_all() {
        let (finished, time) = started_by_its_first_poll(measures_inline());
        assert!(finished && time >= ticks(5));
        let (finished, time) = started_by_its_first_poll(measures_at_once());
        assert!(!finished && time >= ticks(5), "all three were in the queue");
    }

    #[tokio::test]
    async fn each_way_returns_the_sizes_in_the_order_of_the_parts() {
        let sizes = measures_inline().await;
        assert_eq!(sizes, [20_002, 20_001, 20_002]);
        assert_eq!(measures_in_turn().await.unwrap(), sizes);
        assert_eq!(measures_at_once().await.unwrap(), sizes);
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
