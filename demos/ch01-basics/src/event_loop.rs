//! # The event loop: one thread, and whoever can go on
//!
//! The drawing that every text on asyncio begins with, made of what happened. Two cooks share a thread; each works,
//! waits, works, waits, works, waits, works. Between one wait and the next nobody can take the thread from a cook; at
//! an `.await` the cook gives it away, and the loop hands it to one whose wait is over. That makes 8 turns, in the
//! order A B B A B A B A, and never two at once. A third cook makes 12 turns of it, one at a time, in the same 3
//! ticks.
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
//! Not the same: asyncio has one thread a loop. That is tokio's `current_thread` runtime, in which this lesson runs;
//! tokio's default has a thread for every core, and there two of these turns can be at the same moment. So a spawned
//! function has to be `Send`, fit to be moved to another thread at each `.await`, even where there is one thread
//! only.

use anyhow::Result;
use timing::{Timings, law::max, report::Variant, ticks};
use tokio::{task::JoinError, time::sleep};
use tracing::{info, instrument};

/// Who cooks, and how long each of their three waits is. No two waits end at the same moment, so it is never a matter
/// of luck who is next.
const COOKS: [(&str, f64); 3] = [("A", 1.0), ("B", 0.7), ("C", 0.4)];

pub async fn run(t: &mut Timings) -> Result<()> {
    let two = share_the_thread(&COOKS[..2]);
    t.time("two cooks", max([3.0, 2.1]), two).await?;
    let (order, peak) = drawn(&t["two cooks"]);
    t.count("at once", peak);
    t.count("turns", order);

    let three = share_the_thread(&COOKS);
    t.time("three cooks", max([3.0, 2.1, 1.2]), three).await?;
    let (order, peak) = drawn(&t["three cooks"]);
    t.count("at once", peak);
    t.count("turns", order);
    Ok(())
}

async fn share_the_thread(cooks: &[(&'static str, f64)]) -> Result<(), JoinError> {
    // All are queued before any of them runs: the loop gets to them when this function waits for the first.
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
        // A switch point: "call me when this is over, and let somebody else have the thread". If nobody's wait is
        // over the thread sleeps too, in the operating system: waiting takes no processor.
        sleep(ticks(wait)).await;
    }
    info!("turn 4, and done");
}

/// Who had the thread, turn by turn, and how many had it at the same moment: as it was recorded, not as it should be.
fn drawn(variant: &Variant) -> (String, usize) {
    let lanes = variant.lanes.iter();
    let mut turns: Vec<_> = lanes
        .flat_map(|lane| lane.polls.iter().map(|poll| (poll, &lane.label)))
        .collect();
    turns.sort_by_key(|(poll, _)| poll.turn);

    // The name stands in quotes in the lane's label: cook("A", 1.0).
    let names = turns.iter().filter_map(|(_, lane)| lane.split('"').nth(1));
    let order = names.collect::<Vec<_>>().join(" ");

    // Most of them are at it when one begins: this one, and those that began before and haven't ended.
    let mut peak = 0;
    for (n, (turn, _)) in turns.iter().enumerate() {
        let going_on = turns[..n]
            .iter()
            .filter(|(other, _)| other.end > turn.start);
        peak = peak.max(1 + going_on.count());
    }
    (order, peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_has_waited_long_enough_is_next() {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        assert_eq!(t["two cooks"].elapsed, ticks(3));
        assert_eq!(*t["two cooks"].count("turns"), "A B B A B A B A");
        // At 0, 0, 0, 0.4, 0.7, 0.8, 1, 1.2, 1.4, 2, 2.1 and 3.
        assert_eq!(t["three cooks"].elapsed, ticks(3));
        assert_eq!(*t["three cooks"].count("turns"), "A B C C B C A C B A B A");
    }

    #[tokio::test(start_paused = true)]
    async fn three_switch_points_are_four_turns() {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        for (name, _) in COOKS {
            let lane = t["three cooks"].lane(&format!("cook(\"{name}\""));
            assert_eq!(lane.polls.len(), 4);
        }
    }

    /// On the machine's clock, where a turn takes time. Only whether turns overlap is asked, not when they were.
    #[tokio::test]
    async fn no_two_turns_are_at_the_same_moment() {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        assert_eq!(*t["two cooks"].count("at once"), 1);
        assert_eq!(*t["three cooks"].count("at once"), 1);
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
        assert_eq!(drawn(&t["one within another"]).1, 2);
    }
}
