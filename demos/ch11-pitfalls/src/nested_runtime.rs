//! # A runtime inside a helper
//!
//! A plain function asks for a price: it builds a runtime and blocks on it until the answer is there. Sync code calls
//! it without trouble, and its `#[test]` passes: 3 prices in 3 ticks. Called by a server's tasks it panics each time,
//! before it has asked: of 3 requests 0 are answered. Written as an `async fn` it answers 3 in 1 tick, and so does
//! the helper as it is on threads of `spawn_blocking`.
//!
//! asyncio: run, to_thread
//!
//! real clock: each runtime has its own
//!
//! How to see it: the panic says "Cannot start a runtime from within a runtime", and the lane of the request is
//! marked. No lint warns of it: whether a function is called inside a runtime is known only when it runs.
//!
//! Cured in: `executors/sync-to-async`, `executors/block-in-place`
//!
//! ```python
//! def price(item): return asyncio.run(ask(item))
//!
//! async def answer(item): return price(item)                              # RuntimeError
//! async def answer(item): return await ask(item)
//! async def answer(item): return await asyncio.to_thread(price, item)
//! ```
//!
//! Not the same: Python raises a RuntimeError, which a handler may catch like any other. Rust panics, and the panic
//! ends the task; the server goes on, and learns of it only from the task's handle.

use std::io;

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, max, sum},
    ticks,
};
use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinError, spawn_blocking},
    time::sleep,
};
use tracing::instrument;

const ITEMS: [&str; 3] = ["lamp", "chair", "shelf"];

pub fn run(t: &mut Timings) -> Result<()> {
    let prices = || ITEMS.map(|item| Ok(price(item)));
    let prices = t.time_blocking("helper, in sync code", sum([1; 3]), prices);
    count(t, &prices);

    let prices = || serves(answers);
    let prices = t.time_blocking("helper, in a task", exactly(0), prices)?;
    count(t, &prices);

    let prices = || serves(answers_async);
    let prices = t.time_blocking("async fn, in a task", max([1; 3]), prices)?;
    count(t, &prices);

    let prices = || serves(answers_on_a_thread);
    let prices = t.time_blocking("helper, on a thread", max([1; 3]), prices)?;
    count(t, &prices);
    Ok(())
}

/// Looks as if it could be called from anywhere: it has no `async`, and hides that it needs a runtime.
#[instrument(ret, err)]
fn price(item: &'static str) -> io::Result<u32> {
    let runtime = new_runtime()?;
    Ok(runtime.block_on(asks_for_the_price(item)))
}

#[instrument(ret, err)]
async fn answers(item: &'static str) -> io::Result<u32> {
    // Would keep the loop's thread for a tick, if it were allowed to.
    price(item) // <- the difference
}

/// The runtime that is there already drives the wait. All callers up to here have to be `async`, too.
#[instrument(ret, err)]
async fn answers_async(item: &'static str) -> io::Result<u32> {
    Ok(asks_for_the_price(item).await) // <- the difference
}

/// For a helper that can't be changed. A thread for blocking code may block, so `block_on` is allowed there.
#[instrument(ret, err)]
async fn answers_on_a_thread(item: &'static str) -> io::Result<u32> {
    spawn_blocking(move || price(item)).await? // <- the difference
}

/// A server in small: a loop of one thread, and a task for each request.
fn serves<F>(answer: fn(&'static str) -> F) -> io::Result<Vec<Answer>>
where
    F: Future<Output = io::Result<u32>> + Send + 'static,
{
    let requests = async { join_all(ITEMS.map(|item| tokio::spawn(answer(item)))).await };
    Ok(new_runtime()?.block_on(requests))
}

/// The outer `Result` tells whether the task came to its end.
type Answer = Result<io::Result<u32>, JoinError>;

fn new_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Stands for a request to another server.
#[instrument(ret)]
async fn asks_for_the_price(item: &'static str) -> u32 {
    sleep(ticks(1)).await;
    42
}

fn count(t: &mut Timings, answers: &[Answer]) {
    let answered = answers.iter().filter(|answer| matches!(answer, Ok(Ok(_))));
    t.count("answered", answered.count());
    let ended = answers.iter().filter_map(|answer| answer.as_ref().err());
    t.count("panics", ended.filter(|error| error.is_panic()).count());
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t).unwrap();
        t
    }

    #[test]
    fn in_sync_code_the_helper_works() {
        assert_eq!(price("lamp").unwrap(), 42);
        assert_eq!(*measured()["helper, in sync code"].count("answered"), 3);
    }

    #[tokio::test]
    #[should_panic(expected = "Cannot start a runtime from within a runtime")]
    async fn a_test_that_has_a_runtime_finds_it() {
        price("lamp").unwrap();
    }

    #[test]
    fn in_a_task_it_panics_before_it_has_asked() {
        let t = measured();
        let nested = &t["helper, in a task"];
        assert_eq!(*nested.count("answered"), 0);
        assert_eq!(*nested.count("panics"), 3);
        assert!(
            nested
                .lanes
                .iter()
                .all(|lane| !lane.label.starts_with("asks"))
        );
        let requests = nested
            .lanes
            .iter()
            .filter(|lane| lane.label.starts_with("answers"));
        let ended: Vec<_> = requests.map(|lane| lane.ended).collect();
        assert_eq!(ended, [Ended::Panicked; 3]);
    }

    #[test]
    fn an_async_fn_and_a_thread_answer_all() {
        let t = measured();
        for label in ["async fn, in a task", "helper, on a thread"] {
            assert_eq!(*t[label].count("answered"), 3, "{label}");
            assert_eq!(*t[label].count("panics"), 0, "{label}");
            assert!(t[label].elapsed >= ticks(1), "{label}");
        }
    }
}
