//! # Who holds the loop: a slow poll, named
//!
//! Five workers wait for their glue to dry, and the third then saws for 2 ticks without yielding. The two that are
//! due after it are late by at least 190 and 180 ms, although they do nothing wrong: lateness doesn't tell who is to
//! blame. The length of the polls does: the longest is the third's, at least 200 ms. With a `yield_now` after each of
//! its 20 cuts the third works as long, in 22 polls instead of 2, and the two others have their turns in between.
//!
//! asyncio: set_debug, slow_callback_duration, PYTHONASYNCIODEBUG
//!
//! real clock: a thread that is blocked
//!
//! ```python
//! asyncio.run(main(), debug=True)         # or python -X dev, or PYTHONASYNCIODEBUG=1
//! # Executing <Task finished name='Task-4' coro=<works() done, …> …> took 0.200 seconds
//! loop = asyncio.get_running_loop()
//! loop.slow_callback_duration = 0.05      # seconds; 0.1 unless it is set
//! ```
//!
//! Not the same: tokio has no such switch, and warns of nothing. Its `RuntimeMetrics` tell how long a thread of the
//! runtime was busy: at least 200 ms in both variants, for all tasks together. A span tells more: `#[instrument]`
//! gives one to a function, enters it when a poll begins and leaves it when the poll ends. The lanes here are made of
//! that, and `--slow 50ms` names each poll in a lane of 50 ms or longer, in any lesson. In a program of your own
//! `tracing-subscriber` prints a line at both ends of each poll (`FmtSpan::ACTIVE`). Its `FmtSpan::CLOSE` adds the
//! polls of a span up, so the two variants would look the same. tokio-console lists tasks while they run, and warns
//! of one that doesn't yield in its first poll (`runtime/console`).

use std::{thread, time::Duration};

use anyhow::Result;
use timing::{Timings, law::at_least, ticks};
use tokio::{
    runtime::Handle,
    task::yield_now,
    time::{Instant, sleep_until},
};
use tracing::instrument;

const WORKERS: u32 = 5;
const CUTS: u32 = 20;

pub async fn run(t: &mut Timings) -> Result<()> {
    // The third begins after 1.3 ticks, and its cuts take 2.
    let label = "in one poll";
    let day = workshop(Sawing::InOnePoll);
    let day = t.time(label, at_least(3.3), day).await?;
    count(t, label, &day);

    let label = "cut by cut";
    let day = workshop(Sawing::CutByCut);
    let day = t.time(label, at_least(3.3), day).await?;
    count(t, label, &day);
    Ok(())
}

/// What can be known without looking at the polls.
struct Day {
    /// How late each worker was, in their order.
    late: Vec<Duration>,
    /// What the runtime's metrics add up meanwhile.
    busy: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Sawing {
    InOnePoll,
    CutByCut,
}

async fn workshop(sawing: Sawing) -> Result<Day> {
    // The loop has one thread, number 0. None of the stable metrics is kept per task.
    let busy = || Handle::current().metrics().worker_total_busy_duration(0);
    let before = busy();
    let glued = Instant::now() + ticks(1);
    let works = |worker| tokio::spawn(works(worker, glued, sawing));
    let workers: Vec<_> = (1..=WORKERS).map(works).collect();
    let mut late = Vec::new();
    for worker in workers {
        late.push(worker.await?);
    }
    yield_now().await; // the figure is brought up to date when the loop has no task to poll
    Ok(Day {
        late,
        busy: busy() - before,
    })
}

/// Each worker glues, and is due a little later than the one before. Returns how late its turn came.
#[instrument(ret, skip(glued, sawing))]
async fn works(worker: u32, glued: Instant, sawing: Sawing) -> Duration {
    let due = glued + ticks(0.1) * worker;
    sleep_until(due).await;
    let late = due.elapsed();
    if worker == 3 {
        saws(sawing).await;
    }
    late
}

/// Has no span, so it counts as a part of its worker's polls.
async fn saws(sawing: Sawing) {
    for _ in 0..CUTS {
        #[expect(
            clippy::disallowed_methods,
            reason = "a call that blocks is the subject"
        )]
        thread::sleep(ticks(0.1));
        if let Sawing::CutByCut = sawing {
            yield_now().await; // <- the difference
        }
    }
}

fn count(t: &mut Timings, label: &str, day: &Day) {
    let lanes = &t[label].lanes;
    let longest: Vec<_> = lanes.iter().map(|lane| lane.longest_poll()).collect();
    let slowest = lanes.iter().max_by_key(|lane| lane.longest_poll());
    let slowest = slowest.expect("five workers");
    let slowest = format!("{}, {} polls", slowest.label, slowest.polls.len());
    t.count("late, ms", in_ms(&day.late));
    t.count("busy, ms", in_ms(&[day.busy]));
    t.count("longest poll of each, ms", in_ms(&longest));
    t.count("the longest", slowest);
}

fn in_ms(times: &[Duration]) -> String {
    let times = times.iter().map(|time| time.as_millis().to_string());
    times.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Variant;

    fn ms(variant: &Variant, what: &str) -> Vec<Duration> {
        let list = variant.count(what).text();
        let numbers = list.split(", ").map(|ms| ms.parse().unwrap());
        numbers.map(Duration::from_millis).collect()
    }

    #[tokio::test]
    async fn the_longest_poll_names_the_task_that_holds_the_loop() {
        let t = Timings::of(run).await;
        let held = &t["in one poll"];
        // It begins to wait in one poll, and does all the rest in the other.
        assert_eq!(*held.count("the longest"), "works(3), 2 polls");
        assert!(ms(held, "longest poll of each, ms")[2] >= ticks(2));
    }

    #[tokio::test]
    async fn the_late_ones_are_others() {
        let t = Timings::of(run).await;
        let held = &t["in one poll"];
        let late = ms(held, "late, ms");
        assert!(late[3] >= ticks(1.9) && late[4] >= ticks(1.8), "{late:?}");
        // The third is not: its wait is over before it holds the loop.
        assert!(late[2] < late[4], "{late:?}");
    }

    #[tokio::test]
    async fn cut_by_cut_the_others_get_their_turns() {
        let t = Timings::of(run).await;
        let cut = &t["cut by cut"];
        let last_turn = |worker| cut.lane(worker).polls.last().unwrap().turn;
        assert_eq!(cut.lane("works(3)").polls.len(), 2 + CUTS as usize);
        for late in ["works(4)", "works(5)"] {
            assert!(last_turn(late) < last_turn("works(3)"), "{late}");
        }
    }

    #[tokio::test]
    async fn the_runtime_was_busy_for_as_long_in_both() {
        let t = Timings::of(run).await;
        for label in ["in one poll", "cut by cut"] {
            assert!(ms(&t[label], "busy, ms")[0] >= ticks(2), "{label}");
        }
    }
}
