//! # Work for the processor, and the loop beside it
//!
//! Eight castings cool down, in arithmetic: half a second of it in a debug build. Computed in the task they keep the
//! loop's only thread, and a ticker that is due every 10 ms has no turn until all of it is done. With `spawn_blocking`
//! and with rayon it has turns all along: its longest gap is a part of that, larger the more threads share the cores
//! with the loop's. The two differ in how many compute at once. `spawn_blocking` starts a thread for each casting, 8
//! here; rayon has one for each core. How much sooner they are done depends on the cores that are free.
//!
//! asyncio: ProcessPoolExecutor, run_in_executor
//!
//! real clock: real work on threads
//!
//! ```python
//! with ProcessPoolExecutor() as pool:      # made once, under `if __name__ == "__main__":`
//!     jobs = (loop.run_in_executor(pool, cool, casting) for casting in range(8))
//!     degrees = await asyncio.gather(*jobs)
//! ```
//!
//! Not the same: Python's threads take turns to compute, because of the interpreter's lock, so it takes processes to
//! use two cores, and each argument and result is pickled and sent. In Rust threads compute side by side in one
//! process. A closure takes its data along, or shares it by an `Arc`: nothing is copied, and nothing needs a
//! `__main__` guard. Rayon's pool is made when it is first used, and stays until the program ends. How large a job has
//! to be for the trip to a thread is told by `job-size`.

use std::{mem::swap, sync::Arc, time::Duration};

use anyhow::Result;
use futures_util::future::try_join_all;
use rayon::prelude::*;
use timing::{AtOnce, Ticked, Timings, beside_ticker, law::none};
use tokio::{sync::oneshot, task::spawn_blocking};
use tracing::instrument;

const CASTINGS: u32 = 8;
const STEPS: u32 = 15_000; // for each of them: some 60 ms in a debug build
const EVERY: Duration = Duration::from_millis(10);

pub async fn run(t: &mut Timings) -> Result<()> {
    let busy = Arc::<AtOnce>::default();
    let work = beside_ticker(EVERY, inline(&busy));
    let (degrees, ticked) = t.time("inline", none(), work).await;
    count(t, &degrees, &busy, ticked);

    let busy = Arc::<AtOnce>::default();
    let work = beside_ticker(EVERY, on_blocking_threads(&busy));
    let (degrees, ticked) = t.time("spawn_blocking", none(), work).await;
    count(t, &degrees?, &busy, ticked);

    let busy = Arc::<AtOnce>::default();
    let work = beside_ticker(EVERY, on_rayon(&busy));
    let (degrees, ticked) = t.time("rayon, oneshot", none(), work).await;
    count(t, &degrees?, &busy, ticked);
    Ok(())
}

/// One poll, from the first casting to the last.
async fn inline(busy: &AtOnce) -> Vec<f64> {
    (0..CASTINGS).map(|casting| cool(casting, busy)).collect()
}

/// This pool is made for calls that wait, so it grows up to 512 threads. Threads that compute get no more done when
/// there are more of them than cores.
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
    // `into_par_iter` alone would block the thread that calls it until all castings are done, so it is called within a
    // thread of rayon's. A panic in here would end the process, where `spawn_blocking` makes an `Err` of it.
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

/// How hot the middle of a bar is after so many steps, in °C. In each of them every place gets a share of the warmth
/// of its neighbours; the ends stay at 20 °C.
fn after(steps: u32, casting: u32) -> f64 {
    let mut bar = [1_400.0 - f64::from(casting); 200];
    (bar[0], bar[199]) = (20.0, 20.0);
    let mut next = bar;
    for _ in 0..steps {
        for place in 1..199 {
            next[place] = 0.25 * bar[place - 1] + 0.5 * bar[place] + 0.25 * bar[place + 1];
        }
        swap(&mut bar, &mut next);
    }
    bar[100]
}

fn count(t: &mut Timings, degrees: &[f64], busy: &AtOnce, ticked: Ticked) {
    let hottest = degrees.iter().copied().fold(f64::MIN, f64::max);
    t.count("hottest, °C", hottest);
    t.count("at once", busy.most());
    ticked.show(t);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Value, Variant};

    const OFF_THE_LOOP: [&str; 2] = ["spawn_blocking", "rayon, oneshot"];

    fn number(variant: &Variant, what: &str) -> f64 {
        match variant.count(what) {
            Value::Fraction(number) => *number,
            Value::Whole(number) => *number as f64,
            Value::Text(text) => panic!("{text:?} is no number"),
        }
    }

    #[tokio::test]
    async fn inline_the_ticker_has_no_turn_until_all_is_computed() {
        let t = Timings::of(run).await;
        let inline = &t["inline"];
        let castings = inline.lanes.iter().filter(|l| l.label.contains("cool"));
        let computed: Duration = castings.map(|lane| lane.longest_poll()).sum();
        assert!(number(inline, "longest gap, ms") >= computed.as_secs_f64() * 1e3);
        assert_eq!(inline.lane("ticker").polls.len(), 1, "at the very end");
    }

    #[tokio::test]
    async fn on_other_threads_the_ticker_has_turns_meanwhile() {
        let t = Timings::of(run).await;
        for label in OFF_THE_LOOP {
            let off = &t[label];
            assert!(off.lane("ticker").polls.len() > 1, "{label}");
            let gap = number(off, "longest gap, ms");
            assert!(gap < number(&t["inline"], "longest gap, ms"), "{label}");
            let degrees = off.count("hottest, °C");
            assert_eq!(degrees, t["inline"].count("hottest, °C"), "{label}");
            // A test records its own thread only, so what is computed elsewhere has no lane.
            assert!(off.lanes.iter().all(|lane| !lane.label.contains("cool")));
        }
    }

    #[tokio::test]
    async fn rayon_computes_no_more_at_once_than_it_has_threads() {
        let t = Timings::of(run).await;
        let [blocking, rayon] = OFF_THE_LOOP.map(|label| number(&t[label], "at once"));
        assert_eq!(*t["inline"].count("at once"), 1);
        assert!(rayon <= rayon::current_num_threads() as f64);
        assert!(blocking > 1.0 && blocking <= f64::from(CASTINGS));
    }
}
