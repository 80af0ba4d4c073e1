//! # `await` is not a yield
//!
//! A cook peels 1 000 potatoes and awaits each of them. A second cook is ready all the time, on the same thread, and
//! gets no turn until the last one is peeled: `peel` never has to wait, so none of the 1 000 `.await`s suspends. With
//! one `yield_now` among them the second cook gets a turn: 1 step instead of 0. The word `await` alone gives nothing
//! back: it suspends only if the awaited future isn't ready.
//!
//! asyncio: sleep(0)
//!
//! ```python
//! async def peel(): return "potato"
//!
//! for _ in range(1000): await peel()   # nobody else runs
//! await asyncio.sleep(0)               # now they do
//! ```
//!
//! Not the same: in this, Rust and Python agree. What asyncio writes as `sleep(0)` is `yield_now` in tokio. But tokio's
//! own channels, locks and sockets have a budget for each turn. When it is used up they report that they aren't ready,
//! even if they are, so that a loop over a full queue lets other tasks run. asyncio has no such budget, and neither has
//! an `async fn` of your own.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use anyhow::Result;
use timing::{Timings, law::exactly};
use tokio::task::yield_now;
use tracing::{info, instrument};

const POTATOES: u32 = 1_000;

pub async fn run(t: &mut Timings) -> Result<()> {
    let peeling = beside_a_second_cook(peels());
    let steps = t.time("1 000 awaits", exactly(0), peeling).await?;
    t.count("steps of the second cook", steps);

    let peeling = beside_a_second_cook(peels_and_yields());
    let steps = t.time("and one yield_now", exactly(0), peeling).await?;
    t.count("steps of the second cook", steps);
    Ok(())
}

/// Runs `work` while a second cook is ready. Returns how many steps the second cook has done by the end of it.
async fn beside_a_second_cook(work: impl Future<Output = ()>) -> Result<u32> {
    // There is one thread here, but `tokio::spawn` accepts only futures that could move to another one (`Send`). An
    // `Rc<Cell<u32>>` would do for one thread, and doesn't compile.
    let steps = Arc::new(AtomicU32::new(0));
    let second = tokio::spawn(stirs(steps.clone()));
    work.await;
    let so_far = steps.load(Relaxed);
    second.await?; // the first real wait of this function: without the yield the second cook runs only here
    Ok(so_far)
}

#[instrument(ret)]
async fn peels() {
    for _ in 0..POTATOES {
        peel().await;
    }
    info!("{POTATOES} potatoes peeled");
}

#[instrument(ret)]
async fn peels_and_yields() {
    for potato in 0..POTATOES {
        peel().await;
        if potato == POTATOES / 2 {
            // Suspends once and asks to be polled again at once, after the tasks that are ready already.
            yield_now().await; // <- the difference
        }
    }
    info!("{POTATOES} potatoes peeled");
}

/// An `async fn` without a wait inside. Its future is done at the first poll, so its caller goes on in the same turn,
/// as after an ordinary call.
async fn peel() {}

#[instrument(ret, skip(steps))]
async fn stirs(steps: Arc<AtomicU32>) {
    steps.fetch_add(1, Relaxed);
    info!("the soup is stirred");
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::ticks;

    #[tokio::test(start_paused = true)]
    async fn a_thousand_awaits_let_nobody_in() {
        let t = Timings::of(run).await;
        let awaits = &t["1 000 awaits"];
        assert_eq!(*awaits.count("steps of the second cook"), 0);
        let [peeling] = awaits.lane("peels").polls[..] else {
            panic!("all 1 000 in one turn");
        };
        let [stirring] = awaits.lane("stirs").polls[..] else {
            panic!("one turn to stir");
        };
        assert!(peeling.turn < stirring.turn);
    }

    #[tokio::test(start_paused = true)]
    async fn one_yield_lets_another_task_in() {
        let t = Timings::of(run).await;
        let yielded = &t["and one yield_now"];
        assert_eq!(*yielded.count("steps of the second cook"), 1);
        let [before, after] = yielded.lane("peels").polls[..] else {
            panic!("one turn before the yield, one after it");
        };
        let stirring = yielded.lane("stirs").polls[0];
        assert!(before.turn < stirring.turn && stirring.turn < after.turn);
    }

    #[tokio::test(start_paused = true)]
    async fn neither_takes_any_time() {
        let t = Timings::of(run).await;
        assert_eq!(t["1 000 awaits"].elapsed, ticks(0));
        assert_eq!(t["and one yield_now"].elapsed, ticks(0));
    }
}
