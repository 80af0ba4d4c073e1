//! # An `.await` in the loop, and nobody gets a turn
//!
//! A shop gets a price list of 100 000 lines and adds it up. Each line is read with an `.await`, so the code looks as
//! if others had a turn between two lines. But the list is in memory already, no `.await` has to wait, and the task
//! keeps the thread to the last line: 1 poll. A ticker that is due every 10 ms has no turn meanwhile, for some 40 to
//! 250 ms in a debug build, and any other customer would wait as long. With a `yield_now` after every 500 lines the
//! work is 201 polls; on a thread of `spawn_blocking` the task has 2. Either way the ticker has its turns.
//!
//! asyncio: sleep(0), to_thread, async for
//!
//! real clock: it keeps the processor busy
//!
//! How to see it: in the timeline the lane is one solid bar, and `--slow 20ms` names its poll. Neither rustc nor
//! clippy warns: whether an `.await` has to wait is known only when it runs.
//!
//! Cured in: `executors/cpu`, `executors/job-size`, `runtime/yield-and-budget`
//!
//! ```python
//! async for line in body: cents += price(line)      # nobody else has a turn, if all lines are there
//! cents = await asyncio.to_thread(sum_of, await body.read())    # on a thread, which can't read `body` itself
//! ```
//!
//! Not the same: tokio's channels and sockets have a budget: they make a task suspend now and then, even if there is
//! always something to read. asyncio's queues have none, and neither has tokio's reader of bytes in memory. A thread
//! of Python's takes turns with the loop; in Rust the calculation goes on beside the loop.

use std::{fmt::Write, time::Duration};

use anyhow::{Context, Result};
use timing::{Timings, beside_ticker, law::none};
use tokio::{
    io::AsyncBufReadExt,
    task::{spawn_blocking, yield_now},
};
use tracing::instrument;

const LINES: usize = 100_000;
const STRETCH: usize = 500; // 0.2 to 1 ms of work in a debug build
const EVERY: Duration = Duration::from_millis(10);

pub async fn run(t: &mut Timings) -> Result<()> {
    let list = price_list(LINES);

    let label = "in the task";
    let work = beside_ticker(EVERY, adds_up(&list));
    let (cents, ticked) = t.time(label, none(), work).await;
    count(t, label, cents?);
    ticked.show(t);

    let label = "yield_now, every 500";
    let work = beside_ticker(EVERY, adds_up_in_stretches(&list));
    let (cents, ticked) = t.time(label, none(), work).await;
    count(t, label, cents?);
    ticked.show(t);

    let label = "spawn_blocking";
    let work = beside_ticker(EVERY, adds_up_on_a_thread(list));
    let (cents, ticked) = t.time(label, none(), work).await;
    count(t, label, cents?);
    ticked.show(t);
    Ok(())
}

/// Waits for lines that come from a slow client. For a list that is in memory already the same code never waits. From
/// a socket that always has more it suspends only when the budget is used up, after 128 reads of 8 KiB.
#[instrument(ret, err, skip_all)]
async fn adds_up(list: &str) -> Result<u64> {
    let mut lines = list.as_bytes().lines();
    let mut cents = 0;
    while let Some(line) = lines.next_line().await? {
        cents += price(&line)?;
    }
    Ok(cents)
}

/// The stretch decides how late the others can be. `runtime/yield-cost` shows what each yield costs.
#[instrument(ret, err, skip_all)]
async fn adds_up_in_stretches(list: &str) -> Result<u64> {
    let mut lines = list.as_bytes().lines();
    let (mut cents, mut read) = (0, 0);
    while let Some(line) = lines.next_line().await? {
        cents += price(&line)?;
        read += 1;
        if read % STRETCH == 0 {
            yield_now().await; // <- the difference
        }
    }
    Ok(cents)
}

/// The whole list is one job, which owns the text it reads. Nothing has to be cut into stretches.
#[instrument(ret, err, skip_all)]
async fn adds_up_on_a_thread(list: String) -> Result<u64> {
    spawn_blocking(move || list.lines().map(price).sum()).await? // <- the difference
}

/// `lamp;1990` costs 19.90.
fn price(line: &str) -> Result<u64> {
    let (_article, cents) = line.split_once(';').context("a line without a price")?;
    Ok(cents.trim().parse()?)
}

fn price_list(lines: usize) -> String {
    let mut list = String::new();
    for line in 0..lines {
        writeln!(list, "article {line};{}", line % 1_000).expect("a String takes all");
    }
    list
}

fn count(t: &mut Timings, label: &str, cents: u64) {
    t.count("sum, cents", cents);
    t.count("polls", t[label].lane("adds_up").polls.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Lane, Variant};

    fn gap(variant: &Variant) -> Duration {
        Duration::from_secs_f64(variant.count("longest gap, ms").number() / 1e3)
    }

    /// Whether the ticker had its first turn before the work had its last.
    fn has_turns_meanwhile(variant: &Variant) -> bool {
        let turn = |poll: Option<&timing::report::Poll>| poll.expect("each has a turn").turn;
        let [ticker, work] = ["ticker", "adds_up"].map(|lane| -> &Lane { variant.lane(lane) });
        turn(ticker.polls.first()) < turn(work.polls.last())
    }

    #[tokio::test]
    async fn a_hundred_thousand_awaits_are_one_poll_and_the_gap_is_as_long() {
        let t = Timings::of(run).await;
        let hog = &t["in the task"];
        assert_eq!(*hog.count("polls"), 1);
        assert!(!has_turns_meanwhile(hog));
        assert!(gap(hog) >= hog.lane("adds_up").longest_poll());
    }

    #[tokio::test]
    async fn with_a_yield_after_each_stretch_the_ticker_has_turns_in_between() {
        let t = Timings::of(run).await;
        let stretches = &t["yield_now, every 500"];
        assert_eq!(*stretches.count("polls"), LINES / STRETCH + 1);
        assert!(has_turns_meanwhile(stretches));
    }

    #[tokio::test]
    async fn on_a_thread_the_loop_is_free_until_the_sum_is_there() {
        let t = Timings::of(run).await;
        let on_a_thread = &t["spawn_blocking"];
        assert_eq!(*on_a_thread.count("polls"), 2);
        assert!(has_turns_meanwhile(on_a_thread));
    }

    #[tokio::test]
    async fn a_list_of_any_length_has_the_same_sum_in_each_form() {
        for lines in [0, 1, STRETCH - 1, STRETCH, 3 * STRETCH + 7] {
            let list = price_list(lines);
            let cents = adds_up(&list).await.unwrap();
            assert_eq!(adds_up_in_stretches(&list).await.unwrap(), cents, "{lines}");
            assert_eq!(adds_up_on_a_thread(list).await.unwrap(), cents, "{lines}");
        }
    }
}
