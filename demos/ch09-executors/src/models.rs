//! # Tasks, threads, processes: what it costs to wait
//!
//! 1 000 tasks, 1 000 threads and 1 000 processes each wait through one tick side by side: none of them takes 1 000
//! ticks. What differs is the price of one that waits. In an optimised build under Linux a task takes some tenths of
//! a µs to some µs to start, a thread tens to hundreds of µs, a process some ms. While it waits a task holds 0.4 KiB
//! of memory, a thread 9 KiB, a process some 200 KiB; what the kernel keeps for a thread or a process comes on top. To
//! start, wake and join 10 000 takes some tenths of a second for tasks, and several times as long for threads. A thread
//! also reserves 2 MiB of addresses for its stack, and holds only the part that it has touched.
//!
//! asyncio: threading.Thread, multiprocessing.Process, create_task
//!
//! real clock: it starts threads and processes
//!
//! release build: without optimisation a task takes longer to start, and a process holds twice the memory
//!
//! ```python
//! asyncio.create_task(event.wait())                         # an asyncio.Event
//! threading.Thread(target=event.wait).start()               # a threading.Event
//! multiprocessing.Process(target=event.wait).start()        # a multiprocessing.Event
//! ```
//!
//! Not the same: Python's threads wait side by side, too, since a call that blocks releases the interpreter's lock.
//! But they compute one at a time, in all but free-threaded builds, so there computing takes processes
//! (`executors/cpu`). Rust's threads compute in parallel. What is left for processes is work that may bring its
//! process down, or has to be killed (`executors/process-pool`).

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
use timing::{Timings, law::at_least, ticks};
use tokio::{runtime::Builder, sync::Notify, task, time::sleep};
use tracing::{info, instrument};

/// Fewer say little about one: what the first of them costs weighs too much, and memory grows by whole pages.
const MANY: usize = 1_000;
/// What `room` reckons with for each, in KiB: more than it takes, so that a machine with little memory isn't filled.
const THREAD: usize = 64;
const PROCESS: usize = 4 * 1024;

pub fn run(t: &mut Timings) -> Result<()> {
    // The first few are not measured: what the allocator reserves for them would be counted to those that follow. That
    // of glibc reserves addresses for 8 threads a core, and has later threads share them.
    tasks(10)?;
    let cores = thread::available_parallelism()?.get();
    threads(room(8 * cores, THREAD))?;
    for (name, units) in [("1 000", MANY), ("10 000", 10 * MANY)] {
        let label = format!("{name} tasks");
        let cost = t.time_blocking(&label, at_least(1), || tasks(units))?;
        count(t, &label, cost);
    }
    for (name, units) in [("1 000", MANY), ("10 000", 10 * MANY)] {
        let label = format!("{name} threads");
        let cost = t.time_blocking(&label, at_least(1), || threads(room(units, THREAD)))?;
        count(t, &label, cost);
    }
    let label = "1 000 processes";
    let cost = t.time_blocking(label, at_least(1), || processes(room(MANY, PROCESS)))?;
    count(t, label, cost);
    Ok(())
}

fn tasks(units: usize) -> Result<Cost> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let before = held();
        let released = Arc::new(Notify::new());
        let mut tasks = Vec::with_capacity(units);
        start_tasks(units, &released, &mut tasks);
        sleep(ticks(1)).await; // all of them get their first turn, and wait
        let held = grown_since(before);
        released.notify_waiters();
        let waited = tasks.len();
        for task in tasks {
            task.await?;
        }
        Ok(Cost { held, waited })
    })
}

#[instrument(ret, skip_all)]
fn start_tasks(units: usize, released: &Arc<Notify>, tasks: &mut Vec<task::JoinHandle<()>>) {
    for _ in 0..units {
        // Made here and not in the task: it hears of a release that comes before the task's first turn, too.
        let release = released.clone().notified_owned();
        tasks.push(tokio::spawn(release));
    }
}

fn threads(units: usize) -> Result<Cost> {
    let before = held();
    let released = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::with_capacity(units);
    start_threads(units, &released, &mut threads);
    wait_a_tick();
    let held = grown_since(before);
    released.store(true, Relaxed);
    for thread in &threads {
        thread.thread().unpark();
    }
    let waited = threads.len();
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a thread panicked"))?;
    }
    Ok(Cost { held, waited })
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
    // Pages that several processes share, as those of the program, are divided among them.
    let kib = |process: &Child| number(&format!("/proc/{}/smaps_rollup", process.id()), "Pss:");
    let held = [processes.iter().map(kib).sum(), None];
    drop(release);
    let mut waited = 0;
    for process in &mut processes {
        waited += usize::from(process.wait()?.success());
    }
    Ok(Cost { held, waited })
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

struct Cost {
    held: Held,
    waited: usize,
}

/// In KiB: memory, and addresses. What the kernel keeps for a thread or a process isn't in it. `None` where no /proc
/// tells.
type Held = [Option<usize>; 2];

fn held() -> Held {
    ["VmRSS:", "VmSize:"].map(|name| number("/proc/self/status", name))
}

fn grown_since(before: Held) -> Held {
    let now = held();
    [0, 1].map(|i| Some(now[i]?.saturating_sub(before[i]?)))
}

/// Starting them is a lane, so what one start takes is its length by their number. A task has had no turn yet by then,
/// and a process may not have got to its `main`.
fn count(t: &mut Timings, label: &str, Cost { held, waited }: Cost) {
    let lane = t[label].lane("start_");
    let start = (lane.end - lane.start).as_secs_f64() * 1e6;
    t.count("waited", waited);
    if waited < MANY {
        return; // too few: see `MANY`
    }
    t.count("start each, µs", start / waited as f64);
    for (what, kib) in ["KiB each", "KiB reserved each"].into_iter().zip(held) {
        if let Some(kib) = kib {
            t.count(what, kib as f64 / waited as f64);
        }
    }
}

/// How many of `units` may be started: they get a quarter of the free memory, and half of the processes and threads
/// that the system allows.
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
pub fn number(file: &str, name: &str) -> Option<usize> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
