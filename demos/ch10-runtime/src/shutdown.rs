//! # Shutdown: refuse, finish what was accepted, set a limit
//!
//! A workshop has accepted 6 jobs, 4 of 2.5 ticks and 2 of 9, when it is told to close at tick 1.5. If it ends at
//! once, it aborts all 6. If it waits as long as the jobs take, it finishes all 6, and ends at tick 9.5. With a grace
//! of 4 ticks it finishes the 4 short ones, aborts the 2 long ones, and ends at tick 5.5. Each time accepted =
//! finished + aborted. The 2 jobs that come while it waits are refused, so their customers can go elsewhere.
//! Kubernetes, for one, kills a process 30 s after it has asked it to end, unless told otherwise: the grace has to be
//! shorter than that. `queues/graceful-drain` does this to a queue, `http/server` to a server.
//!
//! asyncio: Event, wait, Task.cancel, add_done_callback
//!
//! ```python
//! await closing.wait()                       # an asyncio.Event; from here on nothing is accepted
//! if jobs:
//!     done, late = await asyncio.wait(jobs, timeout=4)
//!     for job in late: job.cancel()
//!     await asyncio.gather(*late, return_exceptions=True)    # their clean-up
//! ```
//!
//! Not the same: the end of `asyncio.run` cancels what is left, and waits for its clean-up, however long that takes.
//! The end of a runtime in tokio waits for no task, so a program keeps track of its own: a `TaskTracker` counts them,
//! and forgets each one that has ended, as a set with `add_done_callback(jobs.discard)` does. A job that Python
//! cancels may still wait in its clean-up; a future that is dropped at the limit can't. In neither does the limit end
//! a job that blocks its thread.

use std::future::pending;

use anyhow::Result;
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::{
    join, select,
    sync::mpsc,
    time::{interval, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, instrument};

/// In ticks: when it is told to close, and how long it waits then.
const TOLD: f64 = 1.5;
pub const GRACE: u32 = 4;

pub async fn run(t: &mut Timings) -> Result<()> {
    t.time("no grace", exactly(TOLD), told_to_close(0)).await;
    count(t, "no grace");

    let law = sum([TOLD, f64::from(GRACE)]);
    t.time("4 ticks of grace", law, told_to_close(GRACE)).await;
    count(t, "4 ticks of grace");

    // The sixth job comes at 0.5, and takes 9 ticks.
    t.time("100 ticks of grace", sum([0.5, 9.0]), told_to_close(100))
        .await;
    count(t, "100 ticks of grace");
    Ok(())
}

/// What a server of any kind has, with requests for jobs.
async fn workshop(
    mut jobs: mpsc::Receiver<u32>,
    closing: CancellationToken,
    grace: u32,
    note: Note,
) {
    let (at_work, too_late) = (TaskTracker::new(), CancellationToken::new());
    loop {
        select! {
            // From now on a customer's `send` is an error. What was sent before is still received: it was accepted.
            () = closing.cancelled(), if !jobs.is_closed() => jobs.close(),
            job = jobs.recv() => match job {
                Some(job) => { at_work.spawn(takes(job, too_late.clone(), note)); }
                None => break, // closed, and empty
            },
        }
    }
    // Without this `wait` doesn't return (`runtime/wait-for-all`). A closed tracker still takes tasks; it is the closed
    // channel that refuses jobs.
    at_work.close();
    if timeout(ticks(grace), at_work.wait()).await.is_err() {
        too_late.cancel();
        // For the next turn of each job, in which it drops what it holds and is noted.
        at_work.wait().await;
    }
}

/// A tracker can't abort its tasks, since it keeps no handles. A token reaches all of them. It keeps no results
/// either: a job that panics is noted as neither finished nor aborted, and only its own `JoinHandle` would tell.
async fn takes(job: u32, too_late: CancellationToken, note: Note) {
    let ended = too_late.run_until_cancelled(works(job)).await;
    note(ended.map_or("aborted", |()| "finished"), job);
}

/// Is told what becomes of each job. Here it is a line of narration; a process that gets signals prints it.
pub type Note = fn(&str, u32);

/// The workshop with its customers, until it has closed.
pub async fn day(closing: CancellationToken, grace: u32, note: Note) {
    let (door, jobs) = mpsc::channel(1);
    let customers = customers(door, closing.clone(), note);
    select! {
        () = workshop(jobs, closing, grace, note) => {}
        // The last customer doesn't end the day.
        () = async { customers.await; pending().await } => {}
    }
}

async fn told_to_close(grace: u32) {
    let closing = CancellationToken::new();
    let tells = async {
        sleep(ticks(TOLD)).await;
        closing.cancel();
    };
    let note: Note = |what, job| info!("{what} {job}");
    join!(tells, day(closing.clone(), grace, note));
}

/// Six jobs come a tenth of a tick apart, and two more half a tick after the workshop is told to close.
async fn customers(door: mpsc::Sender<u32>, closing: CancellationToken, note: Note) {
    // A late tick of it doesn't delay the next, as one sleep after another would.
    let mut arrivals = interval(ticks(0.1));
    for job in 1..=8 {
        if job <= 6 {
            arrivals.tick().await;
        } else if job == 7 {
            closing.cancelled().await;
            sleep(ticks(0.5)).await;
        }
        let sent = door.send(job).await;
        note(sent.map_or("refused", |()| "accepted"), job);
    }
}

#[instrument(ret)]
async fn works(job: u32) {
    let is_long = job.is_multiple_of(3);
    sleep(ticks(if is_long { 9.0 } else { 2.5 })).await;
}

fn count(t: &mut Timings, label: &str) {
    let said = t[label].said.iter().map(|said| said.text.clone());
    let notes: Vec<_> = said.collect();
    count_notes(t, &notes);
}

pub fn count_notes(t: &mut Timings, notes: &[String]) {
    for what in ["accepted", "finished", "aborted", "refused"] {
        let number = notes.iter().filter(|note| note.starts_with(what)).count();
        t.count(what, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;
    use timing::{law::none, on_virtual_clock, report::Ended};

    #[track_caller]
    fn assert_counts(t: &Timings, label: &str, expected: [u32; 4]) {
        let names = ["accepted", "finished", "aborted", "refused"];
        for (what, number) in names.into_iter().zip(expected) {
            assert_eq!(*t[label].count(what), number, "{label}: {what}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_decides_how_many_are_finished_and_when_it_ends() {
        let t = Timings::of(run).await;
        assert_counts(&t, "no grace", [6, 0, 6, 0]);
        assert_eq!(t["no grace"].elapsed, ticks(TOLD));
        assert_counts(&t, "4 ticks of grace", [6, 4, 2, 2]);
        assert_eq!(t["4 ticks of grace"].elapsed, ticks(5.5));
        assert_counts(&t, "100 ticks of grace", [6, 6, 0, 2]);
        assert_eq!(t["100 ticks of grace"].elapsed, ticks(9.5));
    }

    #[tokio::test(start_paused = true)]
    async fn the_jobs_that_are_too_long_are_cancelled_at_the_limit_and_not_before() {
        let t = Timings::of(run).await;
        let day = &t["4 ticks of grace"];
        for job in 1..=6 {
            let lane = day.lane(&format!("works({job})"));
            let late = lane.ended == Ended::Cancelled;
            assert_eq!(late, job % 3 == 0, "{job}");
            assert_eq!(late, lane.end == ticks(5.5), "{job}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn whenever_it_is_told_what_was_accepted_is_finished_or_aborted(ms in 0_u64..400, grace in 0_u32..12) {
            on_virtual_clock(async {
                let mut t = Timings::default();
                let closing = CancellationToken::new();
                let tells = async {
                    sleep(Duration::from_millis(ms)).await;
                    closing.cancel();
                };
                let day = day(closing.clone(), grace, |what, job| info!("{what} {job}"));
                t.time("a day", none(), async { join!(tells, day) }).await;
                let number = |what| t["a day"].said.iter().filter(|note| note.text.starts_with(what)).count();
                assert_eq!(number("accepted"), number("finished") + number("aborted"));
                // The grace counts from when it is told.
                assert!(t["a day"].elapsed <= Duration::from_millis(ms) + ticks(grace));
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_tracker_waits_for_ever_and_a_closed_one_still_takes_tasks() {
        let tracker = TaskTracker::new();
        assert!(timeout(ticks(100), tracker.wait()).await.is_err());
        tracker.close();
        let task = tracker.spawn(works(1));
        tracker.wait().await;
        assert!(task.is_finished());
    }
}
