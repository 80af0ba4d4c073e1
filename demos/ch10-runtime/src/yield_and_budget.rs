//! # tokio's budget: 128 items, then somebody else
//!
//! A task takes 10 000 boards that are all there already, so no `.await` of it has a reason to wait. From a channel
//! of tokio it takes 128 in a poll. Then its budget for this poll is used up: `recv` says Pending, although a board
//! is there, and a sweeper, another task, has its turn: 78 of them before the last board. A stream from elsewhere
//! knows nothing of this budget: 10 000 boards in one poll, and 0 turns for the sweeper. A `yield_now` after every
//! 100 boards gives it 100 turns, a `consume_budget` for each board 78. `unconstrained` takes the budget away, and
//! the turns with it.
//!
//! asyncio: sleep(0), Queue.get
//!
//! ```python
//! async def take(queue):            # an asyncio.Queue with 10 000 boards
//!     while not queue.empty():
//!         await queue.get()         # never suspends, so no other task runs
//!         await asyncio.sleep(0)    # now one does, after each board
//! ```
//!
//! Not the same: asyncio has no budget. A `get` of a queue with something in it doesn't suspend, so a consumer keeps
//! the loop as long as there are items; what helps is the `sleep(0)`. In tokio a `yield_now` is needed where nothing
//! of tokio's is awaited, as in `basics/await-without-yield`. What one costs is in `runtime/yield-cost`.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use anyhow::Result;
use futures_util::{StreamExt, stream};
use timing::{Timings, law::at_most};
use tokio::{
    sync::mpsc,
    task::{
        coop::{consume_budget, unconstrained},
        yield_now,
    },
};
use tracing::instrument;

const BOARDS: u32 = 10_000;

pub async fn run(t: &mut Timings) -> Result<()> {
    let channel = |done| from_a_channel(full_channel(), done);
    takes(t, "a channel of tokio's", channel).await?;
    takes(t, "another stream", from_a_stream).await?;
    takes(t, "with yield_now", and_yields).await?;
    takes(t, "with consume_budget", and_consumes_budget).await?;
    let unbudgeted = |done| unconstrained(channel(done)); // <- the difference
    takes(t, "unconstrained channel", unbudgeted).await?;
    Ok(())
}

/// Nothing waits here. What it takes is the processor's time, some milliseconds for 10 000 rounds.
async fn takes<F>(t: &mut Timings, label: &str, work: impl FnOnce(Done) -> F) -> Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let done = Done::default();
    let working = beside_a_sweeper(&done, work(done.clone()));
    let (turns, most) = t.time(label, at_most(1), working).await?;
    t.count("turns of the sweeper", turns);
    t.count("most boards in a poll", most);
    Ok(())
}

/// How many boards have been taken.
type Done = Arc<AtomicU32>;

/// Returns how many turns the sweeper had before the last board, and the most boards that were taken in one poll.
async fn beside_a_sweeper(
    done: &Done,
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<(u32, u32)> {
    // The sweeper is spawned second, so it has no turn before the work begins.
    let work = tokio::spawn(most_in_a_poll(done.clone(), work));
    let sweeper = tokio::spawn(sweeps(done.clone()));
    let most = work.await?;
    Ok((sweeper.await?, most))
}

#[instrument(ret, skip(boards, done))]
async fn from_a_channel(mut boards: mpsc::UnboundedReceiver<u32>, done: Done) {
    while let Some(_board) = boards.recv().await {
        done.fetch_add(1, Relaxed);
    }
}

/// The `next` of this stream is ready at once, each time. A future made by hand is the same, if it never says
/// Pending.
#[instrument(ret, skip(done))]
async fn from_a_stream(done: Done) {
    let mut boards = stream::iter(0..BOARDS);
    while let Some(_board) = boards.next().await {
        done.fetch_add(1, Relaxed);
    }
}

#[instrument(ret, skip(done))]
async fn and_yields(done: Done) {
    let mut boards = stream::iter(0..BOARDS);
    while let Some(board) = boards.next().await {
        done.fetch_add(1, Relaxed);
        if board % 100 == 99 {
            yield_now().await; // <- the difference
        }
    }
}

/// It suspends only when the 128 are used up, so it can stand in every round. A `yield_now` there would suspend in
/// every round.
#[instrument(ret, skip(done))]
async fn and_consumes_budget(done: Done) {
    let mut boards = stream::iter(0..BOARDS);
    while let Some(_board) = boards.next().await {
        consume_budget().await; // <- the difference
        done.fetch_add(1, Relaxed);
    }
}

/// All boards are in it before the work begins.
fn full_channel() -> mpsc::UnboundedReceiver<u32> {
    let (sender, boards) = mpsc::unbounded_channel();
    for board in 0..BOARDS {
        sender.send(board).expect("the receiver is there");
    }
    boards
}

#[instrument(ret, skip(done))]
async fn sweeps(done: Done) -> u32 {
    let mut turns = 0;
    while done.load(Relaxed) < BOARDS {
        turns += 1;
        yield_now().await;
    }
    turns
}

async fn most_in_a_poll(done: Done, work: impl Future<Output = ()>) -> u32 {
    let (mut work, mut most) = (pin!(work), 0);
    poll_fn(|context| {
        let before = done.load(Relaxed);
        let polled = work.as_mut().poll(context);
        most = most.max(done.load(Relaxed) - before);
        polled
    })
    .await;
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_counts(t: &Timings, label: &str, turns: u32, most: u32) {
        assert_eq!(*t[label].count("turns of the sweeper"), turns, "{label}");
        assert_eq!(*t[label].count("most boards in a poll"), most, "{label}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_of_tokios_lets_others_in_after_128_items() {
        let t = Timings::of(run).await;
        assert_counts(&t, "a channel of tokio's", BOARDS / 128, 128);
        let polls = &t["a channel of tokio's"].lane("from_a_channel").polls;
        assert_eq!(polls.len(), BOARDS.div_ceil(128) as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_not_tokios_has_no_budget() {
        let t = Timings::of(run).await;
        assert_counts(&t, "another stream", 0, BOARDS);
        assert_eq!(t["another stream"].lane("from_a_stream").polls.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn yield_now_and_consume_budget_give_the_others_their_turns() {
        let t = Timings::of(run).await;
        assert_counts(&t, "with yield_now", BOARDS / 100, 100);
        assert_counts(&t, "with consume_budget", BOARDS / 128, 128);
    }

    #[tokio::test(start_paused = true)]
    async fn unconstrained_takes_the_budget_away() {
        let t = Timings::of(run).await;
        assert_counts(&t, "unconstrained channel", 0, BOARDS);
    }
}
