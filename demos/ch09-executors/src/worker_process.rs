//! # A worker process, and the two ways to lose it
//!
//! A worker is this program once more. It is sent parts over its stdin, and answers over its stdout. Kept for 3 parts it
//! is started 1 time; a new one for each is started 3 times, and every start is paid for. A worker can be lost in two
//! ways that mean something else. One that is killed in the middle of a part has died: a new one may do better. One
//! that prints text between its answers is still there, but what it sends is rubbish: that is a fault in its code.
//!
//! asyncio: multiprocessing.Process, multiprocessing.Pipe, EOFError
//!
//! real clock: real processes, one of them killed
//!
//! ```python
//! here, there = multiprocessing.Pipe()
//! multiprocessing.Process(target=works, args=[there], daemon=True).start()
//! there.close()                               # or `recv` would never see the end
//! here.send(part)
//! size = await asyncio.to_thread(here.recv)   # EOFError: the worker has died
//! ```
//!
//! Not the same: a `Process` runs a function of its program. Here an argument tells the program that it is a worker,
//! and its function is looked up by name. multiprocessing ends its daemons when their parent exits; after a SIGKILL it
//! can't. This worker sees the end of its stdin, which the system closes, and ends in the middle of a part.

use std::{
    fmt,
    io::{self, Read, Write},
    process::exit,
    sync::mpsc::{Sender, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use timing::{
    Timings,
    law::{at_least, none, sum},
    ticks,
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, ChildStdout},
    time::sleep,
};
use tracing::instrument;

use crate::frames::{Fault, LONGEST, framed, next};

pub async fn run(t: &mut Timings) -> Result<()> {
    let each = async {
        let mut sizes = Vec::new();
        for part in 1..=3 {
            let mut worker = Worker::start(Fate::LongLife).await?; // <- the difference
            sizes.push(worker.measure(part).await?);
        }
        Ok(sizes)
    };
    let sizes = t.time("a worker for each part", sum([1; 3]), each).await;
    count(t, "a worker for each part", sizes);

    let one = measures(Fate::LongLife);
    let sizes = t.time("one worker", sum([1; 3]), one).await;
    count(t, "one worker", sizes);

    let killed = measures(Fate::Killed);
    let sizes = t.time("killed", at_least(0.5), killed).await;
    count(t, "killed", sizes);

    let prints = measures(Fate::Prints);
    let sizes = t.time("prints", none(), prints).await;
    count(t, "prints", sizes);
    Ok(())
}

async fn measures(fate: Fate) -> Result<Vec<u32>, Lost> {
    let mut worker = Worker::start(fate).await?;
    let mut sizes = Vec::new();
    for part in 1..=3 {
        sizes.push(worker.measure(part).await?);
    }
    Ok(sizes)
}

fn count(t: &mut Timings, label: &str, sizes: Result<Vec<u32>, Lost>) {
    let lanes = t[label].lanes.iter();
    let starts: Vec<_> = lanes
        .filter(|lane| lane.label.starts_with("start("))
        .map(|lane| (lane.end - lane.start).as_secs_f64() * 1e3)
        .collect();
    let heard = sizes.map_or_else(|lost| lost.to_string(), |sizes| format!("{sizes:?}"));
    t.count("started", starts.len());
    t.count("all starts, ms", starts.iter().sum::<f64>());
    t.count("sizes", heard);
}

/// One process, and the pipes to it. It is killed when this is dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    parts: ChildStdin,
    answers: ChildStdout,
    fate: Fate,
}

impl Worker {
    #[instrument(ret, err, skip_all)]
    pub async fn start(fate: Fate) -> Result<Self, Lost> {
        let spawned = chapter::worker("worker_process::works").and_then(|mut command| {
            if fate == Fate::Prints {
                command.env("PRINTS", "1");
            }
            Ok(command.spawn()?)
        });
        let mut child = spawned.map_err(Lost::NotStarted)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (parts, answers) = pipes.expect("both are piped");
        let mut worker = Self {
            child,
            parts,
            answers,
            fate,
        };
        worker.hear().await?; // it says that it is ready
        Ok(worker)
    }

    #[instrument(ret, err, skip(self))]
    pub async fn measure(&mut self, part: u32) -> Result<u32, Lost> {
        let order = framed(&format!("{part} {}", ticks(1).as_millis()));
        // Fails for a worker that is gone, and so does reading from it: that says why.
        let _ = self.parts.write_all(&order).await;
        if self.fate == Fate::Killed {
            sleep(ticks(0.5)).await;
            let _ = self.child.start_kill();
        }
        let answer = self.hear().await?;
        let size = answer.strip_prefix(&format!("{part} "));
        let size = size.and_then(|size| size.parse().ok());
        size.ok_or(Lost::Rubbish(format!("{answer:?} for part {part}")))
    }

    async fn hear(&mut self) -> Result<String, Lost> {
        match next(&mut self.answers, LONGEST).await {
            Ok(Some(answer)) => Ok(answer),
            // Killed between two answers, or in the middle of one.
            Ok(None) | Err(Fault::CutOff | Fault::Pipe(_)) => Err(Lost::Died),
            Err(fault) => Err(Lost::Rubbish(fault.to_string())),
        }
    }
}

/// Run in the other process, which sends nothing but answers.
pub fn works() -> Result<()> {
    let (to_work, parts) = channel();
    thread::spawn(move || hear_parts(&to_work));
    let mut stdout = io::stdout().lock();
    stdout.write_all(&framed("ready"))?;
    stdout.flush()?;
    for order in parts {
        if std::env::var_os("PRINTS").is_some() {
            writeln!(stdout, "measuring {order}")?; // <- the difference: where only answers belong
        }
        stdout.write_all(&framed(&measure(&order)?))?;
        stdout.flush()?;
    }
    Ok(())
}

/// The pipe ends when the other process does, also after a SIGKILL. This thread does nothing but wait for that, so it
/// ends the worker in the middle of a part, too.
fn hear_parts(to_work: &Sender<String>) {
    let mut stdin = io::stdin().lock();
    while let Ok(order) = hear_part(&mut stdin)
        && to_work.send(order).is_ok()
    {}
    exit(0);
}

/// Without a limit: what this program sends itself needs none.
fn hear_part(stdin: &mut impl Read) -> Result<String> {
    let mut length = [0; 4];
    stdin.read_exact(&mut length)?;
    let mut order = vec![0; u32::from_be_bytes(length) as usize];
    stdin.read_exact(&mut order)?;
    Ok(String::from_utf8(order)?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "it stands for work that keeps a core busy"
)]
fn measure(order: &str) -> Result<String> {
    let (part, time) = order.split_once(' ').context("a part and its time")?;
    let part: u32 = part.parse()?;
    thread::sleep(Duration::from_millis(time.parse()?));
    Ok(format!("{part} {}", part * part))
}

/// What becomes of a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fate {
    #[default]
    LongLife,
    Killed,
    Prints,
}

/// Why a part has no size.
#[derive(Debug)]
pub enum Lost {
    NotStarted(anyhow::Error),
    Died,
    Rubbish(String),
}

impl std::error::Error for Lost {}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => write!(f, "not started: {error:#}"),
            Self::Died => f.write_str("its worker died"),
            Self::Rubbish(what) => write!(f, "its worker sent rubbish: {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_answered_with_its_number_and_its_size() {
        assert_eq!(measure("12 0").unwrap(), "12 144");
        assert!(measure("twelve 0").is_err());
        let mut pipe = &framed("12 0")[..];
        assert_eq!(hear_part(&mut pipe).unwrap(), "12 0");
        assert!(hear_part(&mut pipe).is_err(), "the end");
    }
}
