//! # Work for the processor, and the loop beside it
//!
//! The cooling of eight castings is calculated, which takes some 40 ms for each in a debug build. Calculated in the
//! task they keep the loop's only thread, and a ticker that is due every 10 ms has no turn until all of them are
//! done. With `spawn_blocking` it has turns meanwhile, and so it has with rayon, a library whose pool of threads is
//! made for computing. The two differ in how many castings are under way at once: `spawn_blocking` starts a thread
//! for each, here 8, and they compete with the loop's thread for the cores; rayon has a thread for each core. So
//! rayon is the better place for long calculations. `spawn_blocking` does as well behind a semaphore, as in
//! `executors/thread-pool`. How much sooner all are done depends on the cores that are free: with one free core, not
//! at all.
//!
//! asyncio: ProcessPoolExecutor, run_in_executor
//!
//! real clock: real work on threads
//!
//! ```python
//! pool = ProcessPoolExecutor()             # made once and kept
//! jobs = (loop.run_in_executor(pool, cool, casting) for casting in range(8))
//! degrees = await asyncio.gather(*jobs)
//! ```
//!
//! Not the same: the interpreter's lock (GIL) lets one thread at a time run Python code, except in free-threaded
//! builds, so it takes processes to use two cores, and each argument and result is pickled and sent. In Rust the
//! threads of one process calculate in parallel. A closure takes its data along, or shares it by an `Arc`, and
//! nothing is pickled. `executors/job-size` shows how large a job has to be for that.

use std::{mem::swap, sync::Arc, time::Duration};

use anyhow::Result;
use futures_util::future::try_join_all;
use rayon::prelude::*;
use timing::{AtOnce, Timings, beside_ticker, law::none};
use tokio::{sync::oneshot, task::spawn_blocking};
use tracing::instrument;

const CASTINGS: u32 = 8;
const STEPS: u32 = 15_000; // for each of them
const EVERY: Duration = Duration::from_millis(10);

pub async fn run(t: &mut Timings) -> Result<()> {
    let busy = Arc::<AtOnce>::default();
    let work = beside_ticker(EVERY, inline(&busy));
    let (_degrees, ticked) = t.time("inline", none(), work).await;
    t.count("under way at once", busy.most());
    ticked.show(t);

    let busy = Arc::<AtOnce>::default();
    let work = beside_ticker(EVERY, on_blocking_threads(&busy));
    let (degrees, ticked) = t.time("spawn_blocking", none(), work).await;
    degrees?;
    t.count("under way at once", busy.most());
    ticked.show(t);

    let busy = Arc::<AtOnce>::default();
    let work = beside_ticker(EVERY, on_rayon(&busy));
    let (degrees, ticked) = t.time("rayon, oneshot", none(), work).await;
    degrees?;
    t.count("under way at once", busy.most());
    ticked.show(t);
    Ok(())
}

/// One poll, from the first casting to the last.
async fn inline(busy: &AtOnce) -> Vec<f64> {
    (0..CASTINGS).map(|casting| cool(casting, busy)).collect()
}

/// This pool is made for calls that wait, so it doesn't ask how many cores there are.
async fn on_blocking_threads(busy: &Arc<AtOnce>) -> Result<Vec<f64>> {
    let jobs = (0..CASTINGS).map(|casting| {
        let busy = busy.clone();
        spawn_blocking(move || cool(casting, &busy))
    });
    Ok(try_join_all(jobs).await?)
}

/// Rayon knows nothing of tokio. `rayon::spawn` returns at once, and the `oneshot` is what the task can await.
async fn on_rayon(busy: &Arc<AtOnce>) -> Result<Vec<f64>> {
    let (send, degrees) = oneshot::channel();
    let busy = busy.clone();
    // `collect` blocks the thread that calls it until all castings are done, so it is called within a thread of
    // rayon's. A panic in here would abort the whole process; one in `spawn_blocking` is an `Err`.
    rayon::spawn(move || {
        let castings = (0..CASTINGS).into_par_iter();
        let degrees = castings.map(|casting| cool(casting, &busy)).collect();
        // An `Err` says that the task has gone, and nobody wants the degrees any more.
        let _gone = send.send(degrees);
    });
    Ok(degrees.await?)
}

#[instrument(ret, skip(busy))]
fn cool(casting: u32, busy: &AtOnce) -> f64 {
    let _busy = busy.enter();
    after(STEPS, casting)
}

/// How hot the middle of the casting is after so many steps, in °C. In each of them every place gets a share of the
/// warmth of its neighbours; the ends stay at 20 °C.
fn after(steps: u32, casting: u32) -> f64 {
    let mut now = [1_400.0 - f64::from(casting); 200];
    (now[0], now[199]) = (20.0, 20.0);
    let mut next = now;
    for _ in 0..steps {
        for place in 1..199 {
            next[place] = 0.25 * now[place - 1] + 0.5 * now[place] + 0.25 * now[place + 1];
        }
        swap(&mut now, &mut next);
    }
    now[100]
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Variant;

    const OFF_THE_LOOP: [&str; 2] = ["spawn_blocking", "rayon, oneshot"];

    fn number(variant: &Variant, what: &str) -> f64 {
        variant.count(what).number()
    }

    #[tokio::test]
    async fn inline_the_ticker_has_no_turn_until_all_is_calculated() {
        let t = Timings::of(run).await;
        let inline = &t["inline"];
        let castings = inline.lanes.iter().filter(|l| l.label.contains("cool"));
        let calculated: Duration = castings.map(|lane| lane.longest_poll()).sum();
        assert!(number(inline, "longest gap, ms") >= calculated.as_secs_f64() * 1e3);
        assert_eq!(inline.lane("ticker").polls.len(), 1, "at the very end");
    }

    #[tokio::test]
    async fn on_other_threads_the_ticker_has_turns_meanwhile() {
        let t = Timings::of(run).await;
        for label in OFF_THE_LOOP {
            let off = &t[label];
            assert!(off.lane("ticker").polls.len() > 1, "{label}");
            // A test records its own thread only, so what is calculated elsewhere has no lane.
            assert!(off.lanes.iter().all(|lane| !lane.label.contains("cool")));
        }
    }

    // That threads are faster isn't tested: it takes a second core with nothing else to do.
    #[tokio::test]
    async fn each_way_gives_the_same_degrees_in_the_order_of_the_castings() {
        let busy = Arc::<AtOnce>::default();
        let degrees = inline(&busy).await;
        assert!(degrees.is_sorted_by(|hotter, next| hotter > next));
        assert_eq!(on_blocking_threads(&busy).await.unwrap(), degrees);
        assert_eq!(on_rayon(&busy).await.unwrap(), degrees);
    }

    #[tokio::test]
    async fn rayon_computes_no_more_at_once_than_it_has_threads() {
        let t = Timings::of(run).await;
        let [blocking, rayon] = OFF_THE_LOOP.map(|label| number(&t[label], "under way at once"));
        assert_eq!(*t["inline"].count("under way at once"), 1);
        assert!(rayon <= rayon::current_num_threads() as f64);
        assert!(blocking > 1.0 && blocking <= f64::from(CASTINGS));
    }
}
