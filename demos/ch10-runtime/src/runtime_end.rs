//! # The end of a runtime: what it drops, and what it waits for
//!
//! When a runtime is dropped, each of its tasks is dropped at the `.await` it has reached, as in
//! `basics/entry-point`: 1 task is cancelled. A blocking job that a thread has begun can't be ended
//! (`executors/abort-blocking`), so the drop waits for it, 4 ticks, and 1 job is done. On `multi_thread` it also waits
//! for a task that a worker is polling, up to its next `.await`. `shutdown_timeout` waits 1 tick at most,
//! `shutdown_background` not at all: 0 jobs done by then. A runtime that is dropped inside another one panics, since
//! the wait would block that one's thread; `shutdown_background` is the end that works there.
//!
//! asyncio: loop.close, Runner.close, shutdown_default_executor
//!
//! real clock: threads that block
//!
//! ```python
//! with asyncio.Runner() as runner:
//!     runner.run(main())
//! # Its end cancels the tasks that are left, waits for their clean-up, then for the threads of the executor:
//! # loop.shutdown_default_executor(timeout=300), and loop.close()
//! ```
//!
//! Not the same: a task that Python cancels at the end may still clean up with an `await`, and the end waits for it;
//! a task that tokio drops runs its `Drop`s and no more. Python gives the threads five minutes since 3.12, and waits
//! for them once more when the program exits. The drop of a tokio runtime waits as long as they take; the end of a
//! Rust program waits for none. `loop.close` of a loop that is running raises RuntimeError. The panic here is about
//! another case: the runtime that is dropped isn't running, and the one around it is.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use anyhow::Result;
use timing::{
    Timings,
    law::{Law, at_least, at_most},
    report::Ended,
    ticks,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{spawn_blocking, yield_now},
    time::sleep,
};
use tracing::instrument;

/// How long the blocking job takes, in ticks.
const JOB: u32 = 4;

pub fn run(t: &mut Timings) -> Result<()> {
    end(t, "drop", at_least(JOB), drop)?;

    // A drop ends the tasks first and waits afterwards. `shutdown_timeout` waits first, on `current_thread`.
    end(t, "shutdown_timeout", at_most(2), |runtime| {
        runtime.shutdown_timeout(ticks(1));
    })?;

    let background = Runtime::shutdown_background;
    end(t, "shutdown_background", at_most(1), background)?;

    end(t, "drop, inside another", at_most(1), |runtime| {
        inside_another(|| drops(runtime));
    })?;

    end(t, "background, inside another", at_most(1), |runtime| {
        inside_another(|| runtime.shutdown_background()); // <- the difference
    })?;
    Ok(())
}

/// Opens a workshop, ends its runtime with `ends`, and counts what has become of a task and of a job.
fn end(t: &mut Timings, label: &str, law: Law, ends: fn(Runtime)) -> Result<()> {
    let done = Arc::new(AtomicU32::new(0));
    let closed = t.time_blocking(label, law, || -> Result<_> {
        let runtime = opens(&done)?;
        Ok(catch_unwind(AssertUnwindSafe(|| ends(runtime))))
    })?;
    let lanes = t[label].lanes.iter();
    let cancelled = lanes.filter(|lane| lane.ended == Ended::Cancelled).count();
    t.count("tasks cancelled", cancelled);
    t.count("jobs done", done.load(Relaxed));
    t.count("panics", usize::from(closed.is_err()));
    Ok(())
}

/// Returns when the task waits, and the job has begun.
fn opens(done: &Arc<AtomicU32>) -> Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let done = done.clone();
    runtime.block_on(async {
        tokio::spawn(dries());
        let (begins, begun) = oneshot::channel();
        spawn_blocking(move || saws(begins, &done));
        yield_now().await; // the turn in which `dries` begins to wait
        // A job that no thread has begun would be dropped like a task.
        begun.await
    })?;
    Ok(runtime)
}

/// What happens to a value that owns a runtime, for instance a blocking client, at the end of an `async fn`.
fn inside_another(end: impl FnOnce()) {
    let outer = Builder::new_current_thread().build();
    let outer = outer.expect("a runtime without timers and sockets");
    outer.block_on(async { end() });
}

/// A lane of its own, so that the panic has a place.
#[instrument(ret, skip(runtime))]
fn drops(runtime: Runtime) {
    drop(runtime);
}

#[instrument(ret)]
async fn dries() {
    sleep(ticks(100)).await;
}

#[instrument(ret, skip_all)]
fn saws(begins: oneshot::Sender<()>, done: &AtomicU32) {
    begins.send(()).expect("it is waited for");
    #[expect(clippy::disallowed_methods, reason = "a machine that only blocks")]
    thread::sleep(ticks(JOB));
    done.fetch_add(1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Variant;

    #[track_caller]
    fn assert_counts(variant: &Variant, jobs: u32, panics: u32) {
        assert_eq!(*variant.count("tasks cancelled"), 1, "{}", variant.label);
        assert_eq!(*variant.count("jobs done"), jobs, "{}", variant.label);
        assert_eq!(*variant.count("panics"), panics, "{}", variant.label);
    }

    #[test]
    fn a_drop_cancels_the_task_and_waits_for_the_job() {
        let t = Timings::of_blocking(run);
        assert!(t["drop"].elapsed >= ticks(JOB));
        assert_counts(&t["drop"], 1, 0);
        assert!(t["drop"].lane("dries").end < ticks(JOB), "the task first");
    }

    #[test]
    fn shutdown_timeout_and_background_leave_the_job_behind() {
        let t = Timings::of_blocking(run);
        assert!(t["shutdown_timeout"].elapsed >= ticks(1));
        assert!(t["shutdown_timeout"].lane("dries").end >= ticks(1));
        assert_counts(&t["shutdown_timeout"], 0, 0);
        assert_counts(&t["shutdown_background"], 0, 0);
    }

    #[test]
    fn a_drop_inside_another_runtime_panics_and_shutdown_background_does_not() {
        let t = Timings::of_blocking(run);
        assert_counts(&t["drop, inside another"], 0, 1);
        assert_counts(&t["background, inside another"], 0, 0);
    }

    #[test]
    fn the_panic_says_why() {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let dropped = catch_unwind(AssertUnwindSafe(|| inside_another(|| drops(runtime))));
        let panic = dropped.unwrap_err();
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or(panic.downcast_ref::<String>().map(|text| &text[..]));
        let expected = "Cannot drop a runtime in a context where blocking is not allowed";
        assert!(text.unwrap().starts_with(expected), "{text:?}");
    }

    #[test]
    fn on_multi_thread_a_drop_also_waits_for_a_task_in_the_middle_of_a_poll() {
        let runtime = Builder::new_multi_thread().worker_threads(1).build();
        let runtime = runtime.unwrap();
        let (done, (begins, begun)) = (Arc::default(), oneshot::channel());
        let blocks = Arc::clone(&done);
        runtime.spawn(async move { saws(begins, &blocks) });
        begun.blocking_recv().unwrap();
        drop(runtime);
        assert_eq!(done.load(Relaxed), 1);
    }
}
