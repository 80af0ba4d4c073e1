//! # The panic hook, and what it doesn't see
//!
//! Two tasks fail, and nobody keeps their handles: one panics, the other returns an `Err`. The panic hook of the
//! process is called once, for the panic. The `Err` is the value of a task like any other, and is dropped, as in
//! `tasks/detached`: 1 of the 2 failures reaches the hook. A task that awaits the two handles gets both.
//! `spawn_reported` spawns such a second task beside each job, and sends what it gets to one place: 2 of 2 are
//! reported.
//!
//! asyncio: set_exception_handler, sys.excepthook, threading.excepthook
//!
//! ```python
//! def handler(loop, context): print(context["message"], context.get("exception"))
//! asyncio.get_running_loop().set_exception_handler(handler)
//!
//! asyncio.create_task(drill())     # raises, and nobody awaits it: the handler is called
//! ```
//!
//! Not the same: asyncio's handler sees what a task that nobody awaits has failed with, whatever its type, and only
//! when that task is freed. A panic hook sees panics, at the moment of each one, also when the handle is awaited: it
//! is called once in both variants. Like `sys.excepthook` and `threading.excepthook` it belongs to the process, with
//! every thread and runtime in it. What tokio has for one runtime (`unhandled_panic`, unstable) is no handler: it
//! chooses whether the runtime goes on. With `panic = "abort"` the program ends after the hook, and no handle gets
//! anything.

use std::{cell::RefCell, panic, sync::Once};

use anyhow::{Result, bail};
use timing::{Timings, law::exactly, ticks};
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::sleep,
};
use tracing::instrument;

pub async fn run(t: &mut Timings) -> Result<()> {
    install_hook();

    let failures = async {
        drop(tokio::spawn(drills()));
        drop(tokio::spawn(measures()));
        sleep(ticks(2)).await;
    };
    t.time("handles dropped", exactly(2), failures).await;
    let heard = HEARD.take();
    t.count("hook called", heard.len());
    t.count("what is reported", heard.join(", "));

    let failures = async {
        let (sender, mut reports) = unbounded_channel();
        spawn_reported(drills(), sender.clone());
        spawn_reported(measures(), sender);
        let mut all = Vec::new();
        // Ends when both tasks are done, since each of them drops its sender.
        while let Some(report) = reports.recv().await {
            all.push(report);
        }
        all
    };
    let reports = t.time("spawn_reported", exactly(1), failures).await;
    t.count("hook called", HEARD.take().len());
    t.count("what is reported", reports.join(", "));
    Ok(())
}

thread_local! {
    /// The messages of this thread's panics: the hook is called on the thread that panics.
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Puts a hook in front of the one that is there: once for the process, as a program does at its start.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let message = panic.payload_as_str().unwrap_or("no text");
            HEARD.with_borrow_mut(|heard| heard.push(message.to_owned()));
            // Without this call the panic would be printed nowhere: `set_hook` replaces the hook that prints it.
            before(panic);
        }));
    });
    HEARD.take(); // other lessons may have panicked on this thread
}

/// A task beside the task: it outlives a panic, which ends the first one.
fn spawn_reported(
    job: impl Future<Output = Result<()>> + Send + 'static,
    reports: UnboundedSender<String>,
) {
    let job = tokio::spawn(job);
    tokio::spawn(async move {
        let report = match job.await {
            Ok(Err(error)) => format!("{error:#}"),
            Err(error) if error.is_panic() => error.to_string(), // with what the task panicked with
            Ok(Ok(())) | Err(_) => return, // an abort is no failure: somebody wanted it
        };
        let _ = reports.send(report); // at the end of the program nobody may be there to collect it
    });
}

#[instrument(ret, err)]
async fn drills() -> Result<()> {
    sleep(ticks(1)).await;
    panic!("the drill breaks");
}

/// It is `err` in the attribute that logs the error here, even if the task's result is dropped.
#[instrument(ret, err)]
async fn measures() -> Result<()> {
    sleep(ticks(1)).await;
    bail!("the rule is lost");
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test(start_paused = true)]
    async fn the_hook_is_told_of_the_panic_and_not_of_the_error() {
        let t = Timings::of(run).await;
        let dropped = &t["handles dropped"];
        let ended = ["drills", "measures"].map(|lane| dropped.lane(lane).ended);
        assert_eq!(ended, [Ended::Panicked, Ended::Failed]);
        assert_eq!(*dropped.count("hook called"), 1);
        assert_eq!(*dropped.count("what is reported"), "the drill breaks");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_awaits_the_handle_is_told_of_both() {
        let t = Timings::of(run).await;
        let reported = &t["spawn_reported"];
        let both = reported.count("what is reported").text();
        let [panic, error] = [
            "panicked with message \"the drill breaks\"",
            "the rule is lost",
        ];
        assert!(both.contains(panic) && both.ends_with(error), "{both}");
        assert_eq!(reported.elapsed, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_hook_is_called_although_the_handle_is_awaited() {
        let t = Timings::of(run).await;
        assert_eq!(*t["spawn_reported"].count("hook called"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_well_is_not_reported() {
        let (sender, mut reports) = unbounded_channel();
        spawn_reported(async { Ok(()) }, sender);
        assert_eq!(reports.recv().await, None);
    }
}
