//! # Made once, by the first task that needs it
//!
//! Ten clerks need a connection to the ledger, which takes 1 tick to make, and one connection is enough for all. If
//! each clerk looks whether there is one and then connects, all ten look before the first has connected: 10
//! connections. With a `OnceCell` the first clerk connects and nine wait for it: 1 connection, after 1 tick. If the
//! first attempt is refused, its clerk gets the error and the next one tries again: 9 clerks share a connection after
//! 2 ticks. If the first clerk is cancelled half a tick into the attempt, the next one begins anew: 9 clerks share a
//! connection after 1.5 ticks.
//!
//! asyncio: Lock, functools.cache
//!
//! ```python
//! @functools.cache
//! def connection():
//!     return asyncio.create_task(connect())
//!
//! await connection()    # one task for all
//! ```
//!
//! Not the same: asyncio has no type for it. A cached Task works while nothing goes wrong. If it fails, the cache
//! keeps the failed Task, and each caller gets its exception, later ones too. If a caller is cancelled, so is the
//! Task (see `tasks/shield`), and with it all the other callers. A `OnceCell` keeps a value and no failure.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use anyhow::{Result, ensure};
use timing::{
    Timings,
    law::{exactly, max, sum},
    ticks,
};
use tokio::{
    sync::{Mutex, OnceCell},
    task::JoinSet,
    time::sleep,
};
use tracing::instrument;

const CLERKS: u32 = 10;

pub async fn run(t: &mut Timings) -> Result<()> {
    let bank = Bank::that_refuses(0);
    let ten = serve(&bank, looks_and_connects, None);
    let all_at_once = max([1; CLERKS as usize]);
    let served = t.time("looks first", all_at_once, ten).await?;
    count(t, &bank, served);

    let bank = Bank::that_refuses(0);
    let ten = serve(&bank, connects_once, None);
    let served = t.time("OnceCell", exactly(1), ten).await?;
    count(t, &bank, served);

    let bank = Bank::that_refuses(1);
    let ten = serve(&bank, connects_once, None);
    let served = t.time("first refused", sum([1, 1]), ten).await?;
    count(t, &bank, served);

    let bank = Bank::that_refuses(0);
    let ten = serve(&bank, connects_once, Some((0, 0.5)));
    let served = t.time("first cancelled", sum([0.5, 1.0]), ten).await?;
    count(t, &bank, served);
    Ok(())
}

#[instrument(ret, err, skip(bank))]
async fn looks_and_connects(clerk: u32, bank: Arc<Bank>) -> Result<u32> {
    if let Some(connection) = *bank.connection.lock().await {
        return Ok(connection);
    }
    // <- the difference: the lock is released, so the next clerk looks before this one has connected
    let connection = bank.connect().await?;
    *bank.connection.lock().await = Some(connection);
    Ok(connection)
}

/// The closure is called only when there is no connection, and when no other clerk is making one.
#[instrument(ret, err, skip(bank))]
async fn connects_once(clerk: u32, bank: Arc<Bank>) -> Result<u32> {
    let connection = bank.cell.get_or_try_init(|| bank.connect());
    // If the attempt fails, or this future is dropped, the cell stays empty, and the clerk that has waited longest
    // calls a closure of its own.
    Ok(*connection.await?)
}

/// Sends ten clerks, each in a task of its own. One of them may be cancelled after some ticks.
async fn serve<F>(
    bank: &Arc<Bank>,
    clerk: impl Fn(u32, Arc<Bank>) -> F,
    cancelled: Option<(usize, f64)>,
) -> Result<Served>
where
    F: Future<Output = Result<u32>> + Send + 'static,
{
    let mut clerks = JoinSet::new();
    let handles: Vec<_> = (0..CLERKS)
        .map(|n| clerks.spawn(clerk(n, bank.clone())))
        .collect();
    if let Some((n, after)) = cancelled {
        sleep(ticks(after)).await;
        handles[n].abort();
    }
    let mut served = Served::default();
    while let Some(outcome) = clerks.join_next().await {
        match outcome {
            Ok(Ok(connection)) => served.connected.push(connection),
            Ok(Err(_refused)) => served.refused += 1,
            Err(end) if end.is_cancelled() => served.cancelled += 1,
            Err(panic) => return Err(panic.into()),
        }
    }
    Ok(served)
}

fn count(t: &mut Timings, bank: &Bank, served: Served) {
    t.count("attempts", bank.attempts.load(SeqCst));
    t.count("connections", bank.made.load(SeqCst));
    t.count("served", served.connected.len());
    t.count("refused", served.refused);
    t.count("cancelled", served.cancelled);
}

/// What became of the clerks: which connection each of them uses, and how many have none.
#[derive(Default)]
struct Served {
    connected: Vec<u32>,
    refused: usize,
    cancelled: usize,
}

#[derive(Default)]
struct Bank {
    connection: Mutex<Option<u32>>,
    cell: OnceCell<u32>,
    /// How many attempts fail before one succeeds.
    refuses: u32,
    attempts: AtomicU32,
    made: AtomicU32,
}

impl Bank {
    fn that_refuses(refuses: u32) -> Arc<Self> {
        Arc::new(Self {
            refuses,
            ..Self::default()
        })
    }

    /// Returns the number of the new connection.
    async fn connect(&self) -> Result<u32> {
        let attempt = self.attempts.fetch_add(1, SeqCst);
        sleep(ticks(1)).await;
        ensure!(attempt >= self.refuses, "refused");
        Ok(self.made.fetch_add(1, SeqCst) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        option, prop_assert, prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use std::cell::Cell;
    use timing::{on_virtual_clock, report::Ended};

    #[tokio::test(start_paused = true)]
    async fn looking_and_then_connecting_makes_ten() {
        let t = Timings::of(run).await;
        let looks = &t["looks first"];
        assert_eq!(*looks.count("connections"), 10);
        assert_eq!(looks.elapsed, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_once_cell_makes_one_for_ten_tasks() {
        let t = Timings::of(run).await;
        let once = &t["OnceCell"];
        assert_eq!(*once.count("connections"), 1);
        assert_eq!(*once.count("served"), 10);
        assert_eq!(once.elapsed, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_the_next_task_tries_again() {
        let t = Timings::of(run).await;
        let refused = &t["first refused"];
        assert_eq!(*refused.count("attempts"), 2);
        assert_eq!(*refused.count("connections"), 1);
        assert_eq!(*refused.count("served"), 9);
        assert_eq!(refused.lane("connects_once(0)").ended, Ended::Failed);
        assert_eq!(refused.lane("connects_once(0)").end, ticks(1));
        assert_eq!(refused.elapsed, ticks(2));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_cancellation_the_next_task_begins_anew() {
        let t = Timings::of(run).await;
        let cancelled = &t["first cancelled"];
        assert_eq!(*cancelled.count("attempts"), 2);
        assert_eq!(*cancelled.count("connections"), 1);
        assert_eq!(*cancelled.count("served"), 9);
        assert_eq!(cancelled.lane("connects_once(0)").ended, Ended::Cancelled);
        assert_eq!(cancelled.elapsed, ticks(1.5));
    }

    #[test]
    fn whoever_is_refused_or_cancelled_there_is_never_a_second_connection() {
        let shared = Cell::new(0);
        let cases = (0_u32..12, option::of((0_usize..10, 0_u32..40)));
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&cases, |(refuses, cancelled)| {
            let bank = Bank::that_refuses(refuses);
            let cancelled = cancelled.map(|(clerk, tenths)| (clerk, f64::from(tenths) / 10.0));
            on_virtual_clock(async {
                let served = serve(&bank, connects_once, cancelled).await.unwrap();
                let connected = served.connected.len();
                let made = bank.made.load(SeqCst);
                prop_assert_eq!(made, u32::from(connected > 0));
                prop_assert!(served.connected.iter().all(|&number| number == 1));
                prop_assert_eq!(connected + served.refused + served.cancelled, 10);
                prop_assert!(refuses > 8 || made == 1, "one was left to connect");
                shared.update(|cases| cases + u32::from(connected > 1 && refuses > 0));
                Ok(())
            })
        });
        held.unwrap();
        let shared = shared.get();
        assert!(shared > 100, "a later attempt was shared in {shared}");
    }
}
