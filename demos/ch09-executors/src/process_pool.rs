//! # A pool of processes that survives its workers
//!
//! Six parts are measured by workers like those of `executors/worker-process`, two at a time. A new pool for each
//! part starts 6 workers, one pool for all parts 2. A worker that dies in the middle of a part is replaced, and the
//! part goes to another one: 3 started, 1 lost, and every part has its result. But a part may be what its workers die
//! of, so there are 5 attempts at most: then 5 workers are lost, and 1 part; the other 5 have their results. A worker
//! that sends rubbish costs its part at once, since a fault in the code comes back with every worker.
//!
//! asyncio: ProcessPoolExecutor, BrokenProcessPool, multiprocessing
//!
//! real clock: real processes, some of which die
//!
//! ```python
//! with ProcessPoolExecutor(2) as pool:    # one, kept for all parts
//!     loop = asyncio.get_running_loop()
//!     sizes = await asyncio.gather(*(loop.run_in_executor(pool, measure, part) for part in range(6)))
//! ```
//!
//! Not the same: a ProcessPoolExecutor is broken when one of its workers dies. Every part that isn't done, under way
//! or queued, ends with BrokenProcessPool, and the pool takes no new ones. Here a part whose worker has died is
//! measured again, so measuring it twice must do no harm. `max_workers` is a bound of the pool there; here it is the
//! caller's `buffered(2)` (`streams/comprehension`). Leaving `with` waits for all parts; dropping this pool kills its
//! idle workers.

use std::cell::{Cell, RefCell};

use anyhow::Result;
use futures_util::{StreamExt, stream};
use timing::{Timings, law::at_least};

use crate::worker_process::{Lost, Worker};

const PARTS: u32 = 6;
const AT_ONCE: usize = 2;
/// A part that has cost so many workers is itself the cause.
const ATTEMPTS: u32 = 5;

pub async fn run(t: &mut Timings) -> Result<()> {
    let tally = Tally::default();
    let each = async |part| Pool::new(&tally, ["", ""]).measure(part).await; // <- the difference
    let sizes = stream::iter(0..PARTS).map(each).buffered(AT_ONCE).collect();
    let sizes = t.time("a pool for each part", at_least(3), sizes).await;
    count(t, &tally, sizes);

    for (label, law, faults) in [
        ("one pool", at_least(3), ["", ""]),
        ("a worker dies", at_least(3), ["dies at 0", ""]),
        ("a part is bad", at_least(4.5), ["dies at 2", "dies at 2"]),
        ("a worker prints", at_least(3), ["prints at 0", ""]),
    ] {
        let tally = Tally::default();
        let pool = Pool::new(&tally, faults);
        // In the order of the parts: a slow one delays the beginning of the one after the next.
        let sizes = stream::iter(0..PARTS).map(|part| pool.measure(part));
        let sizes = sizes.buffered(AT_ONCE).collect();
        let sizes = t.time(label, law, sizes).await;
        count(t, &tally, sizes);
    }
    Ok(())
}

/// Not `try_collect`, which would throw the other results away for one part that is lost.
fn count(t: &mut Timings, tally: &Tally, sizes: Vec<Result<u32, Lost>>) {
    let show = |size: Result<u32, _>| size.map_or("lost".into(), |size| size.to_string());
    let sizes: Vec<_> = sizes.into_iter().map(show).collect();
    t.count("started", tally.started.get());
    t.count("workers lost", tally.lost.get());
    t.count("most attempts", tally.most_attempts.get());
    t.count("sizes", sizes.join(" "));
}

/// The idle workers. It sets no bound: there are as many workers as parts are measured at once. For one thread only,
/// because of its cells.
struct Pool<'a> {
    idle: RefCell<Vec<Worker>>,
    /// What goes wrong in the first worker, and in every later one.
    faults: [Cell<&'static str>; 2],
    tally: &'a Tally,
}

impl<'a> Pool<'a> {
    fn new(tally: &'a Tally, faults: [&'static str; 2]) -> Self {
        Self {
            idle: RefCell::default(),
            faults: faults.map(Cell::new),
            tally,
        }
    }

    async fn measure(&self, part: u32) -> Result<u32, Lost> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.tally.most_attempts.update(|most| most.max(attempts));
            match self.try_once(part).await {
                Err(Lost::Died(_)) if attempts < ATTEMPTS => {}
                result => return result,
            }
        }
    }

    /// A worker comes back to the others only after a proper answer. One that was lost is dropped, and so killed; the
    /// same when this future is dropped while it waits, as by a `timeout`.
    async fn try_once(&self, part: u32) -> Result<u32, Lost> {
        let idle = self.idle.borrow_mut().pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => self.start().await?,
        };
        let size = worker.measure(part).await;
        match size {
            Ok(_) => self.idle.borrow_mut().push(worker),
            Err(_) => self.tally.lost.update(|lost| lost + 1),
        }
        size
    }

    async fn start(&self) -> Result<Worker, Lost> {
        let [first, later] = &self.faults;
        let fault = first.replace(later.get());
        let worker = Worker::start(fault).await?;
        self.tally.started.update(|started| started + 1);
        Ok(worker)
    }
}

#[derive(Default)]
struct Tally {
    started: Cell<u32>,
    lost: Cell<u32>,
    most_attempts: Cell<u32>,
}
