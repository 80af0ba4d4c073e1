//! # What it costs to go from one to the other
//!
//! A number is handed to a partner, who adds 1 and hands it back, 1 000 times a round. Between two tasks of one thread
//! it is handed over in about 0.4 µs, in an optimised build: one future is polled after the other. Between two threads
//! it takes 4 µs and more, since the system has to put one to sleep and wake the other. Between two processes it takes
//! about as long as between threads: what costs is the sleep, not what lies between them.
//!
//! asyncio: asyncio.Queue, queue.Queue, multiprocessing.Pipe
//!
//! real clock: it measures speed
//!
//! release build: without optimisation the tasks take several times as long
//!
//! ```python
//! async def partner(there, back):
//!     while True: await back.put(await there.get() + 1)
//! ```
//!
//! Not the same: threads of Python hand over the interpreter's lock as well, each time. Tasks do without the system in
//! Rust as in asyncio, as long as both are on one thread, as here.

use std::{
    io::{self, Read, Write},
    process::{Child, ChildStdin, ChildStdout},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use anyhow::{Context, Result, ensure};
use timing::Timings;
use tokio::sync::mpsc;

const TURNS: u32 = 1_000;
/// An odd number, so that one of them is the median.
const ROUNDS: usize = 5;

pub async fn run(t: &mut Timings) -> Result<()> {
    // Made beforehand: a round holds nothing but the handing over.
    let (mut task, mut thread, mut process) = (Task::start(), Thread::start(), Process::start()?);
    for round in 0..ROUNDS {
        // There and back is two times from one to the other.
        let number = t.rate("two tasks", 2 * TURNS, task.turns()).await?;
        count(t, round, number);
        let number = t.rate("two threads", 2 * TURNS, async { thread.turns() });
        let number = number.await?;
        count(t, round, number);
        let number = t.rate("two processes", 2 * TURNS, async { process.turns() });
        let number = number.await?;
        count(t, round, number);
    }
    process.ends()
}

/// Both sides have added 1 each time.
fn count(t: &mut Timings, round: usize, number: u32) {
    if round == 0 {
        t.count("handed over", number);
    }
}

/// A task on this thread, and a channel each way.
struct Task {
    there: mpsc::Sender<u32>,
    back: mpsc::Receiver<u32>,
}

impl Task {
    fn start() -> Self {
        let (there, mut parts) = mpsc::channel(1);
        let (done, back) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(number) = parts.recv().await
                && done.send(number + 1).await.is_ok()
            {}
        });
        Self { there, back }
    }

    async fn turns(&mut self) -> Result<u32> {
        let mut number = 0;
        for _ in 0..TURNS {
            self.there.send(number + 1).await?;
            number = self.back.recv().await.context("the other task is there")?;
        }
        Ok(number)
    }
}

/// The same with channels that block their thread. Nothing else waits on the loop meanwhile.
struct Thread {
    there: SyncSender<u32>,
    back: Receiver<u32>,
}

impl Thread {
    fn start() -> Self {
        let (there, parts) = sync_channel(1);
        let (done, back) = sync_channel(1);
        // Ends when the lesson drops its side.
        thread::spawn(move || {
            while let Ok(number) = parts.recv()
                && done.send(number + 1).is_ok()
            {}
        });
        Self { there, back }
    }

    fn turns(&mut self) -> Result<u32> {
        let mut number = 0;
        for _ in 0..TURNS {
            self.there.send(number + 1)?;
            number = self.back.recv()?;
        }
        Ok(number)
    }
}

/// The same with pipes.
struct Process {
    child: Child,
    there: ChildStdin,
    back: ChildStdout,
}

impl Process {
    fn start() -> Result<Self> {
        // std's, whose pipes block.
        let mut command = chapter::worker("switch_cost::hands_back")?.into_std();
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (there, back) = pipes.context("both are piped")?;
        Ok(Self { child, there, back })
    }

    fn turns(&mut self) -> Result<u32> {
        let mut number = 0;
        for _ in 0..TURNS {
            write(&mut self.there, number + 1)?;
            number = read(&mut self.back)?;
        }
        Ok(number)
    }

    fn ends(mut self) -> Result<()> {
        drop(self.there);
        let status = self.child.wait()?;
        ensure!(status.success(), "the other process failed: {status}");
        Ok(())
    }
}

/// Run in the other process, until the pipe ends.
pub fn hands_back() -> Result<()> {
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    while let Ok(number) = read(&mut stdin) {
        write(&mut stdout, number + 1)?;
    }
    Ok(())
}

fn write(pipe: &mut impl Write, number: u32) -> io::Result<()> {
    pipe.write_all(&number.to_be_bytes())?;
    pipe.flush()
}

fn read(pipe: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    pipe.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}
