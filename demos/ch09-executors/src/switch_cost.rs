//! # Handing a value over: to a task, a thread, a process
//!
//! A number is handed to a partner, who adds 1 and hands it back. That is an exchange of two hand-overs. Between two
//! tasks of one thread a hand-over takes some tenths of a µs in an optimised build: one future is polled after the
//! other, and in 1 000 exchanges the thread sleeps 0 times. Between two threads, and between two processes alike, it
//! takes some µs to some tens of µs: each of them sleeps until the other has answered, hundreds of times in 1 000
//! exchanges, and the system has to wake it.
//!
//! asyncio: asyncio.Queue, queue.Queue, multiprocessing.Pipe
//!
//! real clock: it measures speed
//!
//! release build: without optimisation the tasks take some ten times as long; the sleeps count in every build
//!
//! ```python
//! async def task(numbers, answers):       # two asyncio.Queue(1)
//!     while True: await answers.put(await numbers.get() + 1)
//! def thread(numbers, answers):           # two queue.Queue(1)
//!     while True: answers.put(numbers.get() + 1)
//! def process(pipe): pipe.send(pipe.recv() + 1)    # in a loop; one end of a multiprocessing.Pipe()
//! ```
//!
//! Not the same: two threads of Python also hand the interpreter's lock over each time, in all but free-threaded
//! builds. Two tasks on one thread put nobody to sleep, in asyncio as here. But asyncio asks its selector in every
//! round of the loop, and tokio doesn't (`runtime/yield-cost`).

use std::{
    io::{self, Read, Write},
    process::Child,
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
    let mut task = starts_a_task();
    let mut thread = starts_a_thread();
    let mut process = starts_a_process()?;
    for round in 0..ROUNDS {
        measure(t, round, "two tasks", with_a_task(&mut task)).await?;
        measure(t, round, "two threads", with_a_thread(&mut thread)).await?;
        measure(t, round, "two processes", with_a_process(&mut process)).await?;
    }
    drop(process.stdin.take()); // the end of its pipe, and so of the process
    let status = process.wait()?;
    ensure!(status.success(), "the other process failed: {status}");
    Ok(())
}

async fn measure(
    t: &mut Timings,
    round: usize,
    label: &str,
    exchanges: impl Future<Output = Result<u32>>,
) -> Result<()> {
    let before = sleeps();
    let hand_overs = 2 * EXCHANGES;
    let number = t.rate(label, hand_overs, exchanges).await?;
    let slept = sleeps().zip(before).map(|(now, before)| now - before);
    ensure!(
        number == hand_overs,
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

/// A channel to a task on this thread, and one back. The task ends when the lesson drops its side.
fn starts_a_task() -> (mpsc::Sender<u32>, mpsc::Receiver<u32>) {
    let (numbers, mut to_partner) = mpsc::channel(1);
    let (from_partner, answers) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(number) = to_partner.recv().await
            && from_partner.send(number + 1).await.is_ok()
        {}
    });
    (numbers, answers)
}

async fn with_a_task(
    (numbers, answers): &mut (mpsc::Sender<u32>, mpsc::Receiver<u32>),
) -> Result<u32> {
    let mut number = 0;
    for _ in 0..EXCHANGES {
        numbers.send(number + 1).await?;
        number = answers.recv().await.context("the other task has ended")?;
    }
    Ok(number)
}

/// The same with channels that block their thread.
fn starts_a_thread() -> (SyncSender<u32>, Receiver<u32>) {
    let (numbers, to_partner) = sync_channel(1);
    let (from_partner, answers) = sync_channel(1);
    thread::spawn(move || {
        while let Ok(number) = to_partner.recv()
            && from_partner.send(number + 1).is_ok()
        {}
    });
    (numbers, answers)
}

/// Never suspends, and needn't: nothing else waits on the loop meanwhile.
async fn with_a_thread((numbers, answers): &mut (SyncSender<u32>, Receiver<u32>)) -> Result<u32> {
    let mut number = 0;
    for _ in 0..EXCHANGES {
        numbers.send(number + 1)?;
        number = answers.recv()?;
    }
    Ok(number)
}

/// The same with pipes: std's, which block. Those of tokio don't.
fn starts_a_process() -> Result<Child> {
    let mut command = chapter::worker("switch_cost::hands_back")?.into_std();
    Ok(command.spawn()?)
}

async fn with_a_process(process: &mut Child) -> Result<u32> {
    let pipes = process.stdin.as_mut().zip(process.stdout.as_mut());
    let (numbers, answers) = pipes.context("both are piped")?;
    let mut number = 0;
    for _ in 0..EXCHANGES {
        write(numbers, number + 1)?;
        number = read(answers)?;
    }
    Ok(number)
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
