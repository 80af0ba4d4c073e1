//! # The event loop: one thread, one task at a time
//!
//! This lesson reads the work of an event loop off what it recorded. Two tasks share one thread. Each has four turns,
//! with a wait between one and the next. In a turn the loop polls the task's future: it runs until it has to wait or
//! is done, and no other task can run meanwhile. Then the loop polls a task whose wait is over. That makes 8 turns in
//! the order A B B A B A B A, never two at once. With a third task there are 12 turns, still one at a time, in the
//! same 3 ticks.
//!
//! asyncio: event loop
//!
//! ```python
//! async def cook(wait):
//!     for _ in range(3):
//!         await asyncio.sleep(wait)      # the only places where others get their turn
//!
//! await asyncio.gather(cook(1), cook(0.7))
//! ```
//!
//! Not the same: an asyncio loop has one thread. So has tokio's `current_thread` runtime, which runs this lesson.
//! Tokio's default has a thread for every core, and there two of these turns can happen at the same moment. So
//! `tokio::spawn` accepts only futures that are `Send`, which means safe to move to another thread at any `.await`.
//! It asks for that in either runtime, even where there is only one thread: see `tasks/what-spawn-asks`.

use anyhow::Result;
use timing::{Timings, law::max, report::Variant, ticks};
use tokio::{task::JoinError, time::sleep};
use tracing::{info, instrument};

/// The name of each cook, and the length in ticks of each of their three waits. No two waits end at the same moment,
/// so the order of the turns is always the same.
const COOKS: [(&str, f64); 3] = [("A", 1.0), ("B", 0.7), ("C", 0.4)];

pub async fn run(t: &mut Timings) -> Result<()> {
    let two = share_the_thread(&COOKS[..2]);
    t.time("two cooks", max([3.0, 2.1]), two).await?;
    let (order, peak) = order_and_peak(&t["two cooks"]);
    t.count("turns at once", peak);
    t.count("order of the turns", order);

    let three = share_the_thread(&COOKS);
    t.time("three cooks", max([3.0, 2.1, 1.2]), three).await?;
    let (order, peak) = order_and_peak(&t["three cooks"]);
    t.count("turns at once", peak);
    t.count("order of the turns", order);
    Ok(())
}

async fn share_the_thread(cooks: &[(&'static str, f64)]) -> Result<(), JoinError> {
    // None of them runs before this function waits for the first.
    let tasks: Vec<_> = cooks
        .iter()
        .map(|&(name, wait)| tokio::spawn(cook(name, wait)))
        .collect();
    for task in tasks {
        task.await?;
    }
    Ok(())
}

#[instrument(ret)]
async fn cook(name: &'static str, wait: f64) {
    for turn in 1..=3 {
        info!("turn {turn}");
        // The only place in this function where the loop can switch to another task.
        sleep(ticks(wait)).await;
    }
    info!("turn 4, and done");
}

/// Whose turn it was, turn by turn, and how many turns went on at the same moment, both taken from the recorded
/// polls.
fn order_and_peak(variant: &Variant) -> (String, usize) {
    let lanes = variant.lanes.iter();
    let mut turns: Vec<_> = lanes
        .flat_map(|lane| lane.polls.iter().map(|poll| (poll, &lane.label)))
        .collect();
    turns.sort_by_key(|(poll, _)| poll.turn);

    // The name stands in quotes in the lane's label: cook("A", 1.0).
    let names = turns.iter().filter_map(|(_, lane)| lane.split('"').nth(1));
    let order = names.collect::<Vec<_>>().join(" ");

    // The number can only rise when a turn begins: count that turn, and the earlier ones that haven't ended yet.
    let mut peak = 0;
    for (n, (turn, _)) in turns.iter().enumerate() {
        let unfinished = turns[..n]
            .iter()
            .filter(|(other, _)| other.end > turn.start);
        peak = peak.max(1 + unfinished.count());
    }
    (order, peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_task_whose_wait_is_over_is_next() {
        let t = Timings::of(run).await;
        assert_eq!(t["two cooks"].elapsed, ticks(3));
        assert_eq!(
            *t["two cooks"].count("order of the turns"),
            "A B B A B A B A"
        );
        // At 0, 0, 0, 0.4, 0.7, 0.8, 1, 1.2, 1.4, 2, 2.1 and 3.
        assert_eq!(t["three cooks"].elapsed, ticks(3));
        assert_eq!(
            *t["three cooks"].count("order of the turns"),
            "A B C C B C A C B A B A"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn three_switch_points_are_four_turns() {
        let t = Timings::of(run).await;
        for (name, _) in COOKS {
            let lane = t["three cooks"].lane(&format!("cook(\"{name}\""));
            assert_eq!(lane.polls.len(), 4);
        }
    }

    /// On the machine's clock, where a turn takes time. Only whether turns overlap is asked, not when they were.
    #[tokio::test]
    async fn no_two_turns_are_at_the_same_moment() {
        let t = Timings::of(run).await;
        assert_eq!(*t["two cooks"].count("turns at once"), 1);
        assert_eq!(*t["three cooks"].count("turns at once"), 1);
    }

    #[test]
    fn turns_that_overlapped_would_be_seen() {
        #[instrument(ret)]
        fn outer() {
            inner();
        }
        #[instrument(ret)]
        fn inner() {}

        let mut t = Timings::default();
        t.time_blocking("one within another", None, outer);
        assert_eq!(order_and_peak(&t["one within another"]).1, 2);
    }
}
