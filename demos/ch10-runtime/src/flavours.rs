//! # Flavours of the runtime, and what a turn costs in each
//!
//! In each row tasks get 10 000 turns. On `current_thread` a turn costs of the order of 100 ns if two tasks wake each
//! other (ping-pong). On `multi_thread` it costs about as much in one run and up to five times as much in another: the
//! other task may be given to another thread. If the task and a thread outside of the runtime wake each other (woken),
//! a turn costs microseconds in any flavour, at least tens of times as much as one of ping-pong: the system has to
//! wake two threads for it. With a new task for each turn (fan-out) no flavour is ahead in every run. `LocalSet`
//! (`tasks/what-spawn-asks`) costs about what `current_thread` does. So `current_thread` is for tasks that talk to each
//! other and wait, `multi_thread` for tasks that need more than one core, and `LocalSet` (or `LocalRuntime`, stable
//! since tokio 1.51) for values that must stay in their thread.
//!
//! asyncio: uvloop, loop_factory, asyncio.Runner, set_event_loop_policy
//!
//! real clock: it measures speed, and a paused clock stands still
//!
//! release build: without optimisation all of it takes several times as long
//!
//! ```python
//! with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:    # or uvloop.run(main())
//!     runner.run(main())
//! ```
//!
//! Not the same: uvloop is the same loop written anew, and takes the place of asyncio's. tokio has no other loop to
//! take its place. Its flavours differ in which threads run the tasks: the count beside each fan-out tells on how
//! many its tasks ran.

use std::{
    collections::HashSet,
    thread::{self, ThreadId},
};

use anyhow::{Result, ensure};
use timing::Timings;
use tokio::{
    runtime::{Builder, Runtime},
    spawn,
    sync::mpsc,
    task::{JoinHandle, LocalSet, spawn_local},
};

/// Odd, so that one of them is the median. A debug build takes less of both: it shows that all works, and no speed.
pub const ROUNDS: usize = if cfg!(debug_assertions) { 3 } else { 7 };
/// The same job for all: tasks are given the thread so many times, for whatever reason.
pub const TURNS: u32 = if cfg!(debug_assertions) {
    2_000
} else {
    10_000
};

pub fn run(t: &mut Timings) -> Result<()> {
    let one = Builder::new_current_thread().enable_all().build()?;
    let many = Builder::new_multi_thread().enable_all().build()?;
    // Each has its turn before the next round begins, so a machine that slows down slows all of them.
    for round in 0..ROUNDS {
        for flavour in [
            Flavour("current_thread", &one, Put::Spawn),
            Flavour("multi_thread", &many, Put::Spawn),
            Flavour("LocalSet", &one, Put::SpawnLocal),
        ] {
            flavour.rate(t, "ping-pong", ping_pong(flavour.2))?;
            let threads = flavour.rate(t, "fan-out", fan_out(flavour.2))?;
            if round == 0 {
                t.count("threads", threads.len());
            }
            flavour.rate(t, "woken", woken_by_a_thread(flavour.2))?;
        }
    }
    Ok(())
}

/// A name, the runtime, and how a task is given to it.
#[derive(Clone, Copy)]
struct Flavour<'r>(&'static str, &'r Runtime, Put);

impl Flavour<'_> {
    fn rate<T>(
        self,
        t: &mut Timings,
        what: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Self(name, runtime, put) = self;
        let round = t.rate(format!("{what}, {name}"), TURNS, work);
        match put {
            Put::Spawn => runtime.block_on(round),
            Put::SpawnLocal => LocalSet::new().block_on(runtime, round),
        }
    }
}

#[derive(Clone, Copy)]
pub enum Put {
    Spawn,
    SpawnLocal,
}

impl Put {
    /// In all flavours the work is done by tasks: what `block_on` itself is given runs in the thread that calls it.
    fn task<T: Send + 'static>(
        self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        match self {
            Self::Spawn => spawn(work),
            Self::SpawnLocal => spawn_local(work),
        }
    }
}

/// Two tasks, of which one always waits for the other.
pub async fn ping_pong(put: Put) -> Result<()> {
    let (ping, mut pings) = mpsc::channel(1);
    let (pong, mut pongs) = mpsc::channel(1);
    let answers = put.task(async move {
        while let Some(number) = pings.recv().await
            && pong.send(number).await.is_ok()
        {}
    });
    let asks = put.task(async move {
        for number in 0..TURNS / 2 {
            ping.send(number).await?;
            ensure!(pongs.recv().await == Some(number), "an answer of its own");
        }
        Ok(())
    });
    asks.await??;
    Ok(answers.await?)
}

/// A task for each turn. Returns the threads they ran on.
async fn fan_out(put: Put) -> Result<HashSet<ThreadId>> {
    let boards: Vec<_> = (0..TURNS)
        .map(|_| put.task(async { thread::current().id() }))
        .collect();
    let mut threads = HashSet::new();
    for board in boards {
        threads.insert(board.await?);
    }
    Ok(threads)
}

/// A task and a thread that isn't the runtime's, of which one always waits for the other.
async fn woken_by_a_thread(put: Put) -> Result<()> {
    let (order, orders) = std::sync::mpsc::channel();
    let (bell, mut bells) = mpsc::channel(1);
    let rings = thread::spawn(move || {
        for number in orders {
            if bell.blocking_send(number).is_err() {
                break;
            }
        }
    });
    let waits = put.task(async move {
        for number in 0..TURNS {
            order.send(number)?;
            ensure!(bells.recv().await == Some(number), "the bell it waits for");
        }
        Ok(())
    });
    waits.await??;
    rings.join().expect("it only rings");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn current_thread_and_local_set_run_tasks_where_block_on_is_called_and_multi_thread_does_not() {
        let here = HashSet::from([thread::current().id()]);
        let one = Builder::new_current_thread().build().unwrap();
        assert_eq!(one.block_on(fan_out(Put::Spawn)).unwrap(), here);
        let local = LocalSet::new().block_on(&one, fan_out(Put::SpawnLocal));
        assert_eq!(local.unwrap(), here);

        let many = Builder::new_multi_thread().build().unwrap();
        let threads = many.block_on(fan_out(Put::Spawn)).unwrap();
        assert!(threads.is_disjoint(&here));
    }

    #[test]
    fn a_local_set_takes_what_must_stay_in_its_thread() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let boards = Rc::new("boards, which `spawn` refuses to take");
        let task = async { spawn_local(async move { boards.len() }).await };
        assert_eq!(LocalSet::new().block_on(&runtime, task).unwrap(), 37);
    }

    #[test]
    fn every_row_is_a_median_of_all_rounds() {
        let t = Timings::of_blocking(run);
        for flavour in ["current_thread", "multi_thread", "LocalSet"] {
            for work in ["ping-pong", "fan-out", "woken"] {
                let row = &t[format!("{work}, {flavour}").as_str()];
                assert_eq!(row.runs.len(), ROUNDS, "{}", row.label);
            }
        }
        assert_eq!(*t["fan-out, current_thread"].count("threads"), 1);
        assert_eq!(*t["fan-out, LocalSet"].count("threads"), 1);
    }
}
