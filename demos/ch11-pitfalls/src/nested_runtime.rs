//! # A runtime inside a helper
//!
//! A plain function asks for a price: it builds a runtime and blocks on it until the answer is there. Sync code calls
//! it without trouble, and its `#[test]` passes. Called by a server's tasks it panics each time, before it has asked:
//! of 3 requests 0 are answered. As an `async fn` it answers all 3, and they wait together. So do 3 calls of the
//! unchanged helper, each of them on a thread of `spawn_blocking`.
//!
//! asyncio: run, to_thread
//!
//! real clock: each runtime has its own
//!
//! How to see it: the panic says "Cannot start a runtime from within a runtime", and the lane of the request is
//! marked. Neither rustc nor clippy warns: whether a function is called inside a runtime shows only when it runs.
//!
//! Cured in: `executors/sync-to-async`; `executors/block-in-place` for a runtime of several threads
//!
//! ```python
//! def price(item): return asyncio.run(ask(item))
//! async def answer(item): return price(item)                              # RuntimeError
//! async def answer(item): return await ask(item)
//! async def answer(item): return await asyncio.to_thread(price, item)
//! ```
//!
//! Not the same: Python raises a RuntimeError, which a handler may catch like any other. Rust panics: the panic hook
//! logs it, and it ends the task. The server goes on, unless the program is built with `panic = "abort"`.

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
    task::spawn_blocking,
    time::sleep,
};
use tracing::instrument;

const ITEMS: [&str; 3] = ["lamp", "chair", "shelf"];

pub fn run(t: &mut Timings) -> Result<()> {
    let answered = || ITEMS.iter().filter(|item| price(item).is_ok()).count();
    let answered = t.time_blocking("helper, in sync code", sum([1; 3]), answered);
    t.count("answered", answered);

    let answered = || serves(answers);
    let answered = t.time_blocking("helper, in a task", exactly(0), answered)?;
    t.count("answered", answered);

    let answered = || serves(answers_async);
    let answered = t.time_blocking("async fn, in a task", max([1; 3]), answered)?;
    t.count("answered", answered);

    let answered = || serves(answers_on_a_thread);
    let answered = t.time_blocking("helper, on a thread", max([1; 3]), answered)?;
    t.count("answered", answered);
    Ok(())
}

/// Looks as if it could be called from anywhere: it has no `async`, and hides that it builds a runtime. In a program
/// `block_on` may be hidden even deeper, in the blocking client of a crate.
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

/// The runtime that is there already drives the wait. Every caller in between has to be `async` for that.
#[instrument(ret, err)]
async fn answers_async(item: &'static str) -> io::Result<u32> {
    Ok(asks_for_the_price(item).await) // <- the difference
}

/// For a helper that can't be changed. A thread for blocking code may block, so `block_on` is allowed there.
#[instrument(ret, err)]
async fn answers_on_a_thread(item: &'static str) -> io::Result<u32> {
    spawn_blocking(move || price(item)).await? // <- the difference
}

/// A miniature server: a loop of one thread, and a task for each request. Returns how many requests it has answered.
/// A handle returns two `Result`s, and the outer one says whether the task has panicked.
fn serves<F>(answer: fn(&'static str) -> F) -> io::Result<usize>
where
    F: Future<Output = io::Result<u32>> + Send + 'static,
{
    let requests = async { join_all(ITEMS.map(|item| tokio::spawn(answer(item)))).await };
    let served = new_runtime()?.block_on(requests);
    let answered = served.iter().filter(|one| matches!(one, Ok(Ok(_))));
    Ok(answered.count())
}

fn new_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Stands for a request to another server.
#[instrument(ret)]
async fn asks_for_the_price(item: &'static str) -> u32 {
    sleep(ticks(1)).await;
    42
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[test]
    fn in_sync_code_the_helper_works() {
        assert_eq!(price("lamp").unwrap(), 42);
        assert_eq!(
            *Timings::of_blocking(run)["helper, in sync code"].count("answered"),
            3
        );
    }

    #[tokio::test]
    #[should_panic(expected = "Cannot start a runtime from within a runtime")]
    async fn a_test_that_has_a_runtime_finds_it() {
        price("lamp").unwrap();
    }

    #[test]
    fn in_a_task_it_panics_before_it_has_asked() {
        let t = Timings::of_blocking(run);
        let nested = &t["helper, in a task"];
        assert_eq!(*nested.count("answered"), 0);
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
        let t = Timings::of_blocking(run);
        for label in ["async fn, in a task", "helper, on a thread"] {
            assert_eq!(*t[label].count("answered"), 3, "{label}");
            assert!(t[label].elapsed >= ticks(1), "{label}");
        }
    }

    #[test]
    fn three_async_answers_wait_together() {
        let t = Timings::of_blocking(run);
        let lanes = t["async fn, in a task"].lanes.iter();
        let asked: Vec<_> = lanes
            .filter(|lane| lane.label.starts_with("asks"))
            .collect();
        let last_begun = asked.iter().map(|lane| lane.start).max();
        let first_done = asked.iter().map(|lane| lane.end).min();
        assert_eq!(asked.len(), 3);
        assert!(last_begun < first_done);
    }
}
