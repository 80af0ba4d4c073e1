//! # Tasks, threads, processes: what it costs to wait
//!
//! All three wait equally well: 1 000 of each wait through the same tick. What differs is the price of one that waits.
//! Optimised, on two shared cores under Linux, it takes about 1 µs to start a task, 50 µs for a thread and 2 ms for a
//! process. While it waits a task holds 0.4 KiB of memory, a thread 9 KiB and a process 230 KiB. 10 000 tasks take some
//! hundredths of a second longer than the tick; 10 000 threads more than a second.
//!
//! asyncio: threading.Thread, multiprocessing.Process, create_task
//!
//! real clock: it starts threads and processes
//!
//! release build: starting a task takes several times as long without optimisation
//!
//! ```python
//! tasks = [asyncio.create_task(released.wait()) for _ in range(10_000)]
//! threads = [threading.Thread(target=released.wait) for _ in range(1_000)]
//! processes = [multiprocessing.Process(target=released.wait) for _ in range(100)]
//! ```
//!
//! Not the same: nothing that waiting shows. Python's threads wait as Rust's do, since a blocking call gives its lock
//! back. Rust's threads also compute in parallel, so there is no need for processes on that account: what is left for
//! them is work that may crash, or has to be killed.

use std::{
    fs, io,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Result, anyhow};
use timing::{Timings, law::at_least, memory::Usage, ticks};
use tokio::{runtime::Builder, sync::Notify, task, time::sleep};
use tracing::{info, instrument};

/// With fewer of them the resident set, which grows by whole pages, says little about one.
const MANY: usize = 1_000;
/// More than one of them takes, in KiB, so that a machine with little memory is asked for less.
const THREAD: usize = 64;
const PROCESS: usize = 4 * 1024;

pub fn run(t: &mut Timings) -> Result<()> {
    for units in [10, 1_000, 10_000] {
        let label = format!("{units} tasks");
        let cost = t.time_blocking(&label, at_least(1), || tasks(units))?;
        count(t, &label, cost);
    }
    for units in [10, 1_000, 10_000] {
        let label = format!("{units} threads");
        let cost = t.time_blocking(&label, at_least(1), || threads(room(units, THREAD)))?;
        count(t, &label, cost);
    }
    for units in [10, 1_000] {
        let label = format!("{units} processes");
        let cost = t.time_blocking(&label, at_least(1), || processes(room(units, PROCESS)))?;
        count(t, &label, cost);
    }
    Ok(())
}

fn tasks(units: usize) -> Result<Cost> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let before = Usage::now();
        let released = Arc::new(Notify::new());
        let mut tasks = Vec::with_capacity(units);
        start_tasks(units, &released, &mut tasks);
        sleep(ticks(1)).await; // all of them get their first turn, and wait
        let growth = before.growth();
        released.notify_waiters();
        let mut ended = 0;
        for task in tasks {
            task.await?;
            ended += 1;
        }
        Ok(Cost::of(growth, ended))
    })
}

#[instrument(ret, skip_all)]
fn start_tasks(units: usize, released: &Arc<Notify>, tasks: &mut Vec<task::JoinHandle<()>>) {
    for _ in 0..units {
        let released = released.clone();
        tasks.push(tokio::spawn(async move { released.notified().await }));
    }
}

fn threads(units: usize) -> Result<Cost> {
    let before = Usage::now();
    let released = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::with_capacity(units);
    start_threads(units, &released, &mut threads);
    wait_a_tick();
    let growth = before.growth();
    released.store(true, Relaxed);
    for thread in &threads {
        thread.thread().unpark();
    }
    let mut ended = 0;
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a thread panicked"))?;
        ended += 1;
    }
    Ok(Cost::of(growth, ended))
}

/// As many as the system grants: for one more than that it returns an error.
#[instrument(ret, skip_all)]
fn start_threads(units: usize, released: &Arc<AtomicBool>, threads: &mut Vec<JoinHandle<()>>) {
    while threads.len() < units {
        let released = released.clone();
        // A parked thread may wake without a reason.
        let waits = move || {
            while !released.load(Relaxed) {
                thread::park();
            }
        };
        match thread::Builder::new().spawn(waits) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                info!("no more than {}: {error}", threads.len());
                break;
            }
        }
    }
}

fn processes(units: usize) -> Result<Cost> {
    // One pipe for all of them. It ends when this process does, so none of them stays behind.
    let (stdin, release) = io::pipe()?;
    let mut processes = Vec::with_capacity(units);
    start_processes(units, &stdin, &mut processes)?;
    wait_a_tick();
    let resident = processes.iter().map(|process| resident(process.id())).sum();
    drop(release);
    let mut ended = 0;
    for process in &mut processes {
        ended += usize::from(process.wait()?.success());
    }
    Ok(Cost {
        asked: None,
        resident,
        ended,
    })
}

#[instrument(ret, err, skip_all)]
fn start_processes(units: usize, stdin: &io::PipeReader, processes: &mut Vec<Child>) -> Result<()> {
    while processes.len() < units {
        let mut process = chapter::worker("models::waits")?.into_std();
        process.stdin(stdin.try_clone()?).stdout(Stdio::null());
        match process.spawn() {
            Ok(process) => processes.push(process),
            Err(error) => {
                info!("no more than {}: {error}", processes.len());
                break;
            }
        }
    }
    Ok(())
}

/// Run in the other processes: the least that waits.
pub fn waits() -> Result<()> {
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "no loop runs on this thread")]
fn wait_a_tick() {
    thread::sleep(ticks(1));
}

/// All of them together, while they wait.
struct Cost {
    asked: Option<usize>,
    resident: Option<usize>,
    ended: usize,
}

impl Cost {
    fn of(growth: Usage, ended: usize) -> Self {
        let Usage { asked, resident } = growth;
        Self {
            asked: Some(asked),
            resident,
            ended,
        }
    }
}

/// Starting them is a lane, so what one start takes is its length by their number.
fn count(t: &mut Timings, label: &str, cost: Cost) {
    let lane = t[label].lane("start_");
    let start = (lane.end - lane.start).as_secs_f64() * 1e6;
    let units = cost.ended.max(1);
    t.count("waited", cost.ended);
    t.count("start each, µs", start / units as f64);
    if let Some(asked) = cost.asked {
        t.count("bytes each", asked / units);
    }
    if let Some(resident) = cost.resident.filter(|_| units >= MANY) {
        t.count("resident each", resident / units);
    }
}

/// Pages that several processes share, as those of the program, are divided among them. `None` where no /proc tells.
fn resident(process: u32) -> Option<usize> {
    number(&format!("/proc/{process}/smaps_rollup"), "Pss:").map(|kib| kib * 1024)
}

/// How many of `units` may be started: a quarter of the free memory and half of the processes allowed are left to them.
fn room(units: usize, kib_each: usize) -> usize {
    let memory = number("/proc/meminfo", "MemAvailable:").map(|kib| kib / 4 / kib_each);
    let allowed = number("/proc/self/limits", "Max processes").map(|most| most / 2);
    let room = [memory, allowed]
        .into_iter()
        .flatten()
        .fold(units, usize::min);
    if room < units {
        info!("this machine has room for {room} of {units}");
    }
    room
}

/// The first number behind `name` in a file of the system.
fn number(file: &str, name: &str) -> Option<usize> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
