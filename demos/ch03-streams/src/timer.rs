//! # A timer that reports when its scope ends
//!
//! A loan is 2 ticks to find the book and 1 tick to stamp it. A guard takes the time when it is made, and its `Drop`
//! reports how long it has lived. Three guards, for the finding, the stamping and the whole loan, report 2, 1 and 3
//! ticks. After an error at 2 ticks the two that have begun report 2 and 2, and after a cancel at 1 tick they report
//! 1 and 1. The guard needs a variable. Bound to `_` it is dropped in the line that makes it (see
//! `pitfalls/let-underscore`), and reports 0 for a loan of 3 ticks.
//!
//! asyncio: contextmanager, perf_counter
//!
//! ```python
//! @contextmanager
//! def timer(name):
//!     begun = perf_counter()
//!     try: yield
//!     finally: print(name, perf_counter() - begun)
//! ```
//!
//! Not the same: without `try` and `finally` the Python timer reports nothing after an error or a cancel. `Drop`
//! needs no such care. A `with` block says where the time ends; a guard ends with the block it stands in, or earlier
//! by `drop(guard)`. Several guards end in reverse order (see `streams/drop-order`). Reporting needs no `await`, so
//! this clean-up fits into `Drop` (see `streams/guard`).

use std::{cell::RefCell, time::Duration};

use anyhow::{Result, ensure};
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, instrument};

const THERE: u32 = 31;
const NOT_THERE: u32 = 4;

pub async fn run(t: &mut Timings) -> Result<()> {
    let reports = Reports::default();
    t.time("nested", sum([2, 1]), lends(THERE, &reports))
        .await?;
    count(t, &reports);

    let reports = Reports::default();
    let failed = t
        .time("an error", exactly(2), lends(NOT_THERE, &reports))
        .await;
    ensure!(failed.is_err(), "a book that isn't there was found");
    count(t, &reports);

    let reports = Reports::default();
    let cancelled = timeout(ticks(1), lends(THERE, &reports));
    let cancelled = t.time("a cancel", exactly(1), cancelled).await;
    ensure!(cancelled.is_err(), "the loan took no longer than a tick");
    count(t, &reports);

    let reports = Reports::default();
    t.time("bound to _", sum([2, 1]), loses_the_timer(&reports))
        .await?;
    count(t, &reports);
    Ok(())
}

#[instrument(ret, err, skip(reports))]
async fn lends(book: u32, reports: &Reports) -> Result<()> {
    // The underscore only says that the variable isn't read. It lives to the end of its block.
    let _loan = Timer::starts("loan", reports);
    {
        let _find = Timer::starts("find", reports);
        find(book).await?;
    }
    let _stamp = Timer::starts("stamp", reports);
    stamp().await;
    Ok(())
}

#[instrument(ret, err, skip(reports))]
async fn loses_the_timer(reports: &Reports) -> Result<()> {
    // `_` alone is no variable. A value that is made in this line has no owner then and is dropped in it, `#[must_use]`
    // or not. (What has a variable already stays in it: `let _ = timer` would end nothing.)
    let _ = Timer::starts("loan", reports); // <- the difference
    find(THERE).await?;
    stamp().await;
    Ok(())
}

#[must_use = "it reports when it is dropped"]
struct Timer<'a> {
    name: &'static str,
    begun: Instant,
    reports: &'a Reports,
}

impl<'a> Timer<'a> {
    fn starts(name: &'static str, reports: &'a Reports) -> Self {
        // tokio's clock, not std's: in a test that pauses it, only tokio's clock moves on with the waits.
        let begun = Instant::now();
        Self {
            name,
            begun,
            reports,
        }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        info!("{} took {took:.0?}", self.name);
        self.reports.borrow_mut().push((self.name, took));
    }
}

/// In the order in which the timers were dropped.
type Reports = RefCell<Vec<(&'static str, Duration)>>;

fn count(t: &mut Timings, reports: &Reports) {
    for (name, took) in reports.borrow().iter() {
        t.count(format!("{name} (ticks)"), took.div_duration_f64(ticks(1)));
    }
}

async fn find(book: u32) -> Result<()> {
    sleep(ticks(2)).await;
    ensure!(book == THERE, "no such book");
    Ok(())
}

async fn stamp() {
    sleep(ticks(1)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended, Value};

    /// What the timers reported, in their order.
    fn said(t: &Timings, label: &str) -> Vec<String> {
        let said = t[label].said.iter().map(|said| said.text.clone());
        said.filter(|text| text.contains("took")).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn nested_timers_report_from_the_inside_out() {
        let t = Timings::of(run).await;
        assert_eq!(t["nested"].elapsed, ticks(3));
        let reports = ["find took 200ms", "stamp took 100ms", "loan took 300ms"];
        assert_eq!(said(&t, "nested"), reports);
        assert_eq!(*t["nested"].count("loan (ticks)"), Value::from(3.0));
    }

    #[tokio::test(start_paused = true)]
    async fn they_report_after_an_error_and_after_a_cancel() {
        let t = Timings::of(run).await;
        assert_eq!(t["an error"].lane("lends").ended, Ended::Failed);
        let reports = ["find took 200ms", "loan took 200ms"];
        assert_eq!(said(&t, "an error"), reports);
        assert_eq!(t["a cancel"].lane("lends").ended, Ended::Cancelled);
        let reports = ["find took 100ms", "loan took 100ms"];
        assert_eq!(said(&t, "a cancel"), reports);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_without_a_name_measures_nothing() {
        let t = Timings::of(run).await;
        assert_eq!(t["bound to _"].elapsed, ticks(3));
        assert_eq!(*t["bound to _"].count("loan (ticks)"), Value::from(0.0));
    }

    #[tokio::test(start_paused = true)]
    async fn drop_ends_it_earlier() {
        let reports = Reports::default();
        let timer = Timer::starts("find", &reports);
        sleep(ticks(1)).await;
        drop(timer);
        sleep(ticks(1)).await;
        assert_eq!(*reports.borrow(), [("find", ticks(1))]);
    }
}
