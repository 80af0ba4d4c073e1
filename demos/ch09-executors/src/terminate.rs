//! # Ending a child: ask, give it time, kill it
//!
//! A child gets SIGTERM and 2 ticks of grace. One that handles the signal cleans up and exits with a code of its own,
//! 7. One that does nothing about it is ended by it. One that ignores it is still there after 2 ticks, and gets
//! SIGKILL. That one can't be handled: a child that gets it first doesn't clean up. The status tells how a child
//! ended: with an exit code, or by a signal, never both.
//!
//! asyncio: Process.terminate, Process.kill, Process.returncode, Process.send_signal
//!
//! real clock: real processes and signals
//!
//! ```python
//! child.terminate()                           # SIGTERM
//! try: await asyncio.wait_for(child.wait(), 2)
//! except TimeoutError:
//!     child.kill()                            # SIGKILL
//!     await child.wait()
//! ```
//!
//! Not the same: a `Child` of tokio has no `terminate`. What asyncio calls `kill` is `start_kill`; tokio's `kill`
//! also waits for the end. asyncio's `terminate` and `kill` raise ProcessLookupError once the child has ended. A child
//! that was ended by signal 9 has a `returncode` of -9; here `code()` is `None`, and `signal()` is 9. Once a child was
//! waited for, its `id()` is `None`: the system may give its number to another process, which a signal would hit. The
//! other side, a program that gets SIGTERM, is `runtime/signals`.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use timing::{
    Timings,
    law::{at_least, none},
    ticks,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use tracing::{info, instrument};

const GRACE: u32 = 2;
/// What each of them says once its answer to SIGTERM is settled. A signal that came earlier would end any of them.
const READY: &str = "ready";
/// A shell looks at its traps between two commands, so its commands are short.
const TIDY: &str = "trap 'echo cleaned up; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
const CARELESS: &str = "echo ready; exec sleep 1000";
const STUBBORN: &str = "trap '' TERM; echo ready; exec sleep 1000";

pub async fn run(t: &mut Timings) -> Result<()> {
    if !cfg!(unix) {
        return Err(chapter::skip("it sends signals: it needs Unix"));
    }
    let gets = Job::start(TIDY).await?.gets_sigterm(GRACE);
    let end = t.time("handles SIGTERM", none(), gets).await?;
    count(t, end);

    let gets = Job::start(CARELESS).await?.gets_sigterm(GRACE);
    let end = t.time("leaves SIGTERM alone", none(), gets).await?;
    count(t, end);

    let gets = Job::start(STUBBORN).await?.gets_sigterm(GRACE);
    let end = t.time("ignores SIGTERM", at_least(GRACE), gets).await?;
    count(t, end);

    let gets = Job::start(TIDY).await?.gets_sigkill();
    let end = t.time("SIGKILL first", none(), gets).await?;
    count(t, end);
    Ok(())
}

fn count(t: &mut Timings, end: End) {
    t.count("ended", end.status.to_string());
    t.count("clean-ups", end.clean_ups);
}

impl Job {
    /// Nobody reads its stdout meanwhile, which will do for a line. A child that prints more than its pipe holds while
    /// it cleans up would hang there, and be killed in the middle (`executors/subprocess`).
    #[instrument(ret, err, skip_all)]
    async fn gets_sigterm(mut self, grace: u32) -> Result<End> {
        terminate(&self.child)?;
        let in_time = timeout(ticks(grace), self.child.wait()).await;
        match in_time {
            Ok(status) => self.end(status?).await,
            Err(_elapsed) => {
                info!("still there after {grace} ticks");
                self.gets_sigkill().await
            }
        }
    }

    /// Kills this process and none that it has started. Such a one goes on and holds the pipe, so `end` would wait for
    /// it: here it is a `sleep` of 10 ms.
    #[instrument(ret, err, skip_all)]
    async fn gets_sigkill(mut self) -> Result<End> {
        self.child.start_kill()?;
        let status = self.child.wait().await?;
        self.end(status).await
    }
}

/// A process that has ended keeps its number until it was waited for, so the signal can't hit another one.
#[cfg(unix)]
fn terminate(child: &Child) -> Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    use std::io;

    let number = child.id().context("it was waited for")?;
    let process = Pid::from_raw(number.cast_signed()).context("no process is 0")?;
    kill_process(process, Signal::TERM)
        .map_err(|error| io::Error::from_raw_os_error(error.raw_os_error()).into())
}

#[cfg(not(unix))]
fn terminate(_child: &Child) -> Result<()> {
    unreachable!("the lesson is skipped: there is no such signal")
}

/// A child at work, and what it prints.
struct Job {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// How it ended, and how often it has said that it cleaned up.
#[derive(Debug)]
struct End {
    status: ExitStatus,
    clean_ups: usize,
}

impl Job {
    async fn start(script: &str) -> Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("sh can't be run")?;
        let mut stdout = BufReader::new(child.stdout.take().context("it is piped")?);
        let mut line = String::new();
        stdout.read_line(&mut line).await?;
        ensure!(line.trim_end() == READY, "it said {line:?}");
        Ok(Self { child, stdout })
    }

    async fn end(self, status: ExitStatus) -> Result<End> {
        let mut lines = self.stdout.lines();
        let mut clean_ups = 0;
        while let Some(line) = lines.next_line().await? {
            clean_ups += usize::from(line == "cleaned up");
        }
        Ok(End { status, clean_ups })
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    const LONG: u32 = 600; // a busy machine may take its time

    #[tokio::test]
    async fn a_child_that_handles_sigterm_cleans_up_and_exits_with_its_own_code() {
        let child = Job::start(TIDY).await.unwrap();
        let end = child.gets_sigterm(LONG).await.unwrap();
        assert_eq!((end.status.code(), end.status.signal()), (Some(7), None));
        assert_eq!(end.clean_ups, 1);
    }

    #[tokio::test]
    async fn a_child_that_leaves_sigterm_alone_is_ended_by_it() {
        let child = Job::start(CARELESS).await.unwrap();
        let end = child.gets_sigterm(LONG).await.unwrap();
        assert_eq!((end.status.code(), end.status.signal()), (None, Some(15)));
    }

    #[tokio::test]
    async fn a_child_that_ignores_sigterm_gets_its_grace_and_then_sigkill() {
        let t = Timings::of(run).await;
        let ignores = &t["ignores SIGTERM"];
        assert!(ignores.elapsed >= ticks(GRACE));
        assert_eq!(ignores.said[0].text, "still there after 2 ticks");
        assert_eq!(*ignores.count("ended"), "signal: 9 (SIGKILL)");
    }

    #[tokio::test]
    async fn a_child_that_gets_sigkill_first_does_not_clean_up() {
        let t = Timings::of(run).await;
        let killed = &t["SIGKILL first"];
        assert_eq!(*killed.count("ended"), "signal: 9 (SIGKILL)");
        assert_eq!(*killed.count("clean-ups"), 0);
    }

    #[tokio::test]
    async fn a_child_has_a_number_until_it_was_waited_for() {
        let mut job = Job::start("echo ready").await.unwrap();
        job.stdout.read_line(&mut String::new()).await.unwrap(); // its stdout is closed: it ends
        assert!(job.child.id().is_some());
        job.child.wait().await.unwrap();
        assert!(job.child.id().is_none());
        assert!(terminate(&job.child).is_err());
    }
}
