//! # The same future, awaited twice
//!
//! A bill names a price in two places, and both await `price`. The first `.await` moves the future into itself, so
//! the second one is refused: E0382. Three cures:
//!
//! * the price is used again: keep its value, 1 look-up in 1 tick;
//! * it is looked up again: call the function again, 2 look-ups in 2 ticks;
//! * two futures wait for the same look-up: `shared` makes a future that can be cloned, 1 look-up in 1 tick.
//!
//! asyncio: coroutine, cannot reuse already awaited coroutine
//!
//! How to see it: error E0382 of the compiler. `compile_fail/await_twice.rs` is the wrong form.
//!
//! Cured in: `basics/awaitables`; `tasks/retry`, where every attempt needs a future of its own
//!
//! ```python
//! price = look_up()
//! offer = f"costs {await price}"
//! total = f"pay {await price}"       # RuntimeError: cannot reuse already awaited coroutine
//! ```
//!
//! Not the same: Python finds it at run time, when the second `await` is reached; a Task may be awaited again and
//! again. In Rust a `JoinHandle` is moved by `.await` like any future. Through a reference to a pinned future, as in
//! a loop around `select!` (`runtime/pin`), a second `.await` compiles, and the future of an `async fn` panics.

use std::cell::Cell;

use anyhow::Result;
use chapter::Case;
use futures_util::FutureExt;
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

const CASE: Case = chapter::case!("await_twice");

pub async fn run(t: &mut Timings) -> Result<()> {
    info!("{CASE}");

    let asked = Cell::new(0);
    let bill = t.time("the value kept", exactly(1), keeps_the_value(&asked));
    bill.await;
    t.count("look-ups", asked.get());

    let asked = Cell::new(0);
    let bill = t.time("called again", sum([1, 1]), calls_again(&asked));
    bill.await;
    t.count("look-ups", asked.get());

    let asked = Cell::new(0);
    let bill = t.time("shared", exactly(1), shares_the_future(&asked));
    bill.await;
    t.count("look-ups", asked.get());
    Ok(())
}

#[instrument(ret, skip_all)]
async fn keeps_the_value(asked: &Cell<u32>) -> String {
    let price = look_up(asked).await; // <- the difference: a number, which can be used often
    let offer = format!("costs {price}");
    format!("{offer}, pay {price}")
}

#[instrument(ret, skip_all)]
async fn calls_again(asked: &Cell<u32>) -> String {
    // A closure that makes futures. Each of them is awaited once.
    let price = || look_up(asked); // <- the difference
    let offer = format!("costs {}", price().await);
    format!("{offer}, pay {}", price().await)
}

#[instrument(ret, skip_all)]
async fn shares_the_future(asked: &Cell<u32>) -> String {
    // Whichever clone is polled drives the look-up for both. Each gets a clone of the output, which has to allow it.
    let price = look_up(asked).shared(); // <- the difference
    let (offered, due) = tokio::join!(price.clone(), price);
    format!("costs {offered}, pay {due}")
}

#[instrument(ret, skip_all)]
async fn look_up(asked: &Cell<u32>) -> u32 {
    asked.update(|times| times + 1);
    sleep(ticks(1)).await;
    40
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{panic::AssertUnwindSafe, pin::pin};

    #[tokio::test(start_paused = true)]
    async fn a_second_await_is_refused_and_the_lesson_shows_it() {
        let said = Timings::of(run).await.finish().said;
        assert_eq!(said[0].text, CASE.to_string());
        assert_eq!(CASE.error(), "error[E0382]: use of moved value: `price`");
        assert!(CASE.says.contains("`price` moved due to this await"));
    }

    #[tokio::test(start_paused = true)]
    async fn every_cure_makes_the_same_bill() {
        let asked = Cell::new(0);
        let bill = "costs 40, pay 40";
        assert_eq!(keeps_the_value(&asked).await, bill);
        assert_eq!(calls_again(&asked).await, bill);
        assert_eq!(shares_the_future(&asked).await, bill);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_look_up_costs_a_second_tick_and_the_others_make_one() {
        let t = Timings::of(run).await;
        for (cure, times) in [("the value kept", 1), ("called again", 2), ("shared", 1)] {
            assert_eq!(*t[cure].count("look-ups"), times, "{cure}");
            assert_eq!(t[cure].elapsed, ticks(times), "{cure}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn through_a_reference_it_compiles_and_panics() {
        let asked = Cell::new(0);
        let mut price = pin!(look_up(&asked));
        assert_eq!(price.as_mut().await, 40);
        let again = AssertUnwindSafe(price.as_mut()).catch_unwind().await;
        assert!(again.is_err());
    }
}
