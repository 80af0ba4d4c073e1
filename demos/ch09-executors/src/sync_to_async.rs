//! # From sync code into async code
//!
//! An ordinary function needs what an `async fn` returns after 2 ticks. In a thread without a loop, `block_on` of a
//! runtime drives a loop until the answer is there. A thread beside a running loop goes through the loop's `Handle`,
//! which may be sent to any thread (`runtime/handle`): `Handle::block_on` polls the future in the calling thread,
//! `Handle::spawn` makes it a task of the loop. All three take 2 ticks, and a ticker among the loop's other tasks
//! goes on. In a task of that loop the same call panics at once, as in `basics/entry-point`: a thread that drives
//! tasks may not block on a future, however many threads the runtime has.
//!
//! asyncio: run, run_until_complete, run_coroutine_threadsafe
//!
//! real clock: threads that block
//!
//! ```python
//! size = asyncio.run(measure())                                    # no loop runs in this thread
//! answer = asyncio.run_coroutine_threadsafe(measure(), loop)       # it runs in another thread
//! size = answer.result()
//! ```
//!
//! Not the same: in a running loop `asyncio.run` and `run_until_complete` raise RuntimeError, which a caller may
//! catch like any other; `block_on` panics. `run_coroutine_threadsafe(…).result()` waits for ever there, since the
//! coroutine needs the thread that waits for it. It makes a task of the loop, as `Handle::spawn` does.
//! `Handle::block_on` has no counterpart: the coroutines of an asyncio loop run in the loop's thread and in no other.

use std::{
    io,
    thread::{self, ThreadId},
    time::Duration,
};

use anyhow::Result;
use timing::{Ticked, Timings, beside_ticker, law::exactly, ticks};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
    task::JoinError,
    time::sleep,
};
use tracing::instrument;

const EVERY: Duration = Duration::from_millis(10);

pub fn run(t: &mut Timings) -> Result<()> {
    let answer = t.time_blocking("no loop: block_on", exactly(2), drives_a_loop)?;
    show(t, Ok(answer));

    let call = || beside_a_loop(asks);
    let answer = t.time_blocking("beside: Handle::block_on", exactly(2), call)?;
    show(t, Ok(answer));

    let call = || beside_a_loop(asks_for_a_task);
    let answer = t.time_blocking("beside: Handle::spawn", exactly(2), call)?;
    show(t, Ok(answer));

    let runtime = single_threaded()?;
    let call = || in_a_task(&runtime, asks);
    let answer = t.time_blocking("in a task: block_on", exactly(0), call);
    show(t, answer);
    Ok(())
}

/// What `asyncio.run` does. The calling thread becomes the loop's, and the ticker's task runs in it, too.
fn drives_a_loop() -> io::Result<Answer> {
    Ok(single_threaded()?.block_on(beside_ticker(EVERY, measure())))
}

/// The future is polled in the calling thread. Its timer belongs to the loop, so the loop has to run somewhere else.
#[instrument(ret, skip_all)]
fn asks(workshop: &Handle) -> Size {
    workshop.block_on(measure())
}

/// Here the calling thread waits for the end of the task and does nothing else.
#[instrument(ret, skip_all)]
fn asks_for_a_task(workshop: &Handle) -> Size {
    let measuring = workshop.spawn(measure()); // <- the difference
    let size = workshop.block_on(measuring);
    size.expect("measuring doesn't panic, and nobody aborts it")
}

/// Runs a loop in a thread of its own, and makes the call in this one, where none runs.
fn beside_a_loop(call: fn(&Handle) -> Size) -> io::Result<Answer> {
    let runtime = single_threaded()?;
    let (over, is_over) = oneshot::channel::<()>();
    thread::scope(|scope| {
        let ticking = scope.spawn(|| runtime.block_on(beside_ticker(EVERY, is_over)));
        let size = call(runtime.handle());
        drop(over); // this is what the loop waits for; now it ends
        let (_, ticked) = ticking.join().expect("a ticker only waits");
        Ok((size, ticked))
    })
}

/// The call is made by the loop's own thread. Its panic ends the task, and the handle of the task holds it.
fn in_a_task(runtime: &Runtime, call: fn(&Handle) -> Size) -> Result<Answer, JoinError> {
    let work = async move { call(&Handle::current()) };
    runtime.block_on(runtime.spawn(beside_ticker(EVERY, work)))
}

fn single_threaded() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn show(t: &mut Timings, answer: Result<Answer, JoinError>) {
    t.count("panics", u32::from(answer.is_err()));
    if let Ok((size, ticked)) = answer {
        t.count("size, µm", size.micrometres);
        // Every call that was answered was made in this thread.
        let here = size.polled_in == thread::current().id();
        t.count("polled in", if here { "this thread" } else { "the loop's" });
        ticked.show(t);
    }
}

type Answer = (Size, Ticked);

#[derive(Debug)]
struct Size {
    micrometres: u32,
    polled_in: ThreadId,
}

/// Stands for a gauge with an async driver.
#[instrument(ret)]
async fn measure() -> Size {
    sleep(ticks(2)).await;
    Size {
        micrometres: 20_002,
        polled_in: thread::current().id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, RecvTimeoutError};
    use timing::report::Ended;

    const ANSWERED: [&str; 3] = [
        "no loop: block_on",
        "beside: Handle::block_on",
        "beside: Handle::spawn",
    ];

    #[test]
    fn three_ways_lead_to_the_size_and_the_loop_goes_on() {
        let t = Timings::of_blocking(run);
        for label in ANSWERED {
            let variant = &t[label];
            assert!(variant.elapsed >= ticks(2), "{label}");
            assert_eq!(*variant.count("size, µm"), 20_002, "{label}");
            let gap = variant.count("longest gap, ms").number();
            // A loop that stood still until the answer came would have a gap of all of it.
            let gap = Duration::from_secs_f64(gap / 1e3);
            assert!(gap < variant.elapsed * 9 / 10, "{label}");
        }
    }

    #[test]
    fn a_handle_polls_in_the_callers_thread_unless_it_spawns() {
        let t = Timings::of_blocking(run);
        assert_eq!(*t[ANSWERED[1]].count("polled in"), "this thread");
        assert_eq!(*t[ANSWERED[2]].count("polled in"), "the loop's");
    }

    #[test]
    fn what_works_beside_a_loop_panics_in_it() {
        let t = Timings::of_blocking(run);
        let inside = &t["in a task: block_on"];
        assert_eq!(*inside.count("panics"), 1);
        assert_eq!(inside.lane("asks").ended, Ended::Panicked);
        assert!(inside.lanes.iter().all(|lane| lane.label != "measure()"));

        let panic = in_a_task(&single_threaded().unwrap(), asks).unwrap_err();
        let told = panic.to_string();
        let expected = "Cannot start a runtime from within a runtime";
        assert!(told.contains(expected), "{told}");
    }

    #[test]
    fn a_handle_waits_until_somebody_drives_its_loop() {
        let runtime = single_threaded().unwrap();
        let workshop = runtime.handle().clone();
        let (tell, told) = mpsc::channel();
        let asking = thread::spawn(move || tell.send(asks(&workshop).micrometres));
        let early = told.recv_timeout(ticks(4));
        assert_eq!(early, Err(RecvTimeoutError::Timeout), "nobody runs it");
        runtime.block_on(async {
            while !asking.is_finished() {
                sleep(EVERY).await;
            }
        });
        assert_eq!(told.recv(), Ok(20_002));
        asking.join().unwrap().unwrap();
    }
}
