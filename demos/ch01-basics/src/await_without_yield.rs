//! # `await` is not a yield
//!
//! A cook peels 1 000 potatoes and awaits each of them. A second cook is ready all the time, on the same thread, and
//! gets no turn until the last one is peeled: `peel` never has to wait, so none of the 1 000 `.await`s suspends. With
//! one `yield_now` among them the second cook gets a turn: 1 step instead of 0. An `.await` alone doesn't give the
//! thread back: it suspends only if the awaited future isn't ready.
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
//! Not the same: an `async fn` of your own behaves as in Python, and `yield_now` is what asyncio writes as
//! `sleep(0)`. But tokio's own channels, locks and sockets have a budget for each poll of a task. When it is used up
//! they report that they aren't ready, although they are. So a loop over a full queue does let other tasks run: the
//! third variant receives 1 000 messages that are all there already, in 8 polls, and the second cook gets a turn.
//! asyncio has no such budget. `runtime/yield-and-budget` measures it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use anyhow::Result;
use timing::{Timings, law::exactly};
use tokio::{sync::mpsc, task::yield_now};
use tracing::{info, instrument};

const POTATOES: u32 = 1_000;

pub async fn run(t: &mut Timings) -> Result<()> {
    let peeling = beside_a_second_cook(peels());
    let steps = t.time("1 000 awaits", exactly(0), peeling).await?;
    t.count("steps of the second cook", steps);

    let peeling = beside_a_second_cook(peels_and_yields());
    let steps = t.time("and one yield_now", exactly(0), peeling).await?;
    t.count("steps of the second cook", steps);

    let receiving = beside_a_second_cook(receives());
    let steps = t.time("1 000 receives", exactly(0), receiving).await?;
    t.count("steps of the second cook", steps);
    Ok(())
}

/// Runs `work` while a second cook is ready. Returns how many steps the second cook has done by the end of it.
async fn beside_a_second_cook(work: impl Future<Output = ()>) -> Result<u32> {
    // An `Rc<Cell<u32>>` would do for one thread, but isn't `Send`, as `tokio::spawn` asks (`basics/event-loop`).
    let steps = Arc::new(AtomicU32::new(0));
    let second = tokio::spawn(stirs(steps.clone()));
    work.await;
    let so_far = steps.load(Relaxed);
    second.await?; // a second cook who had no turn during the work gets it here
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
            // Suspends once. tokio wakes this function again when it has run other tasks that are ready, here the
            // second cook. It promises no order, and if many are ready, it doesn't run all of them first.
            yield_now().await; // <- the difference
        }
    }
    info!("{POTATOES} potatoes peeled");
}

/// An `async fn` without a wait inside. Its future is done at the first poll, so its caller goes on in the same turn,
/// as after an ordinary call.
async fn peel() {}

/// `mpsc` is tokio's queue, with an end to send and an end to receive (`queues/bounded`). Every message is in it
/// before the first `recv`, so no `recv` has a reason to wait.
#[instrument(ret)]
async fn receives() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for potato in 0..POTATOES {
        sender.send(potato).expect("the receiver is still there");
    }
    drop(sender);
    while receiver.recv().await.is_some() {}
    info!("{POTATOES} potatoes received");
}

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
        let [peeling] = awaits.lane("peels()").polls[..] else {
            panic!("peeling was interrupted, or never began");
        };
        let [stirring] = awaits.lane("stirs").polls[..] else {
            panic!("the soup is stirred in one poll");
        };
        assert!(peeling.turn < stirring.turn);
    }

    #[tokio::test(start_paused = true)]
    async fn one_yield_lets_another_task_in() {
        let t = Timings::of(run).await;
        let yielded = &t["and one yield_now"];
        assert_eq!(*yielded.count("steps of the second cook"), 1);
        let [before, after] = yielded.lane("peels_and_yields").polls[..] else {
            panic!("not one poll before the yield and one after it");
        };
        let stirring = yielded.lane("stirs").polls[0];
        assert!(before.turn < stirring.turn && stirring.turn < after.turn);
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_lets_another_task_in_although_it_is_full() {
        let t = Timings::of(run).await;
        let receives = &t["1 000 receives"];
        assert_eq!(*receives.count("steps of the second cook"), 1);
        let polls = receives.lane("receives").polls.len();
        assert_eq!(polls, 8, "its budget ran out seven times");
    }

    #[tokio::test(start_paused = true)]
    async fn none_of_them_takes_any_time() {
        let t = Timings::of(run).await;
        assert_eq!(t["1 000 awaits"].elapsed, ticks(0));
        assert_eq!(t["and one yield_now"].elapsed, ticks(0));
        assert_eq!(t["1 000 receives"].elapsed, ticks(0));
    }
}
