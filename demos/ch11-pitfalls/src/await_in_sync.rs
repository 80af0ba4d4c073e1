//! # An `await` in a function that isn't `async`
//!
//! A report needs the stock, and the stock is an async call. The report is a plain `fn`, so its `.await` is refused:
//! E0728, and there is no program. `.await` suspends the function that it stands in, and a plain function can't be
//! suspended (`basics/await-suspends`). Two cures read "12 left" after 1 tick: the report becomes an `async fn`, or
//! it stays a plain `fn` and gets the number from a caller who has waited for it.
//!
//! asyncio: SyntaxError
//!
//! How to see it: error E0728 of the compiler. `compile_fail/await_in_sync.rs` is the wrong form.
//!
//! Cured in: this lesson; for a `fn` that has to wait and stay a `fn`: `executors/sync-to-async`, `executors/bridge`
//!
//! ```python
//! # def report(): return f"{await stock()} left"    # SyntaxError: 'await' outside async function
//!
//! async def report():
//!     return f"{await stock()} left"
//! ```
//!
//! Not the same: Python reports it when it imports the file, rustc when the program is built. In neither is it a
//! deadlock: no line of the code is run.

use anyhow::Result;
use chapter::Case;
use timing::{Timings, law::exactly, ticks};
use tokio::time::sleep;
use tracing::{info, instrument};

const CASE: Case = chapter::case!("await_in_sync");

pub async fn run(t: &mut Timings) -> Result<()> {
    info!("{CASE}");

    let report = t.time("an async fn", exactly(1), report()).await;
    t.count("report", report);

    let report = t
        .time("a fn that gets the number", exactly(1), async {
            report_of(stock().await)
        })
        .await;
    t.count("report", report);
    Ok(())
}

/// Its callers have to be async as well, up to the function that the runtime drives.
#[instrument(ret)]
async fn report() -> String {
    format!("{} left", stock().await) // <- the difference: in an `async fn`
}

/// What only computes stays a plain `fn`: it can be called from everywhere, and tested without a runtime.
#[instrument(ret)]
fn report_of(stock: u32) -> String {
    format!("{stock} left")
}

#[instrument(ret)]
async fn stock() -> u32 {
    sleep(ticks(1)).await;
    12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_compiler_refuses_an_await_in_a_plain_fn_and_the_lesson_shows_it() {
        let said = Timings::of(run).await.finish().said;
        assert_eq!(said[0].text, CASE.to_string());
        assert!(CASE.error().starts_with("error[E0728]: `await`"));
        assert!(CASE.says.contains("--- this is not `async`"));
    }

    #[tokio::test(start_paused = true)]
    async fn either_cure_waits_for_the_stock_and_reports_it() {
        let t = Timings::of(run).await;
        for cure in ["an async fn", "a fn that gets the number"] {
            assert_eq!(t[cure].elapsed, ticks(1), "{cure}");
            assert_eq!(*t[cure].count("report"), "12 left", "{cure}");
        }
    }

    #[test]
    fn what_only_computes_needs_no_runtime() {
        assert_eq!(report_of(3), "3 left");
    }
}
