//! # `await` is not a yield
//!
//! The cook peels 1 000 potatoes and awaits each of them. A second cook has been ready all the while, on the same
//! thread, and has not done a single step: peeling never has to wait, so no `.await` here ever stops. One `yield_now`
//! among the thousand, and the other one gets its turn: 1 step instead of 0. Whether a function gives the thread away
//! is decided by what it waits for at the bottom, not by the word `await`.
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
//! Not the same: in this, Rust and Python agree. But where asyncio has `sleep(0)`, tokio has `yield_now`. And tokio's
//! own channels, locks and sockets count how often they were ready in one turn and now and then pretend not to be, so
//! that a loop over a full queue lets others in; asyncio has no such budget, and neither has an `async fn` of your
//! own.

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

/// Says how far the second cook, who is ready before the work begins, has come when the work is done.
async fn beside_a_second_cook(work: impl Future<Output = ()>) -> Result<u32> {
    // An atomic number where a `Cell` would do for the one thread there is: what is spawned must be fit for several.
    let steps = Arc::new(AtomicU32::new(0));
    let second = tokio::spawn(stirs(steps.clone()));
    work.await;
    let so_far = steps.load(Relaxed);
    second.await?; // here this function waits at last, and the soup is stirred in either case
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
            // Stops here and asks to be called again at once: behind those who are ready already.
            yield_now().await; // <- the difference
        }
    }
    info!("{POTATOES} potatoes peeled");
}

/// An `async fn` without a wait inside. Awaiting it is calling it: it is done at its first poll, and its caller goes
/// on in the same turn.
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

    async fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        t
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_awaits_let_nobody_in() {
        let t = measured().await;
        let awaits = &t["1 000 awaits"];
        assert_eq!(*awaits.count("steps of the second cook"), 0);
        let [peeling] = awaits.lane("peels").polls[..] else {
            panic!("all thousand in one turn");
        };
        let [stirring] = awaits.lane("stirs").polls[..] else {
            panic!("one turn to stir");
        };
        assert!(peeling.turn < stirring.turn);
    }

    #[tokio::test(start_paused = true)]
    async fn one_yield_lets_the_other_one_in() {
        let t = measured().await;
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
        let t = measured().await;
        assert_eq!(t["1 000 awaits"].elapsed, ticks(0));
        assert_eq!(t["and one yield_now"].elapsed, ticks(0));
    }
}
