//! # Look, write a line, wait: the wake-up in between is lost
//!
//! Ten customers come to a shop, one every 0.2 ticks. One who finds it closed writes a line into a log, which takes
//! 0.6 ticks, and then waits to be woken. The shop opens at 1.1 ticks. Three customers have looked by then, but don't
//! wait yet: nothing wakes them, and at the deadline of 5 ticks they still wait before an open shop. If they register
//! before they look, by calling `notified()`, the line is written all the same, and 10 are let in.
//!
//! asyncio: Event, Event.wait, Condition.notify_all
//!
//! How to see it: neither rustc nor clippy warns, there is no error, and it depends on the moment: the other 7
//! customers run the same code. In the timeline each of the 3 has no poll from 1.8 ticks, when the last customer
//! comes, to the deadline, which cancels it. Until then `join_all`, which is one task, polls them along with the
//! others.
//!
//! Cured in: `sync/condition`, `sync/event`, `queues/watch`
//!
//! ```python
//! if not opened.is_set():          # opened = asyncio.Event()
//!     await write("waiting")
//!     await opened.wait()          # returns at once if it was set meanwhile
//! ```
//!
//! Not the same: asyncio's Event keeps a state, so `wait` sees what was set before. `notify_waiters` keeps nothing:
//! it wakes those who have called `notified()` by then. The flag beside it helps only those who look again.

use std::{cell::Cell, time::Duration};

use anyhow::Result;
use futures_util::future::join_all;
use timing::{Timings, law::exactly, ticks};
use tokio::{
    join,
    sync::Notify,
    time::{sleep, timeout},
};
use tracing::instrument;

const CUSTOMERS: u32 = 10;
/// In ticks. Without it three customers would wait for ever.
const DEADLINE: u32 = 5;

pub async fn run(t: &mut Timings) -> Result<()> {
    let day = Day {
        between: ticks(0.2),
        opening: ticks(1.1),
        log: ticks(0.6),
    };
    let visits = day.looking_first();
    let law = exactly(DEADLINE);
    let let_in = t.time("look, then register", law, visits).await;
    count(t, &let_in);

    // The last customer comes at 1.8, and the shop is open.
    let visits = day.registering_first();
    let let_in = t.time("register, then look", exactly(1.8), visits).await;
    count(t, &let_in);
    Ok(())
}

/// A flag for those who come later, and a bell for those who wait.
#[derive(Default)]
struct Shop {
    open: Cell<bool>,
    bell: Notify,
}

impl Shop {
    fn opens(&self) {
        self.open.set(true);
        self.bell.notify_waiters();
    }
}

#[instrument(ret, skip(shop, log))]
async fn looks_first(customer: u32, shop: &Shop, log: Duration) {
    if !shop.open.get() {
        writes_a_line(log).await;
        // <- the difference: it waits for the next ring, and the shop opens once. A second look after the line would
        // help only here, where no other thread can open the shop between that look and `notified()`.
        shop.bell.notified().await;
    }
}

#[instrument(ret, skip(shop, log))]
async fn registers_first(customer: u32, shop: &Shop, log: Duration) {
    // <- the difference: from here on no `notify_waiters` is missed, though nothing has polled `ring` yet. (That
    // holds for `notify_waiters`; for `notify_one` it must be polled.) If the bell rang before, the flag says so.
    let ring = shop.bell.notified();
    if !shop.open.get() {
        writes_a_line(log).await;
        ring.await;
    }
}

/// A log across the network.
async fn writes_a_line(log: Duration) {
    sleep(log).await;
}

/// How much later each customer comes than the one before, when the shop opens, and how long a line of the log takes.
#[derive(Clone, Copy, Debug)]
struct Day {
    between: Duration,
    opening: Duration,
    log: Duration,
}

impl Day {
    async fn looking_first(self) -> Vec<bool> {
        let shop = Shop::default();
        let visit = |customer| looks_first(customer, &shop, self.log);
        self.visits(visit, || shop.opens()).await
    }

    async fn registering_first(self) -> Vec<bool> {
        let shop = Shop::default();
        let visit = |customer| registers_first(customer, &shop, self.log);
        self.visits(visit, || shop.opens()).await
    }

    /// Returns who was let in before the deadline.
    async fn visits(self, visit: impl AsyncFn(u32), opens: impl FnOnce()) -> Vec<bool> {
        let visits = (0..CUSTOMERS).map(|customer| {
            let visit = visit(customer);
            timeout(ticks(DEADLINE), async move {
                sleep(self.between * customer).await;
                visit.await;
            })
        });
        let opening = async {
            sleep(self.opening).await;
            opens();
        };
        let (visits, ()) = join!(join_all(visits), opening);
        visits.iter().map(Result::is_ok).collect()
    }
}

fn count(t: &mut Timings, let_in: &[bool]) {
    let inside = let_in.iter().filter(|let_in| **let_in).count();
    t.count("let in", inside);
    t.count("waiting at the deadline", let_in.len() - inside);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prop_assert, prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use timing::{on_virtual_clock, report::Ended};

    #[tokio::test(start_paused = true)]
    async fn an_opening_between_look_and_wait_is_missed_by_three_of_ten() {
        let t = Timings::of(run).await;
        let lost = &t["look, then register"];
        assert_eq!(*lost.count("let in"), 7);
        assert_eq!(*lost.count("waiting at the deadline"), 3);
        assert_eq!(lost.elapsed, ticks(DEADLINE));
        let lanes = lost.lanes.iter();
        let cancelled = lanes.filter(|lane| lane.ended == Ended::Cancelled);
        assert_eq!(cancelled.count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_customer_who_registers_first_is_let_in() {
        let t = Timings::of(run).await;
        let registered = &t["register, then look"];
        assert_eq!(*registered.count("let in"), 10);
        assert_eq!(*registered.count("waiting at the deadline"), 0);
        assert_eq!(registered.elapsed, ticks(1.8));
    }

    #[test]
    fn in_512_cases_a_customer_waits_for_ever_exactly_if_it_opens_between_look_and_wait() {
        let missed = Cell::new(0);
        // The opening at an odd millisecond and all else at even ones: no two things happen at the same moment.
        let cases = (0_u64..15, 0_u64..200, 1_u64..100);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&cases, |(between, opening, log)| {
            let day = Day {
                between: Duration::from_millis(2 * between),
                opening: Duration::from_millis(2 * opening + 1),
                log: Duration::from_millis(2 * log),
            };
            on_virtual_clock(async {
                let expected = (0..CUSTOMERS).map(|customer| {
                    let look = day.between * customer;
                    !(look < day.opening && day.opening < look + day.log)
                });
                let let_in = day.looking_first().await;
                missed.update(|missed| missed + usize::from(let_in.contains(&false)));
                prop_assert_eq!(let_in, expected.collect::<Vec<_>>());
                prop_assert!(!day.registering_first().await.contains(&false));
                Ok(())
            })
        });
        held.unwrap();
        assert!(
            missed.get() > 100,
            "some waited for ever in {}",
            missed.get()
        );
    }
}
