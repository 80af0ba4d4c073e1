//! # The current runtime: which threads have one
//!
//! `tokio::spawn` says nothing about where the task is to run: it takes the runtime of the thread that calls it. A
//! thread of your own has none, and there `spawn` panics, like `Handle::current`: "there is no reactor running".
//! `Handle::try_current` returns an error instead. With a `Handle` that thread spawns all the same: a board is planed
//! in 1 tick. (`Handle::block_on`, which waits there, is in `executors/sync-to-async`.) A thread of `spawn_blocking`
//! needs no `Handle`. A `Handle` doesn't keep its runtime alive: a task spawned after the end is cancelled at once.
//!
//! asyncio: get_running_loop, get_event_loop, run_coroutine_threadsafe
//!
//! real clock: threads of its own
//!
//! ```python
//! async def main():
//!     loop = asyncio.get_running_loop()     # in a thread: RuntimeError
//!     await asyncio.to_thread(from_a_thread, loop)
//! def from_a_thread(loop):
//!     asyncio.run_coroutine_threadsafe(plane(), loop).result()
//! ```
//!
//! Not the same: there is no `get_event_loop`, which made a missing loop in the main thread only, until 3.14. A loop's
//! `create_task` is for the loop's own thread; `Handle::spawn` may be called in any. `to_thread` runs its function in
//! a thread without a loop; a thread of `spawn_blocking` has the runtime as its current one. A closed loop raises
//! RuntimeError when it is given a coroutine; the `Handle` of a runtime that has ended takes it and drops it, and
//! only the task's `JoinError` tells.

use std::thread;

use anyhow::Result;
use timing::{
    Timings,
    law::{at_least, at_most},
    ticks,
};
use tokio::{
    runtime::{Builder, Handle, Runtime, TryCurrentError},
    task::JoinHandle,
    time::sleep,
};
use tracing::instrument;

type Board = &'static str;

pub fn run(t: &mut Timings) -> Result<()> {
    let runtime = workshop()?;
    let planing = || runtime.block_on(async { Handle::current().spawn(planes()).await });
    let board = t.time_blocking("inside: current", at_least(1), planing)?;
    t.count("outcome", board);

    let asking = || thread::spawn(asks).join();
    let asked = t.time_blocking("a thread: current", at_most(1), asking);
    t.count("outcome", asked.map_or("panicked", |_handle| "a handle"));

    let asking = || thread::spawn(asks_whether).join();
    let asked = t.time_blocking("a thread: try_current", at_most(1), asking);
    let asked = asked.expect("it does not panic");
    t.count("outcome", asked.map_or("an error", |_handle| "a handle"));

    let planing = || outcome(&runtime, thread::spawn(spawns).join());
    let told = t.time_blocking("a thread: spawn", at_most(1), planing);
    t.count("outcome", told);

    // A `Handle` is cheap to clone, like an `Arc`, and can go to any thread.
    let handle = runtime.handle().clone();
    let spawning = move || handle.spawn(planes());
    let planing = || outcome(&runtime, thread::spawn(spawning).join());
    let told = t.time_blocking("a thread: handle.spawn", at_least(1), planing);
    t.count("outcome", told);

    let handle = runtime.handle().clone();
    let spawning = move || {
        // For a function that calls `tokio::spawn` itself and takes no `Handle`. Until this guard is dropped, the
        // runtime is the thread's current one.
        let _inside = handle.enter(); // <- the difference
        spawns()
    };
    let planing = || outcome(&runtime, thread::spawn(spawning).join());
    let told = t.time_blocking("a thread: enter, spawn", at_least(1), planing);
    t.count("outcome", told);

    let planing = || {
        let spawned = runtime.block_on(runtime.spawn_blocking(spawns));
        outcome(&runtime, spawned.map_err(|error| error.into_panic()))
    };
    let told = t.time_blocking("spawn_blocking: spawn", at_least(1), planing);
    t.count("outcome", told);

    let handle = runtime.handle().clone();
    drop(runtime);
    // What a task came to can be awaited in any runtime, so here in a second one.
    let second = workshop()?;
    let planing = || outcome(&second, Ok(handle.spawn(planes())));
    let told = t.time_blocking("after the end: handle.spawn", at_most(1), planing);
    t.count("outcome", told);
    Ok(())
}

/// One worker thread runs the tasks, so nobody has to be in `block_on` for them.
fn workshop() -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    Ok(builder.worker_threads(1).enable_time().build()?)
}

/// For code that can't go on without a runtime: a panic tells of a mistake in the program.
#[instrument(ret)]
fn asks() -> Handle {
    Handle::current()
}

/// For code that has another way, for instance a runtime of its own.
#[instrument(ret, err)]
fn asks_whether() -> Result<Handle, TryCurrentError> {
    Handle::try_current()
}

/// A call of `planes` makes a future in any thread. Only `spawn` needs to know where it is to run.
#[instrument(ret)]
fn spawns() -> JoinHandle<Board> {
    tokio::spawn(planes())
}

#[instrument(ret)]
async fn planes() -> Board {
    sleep(ticks(1)).await;
    "a board"
}

/// What became of a task, or of the thread that was to spawn it.
fn outcome(runtime: &Runtime, spawned: thread::Result<JoinHandle<Board>>) -> &'static str {
    match spawned.map(|task| runtime.block_on(task)) {
        Ok(Ok(board)) => board,
        Ok(Err(error)) if error.is_cancelled() => "cancelled",
        Ok(Err(_)) | Err(_) => "panicked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_outcomes(expected: &[(&str, &str)]) {
        let t = Timings::of_blocking(run);
        for (label, outcome) in expected {
            assert_eq!(*t[*label].count("outcome"), *outcome, "{label}");
        }
    }

    #[test]
    fn a_thread_of_its_own_has_no_runtime() {
        assert_outcomes(&[
            ("inside: current", "a board"),
            ("a thread: current", "panicked"),
            ("a thread: try_current", "an error"),
            ("a thread: spawn", "panicked"),
        ]);
    }

    #[test]
    fn the_panic_says_what_is_missing() {
        for panic in [
            thread::spawn(|| drop(asks())).join(),
            thread::spawn(|| drop(spawns())).join(),
        ] {
            let panic = panic.unwrap_err();
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap();
            assert!(text.starts_with("there is no reactor running"), "{text}");
        }
        let error = asks_whether().unwrap_err().to_string();
        assert!(error.starts_with("there is no reactor running"), "{error}");
    }

    #[test]
    fn a_handle_brings_the_runtime_to_any_thread() {
        assert_outcomes(&[
            ("a thread: handle.spawn", "a board"),
            ("a thread: enter, spawn", "a board"),
        ]);
    }

    #[test]
    fn a_thread_of_spawn_blocking_has_the_runtime_already() {
        assert_outcomes(&[("spawn_blocking: spawn", "a board")]);
    }

    #[test]
    fn after_the_end_a_handle_takes_a_task_and_cancels_it() {
        assert_outcomes(&[("after the end: handle.spawn", "cancelled")]);
    }

    #[test]
    fn what_enter_gives_ends_with_its_guard() {
        let runtime = workshop().unwrap();
        let inside = runtime.enter();
        assert!(Handle::try_current().is_ok());
        drop(inside);
        assert!(Handle::try_current().is_err());
    }
}
