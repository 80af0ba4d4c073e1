//! # Cancelling: the future is dropped where it waits
//!
//! A soup needs 3 ticks, and the guest leaves after 1. With `abort` or a timeout the function that cooks it ends
//! inside its `.await`: no later line of it runs, and the soup is packed away 0 times. `Drop` runs and turns the gas
//! off, but it is no `async fn`. A clean-up that has to wait, like flushing a file or closing a connection, needs a
//! function that is asked to stop and goes on to its end. A `CancellationToken` asks: it is cancelled in one place
//! and seen in others. With it the soup is packed away 1 time, and that takes its tick.
//!
//! asyncio: Task.cancel, CancelledError
//!
//! ```python
//! async def cooks():
//!     try: await simmers()
//!     finally: await packs_away()     # runs, and may wait
//!
//! soup.cancel()                       # raises CancelledError inside `simmers`
//! ```
//!
//! Not the same: `Task.cancel` raises an exception in the coroutine, which can clean up, take its time, or catch the
//! exception and go on: then `cancelled()` is False. `abort` raises nothing. There is nothing to catch, and nothing
//! to raise again. A token raises nothing either: it stops only code that looks at it, where it looks. The same in
//! both: a task that is cancelled before its first poll never runs a line. How to close what has to be closed with a
//! wait: `streams/guard`, `streams/with-connection`.

use std::{
    fmt::Display,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use anyhow::Result;
use futures_util::FutureExt;
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::{
    task::JoinError,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    let kitchen = Arc::<Kitchen>::default();
    let soup = aborted(cooks(kitchen.clone()));
    let told = t.time("abort", exactly(1), soup).await;
    count(t, &kitchen, told);

    let kitchen = Arc::<Kitchen>::default();
    let soup = aborted(catches(kitchen.clone(), cooks(kitchen.clone())));
    let told = t.time("abort, with a catch", exactly(1), soup).await;
    count(t, &kitchen, told);

    // A future that isn't a task is cancelled by dropping it. `timeout` owns the future it is given, and drops it
    // when the time is up (`tasks/timeout`).
    let kitchen = Arc::<Kitchen>::default();
    let soup = timeout(ticks(1), cooks(kitchen.clone()));
    let told = t.time("dropped by timeout", exactly(1), soup).await;
    count(t, &kitchen, told);

    let kitchen = Arc::<Kitchen>::default();
    let told = t
        .time("CancellationToken", sum([1, 1]), async {
            let soup = tokio::spawn(cooks(kitchen.clone()));
            sleep(ticks(1)).await;
            kitchen.closes.cancel(); // <- the difference: the function is told, and goes on
            soup.await
        })
        .await;
    count(t, &kitchen, told);

    let kitchen = Arc::<Kitchen>::default();
    let told = t
        .time("abort at once", exactly(0), async {
            let soup = tokio::spawn(cooks(kitchen.clone()));
            // No `.await` since `spawn`, so the task has had no turn. It is dropped without one, and has no lane.
            soup.abort();
            soup.await
        })
        .await;
    count(t, &kitchen, told);
    Ok(())
}

fn count(t: &mut Timings, kitchen: &Kitchen, told: Result<&str, impl Display>) {
    t.count("gas lit", kitchen.gas_lit.load(Relaxed));
    t.count("gas off", kitchen.gas_off.load(Relaxed));
    t.count("packed away", kitchen.packed.load(Relaxed));
    let told = told.map_or_else(|error| error.to_string(), String::from);
    t.count("the waiter gets", told);
}

/// `abort` asks the loop to drop the future, and doesn't wait for that. The handle does.
async fn aborted(
    cooking: impl Future<Output = &'static str> + Send + 'static,
) -> Result<&'static str, JoinError> {
    let soup = tokio::spawn(cooking);
    sleep(ticks(1)).await;
    soup.abort();
    info!("abort has returned");
    soup.await
}

/// Every variant runs this function. What differs is how it is ended.
#[instrument(ret, skip(kitchen))]
async fn cooks(kitchen: Arc<Kitchen>) -> &'static str {
    kitchen.gas_lit.fetch_add(1, Relaxed);
    let _gas = Gas(kitchen.clone());
    // When the token is cancelled only `simmers` is dropped, the part that may be cut short. This function goes on.
    let soup = kitchen.closes.run_until_cancelled(simmers()).await;
    packs_away(&kitchen).await;
    soup.unwrap_or("half a soup")
}

/// `catch_unwind` is the nearest thing to `except BaseException`: it catches every panic of `cooking`. A future that
/// is dropped doesn't panic. It is never polled again, and neither is this one around it.
#[instrument(ret, skip_all)]
async fn catches(
    kitchen: Arc<Kitchen>,
    cooking: impl Future<Output = &'static str>,
) -> &'static str {
    let soup = AssertUnwindSafe(cooking).catch_unwind().await;
    packs_away(&kitchen).await;
    soup.unwrap_or("what was caught")
}

#[instrument(ret)]
async fn simmers() -> &'static str {
    sleep(ticks(3)).await;
    "a soup"
}

#[instrument(ret, skip(kitchen))]
async fn packs_away(kitchen: &Kitchen) {
    sleep(ticks(1)).await;
    kitchen.packed.fetch_add(1, Relaxed);
}

#[derive(Default)]
struct Kitchen {
    closes: CancellationToken,
    gas_lit: AtomicU32,
    gas_off: AtomicU32,
    packed: AtomicU32,
}

/// Turns the gas off when it is dropped. A local variable of `cooks` is part of its future, so that happens when the
/// function returns and also when the future is dropped.
struct Gas(Arc<Kitchen>);

impl Drop for Gas {
    /// Not an `async fn`, and it can't be one: an `.await` in here doesn't compile (E0728).
    fn drop(&mut self) {
        self.0.gas_off.fetch_add(1, Relaxed);
        info!("gas off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended, Variant};

    const CUT_SHORT: [&str; 3] = ["abort", "abort, with a catch", "dropped by timeout"];

    fn told(variant: &Variant) -> &str {
        variant.count("the waiter gets").text()
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_where_it_waits() {
        let t = Timings::of(run).await;
        for label in CUT_SHORT {
            let variant = &t[label];
            assert_eq!(variant.elapsed, ticks(1));
            for lane in &variant.lanes {
                assert_eq!(lane.ended, Ended::Cancelled, "{label}: {}", lane.label);
                assert_eq!(lane.end, ticks(1), "{label}: {}", lane.label);
            }
        }
        // No poll follows the one that began to wait.
        assert_eq!(t["abort"].lane("simmers").polls.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn drop_runs_and_a_clean_up_that_waits_does_not() {
        let t = Timings::of(run).await;
        for label in CUT_SHORT {
            assert_eq!(*t[label].count("gas off"), 1, "{label}");
            assert_eq!(*t[label].count("packed away"), 0, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_lets_the_clean_up_run_to_its_end() {
        let t = Timings::of(run).await;
        let asked = &t["CancellationToken"];
        assert_eq!(asked.elapsed, ticks(2));
        assert_eq!(*asked.count("gas off"), 1);
        assert_eq!(*asked.count("packed away"), 1);
        assert_eq!(told(asked), "half a soup");
        let ended = ["simmers", "packs_away", "cooks"].map(|lane| asked.lane(lane).ended);
        assert_eq!(ended, [Ended::Cancelled, Ended::Returned, Ended::Returned]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_cannot_be_caught() {
        let t = Timings::of(run).await;
        let caught = &t["abort, with a catch"];
        assert!(told(caught).ends_with("was cancelled"));
        assert!(
            caught
                .lanes
                .iter()
                .all(|lane| !lane.label.contains("packs_away"))
        );

        // The same catch does hold a panic.
        let kitchen = Arc::<Kitchen>::default();
        let soup = catches(kitchen.clone(), async { panic!("the pot fell") });
        assert_eq!(soup.await, "what was caught");
        assert_eq!(kitchen.packed.load(Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn abort_returns_before_the_future_is_dropped() {
        let t = Timings::of(run).await;
        let said: Vec<_> = t["abort"].said.iter().map(|line| &line.text[..]).collect();
        assert_eq!(said, ["abort has returned", "gas off"]);
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_before_its_first_poll_it_never_runs() {
        let t = Timings::of(run).await;
        let never = &t["abort at once"];
        assert_eq!(never.elapsed, ticks(0));
        assert!(never.lanes.is_empty());
        assert_eq!(*never.count("gas lit"), 0);
        assert!(told(never).ends_with("was cancelled"));
    }
}
