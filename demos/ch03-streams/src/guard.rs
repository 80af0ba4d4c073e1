//! # A guard: `Drop` always runs, and can't wait
//!
//! A desk opens a ledger for each loan. Closing it sends the loan to the catalogue, which is a wait of 1 tick. Four
//! desks note 2 loans each, and end by a return, an error, a `break` and a cancel. `Drop` runs for all 8 ledgers. But
//! it is no `async fn`, so it can't wait until a loan is sent. If `close` is never called, all 8 loans are lost. With
//! `close` on the last line 3 are lost, since an error, a `break` and a cancel don't get there. With `close` before
//! the `?` and the `break` it is 1, the cancel's. If `Drop` starts a task that sends the loan, it is 0.
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
//! Not the same: `__aexit__` runs at every ending, may await, and is told the exception. `Drop` runs at every ending
//! too, may not await, and isn't told anything. `close` is a method like any other: if it is forgotten, neither the
//! compiler nor the runtime says so. It takes `self`, so using a ledger that is closed doesn't compile (E0382).

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
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
    // A desk has 5 ticks. Only the fourth would need longer, and is cancelled.
    let desks = at_every_ending(forgets_to_close, || None, 5.0);
    let desks = t.time("close forgotten", exactly(5), desks).await;
    count(t, &desks);

    let desks = at_every_ending(closes_last, || None, 5.0);
    let desks = t.time("close on the last line", exactly(5), desks).await;
    count(t, &desks);

    let desks = at_every_ending(closes_first, || None, 5.0);
    let desks = t.time("close before the ?", exactly(5), desks).await;
    count(t, &desks);

    // The first form again, in libraries where `Drop` may start tasks. The cancelled desk's last loan is sent after
    // its 5 ticks. The desk is gone then, so the program has to wait for it, or its loan is lost after all.
    let with_tasks = || Some(TaskTracker::new());
    let desks = at_every_ending(forgets_to_close, with_tasks, 5.0);
    let desks = t.time("Drop starts a task", sum([5, 1]), desks).await;
    count(t, &desks);
    Ok(())
}

#[instrument(ret, err, skip(library))]
async fn forgets_to_close(ending: Ending, library: Arc<Library>) -> Result<()> {
    for reader in 1..=2 {
        let _ledger = Ledger::open(reader, &library);
        if !ending.goes_on_after(reader).await? {
            break;
        }
    }
    Ok(())
}

#[instrument(ret, err, skip(library))]
async fn closes_last(ending: Ending, library: Arc<Library>) -> Result<()> {
    for reader in 1..=2 {
        let ledger = Ledger::open(reader, &library);
        // Both the `?` and the `break` leave the block here, above its last line.
        if !ending.goes_on_after(reader).await? {
            break;
        }
        ledger.close().await; // <- the difference
    }
    Ok(())
}

#[instrument(ret, err, skip(library))]
async fn closes_first(ending: Ending, library: Arc<Library>) -> Result<()> {
    for reader in 1..=2 {
        let ledger = Ledger::open(reader, &library);
        let goes_on = ending.goes_on_after(reader).await;
        // <- the difference: an error is a value, and can be returned after the ledger is closed. In Python an
        // exception leaves at once, which is why it needs `finally`. A cancel leaves at once here too: it ends the
        // function inside the `.await` above.
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
    library: Arc<Library>,
}

impl Ledger {
    fn open(loan: u32, library: &Arc<Library>) -> Self {
        let (loan, library) = (Some(loan), library.clone());
        Self { loan, library }
    }

    /// Ends with `drop`, like everything that is passed by value. There is nothing left to send then.
    async fn close(mut self) {
        if let Some(loan) = self.loan {
            send(loan, self.library.clone()).await;
            // Not before the wait: if `close` itself is cancelled, `drop` still has the loan.
            self.loan = None;
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.library.drops.fetch_add(1, Relaxed);
        // The task gets the loan and not the ledger, which is gone before the task has its first turn.
        if let (Some(loan), Some(tasks)) = (self.loan, &self.library.tasks) {
            tasks.spawn(send(loan, self.library.clone()));
        }
    }
}

#[instrument(ret, skip(library))]
async fn send(loan: u32, library: Arc<Library>) {
    sleep(ticks(1)).await;
    library.sent.fetch_add(1, Relaxed);
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Return,
    Error,
    Break,
    Cancel,
}

impl Ending {
    const ALL: [Self; 4] = [Self::Return, Self::Error, Self::Break, Self::Cancel];

    /// The second reader brings about the ending.
    async fn goes_on_after(self, reader: u32) -> Result<bool> {
        sleep(ticks(1)).await;
        match self {
            Self::Error if reader == 2 => bail!("no card"),
            Self::Break if reader == 2 => Ok(false),
            Self::Cancel if reader == 2 => pending().await,
            _ => Ok(true),
        }
    }
}

#[derive(Default)]
struct Library {
    drops: AtomicUsize,
    sent: AtomicUsize,
    /// Where `Drop` may start a task.
    tasks: Option<TaskTracker>,
}

/// Four desks side by side, each in a library of its own. How a desk ended is told by its lane.
async fn at_every_ending(
    desk: impl AsyncFn(Ending, Arc<Library>) -> Result<()>,
    tasks: fn() -> Option<TaskTracker>,
    time: f64,
) -> Vec<Arc<Library>> {
    let days = Ending::ALL.map(async |ending| {
        let (tasks, nothing) = (tasks(), Library::default());
        let library = Arc::new(Library { tasks, ..nothing });
        let work = desk(ending, library.clone());
        timeout(ticks(time), work).await.ok();
        if let Some(tasks) = &library.tasks {
            tasks.close(); // no more tasks will come: without this `wait` doesn't end
            tasks.wait().await;
        }
        library
    });
    join_all(days).await
}

fn count(t: &mut Timings, desks: &[Arc<Library>]) {
    let drops = desks.iter().map(|desk| desk.drops.load(Relaxed));
    t.count("drops", drops.sum::<usize>());
    for (ending, desk) in Ending::ALL.iter().zip(desks) {
        let lost = desk.drops.load(Relaxed) - desk.sent.load(Relaxed); // a ledger holds one loan
        t.count(format!("lost: {ending:?}"), lost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ended::{Cancelled, Failed, Returned};
    use proptest::prelude::*;
    use timing::{on_virtual_clock, report::Ended};

    /// `lost` on return, error, break and cancel.
    async fn assert_ends(label: &str, desk: &str, lost: [usize; 4]) -> Timings {
        let t = Timings::of(run).await;
        let variant = &t[label];
        let lane = |ending| variant.lane(&format!("{desk}({ending:?})"));
        let ended = Ending::ALL.map(|ending| lane(ending).ended);
        assert_eq!(ended, [Returned, Failed, Returned, Cancelled]);
        assert_eq!(*variant.count("drops"), 8);
        for (ending, lost) in Ending::ALL.iter().zip(lost) {
            let count = variant.count(&format!("lost: {ending:?}"));
            assert_eq!(*count, lost, "{ending:?}");
        }
        t
    }

    #[tokio::test(start_paused = true)]
    async fn drop_runs_at_every_ending_and_a_forgotten_close_loses_all_without_a_word() {
        let t = assert_ends("close forgotten", "forgets_to_close", [2, 2, 2, 2]).await;
        let [line] = &t["close forgotten"].said[..] else {
            panic!("one line, the error's");
        };
        assert_eq!(line.text, "error=no card");
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
    async fn a_task_started_by_drop_sends_what_is_left_after_every_ending() {
        let t = assert_ends("Drop starts a task", "forgets_to_close", [0, 0, 0, 0]).await;
        assert_eq!(t["Drop starts a task"].elapsed, ticks(6));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn whenever_a_desk_is_cancelled_the_task_sends_each_loan_once(tenths in 0_u32..60) {
            // `closes_first`, since that may also be cancelled inside of `close`.
            let (day, tasks) = (f64::from(tenths) / 10.0, || Some(TaskTracker::new()));
            let desks = at_every_ending(closes_first, tasks, day);
            for library in on_virtual_clock(desks) {
                prop_assert_eq!(library.sent.load(Relaxed), library.drops.load(Relaxed));
            }
        }
    }
}
