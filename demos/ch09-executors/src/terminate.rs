//! # Ending a child: ask, give it time, kill it
//!
//! A child gets SIGTERM and 2 ticks of grace. One that handles the signal cleans up, 1 time, and exits with a code of
//! its own. One that does nothing about it is ended by it at once. One that ignores it is there after 2 ticks, and is
//! killed. SIGKILL can't be handled: a child that gets it first cleans up 0 times. How a child has ended is told by its
//! status: an exit code, or the signal that ended it, and never both.
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
//! Not the same: a `Child` of tokio has no `terminate`. Its `kill` is SIGKILL, and waits for the end as well; what
//! asyncio calls `kill` is `start_kill`. A child that a signal has ended has a `returncode` of minus the signal; here
//! `code()` is `None`. `id()` is `None`, too, once the child was waited for: its number may belong to another process
//! by then, and a signal would hit that.

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
const FAILS: &str = "echo ready; exit 3";
/// A shell looks at its traps between two commands, so its commands are short.
const TIDY: &str = "trap 'echo cleaned up; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
const CARELESS: &str = "echo ready; exec sleep 1000";
const STUBBORN: &str = "trap '' TERM; echo ready; exec sleep 1000";

pub async fn run(t: &mut Timings) -> Result<()> {
    if !cfg!(unix) {
        return Err(chapter::skip("it sends signals: it needs Unix"));
    }
    let child = Job::start(FAILS).await?;
    let end = t.time("ends by itself", none(), child.ends()).await?;
    count(t, end);

    let child = Job::start(TIDY).await?;
    let end = t
        .time("handles SIGTERM", none(), child.gets_sigterm())
        .await?;
    count(t, end);

    let child = Job::start(CARELESS).await?;
    let end = t.time("leaves SIGTERM alone", none(), child.gets_sigterm());
    let end = end.await?;
    count(t, end);

    let child = Job::start(STUBBORN).await?;
    let end = t.time("ignores SIGTERM", at_least(GRACE), child.gets_sigterm());
    let end = end.await?;
    count(t, end);

    let child = Job::start(TIDY).await?;
    let end = t
        .time("killed at once", none(), child.gets_sigkill())
        .await?;
    count(t, end);
    Ok(())
}

fn count(t: &mut Timings, end: End) {
    let code = end.status.code();
    t.count(
        "exit code",
        code.map_or("none".into(), |code| code.to_string()),
    );
    t.count("ended", end.status.to_string());
    t.count("clean-ups", end.clean_ups);
}

impl Job {
    #[instrument(ret, err, skip_all)]
    async fn ends(mut self) -> Result<End> {
        let status = self.child.wait().await?;
        self.end(status).await
    }

    #[instrument(ret, err, skip_all)]
    async fn gets_sigterm(mut self) -> Result<End> {
        terminate(&self.child)?;
        let in_time = timeout(ticks(GRACE), self.child.wait()).await;
        let status = match in_time {
            Ok(status) => status?,
            Err(_elapsed) => {
                info!("still there after {GRACE} ticks");
                self.child.kill().await?;
                self.child.wait().await? // the status again: `kill` has waited for it
            }
        };
        self.end(status).await
    }

    #[instrument(ret, err, skip_all)]
    async fn gets_sigkill(mut self) -> Result<End> {
        self.child.kill().await?; // <- the difference: not asked first
        let status = self.child.wait().await?;
        self.end(status).await
    }
}

/// The number of a `Child` is that of its process until it was waited for, even if the process has ended before.
#[cfg(unix)]
fn terminate(child: &Child) -> Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    use std::io;

    let number = child.id().context("it was waited for")?;
    let process = Pid::from_raw(number.cast_signed()).context("no process is 0")?;
    kill_process(process, Signal::TERM)
        .map_err(|error| io::Error::from_raw_os_error(error.raw_os_error()).into())
}

/// There is no such signal elsewhere.
#[cfg(not(unix))]
fn terminate(_child: &Child) -> Result<()> {
    Err(chapter::skip("it sends signals: it needs Unix"))
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

    #[tokio::test]
    async fn a_code_and_a_signal_are_told_apart() {
        let t = Timings::of(run).await;
        for (label, code, ended) in [
            ("ends by itself", "3", "exit status: 3"),
            ("handles SIGTERM", "0", "exit status: 0"),
            ("leaves SIGTERM alone", "none", "signal: 15 (SIGTERM)"),
            ("ignores SIGTERM", "none", "signal: 9 (SIGKILL)"),
            ("killed at once", "none", "signal: 9 (SIGKILL)"),
        ] {
            assert_eq!(*t[label].count("exit code"), code, "{label}");
            assert_eq!(*t[label].count("ended"), ended, "{label}");
        }
    }

    #[tokio::test]
    async fn a_child_that_gets_sigterm_cleans_up_and_one_that_gets_sigkill_does_not() {
        let t = Timings::of(run).await;
        assert_eq!(*t["handles SIGTERM"].count("clean-ups"), 1);
        assert_eq!(*t["killed at once"].count("clean-ups"), 0);
    }

    #[tokio::test]
    async fn a_child_that_ignores_sigterm_gets_its_grace_and_then_sigkill() {
        let t = Timings::of(run).await;
        let ignores = &t["ignores SIGTERM"];
        assert!(ignores.elapsed >= ticks(GRACE));
        assert_eq!(ignores.said[0].text, "still there after 2 ticks");
        assert!(t["handles SIGTERM"].said.is_empty());
    }

    #[tokio::test]
    async fn after_the_wait_there_is_no_number_to_signal() {
        let mut job = Job::start(FAILS).await.unwrap();
        assert!(job.child.id().is_some());
        job.child.wait().await.unwrap();
        assert!(terminate(&job.child).is_err());
    }
}
