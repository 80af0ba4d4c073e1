//! # `spawn`: a task runs without being awaited, but not at once
//!
//! Three dishes need 1, 2 and 1 ticks. Awaited directly they take 4 ticks, the sum. Spawned first they take 2, as
//! long as the slowest, although the handles are awaited one at a time: the tasks run side by side, and an `.await`
//! only fetches a result. So it costs nothing to await the slowest first: 3 ticks for dishes of 3, 1 and 2. A task
//! that is never awaited runs too. But `spawn` runs no line of it: of the 2 steps of a forgotten tea 0 are done when
//! `spawn` returns, and 2 in the end.
//!
//! asyncio: create_task
//!
//! ```python
//! tea = asyncio.create_task(cook("tea", 1))     # queued: no line of it has run
//! stew = asyncio.create_task(cook("stew", 2))
//! await tea                                     # both run from here on
//! await stew
//! ```
//!
//! Not the same: `await task` gives what the coroutine returns, or raises what it raised. `handle.await` gives a
//! `Result<T, JoinError>`, since a task can panic or be cancelled. A task whose function returns a `Result` gives one
//! inside the other, and takes `??`. asyncio's loop holds its tasks by weak references, so one that nobody keeps can
//! vanish. tokio holds on to a task whose handle is dropped: it is detached, not cancelled (`tasks/detached`). In a
//! runtime with several threads another thread can begin a task while its spawner goes on. Here there is one thread,
//! as in asyncio.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use anyhow::Result;
use timing::{
    Timings,
    law::{exactly, max, sum},
    ticks,
};
use tokio::{task::JoinError, time::sleep};
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    t.time("awaited directly", sum([1, 2, 1]), async {
        cook("tea", 1).await;
        cook("stew", 2).await;
        cook("rice", 1).await;
    })
    .await;

    t.time("spawned", max([1, 2, 1]), async {
        let tea = tokio::spawn(cook("tea", 1));
        let stew = tokio::spawn(cook("stew", 2));
        let rice = tokio::spawn(cook("rice", 1));
        // All three begin during the first `.await`, which returns with the tea. None waits until its handle is
        // awaited.
        tea.await?;
        stew.await?;
        rice.await
    })
    .await?;

    t.time("slowest first", max([3, 1, 2]), async {
        let roast = tokio::spawn(cook("roast", 3));
        let tea = tokio::spawn(cook("tea", 1));
        let stew = tokio::spawn(cook("stew", 2));
        // A task that is done keeps its result until it is asked for.
        roast.await?;
        tea.await?;
        stew.await
    })
    .await?;

    let steps = Arc::new(AtomicU32::new(0));
    let at_first = t
        .time("never awaited", exactly(2), async {
            let tea = tokio::spawn(brews(steps.clone()));
            let at_first = steps.load(Relaxed);
            info!("spawn has returned");
            drop(tea); // the only handle: from here on nobody can await or cancel the task
            sleep(ticks(2)).await;
            at_first
        })
        .await;
    t.count("steps at spawn", at_first);
    t.count("steps at the end", steps.load(Relaxed));

    // The outer `Result` says how the task ended, the inner one is what its function returned.
    let stew: Result<Result<&str, &str>, JoinError> = t
        .time("an `Err` inside", exactly(1), async {
            tokio::spawn(burns("stew")).await
        })
        .await;
    t.count("result", format!("{stew:?}"));

    let stew = t
        .time("an `Err` after `??`", exactly(1), orders("stew"))
        .await;
    t.count("result", format!("{stew:?}"));
    Ok(())
}

#[instrument(ret)]
async fn cook(dish: &'static str, time: u32) -> &'static str {
    info!("on the stove");
    sleep(ticks(time)).await;
    dish
}

#[instrument(ret, skip(steps))]
async fn brews(steps: Arc<AtomicU32>) {
    steps.fetch_add(1, Relaxed);
    info!("the kettle is on");
    sleep(ticks(1)).await;
    steps.fetch_add(1, Relaxed);
    info!("the tea is ready, and nobody waits for it");
}

/// The first `?` hands on that the task panicked or was cancelled, the second that its function failed. The error type
/// needs a `From` for both. A `Box<dyn Error>` has them. `anyhow::Error` has none for a `&str`, only for what is an
/// `Error` itself: then it would do here as well.
async fn orders(dish: &'static str) -> Result<&'static str, Box<dyn Error>> {
    let dish = tokio::spawn(burns(dish)).await??;
    Ok(dish)
}

#[instrument(ret, err)]
async fn burns(dish: &'static str) -> Result<&'static str, &'static str> {
    sleep(ticks(1)).await;
    Err("burnt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test(start_paused = true)]
    async fn tasks_take_as_long_as_the_slowest() {
        let t = Timings::of(run).await;
        assert_eq!(t["awaited directly"].elapsed, ticks(4));
        assert_eq!(t["spawned"].elapsed, ticks(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_order_of_the_awaits_does_not_matter() {
        let t = Timings::of(run).await;
        let ordered = &t["slowest first"];
        assert_eq!(ordered.elapsed, ticks(3));
        let ends = ["roast", "tea", "stew"].map(|dish| ordered.lane(dish).end);
        assert_eq!(ends, [ticks(3), ticks(1), ticks(2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_of_it_has_run_when_spawn_returns() {
        let t = Timings::of(run).await;
        let forgotten = &t["never awaited"];
        assert_eq!(*forgotten.count("steps at spawn"), 0);
        let said: Vec<_> = forgotten.said.iter().map(|line| &line.text[..]).collect();
        assert_eq!(said[..2], ["spawn has returned", "the kettle is on"]);
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_handle_detaches_the_task() {
        let t = Timings::of(run).await;
        let forgotten = &t["never awaited"];
        assert_eq!(*forgotten.count("steps at the end"), 2);
        assert_eq!(forgotten.lane("brews").ended, Ended::Returned);
        assert_eq!(forgotten.lane("brews").end, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_returns_a_result_gives_a_result_in_a_result() {
        let t = Timings::of(run).await;
        let result = t["an `Err` inside"].count("result");
        assert_eq!(*result, r#"Ok(Err("burnt"))"#);
        let result = t["an `Err` after `??`"].count("result");
        assert_eq!(*result, r#"Err("burnt")"#);
    }

    #[test]
    fn on_several_threads_it_may_begin_while_its_spawner_goes_on() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (began, begins) = std::sync::mpsc::channel();
        runtime.block_on(async {
            let task = tokio::spawn(async move { began.send(()).unwrap() });
            // Blocks this thread, so it is another one that runs the task.
            begins.recv().unwrap();
            task.await.unwrap();
        });
    }
}
