//! # Which mutex: the one of std, or tokio's
//!
//! Where no `await` stands between lock and release, take `std::sync::Mutex`: no other task of this thread can run in
//! between, and it costs about 5 ns where tokio's costs about 40. Where an `await` does stand there, only tokio's
//! will do, as `sync/held-guard` shows. Then the lock hardly matters, since an `.await` that gives the thread back
//! (here a `yield_now`) takes many times as long: on an idle machine 535 ns after std's lock, 575 with tokio's held
//! across it.
//!
//! asyncio: Lock, threading.Lock
//!
//! real clock: it compares speeds
//!
//! release build: without optimisation both mutexes are slow
//!
//! ```python
//! thread_lock, lock = threading.Lock(), asyncio.Lock()    # made once, for all who use the balance
//!
//! with thread_lock:               # no await inside: fine in asyncio, too
//!     balance += 1
//! async with lock:
//!     balance = await bank.add(balance)
//! ```
//!
//! Not the same: tasks of asyncio need no lock at all where there is no `await`, since they share one thread. Tasks
//! on a multi-thread runtime do, and can't forget it: the data is inside the lock (see `sync/lost-update`).

use std::sync::Mutex as StdMutex;

use anyhow::{Result, ensure};
use timing::Timings;
use tokio::{sync::Mutex, task::yield_now};

const ROUNDS: usize = 9;
const DEPOSITS: u32 = 20_000;
/// `lock` of a std `Mutex` fails when a thread has panicked while it held the lock.
const NO_PANIC: &str = "no clerk panics while holding the lock";

pub async fn run(t: &mut Timings) -> Result<()> {
    // The rounds alternate, so that what slows the machine down for a while slows all four. No other task wants the
    // lock, so this is what lock and release cost where nothing has to wait. In tokio's figure is its budget, too:
    // after 128 locks in a row the next one gives the thread back first (see `runtime/yield-and-budget`).
    for _ in 0..ROUNDS {
        let made = [
            t.rate("std", DEPOSITS, std_at_once()).await,
            t.rate("tokio", DEPOSITS, tokio_at_once()).await,
            t.rate("std, then a yield", DEPOSITS, std_and_yield()).await,
            t.rate("tokio, across a yield", DEPOSITS, tokio_across_yield())
                .await,
        ];
        ensure!(made == [DEPOSITS; 4], "deposits were lost: {made:?}");
    }
    Ok(())
}

async fn std_at_once() -> u32 {
    let account = StdMutex::new(0);
    for _ in 0..DEPOSITS {
        *account.lock().expect(NO_PANIC) += 1;
    }
    account.into_inner().expect(NO_PANIC)
}

async fn tokio_at_once() -> u32 {
    let account = Mutex::new(0);
    for _ in 0..DEPOSITS {
        *account.lock().await += 1;
    }
    account.into_inner()
}

/// `yield_now` gives the thread back to the runtime and is polled again. No other task is ready, so the runtime asks
/// the system in between, and that is most of the time. A switch from task to task costs less (`runtime/yield-cost`).
async fn std_and_yield() -> u32 {
    let account = StdMutex::new(0);
    for _ in 0..DEPOSITS {
        *account.lock().expect(NO_PANIC) += 1;
        yield_now().await;
    }
    account.into_inner().expect(NO_PANIC)
}

async fn tokio_across_yield() -> u32 {
    let account = Mutex::new(0);
    for _ in 0..DEPOSITS {
        let mut balance = account.lock().await;
        yield_now().await;
        *balance += 1;
    }
    account.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_deposit_of_every_round_is_made_and_each_is_timed() {
        // `run` fails when a deposit is lost. Which is faster is the machine's affair.
        let t = Timings::of(run).await;
        for label in ["std", "tokio", "std, then a yield", "tokio, across a yield"] {
            assert_eq!(t[label].runs.len(), ROUNDS, "{label}");
            assert!(t[label].counts.iter().any(|count| count.what == "ns each"));
        }
    }
}
