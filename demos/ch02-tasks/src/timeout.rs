//! # A timeout drops what it waits for
//!
//! A roast takes three steps of 1 tick each, and the kitchen closes after 2.5. `timeout` around the whole roast
//! returns `Err(Elapsed)` after 2.5 ticks and drops it in the third step. The roast isn't told: no error comes out of
//! its `.await` and its last lines aren't run (0 times washed up), but `Drop` is (1 flame out), as in `tasks/cancel`.
//! A `timeout` of 2.5 around each step is never reached: 3 ticks. `timeout_at` gives all steps one deadline: 2.5
//! ticks again. But it stands inside the roast, so the roast gets the `Err` and washes up.
//!
//! asyncio: wait_for, asyncio.timeout, timeout_at
//!
//! ```python
//! async def roast():
//!     try: await bake()            # a CancelledError comes out of this await
//!     finally: await wash_up()     # so this is run, and may wait
//!
//! async with asyncio.timeout(2.5): await roast()    # TimeoutError
//! await asyncio.wait_for(roast(), 2.5)              # the same
//! ```
//!
//! Not the same: asyncio cancels the coroutine and waits until it has ended, so a slow `finally` prolongs the
//! timeout. In Rust the future is polled once more when the time is up. If it is ready, the result is `Ok`, however
//! late that is. If not, nothing of it is run any more but the `Drop` of what it holds, and `Drop` can't await. When
//! timeouts are nested, both of Python's raise TimeoutError. Here the result tells which one fired: `Ok(Err(Elapsed))`
//! is the inner one, also if both end at the same moment. The same in both: code that blocks the loop isn't cut short
//! (`pitfalls/timeout-over-blocking`), nor is a server's query (`databases/query-timeout`).

use std::cell::Cell;

use anyhow::Result;
use timing::{
    Timings,
    law::{exactly, sum},
    report::Value,
    ticks,
};
use tokio::time::{Instant, error::Elapsed, sleep, timeout, timeout_at};
use tracing::{info, instrument};

const STEPS: [&str; 3] = ["chop", "fry", "bake"];
const OPEN: f64 = 2.5;

pub async fn run(t: &mut Timings) -> Result<()> {
    let kitchen = Kitchen::default();
    let dish = t
        .time("timeout", exactly(OPEN), async {
            timeout(ticks(OPEN), roast(&kitchen)).await
        })
        .await;
    kitchen.count(t, format!("{dish:?}"));

    let kitchen = Kitchen::default();
    let dish = t
        .time("timeout for each step", sum([1, 1, 1]), async {
            // The time limit begins again with every step.
            let limited = async |name| timeout(ticks(OPEN), step(name, &kitchen)).await;
            roast_by_the_clock(limited, &kitchen).await
        })
        .await;
    kitchen.count(t, format!("{dish:?}"));

    let kitchen = Kitchen::default();
    let dish = t
        .time("timeout_at", exactly(OPEN), async {
            let closing = Instant::now() + ticks(OPEN);
            let limited = async |name| timeout_at(closing, step(name, &kitchen)).await; // <- the difference
            roast_by_the_clock(limited, &kitchen).await
        })
        .await;
    kitchen.count(t, format!("{dish:?}"));

    let kitchen = Kitchen::default();
    let dish = t
        .time("nested", exactly(1.5), async {
            timeout(ticks(OPEN), timeout(ticks(1.5), roast(&kitchen))).await
        })
        .await;
    // The outer timeout says `Ok`: what it waits for was ready in time. It doesn't look at the `Err` in it.
    kitchen.count(t, format!("{dish:?}"));

    let kitchen = Kitchen::default();
    let dish = t
        .time("nested, one deadline", exactly(OPEN), async {
            let closing = Instant::now() + ticks(OPEN);
            timeout_at(closing, timeout_at(closing, roast(&kitchen))).await
        })
        .await;
    // Both are over at the same moment. But a timeout polls what it waits for before it looks at the clock. So the
    // outer one polls the inner one, which is ready, with its `Err`.
    kitchen.count(t, format!("{dish:?}"));
    Ok(())
}

/// The time limit is outside. When it is reached this function ends at the `.await` that it has reached.
#[instrument(ret, skip(kitchen))]
async fn roast(kitchen: &Kitchen) -> &'static str {
    let _flame = Flame(kitchen);
    for name in STEPS {
        // The result is `()`: no error comes out of this `.await` that could be handled.
        step(name, kitchen).await;
    }
    kitchen.wash_up();
    "roast"
}

/// The time limits are inside. Each gives this function a `Result`, and it goes on.
#[instrument(ret, err, skip_all)]
async fn roast_by_the_clock(
    limited: impl AsyncFn(&'static str) -> Result<(), Elapsed>,
    kitchen: &Kitchen,
) -> Result<&'static str, Elapsed> {
    let _flame = Flame(kitchen);
    let dish = async {
        for name in STEPS {
            limited(name).await?; // leaves the inner block only
        }
        Ok("roast")
    };
    let dish = dish.await;
    kitchen.wash_up();
    dish
}

#[instrument(ret, skip(kitchen))]
async fn step(name: &'static str, kitchen: &Kitchen) {
    sleep(ticks(1)).await;
    kitchen.steps.update(|steps| steps + 1);
}

#[derive(Default)]
struct Kitchen {
    steps: Cell<u32>,
    flames_out: Cell<u32>,
    washed_up: Cell<u32>,
}

impl Kitchen {
    fn wash_up(&self) {
        self.washed_up.update(|times| times + 1);
        info!("washed up");
    }

    fn count(&self, t: &mut Timings, result: impl Into<Value>) {
        t.count("result", result);
        t.count("steps", self.steps.get());
        t.count("flame out", self.flames_out.get());
        t.count("washed up", self.washed_up.get());
    }
}

struct Flame<'a>(&'a Kitchen);

impl Drop for Flame<'_> {
    fn drop(&mut self) {
        self.0.flames_out.update(|flames| flames + 1);
        info!("flame out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{
        Ended::{Cancelled, Failed, Returned},
        Variant,
    };

    #[track_caller]
    fn assert_counts(variant: &Variant, steps: u32, flames_out: u32, washed_up: u32) {
        assert_eq!(*variant.count("steps"), steps);
        assert_eq!(*variant.count("flame out"), flames_out);
        assert_eq!(*variant.count("washed up"), washed_up);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_drops_the_inner_future_and_tells_it_nothing() {
        let t = Timings::of(run).await;
        let late = &t["timeout"];
        assert_eq!(late.elapsed, ticks(2.5));
        assert_eq!(*late.count("result"), "Err(Elapsed(()))");
        assert_counts(late, 2, 1, 0);
        for dropped in ["roast", "bake"] {
            assert_eq!(late.lane(dropped).ended, Cancelled, "{dropped}");
            assert_eq!(late.lane(dropped).end, ticks(2.5), "{dropped}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_for_each_step_limits_no_sum_of_steps() {
        let t = Timings::of(run).await;
        let each = &t["timeout for each step"];
        assert_eq!(each.elapsed, ticks(3));
        assert_eq!(*each.count("result"), "Ok(\"roast\")");
        assert_counts(each, 3, 1, 1);
        assert!(each.lanes.iter().all(|lane| lane.ended == Returned));
    }

    #[tokio::test(start_paused = true)]
    async fn one_deadline_limits_all_steps_and_the_function_that_set_it_is_told() {
        let t = Timings::of(run).await;
        let at = &t["timeout_at"];
        assert_eq!(at.elapsed, ticks(2.5));
        assert_eq!(*at.count("result"), "Err(Elapsed(()))");
        assert_counts(at, 2, 1, 1);
        assert_eq!(at.lane("roast").ended, Failed);
        assert_eq!(at.lane("bake").ended, Cancelled);
    }

    #[tokio::test(start_paused = true)]
    async fn the_inner_of_two_nested_timeouts_fires_first() {
        let t = Timings::of(run).await;
        for (variant, elapsed, steps) in [("nested", 1.5, 1), ("nested, one deadline", 2.5, 2)] {
            let nested = &t[variant];
            assert_eq!(nested.elapsed, ticks(elapsed));
            assert_eq!(*nested.count("result"), "Ok(Err(Elapsed(())))");
            assert_counts(nested, steps, 1, 0);
            assert_eq!(nested.lane("roast").ended, Cancelled);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_at_the_last_poll_is_ok_however_late_that_is() {
        // As if the loop had been blocked until then: both times have passed at the next poll.
        let blocked = tokio::time::advance(ticks(5));
        let (outcome, ()) = tokio::join!(timeout(ticks(2), sleep(ticks(1))), blocked);
        assert!(outcome.is_ok());
    }
}
