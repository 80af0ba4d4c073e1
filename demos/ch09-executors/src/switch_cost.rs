//! # Handing a value over: to a task, a thread, a process
//!
//! A number is handed to a partner, who adds 1 and hands it back. That is an exchange of two hand-overs. Between two
//! tasks of one thread a hand-over takes some tenths of a µs in an optimised build: one future is polled after the
//! other, and in 1 000 exchanges the thread sleeps 0 times. Between two threads, and between two processes alike, it
//! takes some µs and, on a busy machine, some ten: each of them sleeps until the other has answered, hundreds of
//! times in 1 000 exchanges, and the system has to wake it.
//!
//! asyncio: asyncio.Queue, queue.Queue, multiprocessing.Pipe
//!
//! real clock: it measures speed
//!
//! release build: without optimisation the tasks take about as long as the threads; the sleeps count in every build
//!
//! ```python
//! async def task(numbers, answers):       # two asyncio.Queue(1)
//!     while True: await answers.put(await numbers.get() + 1)
//! def thread(numbers, answers):           # two queue.Queue(1)
//!     while True: answers.put(numbers.get() + 1)
//! def process(pipe):                      # one end of a multiprocessing.Pipe()
//!     while True: pipe.send(pipe.recv() + 1)
//! ```
//!
//! Not the same: two threads of Python also hand the interpreter's lock over each time, in all but free-threaded
//! builds. Two tasks on one thread put nobody to sleep, in asyncio as here. But asyncio asks its selector in every
//! round of the loop, and tokio doesn't (`runtime/yield-cost`).

use std::{
    io::{self, Read, Write},
    process::{Child, ChildStdin, ChildStdout},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use anyhow::{Context, Result, ensure};
use timing::Timings;
use tokio::sync::mpsc;

use crate::models::number;

const EXCHANGES: u32 = 1_000;
/// An odd number, so that one of them is the median.
const ROUNDS: usize = 5;

pub async fn run(t: &mut Timings) -> Result<()> {
    // Made beforehand: a round holds nothing but the exchanges.
    let (mut task, mut thread, mut process) = (Task::start(), Thread::start(), Process::start()?);
    for round in 0..ROUNDS {
        measure(t, round, "two tasks", task.exchanges()).await?;
        measure(t, round, "two threads", async { thread.exchanges() }).await?;
        measure(t, round, "two processes", async { process.exchanges() }).await?;
    }
    process.ends()
}

async fn measure(
    t: &mut Timings,
    round: usize,
    label: &str,
    exchanges: impl Future<Output = Result<u32>>,
) -> Result<()> {
    let before = sleeps();
    let number = t.rate(label, 2 * EXCHANGES, exchanges).await?;
    let slept = sleeps().zip(before).map(|(now, before)| now - before);
    ensure!(
        number == 2 * EXCHANGES,
        "{label}: it has come back as {number}"
    );
    if let Some(slept) = slept.filter(|_| round == 0) {
        t.count("sleeps in 1 000 exchanges", slept);
    }
    Ok(())
}

/// How often this thread has waited for the system to wake it. `None` where no /proc tells.
fn sleeps() -> Option<usize> {
    number("/proc/thread-self/status", "voluntary_ctxt_switches:")
}

/// A task on this thread, and a channel each way.
struct Task {
    numbers: mpsc::Sender<u32>,
    answers: mpsc::Receiver<u32>,
}

impl Task {
    fn start() -> Self {
        let (numbers, mut to_partner) = mpsc::channel(1);
        let (from_partner, answers) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(number) = to_partner.recv().await
                && from_partner.send(number + 1).await.is_ok()
            {}
        });
        Self { numbers, answers }
    }

    async fn exchanges(&mut self) -> Result<u32> {
        let mut number = 0;
        for _ in 0..EXCHANGES {
            self.numbers.send(number + 1).await?;
            let answer = self.answers.recv().await;
            number = answer.context("the other task has ended")?;
        }
        Ok(number)
    }
}

/// The same with channels that block their thread. Nothing else waits on the loop meanwhile.
struct Thread {
    numbers: SyncSender<u32>,
    answers: Receiver<u32>,
}

impl Thread {
    fn start() -> Self {
        let (numbers, to_partner) = sync_channel(1);
        let (from_partner, answers) = sync_channel(1);
        // Ends when the lesson drops its side.
        thread::spawn(move || {
            while let Ok(number) = to_partner.recv()
                && from_partner.send(number + 1).is_ok()
            {}
        });
        Self { numbers, answers }
    }

    fn exchanges(&mut self) -> Result<u32> {
        let mut number = 0;
        for _ in 0..EXCHANGES {
            self.numbers.send(number + 1)?;
            number = self.answers.recv()?;
        }
        Ok(number)
    }
}

/// The same with pipes.
struct Process {
    child: Child,
    numbers: ChildStdin,
    answers: ChildStdout,
}

impl Process {
    fn start() -> Result<Self> {
        // std's, whose pipes block.
        let mut command = chapter::worker("switch_cost::hands_back")?.into_std();
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (numbers, answers) = pipes.context("both are piped")?;
        Ok(Self {
            child,
            numbers,
            answers,
        })
    }

    fn exchanges(&mut self) -> Result<u32> {
        let mut number = 0;
        for _ in 0..EXCHANGES {
            write(&mut self.numbers, number + 1)?;
            number = read(&mut self.answers)?;
        }
        Ok(number)
    }

    fn ends(mut self) -> Result<()> {
        drop(self.numbers);
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
