//! # A guard that is held over a wait
//!
//! Two clerks each make a deposit and wait for a receipt, 1 tick, while they hold the lock of the account. With a guard
//! of `std::sync::Mutex` the second clerk blocks the thread until the lock is free, and the first one needs that thread
//! to go on: 0 deposits, until the process is killed after 2 s. With tokio's mutex the two take turns, 2 deposits in 2
//! ticks. With std's lock taken after the wait they wait together, 2 deposits in 1 tick.
//!
//! asyncio: Lock, threading.Lock
//!
//! real clock: it blocks a thread for ever, in a process of its own
//!
//! ```python
//! with threading.Lock():          # freezes the loop as soon as a second task gets here
//!     await receipt()
//! async with asyncio.Lock():      # the second task waits, and the loop goes on
//!     await receipt()
//! ```
//!
//! Not the same: Python runs the first form without a word. `tokio::spawn` refuses it in Rust ("future cannot be sent
//! between threads safely"), since the guard isn't `Send`. But `join!`, `block_on` and `LocalSet` don't ask for `Send`;
//! there it compiles, and freezes. Clippy's `await_holding_lock`, on by default, sees it in all of them.

use std::{io::Write, sync::Mutex as StdMutex, time::Duration};

use anyhow::Result;
use futures_util::future::{join, try_join_all};
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
    // Nothing in this process could stop a thread that waits for itself, so another process runs it.
    let frozen = chapter::apart("held_guard::freezes", PATIENCE);
    let frozen = t.time("std, over the wait", none(), frozen).await?;
    t.count("deposits", frozen.said.len());
    t.count("killed", if frozen.killed { "yes" } else { "no" });
    let spawn = Spawn(std_over_the_wait(1, &StdMutex::new(0))).takes_it();
    t.count("spawn takes it", spawn);

    let account = Mutex::new(0);
    let both = join(
        tokio_over_the_wait(1, &account),
        tokio_over_the_wait(2, &account),
    );
    t.time("tokio, over the wait", sum([1, 1]), both).await;
    t.count("deposits", account.into_inner());
    let spawn = Spawn(tokio_over_the_wait(1, &Mutex::new(0))).takes_it();
    t.count("spawn takes it", spawn);

    let account = StdMutex::new(0);
    let both = join(
        std_after_the_wait(1, &account),
        std_after_the_wait(2, &account),
    );
    t.time("std, after the wait", max([1, 1]), both).await;
    t.count("deposits", *account.lock().expect(NO_PANIC));
    let spawn = Spawn(std_after_the_wait(1, &StdMutex::new(0))).takes_it();
    t.count("spawn takes it", spawn);
    Ok(())
}

/// Run in the other process. The first deposit holds the lock while it waits. The second one blocks the thread until
/// the lock is free, and the first one needs that thread to go on.
pub fn freezes() -> Result<()> {
    let account = StdMutex::new(0);
    let both = [1, 2].map(async |clerk| {
        let balance = std_over_the_wait(clerk, &account).await;
        writeln!(std::io::stdout(), "{balance}")
    });
    let runtime = Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(try_join_all(both))?;
    Ok(())
}

#[expect(clippy::await_holding_lock, reason = "the lesson")]
#[instrument(ret, skip(account))]
async fn std_over_the_wait(clerk: u32, account: &StdMutex<u32>) -> u32 {
    let mut balance = account.lock().expect(NO_PANIC); // <- the difference
    writes_the_receipt().await;
    *balance += 1;
    *balance
}

/// While this one waits, the second clerk waits for the lock as one waits for a timer: the thread is free.
#[instrument(ret, skip(account))]
async fn tokio_over_the_wait(clerk: u32, account: &Mutex<u32>) -> u32 {
    let mut balance = account.lock().await; // <- the difference
    writes_the_receipt().await;
    *balance += 1;
    *balance
}

/// Nothing that is read before the wait is used after it, so the lock isn't needed any earlier.
#[instrument(ret, skip(account))]
async fn std_after_the_wait(clerk: u32, account: &StdMutex<u32>) -> u32 {
    writes_the_receipt().await;
    let mut balance = account.lock().expect(NO_PANIC); // <- the difference
    *balance += 1;
    *balance
}

async fn writes_the_receipt() {
    sleep(ticks(1)).await;
}

/// Asks the compiler whether `tokio::spawn` would take a future: it has to be `Send`. A type's own method comes before
/// one of a trait, and only a future that is `Send` has the method of its own.
struct Spawn<F>(F);

impl<F: Send> Spawn<F> {
    fn takes_it(&self) -> &'static str {
        "yes"
    }
}

trait OrNot {
    fn takes_it(&self) -> &'static str {
        "no"
    }
}

impl<F> OrNot for Spawn<F> {}
