//! # Ctrl-C when the loop is blocked: a thread listens
//!
//! A task that waits for a signal (`runtime/signals`) needs the loop. While another task blocks it, SIGINT doesn't
//! end the process, which is still there 10 ticks later. A thread with a runtime of its own isn't blocked. It passes
//! the signal on to the loop, and if the loop doesn't answer within 2 ticks, it ends the process, with exit code 130.
//! A loop that answers gets its 4 ticks of grace, and finishes 4 of its 6 jobs. The thread goes on listening, so that
//! a second SIGINT ends the process at once, with 0 jobs finished.
//!
//! asyncio: loop.add_signal_handler, signal.signal, call_soon_threadsafe, os._exit
//!
//! real clock: processes that get signals
//!
//! ```python
//! def interrupted(number, frame):       # in the main thread, between two instructions, also of a blocked loop
//!     signal.signal(number, lambda *_: os._exit(130))                   # for the second signal
//!     threading.Timer(0.2, lambda: closing.is_set() or os._exit(130)).start()
//!     loop.call_soon_threadsafe(closing.set)                            # the loop answers by setting it
//! signal.signal(signal.SIGINT, interrupted)
//! ```
//!
//! Not the same: `add_signal_handler` waits for the loop, as a task does here. A handler of `signal.signal` doesn't:
//! the interpreter calls it in the main thread, between two instructions. `asyncio.run` has one of that kind, so its
//! second Ctrl-C raises KeyboardInterrupt also in a loop that Python code or `time.sleep` blocks, but not while a call
//! into C computes. Compiled code can be interrupted anywhere, so a handler of the system may do little more than set a
//! flag or end the process (`register_conditional_shutdown` of signal-hook). To wait for an answer takes the thread.

use std::{process::exit, thread};

use anyhow::Result;
use timing::{
    Timings,
    law::{Law, at_least, none},
    ticks,
};
use tokio::{
    join,
    runtime::{Builder, Runtime},
    select,
    sync::oneshot,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    shutdown::{GRACE, day},
    signals::{Signals, gets, note, set_tick},
};

/// In ticks: how long the loop may take to answer, and how long a process is waited for.
const TO_ANSWER: u32 = 2;
const PATIENCE: u32 = 10;

pub async fn run(t: &mut Timings) -> Result<()> {
    if !cfg!(unix) {
        return Err(chapter::skip("it sends signals: it needs Unix"));
    }
    let blocked = [("blocked 1", "INT")];
    let never = at_least(PATIENCE);
    ends(t, "a task, blocked loop", never, &blocked, "task").await?;
    let law = at_least(TO_ANSWER);
    ends(t, "a thread, blocked loop", law, &blocked, "thread").await?;

    let once = [("accepted 6", "INT")];
    let law = at_least(GRACE);
    ends(t, "a thread", law, &once, "at_work").await?;
    let twice = [("accepted 6", "INT"), ("closing 1", "INT")];
    ends(t, "a thread, SIGINT twice", none(), &twice, "at_work").await?;
    Ok(())
}

/// What a signal asks for: an exit code, and an answer.
type Asked = (i32, oneshot::Sender<()>);

/// Starts the thread that listens. It ends the process, unless the loop does that in time.
fn listens() -> Result<oneshot::Receiver<Asked>> {
    let runtime = runtime()?;
    // Its listeners are installed when this function returns, and that runtime drives them.
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    let (ask, asked) = oneshot::channel();
    let listens = async move {
        let code = signals.next().await;
        let (answer, answered) = oneshot::channel();
        // Refused by a loop that has ended; then the process is about to end, too.
        let _ = ask.send((code, answer));
        select! {
            _second = signals.next() => {}
            // An answer doesn't fit this pattern. Then only the other branch is left, for as long as it takes.
            Err(_elapsed) = timeout(ticks(TO_ANSWER), answered) => note("no answer", 1),
        }
        exit(code);
    };
    let thread = thread::Builder::new().name("signals".into());
    thread.spawn(move || runtime.block_on(listens))?;
    Ok(asked)
}

/// Run in a process of its own, as the other two.
pub fn at_work() -> Result<()> {
    set_tick()?;
    let asked = listens()?;
    let code = runtime()?.block_on(async {
        let closing = CancellationToken::new();
        let closes = async {
            let (code, answer) = asked.await?;
            let _ = answer.send(()); // refused if it comes too late
            note("closing", 1);
            closing.cancel();
            anyhow::Ok(code)
        };
        join!(closes, day(closing.clone(), GRACE, note)).0
    })?;
    exit(code);
}

/// The loop of `asked` never comes to its answer.
pub fn thread() -> Result<()> {
    set_tick()?;
    let asked = listens()?;
    runtime()?.block_on(async { join!(asked, blocks()).0 })?;
    Ok(())
}

pub fn task() -> Result<()> {
    set_tick()?;
    let code = runtime()?.block_on(async {
        let mut signals = Signals::new()?; // <- the difference: a listener of the loop that is blocked
        anyhow::Ok(join!(signals.next(), blocks()).0)
    })?;
    exit(code);
}

async fn blocks() {
    note("blocked", 1);
    #[expect(clippy::disallowed_methods, reason = "this blocks the loop")]
    thread::sleep(ticks(1_000));
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

async fn ends(
    t: &mut Timings,
    label: &str,
    law: impl Into<Option<Law>>,
    signals: &[(&str, &str)],
    worker: &str,
) -> Result<()> {
    let worker = format!("watchdog::{worker}");
    let end = gets(signals, PATIENCE, &worker);
    let end = t.time(label, law, end).await?;
    t.count("signals", end.signals);
    for what in ["accepted", "finished", "aborted"] {
        let notes = end.notes.iter().filter(|note| note.starts_with(what));
        t.count(what, notes.count());
    }
    t.count("exit code", end.code());
    Ok(())
}
