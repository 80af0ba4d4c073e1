//! # Signals: SIGINT and SIGTERM are events, and exit codes
//!
//! A process that doesn't listen is ended by SIGTERM where it stands: of the 6 jobs that it has accepted
//! (`runtime/shutdown`) it finishes 0 and aborts 0, and it has no exit code. (As process 1 of a container it isn't
//! ended at all.) One that listens has an event to wait for. It finishes 4 jobs, aborts 2 that take too long, refuses 2
//! that come later, and says by its exit code why it ended, as shells do: 143 after SIGTERM, which service managers
//! send, and 130 after SIGINT, which is Ctrl-C. A second SIGINT changes none of these numbers: once tokio listens to a
//! signal, the system doesn't end the process for it any more.
//!
//! asyncio: loop.add_signal_handler, KeyboardInterrupt, SIGINT, SIGTERM
//!
//! real clock: processes that get signals
//!
//! ```python
//! came = loop.create_future()
//! def closes(name): came.done() or came.set_result(name)
//! for name in (signal.SIGINT, signal.SIGTERM):
//!     loop.add_signal_handler(name, closes, name)
//! name = await came       # then: refuse, finish, abort; after asyncio.run: sys.exit(128 + name)
//! ```
//!
//! Not the same: without a handler, Ctrl-C cancels the main task of `asyncio.run`, so every `finally` runs, and the
//! run ends in KeyboardInterrupt; a second Ctrl-C raises that at once. In Rust Ctrl-C ends the process where it
//! stands, as SIGTERM does in both languages. `remove_signal_handler` puts the default back; what tokio has installed
//! stays. systemd takes 143 for a failure, unless the unit says `SuccessExitStatus=143`.

use std::{
    io::{self, Write},
    process::{ExitStatus, exit},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use timing::{
    Timings,
    law::{at_least, none},
    ticks,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    join,
    process::Command,
    runtime::Builder,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::instrument;

use crate::shutdown::{GRACE, count_notes, day};

/// In ticks: longer than any of them takes.
const LONG: u32 = 100;

pub async fn run(t: &mut Timings) -> Result<()> {
    if !cfg!(unix) {
        return Err(chapter::skip("it sends signals: it needs Unix"));
    }
    let end = gets(&[("accepted 6", "TERM")], LONG, "signals::does_not_listen");
    let end = t.time("nobody listens", none(), end).await?;
    count(t, &end);

    let end = gets(&[("accepted 6", "TERM")], LONG, "signals::listens");
    let end = t.time("SIGTERM", at_least(GRACE), end).await?;
    count(t, &end);

    let end = gets(&[("accepted 6", "INT")], LONG, "signals::listens");
    let end = t.time("SIGINT", at_least(GRACE), end).await?;
    count(t, &end);

    let twice = [("accepted 6", "INT"), ("closing 1", "INT")];
    let end = gets(&twice, LONG, "signals::listens");
    let end = t.time("SIGINT twice", at_least(GRACE), end).await?;
    count(t, &end);
    Ok(())
}

/// Run in a process of its own.
pub fn listens() -> Result<()> {
    set_tick()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        // Before the first job is accepted: a signal that came earlier would end the process.
        let mut signal = Signals::new()?;
        note("listens", 0);
        let closing = CancellationToken::new();
        let closes = async {
            let code = signal.next().await;
            note("closing", 1);
            closing.cancel();
            code
        };
        let (code, ()) = join!(closes, day(closing.clone(), GRACE, note));
        anyhow::Ok(code)
    })?;
    exit(code);
}

/// The same day, and nothing ever closes it.
pub fn does_not_listen() -> Result<()> {
    set_tick()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(day(CancellationToken::new(), GRACE, note));
    Ok(())
}

/// The signals that ask a process to end, as exit codes.
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// The listeners are installed when this returns. `tokio::signal::ctrl_c()` also listens to SIGINT, but from its
    /// first poll on.
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

/// Ctrl-C is what every system has.
#[cfg(not(unix))]
impl Signals {
    pub fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    pub async fn next(&mut self) -> i32 {
        tokio::signal::ctrl_c().await.map_or(1, |()| 130)
    }
}

/// A line for each event, so that it is known even if the process ends in the next moment. std's stdout is flushed at
/// each line break, into a pipe as well; Python's isn't.
pub fn note(what: &str, job: u32) {
    // An error says that nobody reads any more: then the other process has ended, and this one is about to.
    let _ = writeln!(io::stdout(), "{what} {job}");
}

/// How many signals a worker was sent, what it noted, and how it ended: `None` if it had to be killed.
#[derive(Debug)]
pub struct End {
    pub signals: usize,
    pub notes: Vec<String>,
    pub status: Option<ExitStatus>,
}

impl End {
    pub fn code(&self) -> String {
        // `code` is `None` for a process that a signal has ended.
        let code =
            |status: ExitStatus| status.code().map_or("none".into(), |code| code.to_string());
        self.status.map_or("still there".into(), code)
    }
}

/// Starts a worker, and sends it each signal when it notes the line beside it. After `limit` ticks it is killed.
#[instrument(ret, err, skip_all)]
pub async fn gets(signals: &[(&str, &str)], limit: u32, worker: &str) -> Result<End> {
    let mut command = chapter::worker(worker)?;
    let mut child = command
        .env(TICK, ticks(1).as_millis().to_string())
        .spawn()?;
    let _alive = child.stdin.take(); // the worker ends with it
    let mut lines = BufReader::new(child.stdout.take().context("it is piped")?).lines();
    let (mut sent, mut notes) = (0, Vec::new());
    let to_its_end = async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, signal)) = signals.iter().find(|(when, _)| *when == line) {
                send(signal, child.id().context("it has been waited for")?).await?;
                sent += 1;
            }
            notes.push(line);
        }
        anyhow::Ok(child.wait().await?)
    };
    let status = timeout(ticks(limit), to_its_end).await.ok().transpose()?;
    child.kill().await?; // does nothing to one that has ended
    Ok(End {
        signals: sent,
        notes,
        status,
    })
}

/// By a shell, which every Unix has: std and tokio send no signal but SIGKILL.
async fn send(signal: &str, process: u32) -> Result<()> {
    let kill = format!("kill -{signal} {process}");
    let sent = Command::new("sh").args(["-c", &kill]).status().await?;
    ensure!(sent.success(), "{kill}: {sent}");
    Ok(())
}

/// How long a tick is in a worker, in ms: `--tick` doesn't reach it by itself.
const TICK: &str = "WORKSHOP_TICK_MS";

pub fn set_tick() -> Result<()> {
    let length = std::env::var(TICK)?.parse()?;
    Ok(timing::set_tick(Duration::from_millis(length))?)
}

fn count(t: &mut Timings, end: &End) {
    t.count("signals", end.signals);
    count_notes(t, &end.notes);
    t.count("exit code", end.code());
}
