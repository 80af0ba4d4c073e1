//! # A call without its `.await`
//!
//! An order reserves a lamp and then answers. `reserve` has become an `async fn`, and one of its callers still calls
//! it without an `.await`. rustc warns of that, unless the call stands behind `let _ =`. Then the order answers after
//! 0 ticks that all is well, and 0 lamps are reserved. With the `.await` it takes 1 tick, and 1 lamp is reserved.
//!
//! asyncio: RuntimeWarning, coroutine
//!
//! How to see it: rustc's `unused_must_use`, on by default, is a warning; `#![deny(unused_must_use)]` makes it an
//! error, as in `compile_fail/forgotten_await.rs`. `let _ =` hides it from rustc; clippy's `let_underscore_future`,
//! on by default, sees that. Nothing sees `let _reserved =`. In the timeline, `reserve` has no lane.
//!
//! Cured in: `basics/lazy-future`
//!
//! ```python
//! async def order():
//!     reserve("lamp")         # RuntimeWarning: coroutine 'reserve' was never awaited
//!     await reserve("lamp")
//!     return "ordered"
//! ```
//!
//! Not the same: Python warns at run time, if the line is run, once the coroutine is freed. `_ =` in front of the
//! call puts that off to the end of the function. rustc warns when the program is built, whether the line is ever run
//! or not, and `let _ =` silences it.

use std::cell::Cell;

use anyhow::Result;
use chapter::Case;
use timing::{Timings, law::exactly, ticks};
use tokio::time::sleep;
use tracing::{info, instrument};

const CASE: Case = chapter::case!("forgotten_await");

pub async fn run(t: &mut Timings) -> Result<()> {
    info!("{CASE}");

    let lamps = Cell::new(0);
    let forgets = orders_and_forgets(&lamps);
    let answer = t.time("let _ =", exactly(0), forgets).await;
    t.count("answer", answer);
    t.count("lamps reserved", lamps.get());

    let lamps = Cell::new(0);
    let waits = orders_and_waits(&lamps);
    let answer = t.time("awaited", exactly(1), waits).await;
    t.count("answer", answer);
    t.count("lamps reserved", lamps.get());
    Ok(())
}

/// `let _ =` drops the future at once. It was written to silence the warning, as one does with a `Result` that
/// doesn't matter, and it compiles although the lint is denied.
#[deny(unused_must_use)]
#[expect(
    clippy::let_underscore_future,
    reason = "the forgotten await is the lesson"
)]
#[instrument(ret, skip_all)]
async fn orders_and_forgets(lamps: &Cell<u32>) -> &'static str {
    let _ = reserve(lamps); // <- the difference: no `.await`
    "ordered"
}

#[instrument(ret, skip_all)]
async fn orders_and_waits(lamps: &Cell<u32>) -> &'static str {
    reserve(lamps).await; // <- the difference
    "ordered"
}

#[instrument(ret, skip_all)]
async fn reserve(lamps: &Cell<u32>) {
    sleep(ticks(1)).await;
    lamps.update(|reserved| reserved + 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn denied_it_is_an_error_and_the_lesson_shows_it() {
        let said = Timings::of(run).await.finish().said;
        assert_eq!(said[0].text, CASE.to_string());
        assert_eq!(
            CASE.error(),
            "error: unused implementer of `Future` that must be used"
        );
        assert!(CASE.source.starts_with("#![deny(unused_must_use)]"));
    }

    #[tokio::test(start_paused = true)]
    async fn behind_let_underscore_it_compiles_and_reserves_nothing() {
        let t = Timings::of(run).await;
        let forgotten = &t["let _ ="];
        assert_eq!(forgotten.elapsed, ticks(0));
        assert_eq!(*forgotten.count("answer"), "ordered");
        assert_eq!(*forgotten.count("lamps reserved"), 0);
        assert!(forgotten.lanes.iter().all(|lane| lane.label != "reserve()"));
    }

    #[tokio::test(start_paused = true)]
    async fn awaited_it_reserves_a_lamp() {
        let t = Timings::of(run).await;
        let awaited = &t["awaited"];
        assert_eq!(awaited.elapsed, ticks(1));
        assert_eq!(*awaited.count("lamps reserved"), 1);
        assert_eq!(awaited.lane("reserve()").label, "reserve()");
    }
}
