//! # A guard: `Drop` runs at every ending, and can't wait
//!
//! A desk opens a ledger for each loan. Closing it sends the loan to the catalogue, which takes 1 tick. Four desks
//! make 2 loans each, and end by a return, an error, a `break` and a cancel. `Drop` runs for all 8 ledgers, but it
//! can't wait until a loan is sent (see `tasks/cancel`). If `close` is never called, all 8 loans are lost. With
//! `close` on the last line 3 are lost, since an error, a `break` and a cancel don't get there. With `close` before
//! the `?` and the `break` only the cancelled desk loses one. If `Drop` spawns a task that sends the loan, and the
//! program waits for these tasks before it ends (see `tasks/task-group` for the `TaskTracker`), 0 are lost.
//!
//! asyncio: `__aenter__`, `__aexit__`, async with, finally
//!
//! ```python
//! class Ledger:
//!     async def __aenter__(self): return self
//!     async def __aexit__(self, kind, error, trace): await self.send()   # after every ending
//!
//! async with Ledger() as ledger: ledger.note(loan)
//! ```
//!
//! Not the same: `__aexit__` may await, until a second cancel, and is told the exception. `Drop` can't await and isn't
//! told the error. (It is skipped by `mem::forget`, by `process::exit` and by an abort.) `close` is a method like any
//! other: if it is forgotten, neither the compiler nor the runtime asks for it. It takes `self`, so using a closed
//! ledger doesn't compile (E0382).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use anyhow::{Result, bail};
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use tracing::instrument;

pub async fn run(t: &mut Timings) -> Result<()> {
    // A desk has 5 ticks. Only that of `Ending::Cancel` would never finish.
    let desks = at_every_ending(forgets_to_close, None, 5.0);
    let desks = t.time("close forgotten", exactly(5), desks).await;
    count(t, &desks);

    let desks = at_every_ending(closes_last, None, 5.0);
    let desks = t.time("close on the last line", exactly(5), desks).await;
    count(t, &desks);

    let desks = at_every_ending(closes_first, None, 5.0);
    let desks = t.time("close before the ?", exactly(5), desks).await;
    count(t, &desks);

    // The first variant again, but `Drop` has a place to spawn tasks. The task of the cancelled desk begins when the
    // 5 ticks are over. Waiting for it takes 1 tick more.
    let tasks = Some(TaskTracker::new());
    let desks = at_every_ending(forgets_to_close, tasks, 5.0);
    let desks = t.time("Drop spawns a task", sum([5, 1]), desks).await;
    count(t, &desks);
    Ok(())
}

#[instrument(ret, err, skip_all, fields(ending = ?desk.ending))]
async fn forgets_to_close(desk: Arc<Desk>) -> Result<()> {
    for loan in 1..=2 {
        let _ledger = Ledger::open(loan, &desk);
        if !desk.goes_on_after(loan).await? {
            break;
        }
    }
    Ok(())
}

#[instrument(ret, err, skip_all, fields(ending = ?desk.ending))]
async fn closes_last(desk: Arc<Desk>) -> Result<()> {
    for loan in 1..=2 {
        let ledger = Ledger::open(loan, &desk);
        // Both the `?` and the `break` leave the block here, above its last line.
        if !desk.goes_on_after(loan).await? {
            break;
        }
        ledger.close().await; // <- the difference
    }
    Ok(())
}

#[instrument(ret, err, skip_all, fields(ending = ?desk.ending))]
async fn closes_first(desk: Arc<Desk>) -> Result<()> {
    for loan in 1..=2 {
        let ledger = Ledger::open(loan, &desk);
        let goes_on = desk.goes_on_after(loan).await;
        // <- the difference: an error is a value, and can be returned after the `close`. An exception leaves at once,
        // hence Python's `finally`. So does a cancel: it ends the function inside the `.await` above or below.
        ledger.close().await;
        if !goes_on? {
            break;
        }
    }
    Ok(())
}

struct Ledger {
    /// What hasn't been sent yet.
    loan: Option<u32>,
    desk: Arc<Desk>,
}

impl Ledger {
    fn open(loan: u32, desk: &Arc<Desk>) -> Self {
        let (loan, desk) = (Some(loan), desk.clone());
        Self { loan, desk }
    }

    /// Takes the ledger by value, so `drop` runs at the end of this too. There is nothing left to send then.
    async fn close(mut self) {
        if let Some(loan) = self.loan {
            send(loan, self.desk.clone()).await;
            // Not before the wait: if `close` itself is cancelled, `drop` still has the loan. A catalogue that has got
            // it by then gets it twice.
            self.loan = None;
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.desk.drops.fetch_add(1, Relaxed);
        // The task gets a copy of the loan: the ledger is only borrowed here, and can't be moved into a task. Where no
        // runtime is, `spawn` panics.
        if let (Some(loan), Some(tasks)) = (self.loan, &self.desk.tasks) {
            tasks.spawn(send(loan, self.desk.clone()));
        }
    }
}

#[instrument(ret, skip(desk), fields(ending = ?desk.ending))]
async fn send(loan: u32, desk: Arc<Desk>) {
    sleep(ticks(1)).await;
    desk.sent.fetch_add(1, Relaxed);
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Return,
    Error,
    Break,
    Cancel,
}

const ENDINGS: [Ending; 4] = [Ending::Return, Ending::Error, Ending::Break, Ending::Cancel];

struct Desk {
    ending: Ending,
    /// Where `Drop` may spawn a task.
    tasks: Option<TaskTracker>,
    drops: AtomicUsize,
    sent: AtomicUsize,
}

impl Desk {
    /// The ending happens at the second loan.
    async fn goes_on_after(&self, loan: u32) -> Result<bool> {
        sleep(ticks(1)).await;
        match self.ending {
            Ending::Error if loan == 2 => bail!("no card"),
            Ending::Break if loan == 2 => Ok(false),
            Ending::Cancel if loan == 2 => std::future::pending().await,
            _ => Ok(true),
        }
    }
}

/// Four desks side by side, each cancelled if it isn't done in time.
async fn at_every_ending(
    work: impl AsyncFn(Arc<Desk>) -> Result<()>,
    tasks: Option<TaskTracker>,
    time: f64,
) -> Vec<Arc<Desk>> {
    let desks = ENDINGS.map(async |ending| {
        let desk = Arc::new(Desk {
            ending,
            tasks: tasks.clone(), // one more handle of the same tracker
            drops: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
        });
        let _ending = timeout(ticks(time), work(desk.clone())).await; // as planned; its lane shows it
        desk
    });
    let desks = join_all(desks).await;
    if let Some(tasks) = tasks {
        tasks.close(); // `wait` ends when the tracker is closed and has no tasks
        tasks.wait().await;
    }
    desks
}

fn count(t: &mut Timings, desks: &[Arc<Desk>]) {
    let drops = desks.iter().map(|desk| desk.drops.load(Relaxed));
    t.count("drops", drops.sum::<usize>());
    for desk in desks {
        let lost = desk.drops.load(Relaxed) - desk.sent.load(Relaxed); // a ledger holds one loan
        t.count(format!("lost: {:?}", desk.ending), lost); // as in "lost: Error"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ended::{Cancelled, Failed, Returned};
    use proptest::prelude::*;
    use timing::{on_virtual_clock, report::Ended};

    /// `lost` on return, error, break and cancel.
    async fn assert_ends(label: &str, work: &str, lost: [usize; 4]) -> Timings {
        let t = Timings::of(run).await;
        let variant = &t[label];
        let ended = ENDINGS.map(|ending| variant.lane(&format!("{work}({ending:?})")).ended);
        assert_eq!(ended, [Returned, Failed, Returned, Cancelled]);
        assert_eq!(*variant.count("drops"), 8);
        for (ending, lost) in ENDINGS.iter().zip(lost) {
            let count = variant.count(&format!("lost: {ending:?}"));
            assert_eq!(*count, lost, "{ending:?}");
        }
        t
    }

    #[tokio::test(start_paused = true)]
    async fn drop_runs_at_every_ending_and_a_forgotten_close_loses_all_without_a_word() {
        let t = assert_ends("close forgotten", "forgets_to_close", [2, 2, 2, 2]).await;
        let said: Vec<_> = t["close forgotten"].said.iter().map(|s| &s.text).collect();
        assert_eq!(said, ["error=no card"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_on_the_last_line_runs_on_return_only() {
        assert_ends("close on the last line", "closes_last", [0, 1, 1, 1]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_before_the_question_mark_is_missing_after_a_cancel_only() {
        assert_ends("close before the ?", "closes_first", [0, 0, 0, 1]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_spawned_by_drop_sends_what_is_left_and_outlives_a_cancelled_desk() {
        let t = assert_ends("Drop spawns a task", "forgets_to_close", [0, 0, 0, 0]).await;
        let last = t["Drop spawns a task"].lane("send(2, Cancel)");
        assert_eq!((last.start, last.end), (ticks(5), ticks(6)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn whenever_a_desk_is_cancelled_as_many_loans_are_sent_as_ledgers_were_opened(tenths in 0_u32..60) {
            // `closes_first`, since that may also be cancelled inside of `close`.
            let desks = at_every_ending(closes_first, Some(TaskTracker::new()), f64::from(tenths) / 10.0);
            for desk in on_virtual_clock(desks) {
                prop_assert_eq!(desk.sent.load(Relaxed), desk.drops.load(Relaxed));
            }
        }
    }
}
