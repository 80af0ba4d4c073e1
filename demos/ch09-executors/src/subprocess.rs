//! # A child's output: read it while the child runs
//!
//! A saw prints a line a tick, 3 in all. `output()` returns all of them when the saw has ended, so the first one
//! comes after 3 ticks. `next_line` returns each when it is printed, while the saw still runs. And a child that
//! writes more than its pipe holds, 64 KiB on Linux, goes on only while somebody reads. A press writes 100 000 bytes
//! to stderr, and then 100 000 to stdout. `wait` before reading hangs, and so does reading stdout to its end first:
//! both are given up after 2 ticks. `wait_with_output` reads both at once and gets all 200 000 bytes. With 1 000
//! bytes `wait` before reading works, so a test with little output doesn't find the mistake.
//!
//! asyncio: create_subprocess_exec, communicate, Process.wait, subprocess.run
//!
//! real clock: real processes and pipes
//!
//! ```python
//! saw = await asyncio.create_subprocess_exec("saw", stdout=PIPE)
//! async for line in saw.stdout: print(line.decode(), end="")
//! await saw.wait()                            # before the loop it could wait for ever
//! press = await asyncio.create_subprocess_exec("press", stdout=PIPE, stderr=PIPE)
//! stdout, stderr = await press.communicate()
//! ```
//!
//! Not the same: asyncio reads ahead, into a buffer of 128 KiB for each pipe, so there the press's 100 000 bytes
//! pass; with 400 000 the same mistake hangs. tokio reads only when it is asked to. `readline` of asyncio raises an
//! error for a line of more than 64 KiB; `next_line` takes a line of any length into memory (`files/lines` sets a
//! cap).

use std::{
    io,
    process::{ExitStatus, Output, Stdio},
};

use anyhow::{Context, Result};
use timing::{
    Timings,
    law::{exactly, none, sum},
    ticks,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};
use tracing::{info, instrument};

const SAW: &str = "for plank in 1 2 3; do echo plank $plank; sleep $1; done";
/// `printf %0100d 0` writes a hundred zeros; `${1}` is how many. `printf` is a part of the shell, so the child that
/// holds the pipes is also the one that is killed.
const PRESS: &str = "printf %0${1}d 0 >&2; printf %0${1}d 0";
const MANY: u32 = 100_000;
const FEW: u32 = 1_000;
const DEADLINE: u32 = 2;

pub async fn run(t: &mut Timings) -> Result<()> {
    if !cfg!(unix) {
        return Err(chapter::skip(
            "its children are scripts of `sh`: it needs Unix",
        ));
    }
    t.time("output()", sum([1; 3]), hears_at_the_end()).await?;
    t.time("line by line", sum([1; 3]), hears_each_line(saw()))
        .await?;

    let reads = waits_then_reads(press(FEW)?);
    let heard = t.time("wait first, few", none(), reads).await?;
    count(t, Some(heard));

    let reads = in_time(waits_then_reads(press(MANY)?));
    let label = "wait first";
    let heard = t.time(label, exactly(DEADLINE), reads).await?;
    count(t, heard);

    let reads = in_time(reads_stdout_first(press(MANY)?));
    let label = "stdout first";
    let heard = t.time(label, exactly(DEADLINE), reads).await?;
    count(t, heard);

    let reads = reads_both(press(MANY)?);
    let heard = t.time("both at once", none(), reads).await?;
    count(t, Some(heard));
    Ok(())
}

#[instrument(ret, err)]
async fn hears_at_the_end() -> Result<()> {
    let output = saw().output().await.context("sh can't be run")?;
    for line in String::from_utf8(output.stdout)?.lines() {
        info!("{line}");
    }
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn hears_each_line(mut saw: Command) -> Result<()> {
    let mut child = saw.stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("it is piped")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        let ended = child.try_wait()?.is_some();
        info!("{line}{}", if ended { ", late" } else { "" });
    }
    // The end of its output isn't the end of the process: it may have closed its stdout and still be at work.
    child.wait().await?;
    Ok(())
}

/// The press waits for room in its pipe, and this function for the press.
#[instrument(ret, err, skip_all)]
async fn waits_then_reads(mut press: Child) -> io::Result<Heard> {
    let status = press.wait().await?; // before anything is read
    let bytes = all_of(press.stdout.take()).await? + all_of(press.stderr.take()).await?;
    Ok(Heard { bytes, status })
}

/// The press waits for room in stderr. It hasn't begun with stdout, and hasn't closed it.
#[instrument(ret, err, skip_all)]
async fn reads_stdout_first(mut press: Child) -> io::Result<Heard> {
    let bytes = all_of(press.stdout.take()).await? + all_of(press.stderr.take()).await?;
    let status = press.wait().await?;
    Ok(Heard { bytes, status })
}

/// Takes from whichever pipe has something, so there is soon room again in both.
#[instrument(ret, err, skip_all)]
async fn reads_both(press: Child) -> io::Result<Heard> {
    let Output {
        status,
        stdout,
        stderr,
    } = press.wait_with_output().await?;
    let bytes = stdout.len() + stderr.len();
    Ok(Heard { bytes, status })
}

/// What came out of both pipes, and how the child ended.
#[derive(Debug)]
struct Heard {
    bytes: usize,
    status: ExitStatus,
}

/// What the press wrote, or `None` at the deadline. The future owns the press, so `timeout` drops both.
async fn in_time(reads: impl Future<Output = io::Result<Heard>>) -> Result<Option<Heard>> {
    let heard = timeout(ticks(DEADLINE), reads).await;
    Ok(heard.ok().transpose()?)
}

fn count(t: &mut Timings, heard: Option<Heard>) {
    let (bytes, ended) = match heard {
        Some(heard) => (heard.bytes, heard.status.to_string()),
        None => (0, "given up".into()),
    };
    t.count("bytes read", bytes);
    t.count("ended", ended);
}

fn saw() -> Command {
    script(SAW, ticks(1).as_secs_f64().to_string())
}

fn press(bytes: u32) -> io::Result<Child> {
    let mut press = script(PRESS, bytes.to_string());
    press.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// The value is an argument, not a part of the script's text: there it would need quotes.
fn script(text: &str, value: String) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", text, "sh", &value]);
    // A child that is given up is killed when it is dropped. Without this only its pipes would be closed, which ends
    // a child that writes to them, and no other (`executors/orphans`).
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn all_of(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<usize> {
    let mut bytes = Vec::new();
    let mut pipe = pipe.expect("both are piped");
    pipe.read_to_end(&mut bytes).await
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::{Cancelled, Returned};

    #[tokio::test]
    async fn output_returns_the_first_line_at_the_end() {
        let t = Timings::of(run).await;
        let said = &t["output()"].said;
        assert_eq!(said.len(), 3);
        assert!(said.iter().all(|line| line.at >= ticks(3)));
    }

    #[tokio::test]
    async fn next_line_returns_every_line_while_the_child_runs() {
        // This saw doesn't end before it is killed.
        let saw = script("echo plank 1; echo plank 2; exec sleep $1", "1000".into());
        let mut t = Timings::default();
        let hears = timeout(ticks(20), hears_each_line(saw));
        let given_up = t.time("endless", none(), hears).await;
        assert!(given_up.is_err());
        let said: Vec<_> = t["endless"].said.iter().map(|line| &line.text).collect();
        assert_eq!(said, ["plank 1", "plank 2"]);
    }

    #[tokio::test]
    async fn a_child_that_fills_a_pipe_ends_only_if_both_pipes_are_read() {
        let t = Timings::of(run).await;
        for (label, lane, bytes) in [
            ("wait first, few", "waits_then_reads", Some(2 * FEW)),
            ("wait first", "waits_then_reads", None),
            ("stdout first", "reads_stdout_first", None),
            ("both at once", "reads_both", Some(2 * MANY)),
        ] {
            let variant = &t[label];
            let (ended, status) = match bytes {
                Some(_) => (Returned, "exit status: 0"),
                None => (Cancelled, "given up"),
            };
            assert_eq!(variant.lane(lane).ended, ended, "{label}");
            assert_eq!(*variant.count("ended"), status, "{label}");
            assert_eq!(*variant.count("bytes read"), bytes.unwrap_or(0), "{label}");
        }
    }
}
