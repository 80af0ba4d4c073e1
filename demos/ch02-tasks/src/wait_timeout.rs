//! # Wait with a timeout: what is done by then, and what goes on
//!
//! Tea, rice and stew need 1, 2 and 4 ticks. A waiter waits for all three, for 3 ticks at most. Then 2 dishes are
//! ready and 1 is not. The timeout is around a future that has borrowed the set of tasks, so it cancels none of them:
//! the stew is ready at 4. If the future owns the set, the timeout ends the set too: the stew is cancelled at 3.
//!
//! asyncio: wait, wait(timeout)
//!
//! ```python
//! done, pending = await asyncio.wait(tasks, timeout=3)
//! print(len(done), len(pending))    # 2 1
//! await asyncio.wait(pending)       # the stew goes on
//! ```
//!
//! Not the same: `asyncio.wait` returns two sets and leaves the tasks alone. A `JoinSet` gives out what is done, and
//! when it is dropped it aborts what is still in it (`tasks/task-group`). So it matters what owns the set: a timeout
//! drops the future that it is around (`tasks/timeout`), and with it everything that the future owns. What the future
//! has only borrowed stays.

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::{
    task::{JoinError, JoinSet, yield_now},
    time::{sleep, timeout},
};
use tracing::{info, instrument};

const DISHES: [(&str, u32); 3] = [("tea", 1), ("rice", 2), ("stew", 4)];
const PATIENCE: u32 = 3;

pub async fn run(t: &mut Timings) -> Result<()> {
    let (done, pending, later) = t
        .time("the set is borrowed", exactly(4), borrows_the_set())
        .await?;
    t.count("done at tick 3", done);
    t.count("pending", pending);
    t.count("done later", later);

    let done = t
        .time("the set is handed over", exactly(3), hands_over_the_set())
        .await?;
    t.count("done at tick 3", done);
    Ok(())
}

async fn borrows_the_set() -> Result<(usize, usize, usize)> {
    let mut kitchen = all_dishes();
    let mut ready = Vec::new();
    // What is dropped after 3 ticks is a loop in the middle of `join_next`. It owns neither the set nor the results,
    // and a dish that was taken out is in `ready` before the next wait.
    let in_time = timeout(ticks(PATIENCE), take_out(&mut kitchen, &mut ready)).await;
    let (done, pending) = (ready.len(), kitchen.len());
    info!("{done} ready, {pending} still cooking");
    match in_time {
        Ok(all) => all?,
        Err(_elapsed) => take_out(&mut kitchen, &mut ready).await?,
    }
    Ok((done, pending, ready.len() - done))
}

async fn hands_over_the_set() -> Result<usize> {
    let kitchen = all_dishes();
    let mut ready = Vec::new();
    let owner = async {
        let mut kitchen = kitchen; // <- the difference: moved into the future, and dropped with it
        take_out(&mut kitchen, &mut ready).await
    };
    if let Ok(all) = timeout(ticks(PATIENCE), owner).await {
        all?;
    }
    // An aborted task is dropped by the runtime, at its next turn.
    yield_now().await;
    Ok(ready.len())
}

fn all_dishes() -> JoinSet<&'static str> {
    DISHES
        .into_iter()
        .map(|(dish, time)| cook(dish, time))
        .collect()
}

/// Moves every dish from the set to `ready` as it is done.
async fn take_out(
    kitchen: &mut JoinSet<&'static str>,
    ready: &mut Vec<&'static str>,
) -> Result<(), JoinError> {
    while let Some(dish) = kitchen.join_next().await {
        ready.push(dish?);
    }
    Ok(())
}

#[instrument(ret)]
async fn cook(dish: &'static str, time: u32) -> &'static str {
    sleep(ticks(time)).await;
    info!("ready");
    dish
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test(start_paused = true)]
    async fn a_timeout_cancels_nothing_that_its_future_has_borrowed() {
        let t = Timings::of(run).await;
        let borrowed = &t["the set is borrowed"];
        assert_eq!(borrowed.elapsed, ticks(4));
        assert_eq!(*borrowed.count("done at tick 3"), 2);
        assert_eq!(*borrowed.count("pending"), 1);
        assert_eq!(*borrowed.count("done later"), 1);
        assert_eq!(borrowed.lane("stew").ended, Ended::Returned);
        assert_eq!(borrowed.lane("stew").end, ticks(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_ends_what_its_future_owns() {
        let t = Timings::of(run).await;
        let owned = &t["the set is handed over"];
        assert_eq!(owned.elapsed, ticks(3));
        assert_eq!(*owned.count("done at tick 3"), 2);
        let stew = owned.lane("stew");
        assert_eq!((stew.ended, stew.end), (Ended::Cancelled, ticks(3)));
    }
}
