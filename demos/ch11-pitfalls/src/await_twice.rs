//! # The same future, awaited twice
//!
//! A bill names a price in two places, and both await `price`. The first `.await` moves the future into itself, so
//! the second one is refused: E0382. What is wanted decides the cure: to use the price again, its value is kept (1
//! look-up in 1 tick); to look it up again, the function is called again (2 look-ups in 2 ticks); and where two
//! parts of the program wait for one look-up, `shared` makes a future that can be cloned (1 look-up in 1 tick).
//!
//! asyncio: RuntimeError, coroutine
//!
//! How to see it: error E0382 of the compiler. `compile_fail/await_twice.rs` is the wrong form.
//! Cured in: `basics/awaitables`; `tasks/retry`, where every attempt needs a future of its own.
//!
//! ```python
//! price = look_up()
//! offer = f"it costs {await price}"
//! total = f"you pay {await price}"   # RuntimeError: cannot reuse already awaited coroutine
//! ```
//!
//! Not the same: Python finds it at run time, when the second `await` is reached; a Task may be awaited again and
//! again. In Rust a `JoinHandle` is moved by `.await` like any future. Through a reference to a pinned future a
//! second `.await` compiles, and panics.

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
    let bill = bill.await;
    t.count("bill", bill);
    t.count("look-ups", asked.get());

    let asked = Cell::new(0);
    let bill = t.time("called again", sum([1, 1]), calls_again(&asked));
    let bill = bill.await;
    t.count("bill", bill);
    t.count("look-ups", asked.get());

    let asked = Cell::new(0);
    let bill = t.time("shared", exactly(1), shares_the_future(&asked));
    let bill = bill.await;
    t.count("bill", bill);
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
    // Each clone gets a clone of the output. The first one that is polled drives the look-up for all of them.
    let price = look_up(asked).shared(); // <- the difference
    let offer = format!("costs {}", price.clone().await);
    format!("{offer}, pay {}", price.await)
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
        let t = Timings::of(run).await;
        for cure in ["the value kept", "called again", "shared"] {
            assert_eq!(*t[cure].count("bill"), "costs 40, pay 40", "{cure}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_look_up_costs_a_second_tick_and_the_others_make_one() {
        let t = Timings::of(run).await;
        for (cure, look_ups) in [("the value kept", 1), ("called again", 2), ("shared", 1)] {
            assert_eq!(*t[cure].count("look-ups"), look_ups, "{cure}");
            assert_eq!(t[cure].elapsed, ticks(look_ups), "{cure}");
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
