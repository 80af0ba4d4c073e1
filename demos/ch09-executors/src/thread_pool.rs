//! # Three workers for five jobs, and what else has to wait
//!
//! Five jobs block a thread for 2 ticks each, and 3 may run at once: 4 ticks, two waves. A runtime with 3 threads for
//! blocking calls does that, and so does a semaphore with 3 permits (`sync/semaphore`). They differ in what else has
//! to wait. The runtime has one pool, and `tokio::fs` (`files/read-write`) and name lookup need its threads, too.
//! Here a file and a name are asked for after 1 tick, when 3 jobs are under way. In the small pool they stand in the
//! queue behind the last 2 jobs. At 2 ticks 3 threads become free, and one of them is left for the file and the name.
//! Beside the semaphore both come at once, and no job has ended yet.
//!
//! asyncio: ThreadPoolExecutor, run_in_executor, set_default_executor
//!
//! real clock: threads that block, a real file
//!
//! ```python
//! pool = ThreadPoolExecutor(max_workers=3)             # for these jobs alone
//! await asyncio.gather(*(loop.run_in_executor(pool, bend, job) for job in range(5)))
//!
//! loop.set_default_executor(ThreadPoolExecutor(3))     # the pool of to_thread and of getaddrinfo
//! ```
//!
//! Not the same: a `ThreadPoolExecutor` is a pool of its own, and there can be several beside a loop. A tokio runtime
//! has one, and `max_blocking_threads(3)` is the counterpart of `set_default_executor`. One kind of job is bounded by
//! a semaphore before the common pool.

use std::{
    io,
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
    runtime::{Builder, Runtime},
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
    let small = with_blocking_threads(WORKERS)?;
    let large = with_blocking_threads(512)?; // what a runtime has if nothing else is said
    let permits = &Arc::new(Semaphore::new(WORKERS as usize));

    let shop = Workshop::with_jobs_of(2);
    let all = || small.block_on(async { into_the_pool(&shop).join_all().await });
    t.time_blocking("max_blocking_threads(3)", waves(JOBS, WORKERS, 2), all);
    t.count("jobs at once", shop.bending.most());

    let shop = Workshop::with_jobs_of(2);
    let all = || large.block_on(async { past_the_semaphore(&shop, permits).join_all().await });
    t.time_blocking("Semaphore(3)", waves(JOBS, WORKERS, 2), all);
    t.count("jobs at once", shop.bending.most());

    let shop = Workshop::with_jobs_of(2);
    let both = || small.block_on(async { read_beside(into_the_pool(&shop), &drawing).await });
    let jobs = t.time_blocking("file and name, small pool", exactly(2), both)?;
    t.count("jobs done by then", shop.done.load(Relaxed));
    small.block_on(jobs.join_all());

    let shop = Workshop::with_jobs_of(2);
    let jobs = || past_the_semaphore(&shop, permits);
    let both = || large.block_on(async { read_beside(jobs(), &drawing).await });
    let jobs = t.time_blocking("file and name, semaphore", exactly(1), both)?;
    t.count("jobs done by then", shop.done.load(Relaxed));
    large.block_on(jobs.join_all());
    Ok(())
}

fn with_blocking_threads(most: u32) -> io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_all()
        .max_blocking_threads(most as usize)
        .build()
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

/// A job waits for its permit as a task, which needs no thread. Only then does it enter the pool, which always has a
/// thread left: this one is large, and at most three jobs are in it.
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
    // The system's lookup blocks, too. Every connection to a name, rather than an address, begins like this.
    Ok(lookup_host((name, 80)).await?.count())
}

#[derive(Default)]
struct Workshop {
    time: u32,
    bending: AtOnce,
    done: AtomicU32,
}

impl Workshop {
    fn with_jobs_of(time: u32) -> Arc<Self> {
        let shop = Self::default();
        Arc::new(Self { time, ..shop })
    }

    #[instrument(ret, skip(self))]
    fn bend(&self, job: u32) {
        let _bending = self.bending.enter();
        #[expect(clippy::disallowed_methods, reason = "a machine that only blocks")]
        thread::sleep(ticks(self.time));
        self.done.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Value;
    use tokio::task::yield_now;

    const LONG: u32 = 3_000; // no job ends during a test; its threads are left behind

    async fn three_are_under_way(shop: &Workshop) {
        while shop.bending.now() < WORKERS {
            yield_now().await;
        }
    }

    #[test]
    fn never_more_than_three_at_once_either_way() {
        let t = Timings::of_blocking(run);
        for label in ["max_blocking_threads(3)", "Semaphore(3)"] {
            assert!(t[label].elapsed >= ticks(4), "{label}");
            let most = t[label].count("jobs at once");
            assert!(matches!(most, Value::Whole(..=3)), "{label}: {most:?}");
        }
    }

    #[test]
    fn a_file_and_a_name_wait_for_a_small_pool_and_not_for_a_semaphore() {
        let t = Timings::of_blocking(run);
        let small = "file and name, small pool";
        assert!(t[small].elapsed >= ticks(2));
        let done = t[small].count("jobs done by then");
        assert!(matches!(done, Value::Whole(3..)), "{done:?}");

        let large = with_blocking_threads(512).unwrap();
        let shop = Workshop::with_jobs_of(LONG);
        let permits = Arc::new(Semaphore::new(WORKERS as usize));
        let _jobs = large.block_on(async {
            let jobs = past_the_semaphore(&shop, &permits);
            three_are_under_way(&shop).await;
            read_beside(jobs, Path::new("Cargo.toml")).await.unwrap()
        });
        assert_eq!(shop.bending.now(), 3, "they are still under way");
        large.shutdown_background();
    }

    #[test]
    fn a_permit_stays_with_its_thread_when_the_task_is_cancelled() {
        let large = with_blocking_threads(512).unwrap();
        let shop = Workshop::with_jobs_of(LONG);
        let permits = Arc::new(Semaphore::new(WORKERS as usize));
        large.block_on(async {
            let mut jobs = past_the_semaphore(&shop, &permits);
            three_are_under_way(&shop).await;
            jobs.shutdown().await; // all five tasks are dropped, three of them over a running thread
        });
        assert_eq!(permits.available_permits(), 0);
        large.shutdown_background();
    }
}
