//! # Three workers for five jobs, and what else has to wait
//!
//! Five jobs block a thread for 2 ticks each, and 3 may run at once: 4 ticks, two waves. A runtime with 3 threads for
//! blocking calls does that, and so does a semaphore with 3 permits. They differ in what else has to wait. A runtime
//! has one pool, and `tokio::fs` and the look-up of a name need its threads, too. A file and a name that are asked for
//! after 1 tick, with 3 jobs under way, come at 2 ticks in the small pool, when 3 jobs are done. Beside the semaphore
//! they come at 1, with 0 jobs done.
//!
//! asyncio: ThreadPoolExecutor, run_in_executor, set_default_executor
//!
//! real clock: threads that block, a real file
//!
//! ```python
//! with ThreadPoolExecutor(max_workers=3) as pool:      # for these jobs alone
//!     await asyncio.gather(*(loop.run_in_executor(pool, bend, job) for job in range(5)))
//!
//! loop.set_default_executor(ThreadPoolExecutor(3))     # the pool of to_thread and of getaddrinfo
//! ```
//!
//! Not the same: a `ThreadPoolExecutor` is a pool of its own, and there can be several beside a loop. A tokio runtime
//! has one, for its whole life, and `max_blocking_threads(3)` is the counterpart of `set_default_executor`. What stands
//! for a pool of its own is the semaphore. In both languages the queue of a pool has no bound.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use anyhow::Result;
use chapter::Folder;
use timing::{
    AtOnce, Timings,
    law::{exactly, waves},
    ticks,
};
use tokio::{
    fs,
    net::lookup_host,
    runtime::Builder,
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::sleep,
};
use tracing::instrument;

const JOBS: u32 = 5;
const WORKERS: u32 = 3;

pub fn run(t: &mut Timings) -> Result<()> {
    let folder = Folder::temporary()?;
    let drawing = folder.path().join("drawing");
    std::fs::write(&drawing, "a bracket")?;
    let mut builder = Builder::new_current_thread();
    let large = builder.enable_all().build()?; // up to 512 threads
    let small = builder.max_blocking_threads(WORKERS as usize).build()?; // <- the difference
    let permits = &Arc::new(Semaphore::new(WORKERS as usize));

    let shop = Arc::<Workshop>::default();
    let all = || small.block_on(async { into_the_pool(&shop).join_all().await });
    t.time_blocking("max_blocking_threads(3)", waves(JOBS, WORKERS, 2), all);
    t.count("jobs at once", shop.bending.most());

    let shop = Arc::<Workshop>::default();
    let all = || large.block_on(async { past_the_semaphore(&shop, permits).join_all().await });
    t.time_blocking("Semaphore(3)", waves(JOBS, WORKERS, 2), all);
    t.count("jobs at once", shop.bending.most());

    let shop = Arc::<Workshop>::default();
    let both = || small.block_on(async { read_beside(into_the_pool(&shop), &drawing).await });
    let jobs = t.time_blocking("file and name, small pool", exactly(2), both)?;
    t.count("jobs at once", shop.bending.most());
    t.count("jobs done by then", shop.done.load(Relaxed));
    small.block_on(jobs.join_all());

    let shop = Arc::<Workshop>::default();
    let jobs = || past_the_semaphore(&shop, permits);
    let both = || large.block_on(async { read_beside(jobs(), &drawing).await });
    let jobs = t.time_blocking("file and name, semaphore", exactly(1), both)?;
    t.count("jobs at once", shop.bending.most());
    t.count("jobs done by then", shop.done.load(Relaxed));
    large.block_on(jobs.join_all());
    Ok(())
}

/// All five are in the pool at once. It begins as many as it has threads, and queues the others.
fn into_the_pool(shop: &Arc<Workshop>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    for job in 1..=JOBS {
        let shop = shop.clone();
        jobs.spawn_blocking(move || shop.bend(job));
    }
    jobs
}

/// The jobs wait as tasks, which need no thread. What has a permit gets a thread at once.
fn past_the_semaphore(shop: &Arc<Workshop>, permits: &Arc<Semaphore>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    for job in 1..=JOBS {
        let (shop, permits) = (shop.clone(), permits.clone());
        jobs.spawn(async move {
            let permit = permits.acquire_owned().await.expect("it is never closed");
            let bending = spawn_blocking(move || {
                shop.bend(job);
                // The thread goes on even if the task is cancelled. If the task held the permit, it would give it
                // back then, and a fourth thread could begin.
                drop(permit);
            });
            bending.await.expect("bending doesn't panic");
        });
    }
    jobs
}

/// Returns when the file and the name are there, with the jobs that aren't over.
async fn read_beside(jobs: JoinSet<()>, drawing: &Path) -> Result<JoinSet<()>> {
    sleep(ticks(1)).await; // three jobs have begun
    tokio::try_join!(read(drawing), look_up("localhost"))?;
    Ok(jobs)
}

#[instrument(ret, err, skip_all)]
async fn read(drawing: &Path) -> Result<usize> {
    Ok(fs::read(drawing).await?.len()) // `std::fs::read` on a thread of the pool
}

#[instrument(ret, err)]
async fn look_up(name: &str) -> Result<usize> {
    // The system's look-up blocks, too. Every connection to a name, rather than an address, begins like this.
    Ok(lookup_host((name, 80)).await?.count())
}

#[derive(Default)]
struct Workshop {
    bending: AtOnce,
    done: AtomicU32,
}

impl Workshop {
    #[instrument(ret, skip(self))]
    fn bend(&self, job: u32) {
        let _bending = self.bending.enter();
        #[expect(clippy::disallowed_methods, reason = "a machine that only blocks")]
        thread::sleep(ticks(2));
        self.done.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Value;
    use tokio::task::yield_now;

    fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t).unwrap();
        t
    }

    #[test]
    fn three_at_once_and_two_waves_either_way() {
        let t = measured();
        for label in ["max_blocking_threads(3)", "Semaphore(3)"] {
            assert!(t[label].elapsed >= ticks(4), "{label}");
            assert_eq!(*t[label].count("jobs at once"), 3, "{label}");
        }
    }

    #[test]
    fn a_file_and_a_name_wait_for_a_small_pool_and_not_for_a_semaphore() {
        let t = measured();
        let done = |label: &str| match t[label].count("jobs done by then") {
            Value::Whole(done) => *done,
            other => panic!("{other:?} is no number of jobs"),
        };
        // Three have to be done before a thread is free for what stands in the queue behind five.
        let small = "file and name, small pool";
        assert!(t[small].elapsed >= ticks(2));
        assert!(done(small) >= 3);
        // Three are under way here, too.
        let semaphore = "file and name, semaphore";
        assert_eq!(*t[semaphore].count("jobs at once"), 3);
        assert!(done(semaphore) < 3);
    }

    #[tokio::test]
    async fn a_permit_stays_with_its_thread_when_the_task_is_cancelled() {
        let shop = Arc::<Workshop>::default();
        let permits = Arc::new(Semaphore::new(WORKERS as usize));
        let mut jobs = past_the_semaphore(&shop, &permits);
        while shop.bending.now() < WORKERS {
            yield_now().await;
        }
        jobs.shutdown().await; // all five tasks are dropped, three of them over a running thread
        // Each job gives its permit back when it is done, and not before.
        while shop.done.load(Relaxed) < WORKERS {
            let free = permits.available_permits();
            assert!(free <= shop.done.load(Relaxed) as usize);
            yield_now().await;
        }
    }
}
