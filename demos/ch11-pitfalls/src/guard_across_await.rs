//! # A std guard held across an `.await`
//!
//! A sale takes one from the stock, waits 1 tick for the receipt and returns what is left. Its guard of a
//! `std::sync::Mutex` lives to the end of the function, so `tokio::spawn` refuses the future: it can't be sent
//! between threads. Not spawned, it compiles, and half-way through the receipt the lock is still taken. With the
//! guard in a block that ends before the wait, the sale can be spawned, and at that moment the lock is free.
//!
//! asyncio: threading.Lock
//!
//! How to see it: an error without a code, "future cannot be sent between threads safely", if it is spawned
//! (`compile_fail/guard_across_await.rs`). Where it compiles: clippy's `await_holding_lock`, on by default.
//!
//! Cured in: `sync/held-guard`, where two such sales freeze the thread; `sync/std-or-tokio`
//!
//! ```python
//! with lock:                # a threading.Lock: no error, and no warning
//!     left -= 1
//!     await print_receipt()
//! ```
//!
//! Not the same: Python runs it everywhere, and a second task that gets to `with lock` freezes the loop. rustc
//! refuses it where something asks for `Send`. `tokio::spawn` does, on a runtime of one thread as well; `join!`,
//! `block_on` and `spawn_local` don't. tokio's own `Mutex` has a guard that may be held over a wait.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use chapter::Case;
use timing::{Timings, law::exactly, ticks};
use tokio::time::sleep;
use tracing::{info, instrument};

const CASE: Case = chapter::case!("guard_across_await");
const NO_PANIC: &str = "no sale panics while it holds the lock";

pub async fn run(t: &mut Timings) -> Result<()> {
    info!("{CASE}");

    let stock = Mutex::new(12);
    let sale = sells_holding(&stock);
    let sale = t.time("held, and not spawned", exactly(1), async {
        tokio::join!(sale, free_meanwhile(&stock))
    });
    let (_left, free) = sale.await;
    t.count("lock free meanwhile", if free { "yes" } else { "no" });

    let stock = Arc::new(Mutex::new(12));
    let sale = sells(stock.clone());
    let sale = t.time("given back, and spawned", exactly(1), async {
        tokio::join!(tokio::spawn(sale), free_meanwhile(&stock))
    });
    let (sold, free) = sale.await;
    sold?;
    t.count("lock free meanwhile", if free { "yes" } else { "no" });
    Ok(())
}

#[expect(clippy::await_holding_lock, reason = "the lesson")]
#[instrument(ret, skip_all)]
async fn sells_holding(stock: &Mutex<u32>) -> u32 {
    let mut left = stock.lock().expect(NO_PANIC); // <- the difference: until the end
    *left -= 1;
    print_receipt().await;
    *left
}

/// The guard ends with the block. A `drop(left)` in place of the block would unlock as early, but rustc 1.95 refuses
/// to spawn that: once `*left -= 1` has borrowed the guard, it counts as held for as long as its block lasts.
#[instrument(ret, skip_all)]
async fn sells(stock: Arc<Mutex<u32>>) -> u32 {
    let left = {
        let mut left = stock.lock().expect(NO_PANIC); // <- the difference: until the block's end
        *left -= 1;
        *left
    };
    print_receipt().await;
    left
}

async fn print_receipt() {
    sleep(ticks(1)).await;
}

/// Whether a second sale would get the lock while the receipt prints. It only tries: `lock` would wait on the thread
/// that has to give the guard back.
#[instrument(ret, skip_all)]
async fn free_meanwhile(stock: &Mutex<u32>) -> bool {
    sleep(ticks(0.5)).await;
    stock.try_lock().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn spawn_refuses_a_future_that_holds_a_guard_and_the_lesson_shows_it() {
        let said = Timings::of(run).await.finish().said;
        assert_eq!(said[0].text, CASE.to_string());
        assert_eq!(
            CASE.error(),
            "error: future cannot be sent between threads safely"
        );
        assert!(
            CASE.says
                .contains("MutexGuard<'_, u32>` which is not `Send`")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_spawn_it_compiles_and_keeps_the_lock_over_the_wait() {
        let t = Timings::of(run).await;
        let held = &t["held, and not spawned"];
        assert_eq!(held.elapsed, ticks(1));
        assert_eq!(*held.count("lock free meanwhile"), "no");
    }

    #[tokio::test(start_paused = true)]
    async fn a_guard_that_ends_before_the_wait_can_be_spawned_and_frees_the_lock() {
        let t = Timings::of(run).await;
        let given_back = &t["given back, and spawned"];
        assert_eq!(given_back.elapsed, ticks(1));
        assert_eq!(*given_back.count("lock free meanwhile"), "yes");
    }

    #[tokio::test(start_paused = true)]
    async fn held_or_not_one_is_sold() {
        let stock = Arc::new(Mutex::new(12));
        assert_eq!(sells_holding(&stock).await, 11);
        assert_eq!(sells(stock).await, 10);
    }
}
