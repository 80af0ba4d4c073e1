//! # Shield: the work outlives the one who waits for it
//!
//! The guest waits 1 tick for a roast that needs 3, then leaves. If the guest awaits the roast itself, giving up
//! drops it (`tasks/timeout`), and 2 ticks of cooking are never done. If the roast is a task and the guest awaits its
//! handle, giving up ends the waiting only: the roast is ready at 3 and can still be fetched.
//!
//! asyncio: shield
//!
//! ```python
//! roast = asyncio.create_task(cook("roast"))
//! try:
//!     dish = await asyncio.wait_for(asyncio.shield(roast), 1)
//! except TimeoutError:
//!     dish = await roast
//! ```
//!
//! Not the same: asyncio cancels a task when somebody who awaits it is cancelled, so the task has to be shielded from
//! that. A `JoinHandle` that is dropped cancels nothing: what `tokio::spawn` has started is shielded from the start. A
//! task in a `JoinSet` is not: it ends with its set (`tasks/wait-timeout`). The handle is awaited by `&mut`, so that
//! the timeout doesn't take it away.

use anyhow::Result;
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::time::{sleep, timeout};
use tracing::{info, instrument};

const ROAST: u32 = 3;
const PATIENCE: u32 = 1;

pub async fn run(t: &mut Timings) -> Result<()> {
    let awaited = t
        .time(
            "the guest awaits the work",
            exactly(PATIENCE),
            awaits_the_work(),
        )
        .await;
    t.count("dish", awaited.unwrap_or("none"));

    let shielded = t
        .time("the guest awaits a task", sum([1, 2]), awaits_a_task())
        .await?;
    t.count("dish", shielded);
    Ok(())
}

/// Owns the future of the roast and drops it when the time is up.
async fn awaits_the_work() -> Option<&'static str> {
    timeout(ticks(PATIENCE), cook("roast")).await.ok()
}

async fn awaits_a_task() -> Result<&'static str> {
    let mut roast = tokio::spawn(cook("roast")); // <- the difference: the runtime owns the future
    if let Ok(dish) = timeout(ticks(PATIENCE), &mut roast).await {
        return Ok(dish?);
    }
    info!("the guest has left");
    // Nothing has told the roast. Its handle is still here, and so is the result when there is one.
    Ok(roast.await?)
}

#[instrument(ret)]
async fn cook(dish: &'static str) -> &'static str {
    info!("in the oven");
    sleep(ticks(ROAST)).await;
    info!("ready");
    dish
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test(start_paused = true)]
    async fn whoever_awaits_the_work_itself_cancels_it_by_giving_up() {
        let t = Timings::of(run).await;
        let awaited = &t["the guest awaits the work"];
        assert_eq!(awaited.elapsed, ticks(1));
        assert_eq!(*awaited.count("dish"), "none");
        assert_eq!(awaited.lane("cook").ended, Ended::Cancelled);
        assert_eq!(awaited.lane("cook").end, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_outlives_the_one_who_waits_for_it() {
        let t = Timings::of(run).await;
        let shielded = &t["the guest awaits a task"];
        assert_eq!(shielded.elapsed, ticks(3));
        assert_eq!(*shielded.count("dish"), "roast");
        let roast = shielded.lane("cook");
        assert_eq!((roast.ended, roast.end), (Ended::Returned, ticks(3)));
        assert_eq!(
            roast.polls.len(),
            2,
            "the end of the waiting didn't reach it"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_handle_does_not_end_it_either() {
        let mut t = Timings::default();
        t.time("dropped", exactly(ROAST), async {
            drop(tokio::spawn(cook("roast")));
            sleep(ticks(ROAST)).await;
            // Both timers are due at the same moment; the task gets its turn when this function yields.
            tokio::task::yield_now().await;
        })
        .await;
        assert_eq!(t["dropped"].lane("cook").ended, Ended::Returned);
    }
}
