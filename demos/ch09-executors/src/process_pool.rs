//! # A pool of processes that survives its workers
//!
//! A worker is this program once more: it is sent parts over a pipe, and answers with their sizes. One pool measures six
//! parts, two at a time, with 2 workers; a new pool for each part starts 6, and each start is paid for. A worker that is
//! killed in the middle of a part is replaced, and the part goes to another: 3 started, 1 died, and every part has 1
//! result. A worker that prints text between its answers hasn't died, and is told apart: 3 started, 1 sent rubbish.
//!
//! asyncio: ProcessPoolExecutor, BrokenProcessPool, multiprocessing
//!
//! real clock: real processes, one of them killed
//!
//! ```python
//! if __name__ == "__main__":                  # a worker may import this file again
//!     with ProcessPoolExecutor(2) as pool:    # one, kept for all parts
//!         sizes = list(pool.map(measure, range(6)))
//! ```
//!
//! Not the same: a ProcessPoolExecutor is broken when one of its workers dies. Every part under way ends with
//! BrokenProcessPool, and it takes no new ones. Here a part that was lost is measured again, so measuring it twice must
//! do no harm. Functions and values are pickled there; here a part is a line of text, and an argument tells the program
//! that it is a worker. Rust needs no processes to compute in parallel, as threads do: a process is for work that may
//! crash or has to be killed.

use std::cell::{Cell, RefCell};

use anyhow::{Result, bail};
use futures_util::{StreamExt, TryStreamExt, stream};
use timing::{
    Timings,
    law::{at_least, waves},
};

use crate::worker_process::{Fate, Lost, Worker};

const PARTS: u32 = 6;
const AT_ONCE: u32 = 2;
/// A part that has cost so many workers is itself the cause.
const ATTEMPTS: u32 = 10;

pub async fn run(t: &mut Timings) -> Result<()> {
    let law = || waves(PARTS, AT_ONCE, 1);
    let tally = Tally::default();
    let each = async |part| Pool::new(&tally, Fate::LongLife).measure(part).await; // <- the difference
    let sizes = stream::iter(0..PARTS).map(each).buffered(AT_ONCE as usize);
    let sizes = t.time("a pool for each part", law(), sizes.try_collect());
    let sizes = sizes.await?;
    count(t, &tally, sizes);

    let longer = at_least(PARTS / AT_ONCE);
    for (label, law, first) in [
        ("one pool", law(), Fate::LongLife),
        ("a worker is killed", longer, Fate::Killed),
        ("a worker prints", law(), Fate::Prints),
    ] {
        let tally = Tally::default();
        let pool = Pool::new(&tally, first);
        let sizes = stream::iter(0..PARTS).map(|part| pool.measure(part));
        let sizes = sizes.buffered(AT_ONCE as usize).try_collect();
        let sizes = t.time(label, law, sizes).await?;
        count(t, &tally, sizes);
    }
    Ok(())
}

fn count(t: &mut Timings, tally: &Tally, sizes: Vec<u32>) {
    t.count("started", tally.started.get());
    t.count("died", tally.died.get());
    t.count("rubbish", tally.rubbish.get());
    t.count("results", format!("{sizes:?}"));
}

/// Workers that have nothing to do. How many there are in all is up to those who measure.
struct Pool<'a> {
    idle: RefCell<Vec<Worker>>,
    first: Cell<Fate>,
    tally: &'a Tally,
}

impl<'a> Pool<'a> {
    fn new(tally: &'a Tally, first: Fate) -> Self {
        Self {
            idle: RefCell::default(),
            first: Cell::new(first),
            tally,
        }
    }

    async fn measure(&self, part: u32) -> Result<u32> {
        for _ in 0..ATTEMPTS {
            match self.attempt(part).await {
                Ok(size) => return Ok(size),
                Err(lost) => self.tally.add(&lost),
            }
        }
        bail!("part {part} has cost {ATTEMPTS} workers")
    }

    /// A worker comes back to the others only after a proper answer. One that was lost is dropped, and so killed; the
    /// same when this future is dropped while it waits.
    async fn attempt(&self, part: u32) -> Result<u32, Lost> {
        let idle = self.idle.borrow_mut().pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => {
                self.tally.started.update(|started| started + 1);
                Worker::start(self.first.take()).await?
            }
        };
        let size = worker.measure(part).await?;
        self.idle.borrow_mut().push(worker);
        Ok(size)
    }
}

#[derive(Default)]
struct Tally {
    started: Cell<u32>,
    died: Cell<u32>,
    rubbish: Cell<u32>,
}

impl Tally {
    fn add(&self, lost: &Lost) {
        let count = match lost {
            Lost::NotStarted(_) => return,
            Lost::Died => &self.died,
            Lost::Rubbish(_) => &self.rubbish,
        };
        count.update(|times| times + 1);
    }
}
