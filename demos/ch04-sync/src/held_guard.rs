//! # A guard that is held across a wait
//!
//! Two clerks each make a deposit and then wait for a receipt, 1 tick. If they hold a `std::sync::MutexGuard` while
//! they wait, the second clerk blocks the thread until the lock is free, and the first one needs that thread to go
//! on: 0 receipts, and the process is killed after 2 s. With tokio's mutex the two take turns, 2 receipts in 2 ticks.
//! With a guard of std's that is dropped before the wait they wait together, 2 receipts in 1 tick.
//!
//! asyncio: Lock, threading.Lock
//!
//! real clock: it blocks a thread for ever, in a process of its own
//!
//! ```python
//! with thread_lock:               # threading.Lock(): a second task that gets here freezes the loop
//!     await receipt()
//! async with lock:                # asyncio.Lock(): a second task waits, and the loop goes on
//!     await receipt()
//! ```
//!
//! Not the same: Python runs the first form without a warning. In Rust a future that holds this guard across an
//! `.await` isn't `Send`, so `tokio::spawn` refuses it ("future cannot be sent between threads safely", see
//! `tasks/what-spawn-asks`). `block_on`, as here, doesn't ask for `Send`: the code compiles and freezes. Clippy's
//! `await_holding_lock`, on by default, sees it either way.

use std::{io::Write, sync::Mutex as StdMutex, time::Duration};

use anyhow::Result;
use futures_util::future::{join_all, try_join_all};
use timing::{
    Timings,
    law::{max, none, sum},
    ticks,
};
use tokio::{runtime::Builder, sync::Mutex, time::sleep};
use tracing::instrument;

const PATIENCE: Duration = Duration::from_secs(2);
/// `lock` of a std `Mutex` fails when a thread has panicked while it held the lock.
const NO_PANIC: &str = "no clerk panics while holding the lock";

pub async fn run(t: &mut Timings) -> Result<()> {
    // Nothing in this process could end a thread that is blocked on a lock that only it can release. So another
    // process runs it, and the timeline has no lanes of it.
    let frozen = chapter::apart("held_guard::freezes", PATIENCE);
    let frozen = t.time("std, across the wait", none(), frozen).await?;
    t.count("receipts", frozen.said.len());
    t.count("killed", if frozen.killed { "yes" } else { "no" });
    t.count("Send", Is(std_across_the_wait(1, &StdMutex::new(0))).send());

    let account = Mutex::new(0);
    let both = [1, 2].map(|clerk| tokio_across_the_wait(clerk, &account));
    let receipts = t.time("tokio, across the wait", sum([1, 1]), join_all(both));
    let receipts = receipts.await.len();
    t.count("receipts", receipts);
    t.count("Send", Is(tokio_across_the_wait(1, &Mutex::new(0))).send());

    let account = StdMutex::new(0);
    let both = [1, 2].map(|clerk| std_before_the_wait(clerk, &account));
    let receipts = t.time("std, before the wait", max([1, 1]), join_all(both));
    let receipts = receipts.await.len();
    t.count("receipts", receipts);
    t.count("Send", Is(std_before_the_wait(1, &StdMutex::new(0))).send());
    Ok(())
}

/// Run in the other process.
pub fn freezes() -> Result<()> {
    let account = StdMutex::new(0);
    let both = [1, 2].map(async |clerk| {
        let balance = std_across_the_wait(clerk, &account).await;
        writeln!(std::io::stdout(), "{balance}")
    });
    let runtime = Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(try_join_all(both))?;
    Ok(())
}

#[expect(clippy::await_holding_lock, reason = "the lesson")]
#[instrument(ret, skip(account))]
async fn std_across_the_wait(clerk: u32, account: &StdMutex<u32>) -> u32 {
    let mut balance = account.lock().expect(NO_PANIC); // <- the difference
    *balance += 1;
    writes_the_receipt().await;
    *balance
}

/// The second clerk is suspended while it waits for this lock: the thread is free meanwhile.
#[instrument(ret, skip(account))]
async fn tokio_across_the_wait(clerk: u32, account: &Mutex<u32>) -> u32 {
    let mut balance = account.lock().await; // <- the difference
    *balance += 1;
    writes_the_receipt().await;
    *balance
}

/// The block ends the guard's life. `drop(balance)` would release the lock as well, but the compiler would still
/// count the guard among what the future holds across the wait.
#[instrument(ret, skip(account))]
async fn std_before_the_wait(clerk: u32, account: &StdMutex<u32>) -> u32 {
    let balance = {
        let mut balance = account.lock().expect(NO_PANIC); // <- the difference
        *balance += 1;
        *balance
    };
    writes_the_receipt().await;
    balance
}

async fn writes_the_receipt() {
    sleep(ticks(1)).await;
}

/// Whether a future is `Send`, which `tokio::spawn` asks for. Rust looks at a type's own methods before those of its
/// traits, and `Is` has a `send` of its own only around a future that is `Send`.
struct Is<F>(F);

impl<F: Send> Is<F> {
    fn send(&self) -> &'static str {
        "yes"
    }
}

trait OrNot {
    fn send(&self) -> &'static str {
        "no"
    }
}

impl<F> OrNot for Is<F> {}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn with_tokios_lock_they_take_turns_and_with_stds_before_the_wait_they_wait_together() {
        let (begun, account) = (Instant::now(), Mutex::new(0));
        join_all([1, 2].map(|clerk| tokio_across_the_wait(clerk, &account))).await;
        assert_eq!(begun.elapsed(), ticks(2));

        let (begun, account) = (Instant::now(), StdMutex::new(0));
        join_all([1, 2].map(|clerk| std_before_the_wait(clerk, &account))).await;
        assert_eq!(begun.elapsed(), ticks(1));
    }
}
