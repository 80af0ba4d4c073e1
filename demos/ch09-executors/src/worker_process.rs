//! # A worker process, and three ways to lose it
//!
//! A worker is this program once more. It gets its orders over stdin and answers over stdout, both in frames
//! (`executors/frames`). One that works measures 3 parts in 3 ticks, and is still running, ready for others. A worker
//! can be lost in three ways. One that dies in the middle of a part closes its pipe, and its exit status says whether
//! it ended by itself or by a signal; `executors/process-pool` starts another in its place. One that prints text
//! between its answers is still running, but what it sends is rubbish (four letters, read as a length): a fault in its
//! code, which a new worker has, too. One that hangs is still running and sends nothing: a `timeout` around each part
//! gives it up after 2 ticks. Who gives a worker up kills it, by dropping it.
//!
//! asyncio: multiprocessing.Process, multiprocessing.Pipe, EOFError
//!
//! real clock: real processes
//!
//! ```python
//! here, there = multiprocessing.Pipe()        # `there.close()` after the start, or `recv` would never see the end
//! multiprocessing.Process(target=works, args=[there], daemon=True).start()
//! here.send(part)
//! size = await asyncio.to_thread(here.recv)   # EOFError: the worker has died
//! ```
//!
//! Not the same: a `Process` runs a function of its program. Here an argument tells the program that it is a worker.
//! A `wait_for` around that `to_thread` doesn't end the thread: the program waits for a hung worker at its end. Here a
//! read that is given up is dropped. multiprocessing ends its daemons when their parent exits; after a SIGKILL it
//! can't. This worker sees the end of its stdin, which the system closes, and ends in the middle of a part.

use std::{
    env, fmt,
    io::{self, Read, Write},
    process::{ExitStatus, exit},
    sync::mpsc::{Sender, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use timing::{
    Timings,
    law::{at_least, none},
    ticks,
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, ChildStdout},
    time::timeout,
};
use tracing::instrument;

use crate::frames::{Fault, LONGEST, framed, next};

pub async fn run(t: &mut Timings) -> Result<()> {
    for (label, law, mishap, limit) in [
        ("works", Some(at_least(3)), "", 100),
        ("dies", Some(at_least(0.5)), "dies at 1", 100),
        ("prints", none(), "prints at 1", 100),
        ("hangs", Some(at_least(2)), "hangs at 1", 2),
    ] {
        let measured = t.time(label, law, three_parts(mishap, limit)).await;
        let (mut worker, outcome) = measured?;
        t.count("outcome", outcome);
        let running = worker.child.try_wait()?.is_none();
        t.count("still running", u32::from(running));
    }
    Ok(())
}

/// One worker for 3 parts, each in `limit` ticks, and their sizes, or why there are none. A worker that was
/// given up must not be asked again: its late answer isn't the one about the next part, and half of it may be lost.
async fn three_parts(mishap: &str, limit: u32) -> Result<(Worker, String), Lost> {
    let mut worker = Worker::start(mishap).await?;
    let mut sizes = Vec::new();
    for part in 1..=3 {
        match timeout(ticks(limit), worker.measure(part)).await {
            Ok(Ok(size)) => sizes.push(size),
            Ok(Err(lost)) => return Ok((worker, lost.to_string())),
            Err(_) => return Ok((worker, "given up".into())),
        }
    }
    Ok((worker, format!("{sizes:?}")))
}

/// One process, and the pipes to it. `kill_on_drop` is set, so the process is killed when this is dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: ChildStdout,
}

impl Worker {
    /// `mishap` is what the lesson makes go wrong, and at which part: `dies at 2`. Empty for nothing.
    #[instrument(ret, err, skip_all)]
    pub async fn start(mishap: &str) -> Result<Self, Lost> {
        let spawned = chapter::worker("worker_process::works")
            .and_then(|mut command| Ok(command.env("MISHAP", mishap).spawn()?));
        let mut child = spawned.map_err(Lost::NotStarted)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, answers) = pipes.expect("both are piped");
        let mut worker = Self {
            child,
            orders,
            answers,
        };
        worker.hear().await?; // it says that it is ready
        Ok(worker)
    }

    #[instrument(ret, err, skip(self))]
    pub async fn measure(&mut self, part: u32) -> Result<u32, Lost> {
        let order = framed(&format!("{part} {}", ticks(1).as_millis()));
        // An error here means that the worker is gone. `hear` finds that, too, and asks for its exit status.
        let _ = self.orders.write_all(&order).await;
        let answer = self.hear().await?;
        let size = answer.strip_prefix(&format!("{part} "));
        let size = size.and_then(|size| size.parse().ok());
        size.ok_or(Lost::Rubbish(format!("{answer:?} for part {part}")))
    }

    async fn hear(&mut self) -> Result<String, Lost> {
        match next(&mut self.answers, LONGEST).await {
            Ok(Some(answer)) => Ok(answer),
            // The pipe has ended between two answers, or in the middle of one.
            Ok(None) | Err(Fault::CutOff | Fault::Pipe(_)) => {
                Err(Lost::Died(self.child.wait().await.ok()))
            }
            Err(fault) => Err(Lost::Rubbish(fault.to_string())),
        }
    }
}

/// Runs in the other process. Nothing but answers may go to its stdout.
pub fn works() -> Result<()> {
    let (to_work, orders) = channel();
    thread::spawn(move || hear_orders(&to_work));
    let mishap = env::var("MISHAP").unwrap_or_default();
    let mut stdout = io::stdout().lock();
    stdout.write_all(&framed("ready"))?;
    stdout.flush()?;
    for order in orders {
        let (part, ms) = order.split_once(' ').context("a part and its time")?;
        let (part, time): (u32, _) = (part.parse()?, Duration::from_millis(ms.parse()?));
        match mishap.strip_suffix(&format!(" at {part}")) {
            Some("dies") => {
                block(time / 2);
                exit(1);
            }
            Some("prints") => writeln!(stdout, "measuring part {part}")?,
            Some("hangs") => block(Duration::MAX),
            _ => {}
        }
        block(time);
        stdout.write_all(&framed(&format!("{part} {}", part * part)))?;
        stdout.flush()?;
    }
    Ok(())
}

/// On a thread of its own, so it reads while a part is measured, too: when the other process ends, also by a SIGKILL,
/// this pipe does, and the worker with it.
fn hear_orders(to_work: &Sender<String>) {
    let mut stdin = io::stdin().lock();
    while let Ok(order) = hear_order(&mut stdin)
        && to_work.send(order).is_ok()
    {}
    exit(0);
}

/// Without a cap on the length: the orders come from this very program.
fn hear_order(stdin: &mut impl Read) -> Result<String> {
    let mut length = [0; 4];
    stdin.read_exact(&mut length)?;
    let mut order = vec![0; u32::from_be_bytes(length) as usize];
    stdin.read_exact(&mut order)?;
    Ok(String::from_utf8(order)?)
}

#[expect(clippy::disallowed_methods, reason = "work that blocks its thread")]
fn block(time: Duration) {
    thread::sleep(time);
}

/// Why a part has no size.
#[derive(Debug)]
pub enum Lost {
    NotStarted(anyhow::Error),
    Died(Option<ExitStatus>),
    Rubbish(String),
}

impl std::error::Error for Lost {}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => write!(f, "not started: {error:#}"),
            Self::Died(None) => f.write_str("its worker died"),
            Self::Died(Some(status)) => write!(f, "its worker died: {status}"),
            Self::Rubbish(what) => write!(f, "its worker sent rubbish: {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_whole_and_the_end_of_the_pipe_is_an_error() {
        let mut pipe = &framed("12 7")[..];
        assert_eq!(hear_order(&mut pipe).unwrap(), "12 7");
        assert!(hear_order(&mut pipe).is_err());
    }
}
