//! # `join!` is concurrent, not parallel
//!
//! A shop makes two thumbnails, each of which takes the processor for a while. `join!` polls both in one task, which
//! keeps its thread for both in one poll: 1 thread is used and 1 thumbnail made at once, however many worker threads
//! the runtime has. Two tasks use 2 threads and make 2 at once, if there are two worker threads.
//!
//! asyncio: gather, ProcessPoolExecutor
//!
//! real clock: it computes, on several threads
//!
//! How to see it: in the timeline the second bar begins where the first one ends, and `joins()` is a solid bar over
//! both; `--slow 10ms` names these polls. Neither rustc nor clippy warns, and the results are right.
//!
//! Cured in: `executors/cpu`, `executors/job-size`, `tasks/spawn`
//!
//! ```python
//! await asyncio.gather(thumbnail("front"), thumbnail("back"))        # one thread
//! loop, pool = asyncio.get_running_loop(), ProcessPoolExecutor(2)    # two processes, for a plain function
//! await asyncio.gather(*(loop.run_in_executor(pool, shrink, photo) for photo in photos))
//! ```
//!
//! Not the same: `gather` makes tasks, which share the loop's thread. Tasks of a `multi_thread` runtime run on
//! several, and own what they use, hence the `Arc`; `join!` makes no task, and may borrow. Threads are counted here:
//! how much sooner the tasks are done depends on what else the machine does. A task that computes for more than a few
//! milliseconds keeps its worker thread from others, and belongs in `spawn_blocking`.

use std::{
    collections::HashSet,
    hint::black_box,
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
};

use anyhow::Result;
use timing::{AtOnce, Timings, law::none};
use tokio::{join, runtime::Handle, try_join};
use tracing::instrument;

const PIXELS: u64 = 10_000_000;

pub async fn run(t: &mut Timings) -> Result<()> {
    let shop = Arc::new(Shop::default());
    t.time("join!", none(), joins(&shop)).await;
    count(t, "join!", "joins", &shop);

    let shop = Arc::new(Shop::default());
    t.time("a task for each", none(), spawns(&shop)).await?;
    count(t, "a task for each", "spawns", &shop);
    Ok(())
}

/// The first thumbnail never suspends, so the second one begins when it is done.
#[instrument(ret, skip_all)]
async fn joins(shop: &Shop) -> (u64, u64) {
    join!(thumbnail("front", shop), thumbnail("back", shop))
}

/// `try_join!` only waits here. The runtime's worker threads poll the tasks.
#[instrument(ret, err, skip_all)]
async fn spawns(shop: &Arc<Shop>) -> Result<(u64, u64)> {
    let in_a_task = |photo| {
        let shop = shop.clone();
        tokio::spawn(async move { thumbnail(photo, &shop).await }) // <- the difference
    };
    Ok(try_join!(in_a_task("front"), in_a_task("back"))?)
}

/// It is `async` because its callers are. It has nothing to wait for: the photo is in memory.
#[instrument(ret, skip(shop))]
async fn thumbnail(photo: &str, shop: &Shop) -> u64 {
    let _inside = shop.computing.enter();
    shop.used(thread::current().id());
    shrinks()
}

/// Stands for the work on the pixels of a photo.
fn shrinks() -> u64 {
    (0..PIXELS).fold(0, |sum, pixel| {
        black_box(sum ^ pixel.wrapping_mul(31).rotate_left(7))
    })
}

/// Which threads compute, and how many at once.
#[derive(Default)]
struct Shop {
    computing: AtOnce,
    threads: Mutex<HashSet<ThreadId>>,
}

impl Shop {
    fn used(&self, thread: ThreadId) {
        self.threads().insert(thread);
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, HashSet<ThreadId>> {
        self.threads
            .lock()
            .expect("nothing panics while it holds the lock")
    }
}

fn count(t: &mut Timings, label: &str, caller: &str, shop: &Shop) {
    let poll = t[label].lane(caller).longest_poll();
    t.count("worker threads", Handle::current().metrics().num_workers());
    t.count("threads used", shop.threads().len());
    t.count("at once", shop.computing.most());
    t.count("caller's longest poll, ms", poll.as_secs_f64() * 1e3);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn join_computes_one_after_another_on_one_thread() {
        let t = Timings::of(run).await;
        let joined = &t["join!"];
        assert_eq!(*joined.count("worker threads"), 2);
        assert_eq!(*joined.count("threads used"), 1);
        assert_eq!(*joined.count("at once"), 1);
        let [front, back] = ["front", "back"].map(|photo| joined.lane(photo));
        assert!(front.end <= back.start);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_task_that_joins_keeps_its_thread_for_both() {
        let t = Timings::of(run).await;
        let [poll] = t["join!"].lane("joins").polls[..] else {
            panic!("it never suspends");
        };
        let both = ["front", "back"].map(|photo| t["join!"].lane(photo).longest_poll());
        assert!(poll.length() >= both.iter().sum());
    }

    /// When a second worker thread wakes is up to the system, so one run of twenty is enough.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn tasks_can_compute_on_two_threads_at_once() {
        for _ in 0..20 {
            let shop = Arc::new(Shop::default());
            spawns(&shop).await.unwrap();
            if (shop.threads().len(), shop.computing.most()) == (2, 2) {
                return;
            }
        }
        panic!("the tasks never computed at once");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn both_forms_compute_the_same() {
        let shop = Arc::new(Shop::default());
        assert_eq!(joins(&shop).await, spawns(&shop).await.unwrap());
    }
}
