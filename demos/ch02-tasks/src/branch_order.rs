//! # Branch order: which one wins, and when none can
//!
//! At each of two hatches, left and right, 100 orders wait. A waiter takes one in each of 100 rounds. `select!` draws
//! the branch it polls first at random in every round, so about half of the orders come from either side. With
//! `biased` it polls them in the order in which they are written: 100 come from the left, none from the right. A
//! condition takes a branch out of a round. With 30 from the left at most, all 100 from the right are taken too. Then
//! neither branch can win, and `else` runs.
//!
//! asyncio: wait
//!
//! ```python
//! done, pending = await asyncio.wait({left, right}, return_when=asyncio.FIRST_COMPLETED)
//! for task in done:      # both, if both are done; the order of a set says nothing
//!     serve(task.result())
//! ```
//!
//! Not the same: `asyncio.wait` hands back everything that is done, so nobody is left out. `select!` takes one branch
//! a round, and leaves the other for a later one. At random that evens out. `biased` is for a branch that must come
//! first, like a token that says to stop. A branch that is always ready starves the branches below it.

use anyhow::Result;
use timing::{Timings, law::exactly};
use tokio::{
    select,
    sync::mpsc::{self, Receiver},
};

const ROUNDS: u32 = 100;

pub async fn run(t: &mut Timings) -> Result<()> {
    let (left, right) = t.time("at random", exactly(0), serves_at_random()).await;
    t.count("from the left", left);
    t.count("from the right", right);

    let (left, right) = t.time("biased", exactly(0), serves_the_left_first()).await;
    t.count("from the left", left);
    t.count("from the right", right);

    let (left, right) = t
        .time("30 at most", exactly(0), serves_30_from_the_left())
        .await;
    t.count("from the left", left);
    t.count("from the right", right);
    Ok(())
}

async fn serves_at_random() -> (u32, u32) {
    let (mut left, mut right) = (full_hatch(), full_hatch());
    let mut served = (0, 0);
    for _ in 0..ROUNDS {
        // The loser is dropped and loses nothing: a `recv` that wasn't ready, or wasn't polled, has taken no order.
        select! {
            _ = left.recv() => served.0 += 1,
            _ = right.recv() => served.1 += 1,
        }
    }
    served
}

async fn serves_the_left_first() -> (u32, u32) {
    let (mut left, mut right) = (full_hatch(), full_hatch());
    let mut served = (0, 0);
    for _ in 0..ROUNDS {
        select! {
            biased; // <- the difference
            _ = left.recv() => served.0 += 1,
            _ = right.recv() => served.1 += 1,
        }
    }
    served
}

async fn serves_30_from_the_left() -> (u32, u32) {
    let (mut left, mut right) = (full_hatch(), full_hatch());
    let mut served = (0, 0);
    loop {
        select! {
            // Where the condition is false the branch isn't polled in this round. `left.recv()` is called all the same.
            Some(()) = left.recv(), if served.0 < 30 => served.0 += 1, // <- the difference
            // When all is taken `recv` gives `None`. A result that doesn't match is dropped, and takes its branch out.
            Some(()) = right.recv() => served.1 += 1,
            // No branch is left. Without `else` that is a panic; `asyncio.wait` of an empty set is a ValueError.
            else => return served,
        }
    }
}

/// As many orders as there are rounds. The sender is gone: after the last order `recv` gives `None`.
fn full_hatch() -> Receiver<()> {
    let (sender, receiver) = mpsc::channel(ROUNDS as usize);
    while sender.try_send(()).is_ok() {}
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn at_random_both_are_served() {
        let (left, right) = serves_at_random().await;
        assert_eq!(left + right, ROUNDS);
        // Fewer than 10 of 100 fair draws for one side happen once in 10^17 runs.
        assert!(left >= 10 && right >= 10, "{left} and {right}");
    }

    #[tokio::test(start_paused = true)]
    async fn biased_starves_what_stands_below_a_branch_that_is_ready() {
        let t = Timings::of(run).await;
        assert_eq!(*t["biased"].count("from the left"), ROUNDS);
        assert_eq!(*t["biased"].count("from the right"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_condition_takes_a_branch_out_and_else_runs_when_none_is_left() {
        assert_eq!(serves_30_from_the_left().await, (30, 100));
    }

    #[tokio::test(start_paused = true)]
    #[should_panic = "all branches are disabled and there is no else branch"]
    async fn with_no_branch_left_and_no_else_select_panics() {
        let mut hatch = full_hatch();
        loop {
            select! {
                Some(()) = hatch.recv() => {}
            }
        }
    }
}
