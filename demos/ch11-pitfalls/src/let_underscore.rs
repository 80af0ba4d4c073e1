//! # `let _ =` drops at once
//!
//! `let _ =` is how a `Result` is ignored, so it is written before calls that may fail. But `_` is no variable: what
//! a call returns is dropped at the semicolon. A future is dropped before its first poll: 0 of 3 mails are sent. A
//! lock is released before the next line: three sales take 1 piece from the stock, not 3. With an `.await` 3 mails
//! are sent, and with a name for the guard 3 pieces are taken. A `Mutex<u32>` rules the second mistake out, since
//! only its guard leads to the stock.
//!
//! asyncio: coroutine, Lock
//!
//! How to see it: `clippy::let_underscore_future`, on by default, warns of the future. rustc's `let_underscore_lock`
//! refuses a guard of std, but doesn't know tokio's; `clippy::let_underscore_must_use`, off by default, does. The
//! timeline has no lane for a mail that was never begun.
//!
//! Cured in: `basics/lazy-future`, `sync/lost-update`; a guard of your own, bound to `_`: `streams/timer`
//!
//! ```python
//! _ = mail(order)       # a coroutine: "was never awaited", once it is freed
//! await mail(order)
//! async with lock: ...  # locked until the block ends
//! ```
//!
//! Not the same: in Python `_` is a variable like any other and keeps its value until it is bound again. In Rust `_`
//! keeps nothing, while `_guard` is a variable that lives to the end of its block. rustc's `unused_must_use` warns of
//! `mail(order);` (`pitfalls/forgotten-await`) and of `lock().await;`, and is silenced by `let _ =`.

use std::{cell::Cell, io};

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, max, sum},
    ticks,
};
use tokio::{sync::Mutex, time::sleep};
use tracing::instrument;

const ORDERS: [u32; 3] = [1, 2, 3];
const IN_STOCK: u32 = 10;

pub async fn run(t: &mut Timings) -> Result<()> {
    let sent = Cell::new(0);
    t.time("let _ = mail()", exactly(0), forgets(&ORDERS, &sent))
        .await;
    t.count("mails sent", sent.get());

    let sent = Cell::new(0);
    t.time("let _ = mail().await", sum([1; 3]), sends(&ORDERS, &sent))
        .await;
    t.count("mails sent", sent.get());

    let shop = Shop::default();
    let sales = join_all(ORDERS.map(|order| sells_unlocked(order, &shop)));
    t.time("let _ = lock().await", max([1; 3]), sales).await;
    t.count("taken from the stock", IN_STOCK - shop.stock.get());

    let shop = Shop::default();
    let sales = join_all(ORDERS.map(|order| sells_locked(order, &shop)));
    t.time("let _guard = lock().await", sum([1; 3]), sales)
        .await;
    t.count("taken from the stock", IN_STOCK - shop.stock.get());
    Ok(())
}

#[expect(clippy::let_underscore_future, reason = "the lesson")]
#[instrument(ret, skip_all)]
async fn forgets(orders: &[u32], sent: &Cell<usize>) {
    for &order in orders {
        // A mail that is refused is no reason to stop, so its `Result` is ignored. But this is a future.
        let _ = mail(order, sent); // <- the difference
    }
}

/// The same `let _ =`. What it drops now is the `Result`, after the mail was sent.
#[instrument(ret, skip_all)]
async fn sends(orders: &[u32], sent: &Cell<usize>) {
    for &order in orders {
        let _ = mail(order, sent).await; // <- the difference
    }
}

/// Three sales run concurrently. Each reads the stock before the first one writes it.
#[expect(clippy::let_underscore_must_use, reason = "the lesson")]
#[instrument(ret, skip(shop))]
async fn sells_unlocked(order: u32, shop: &Shop) {
    let _ = shop.till.lock().await; // <- the difference: locked and released in this line
    let stock = shop.stock.get();
    waits_for_the_payment().await;
    shop.stock.set(stock - 1);
}

/// The leading `_` of `_guard` only says that nobody reads it. The lock is released where the function ends.
#[instrument(ret, skip(shop))]
async fn sells_locked(order: u32, shop: &Shop) {
    let _guard = shop.till.lock().await; // <- the difference
    let stock = shop.stock.get();
    waits_for_the_payment().await;
    shop.stock.set(stock - 1);
}

/// The lock stands beside what it protects, as in Python.
struct Shop {
    till: Mutex<()>,
    stock: Cell<u32>,
}

impl Default for Shop {
    fn default() -> Self {
        let (till, stock) = (Mutex::default(), Cell::new(IN_STOCK));
        Self { till, stock }
    }
}

#[instrument(ret, err, skip(sent))]
async fn mail(order: u32, sent: &Cell<usize>) -> io::Result<()> {
    sleep(ticks(1)).await;
    sent.update(|mails| mails + 1);
    Ok(())
}

async fn waits_for_the_payment() {
    sleep(ticks(1)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prop_assert, prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use timing::on_virtual_clock;

    #[tokio::test(start_paused = true)]
    async fn a_future_that_is_dropped_sends_no_mail_and_has_no_lane() {
        let t = Timings::of(run).await;
        let forgotten = &t["let _ = mail()"];
        assert_eq!(*forgotten.count("mails sent"), 0);
        assert_eq!(forgotten.elapsed, ticks(0));
        assert_eq!(forgotten.lanes.len(), 1, "only its caller's");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_awaited_sends_them_all() {
        let t = Timings::of(run).await;
        let sent = &t["let _ = mail().await"];
        assert_eq!(*sent.count("mails sent"), 3);
        assert_eq!(sent.elapsed, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_is_not_named_is_free_on_the_next_line() {
        let shop = Shop::default();
        let _ = shop.till.lock().await;
        assert!(shop.till.try_lock().is_ok());
        let guard = shop.till.lock().await;
        #[expect(clippy::let_underscore_must_use, reason = "the lesson")]
        let _ = guard; // it has a name already, and stays there
        assert!(shop.till.try_lock().is_err());
    }

    #[test]
    fn rustc_refuses_such_a_guard_of_std() {
        let till = std::sync::Mutex::new(());
        #[expect(let_underscore_lock, reason = "the lesson")]
        let _ = till.lock();
        assert!(till.try_lock().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_name_three_sales_take_one_piece_and_with_one_three() {
        let t = Timings::of(run).await;
        let unlocked = &t["let _ = lock().await"];
        assert_eq!(*unlocked.count("taken from the stock"), 1);
        assert_eq!(unlocked.elapsed, ticks(1));
        let locked = &t["let _guard = lock().await"];
        assert_eq!(*locked.count("taken from the stock"), 3);
        assert_eq!(locked.elapsed, ticks(3));
    }

    async fn later(tenths: u32, sale: impl Future<Output = ()>) {
        sleep(ticks(f64::from(tenths) / 10.0)).await;
        sale.await;
    }

    #[test]
    fn in_512_cases_a_named_guard_loses_no_sale() {
        let lossy = Cell::new(0);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&vec(0_u32..40, 1..8), |starts| {
            let sales = u32::try_from(starts.len()).unwrap();
            on_virtual_clock(async {
                let shop = Shop::default();
                let locked = starts.iter().zip(0..);
                join_all(locked.map(|(&start, order)| later(start, sells_locked(order, &shop))))
                    .await;
                prop_assert_eq!(IN_STOCK - shop.stock.get(), sales);

                let shop = Shop::default();
                let unlocked = starts.iter().zip(0..);
                join_all(
                    unlocked.map(|(&start, order)| later(start, sells_unlocked(order, &shop))),
                )
                .await;
                let taken = IN_STOCK - shop.stock.get();
                prop_assert!(taken <= sales);
                lossy.update(|cases| cases + u32::from(taken < sales));
                Ok(())
            })
        });
        held.unwrap();
        let lossy = lossy.get();
        assert!(lossy > 100, "sales were lost in {lossy}");
    }
}
