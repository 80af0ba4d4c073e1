//! # A helper that locks what its caller has locked
//!
//! A shop has 5 lamps and 6 customers. Each sale locks the stock for 1 tick, and a helper that orders new lamps locks
//! it, too. The helper is called when fewer than 3 are left, while the sale still holds the lock: the sale waits for
//! itself, for ever. The first 2 sales go well, the third hangs, and the others wait for it: 2 lamps are sold when
//! the deadline of 10 ticks comes. If the helper gets the locked stock as an argument all 6 are sold, in 6 ticks.
//!
//! asyncio: Lock, wait_for
//!
//! How to see it: in the timeline `locks_and_orders` begins, and from then on no lane is polled until the deadline.
//! Neither rustc nor clippy warns, and tokio's `Mutex` reports nothing.
//!
//! Cured in: `sync/lost-update`, where the lock holds its data. Other waits for oneself: `sync/rwlock`,
//! `runtime/wait-for-all`
//!
//! ```python
//! async with lock:                 # an asyncio.Lock
//!     stock.lamps -= 1
//!     if stock.lamps < 3:
//!         await order(stock)       # has an `async with lock` of its own: waits for ever
//! ```
//!
//! Not the same: for threads Python has an `RLock`, which its owner can take twice. asyncio has none, and neither has
//! tokio. In Rust a helper can ask for the locked data, a `&mut Stock`. Then it takes no lock, and can't be called
//! without one.

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};
use tracing::instrument;

const CUSTOMERS: u32 = 6;
const DEADLINE: u32 = 10;
/// With fewer lamps than this, new ones are ordered.
const FEW: u32 = 3;

pub async fn run(t: &mut Timings) -> Result<()> {
    let shop = Shop::with_lamps(5);
    let sales = (0..CUSTOMERS).map(|customer| shop.sells_and_locks_again(customer));
    let sales = timeout(ticks(DEADLINE), join_all(sales));
    let sales = t.time("locked again", exactly(DEADLINE), sales).await;
    count(t, sales.is_err(), shop);

    let shop = Shop::with_lamps(5);
    let sales = (0..CUSTOMERS).map(|customer| shop.sells_and_passes_on(customer));
    let sales = timeout(ticks(DEADLINE), join_all(sales));
    let law = sum([1; CUSTOMERS as usize]);
    let sales = t.time("passed on", law, sales).await;
    count(t, sales.is_err(), shop);
    Ok(())
}

struct Shop {
    stock: Mutex<Stock>,
}

struct Stock {
    lamps: u32,
    sold: u32,
}

impl Shop {
    /// Right for as long as there are lamps enough, and so it passes its first tests.
    #[instrument(ret, skip(self))]
    async fn sells_and_locks_again(&self, customer: u32) {
        let mut stock = self.stock.lock().await;
        is_paid().await;
        stock.lamps -= 1;
        if stock.lamps < FEW {
            self.locks_and_orders().await; // <- the difference
        }
        stock.sold += 1;
    }

    /// Right in itself: it can be called from anywhere, except where the stock is locked.
    #[instrument(ret, skip(self))]
    async fn locks_and_orders(&self) {
        let mut stock = self.stock.lock().await;
        stock.order();
    }

    #[instrument(ret, skip(self))]
    async fn sells_and_passes_on(&self, customer: u32) {
        let mut stock = self.stock.lock().await;
        is_paid().await;
        stock.lamps -= 1;
        if stock.lamps < FEW {
            stock.order(); // <- the difference
        }
        stock.sold += 1;
    }

    fn with_lamps(lamps: u32) -> Self {
        let stock = Mutex::new(Stock { lamps, sold: 0 });
        Self { stock }
    }
}

impl Stock {
    /// That there is a `Stock` to call it on says that the caller has the lock.
    fn order(&mut self) {
        self.lamps += 5;
    }
}

async fn is_paid() {
    sleep(ticks(1)).await;
}

/// The deadline has dropped the sales, and their locks with them.
fn count(t: &mut Timings, hung: bool, shop: Shop) {
    t.count("lamps sold", shop.stock.into_inner().sold);
    t.count("hung", if hung { "yes" } else { "no" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use timing::{on_virtual_clock, report::Ended};

    #[tokio::test(start_paused = true)]
    async fn the_third_sale_waits_for_itself_and_the_others_for_the_third() {
        let t = Timings::of(run).await;
        let hung = &t["locked again"];
        assert_eq!(*hung.count("lamps sold"), 2);
        assert_eq!(*hung.count("hung"), "yes");
        assert_eq!(hung.elapsed, ticks(DEADLINE));
        let orders = hung.lane("locks_and_orders");
        assert_eq!((orders.start, orders.ended), (ticks(3), Ended::Cancelled));
        // Nothing wakes a lane any more; the deadline polls them all once, and drops them.
        let times = hung.lanes.iter().flat_map(|lane| &lane.polls);
        let times = times.map(|poll| poll.start).filter(|time| *time > ticks(3));
        assert!(times.into_iter().all(|time| time == ticks(DEADLINE)));
    }

    #[tokio::test(start_paused = true)]
    async fn with_the_stock_passed_on_all_are_sold() {
        let t = Timings::of(run).await;
        let passed = &t["passed on"];
        assert_eq!(*passed.count("lamps sold"), CUSTOMERS);
        assert_eq!(*passed.count("hung"), "no");
        assert_eq!(passed.elapsed, ticks(CUSTOMERS));
    }

    #[test]
    fn in_512_shops_a_second_lock_hangs_at_the_first_order_and_the_other_form_never() {
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&(1_u32..10, 1_u32..12), |(lamps, customers)| {
            on_virtual_clock(async {
                let long = ticks(100);
                let shop = Shop::with_lamps(lamps);
                let sales = (0..customers).map(|n| shop.sells_and_locks_again(n));
                let hung = timeout(long, join_all(sales)).await.is_err();
                // One sale more than leaves it with `FEW`.
                let first_order = (lamps + 1).saturating_sub(FEW).max(1);
                prop_assert_eq!(hung, customers >= first_order);
                let sold = shop.stock.into_inner().sold;
                prop_assert_eq!(sold, customers.min(first_order - 1));

                let shop = Shop::with_lamps(lamps);
                let sales = (0..customers).map(|n| shop.sells_and_passes_on(n));
                prop_assert_eq!(timeout(long, join_all(sales)).await.is_err(), false);
                prop_assert_eq!(shop.stock.into_inner().sold, customers);
                Ok(())
            })
        });
        held.unwrap();
    }
}
