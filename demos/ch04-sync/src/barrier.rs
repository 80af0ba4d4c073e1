//! # A barrier: nobody goes on before all have arrived
//!
//! A vault may be opened when 3 clerks are present. Ada, Ben and Cleo arrive at ticks 1, 2 and 3, and all go in at 3;
//! 1 of them is told that it is the leader. Then the same, but Ada gives up at 1.5 and comes back at 4. tokio's
//! `Barrier` still counts her first arrival: it opens at 3, with 2 clerks in front of it. Then it starts a new round,
//! in which Ada is the first of three: her second wait would never end, and her deadline ends it at 6. `Door`, below,
//! counts who is present, and opens at 4 for all 3.
//!
//! asyncio: Barrier
//!
//! ```python
//! door = asyncio.Barrier(3)
//!
//! place = await door.wait()    # how many were there before: if one gives up, two others may get the same
//! leads = place == 2           # the last to come, and only one; 0 may be nobody
//! ```
//!
//! Not the same: asyncio takes a cancelled waiter off its count, tokio's `Barrier` doesn't: its `wait` isn't
//! cancel-safe, so it doesn't belong under a `timeout` or into a `select!` (see `tasks/select`). There is no `abort`
//! and no `reset`, and no BrokenBarrierError. In asyncio every waiter is told its place; in tokio one of them is the
//! leader, and which one isn't promised. `Door` has neither leader nor rounds: it opens once and stays open.

use anyhow::Result;
use timing::{Timings, law::exactly, report::Ended, tick, ticks};
use tokio::{
    sync::{Barrier, watch},
    time::{sleep, timeout},
};
use tracing::instrument;

const CLERKS: usize = 3;

pub async fn run(t: &mut Timings) -> Result<()> {
    let barrier = Barrier::new(CLERKS);
    // The marks inside the lanes: when one future is woken, `join!` polls them all (see `tasks/join`).
    let clerks = async {
        tokio::join!(
            arrives(1, waits_at_barrier(&barrier, "Ada")),
            arrives(2, waits_at_barrier(&barrier, "Ben")),
            arrives(3, waits_at_barrier(&barrier, "Cleo")),
        )
    };
    let (ada, ben, cleo) = t.time("all stay", exactly(3), clerks).await;
    count(t, "all stay");
    let leaders = [ada, ben, cleo].into_iter().filter(|leads| *leads);
    t.count("leaders", leaders.count());

    let barrier = Barrier::new(CLERKS);
    let clerks = one_gives_up(async |clerk| {
        waits_at_barrier(&barrier, clerk).await;
    });
    t.time("Barrier, one gives up", exactly(6), clerks).await;
    count(t, "Barrier, one gives up");

    let door = Door::default();
    let clerks = one_gives_up(async |clerk| waits_at_door(&door, clerk).await); // <- the difference
    t.time("Door, one gives up", exactly(4), clerks).await;
    count(t, "Door, one gives up");
    Ok(())
}

/// Ada comes at 1, leaves at 1.5, comes back at 4, and would leave at 6.
async fn one_gives_up(waits: impl AsyncFn(&'static str)) {
    let ada = async {
        for (outside, patience) in [(1.0, 0.5), (2.5, 2.0)] {
            sleep(ticks(outside)).await;
            let _goes_in = timeout(ticks(patience), waits("Ada")).await;
        }
    };
    tokio::join!(ada, arrives(2, waits("Ben")), arrives(3, waits("Cleo")));
}

async fn arrives<T>(time: u32, clerk: impl Future<Output = T>) -> T {
    sleep(ticks(time)).await;
    clerk.await
}

#[instrument(ret, skip(barrier))]
async fn waits_at_barrier(barrier: &Barrier, clerk: &str) -> bool {
    // The first poll of `wait` counts this clerk as arrived, and nothing takes that back when the future is dropped.
    barrier.wait().await.is_leader()
}

#[instrument(ret, skip(door))]
async fn waits_at_door(door: &Door, clerk: &str) {
    door.wait().await;
}

/// Counts who is present, in a `watch` (see `sync/event`). When all of them are, it opens, and stays open.
#[derive(Default)]
struct Door {
    present: watch::Sender<usize>,
}

impl Door {
    async fn wait(&self) {
        let mut present = self.present.subscribe();
        self.present.send_modify(|present| *present += 1);
        // From here on this future can be dropped, and then the count has to go down again.
        let _presence = Presence(self);
        let opens = present.wait_for(|&present| present >= CLERKS);
        // What `wait_for` returns holds a read lock on the count. It is dropped with this statement, before
        // `_presence` asks for the write lock.
        opens.await.expect("the door holds the sender");
    }
}

/// One clerk at the door.
struct Presence<'a>(&'a Door);

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.0.present.send_if_modified(|present| {
            // Once the door is open, a clerk whose wait ends goes in. If the count went down with them, the others,
            // who are woken and have not had a turn yet, would find it too low and wait on.
            let closed = *present < CLERKS;
            *present -= usize::from(closed);
            closed
        });
    }
}

/// A lane that returns is a clerk who goes in.
fn count(t: &mut Timings, label: &str) {
    let lanes = &t[label].lanes;
    let inside = || lanes.iter().filter(|lane| lane.ended == Ended::Returned);
    let opens = inside().map(|lane| lane.end.div_duration_f64(tick()));
    let opens = opens.reduce(f64::min).unwrap_or(f64::INFINITY);
    let (went_in, waits) = (inside().count(), lanes.len());
    t.count("opens at tick", opens);
    t.count("went in", went_in);
    t.count("abandoned waits", waits - went_in);
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use proptest::{
        collection::vec,
        prelude::*,
        test_runner::{Config, TestRunner},
    };
    use std::{cell::Cell, time::Duration};
    use timing::{on_virtual_clock, report::Variant};
    use tokio::time::Instant;

    fn ends(variant: &Variant) -> Vec<(Ended, Duration)> {
        let lanes = variant.lanes.iter();
        lanes.map(|lane| (lane.ended, lane.end)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn all_leave_when_the_last_one_arrives_and_one_leads() {
        let t = Timings::of(run).await;
        let stay = &t["all stay"];
        assert_eq!(ends(stay), [(Ended::Returned, ticks(3)); 3]);
        assert_eq!(*stay.count("leaders"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_waiter_still_counts_as_arrived() {
        let t = Timings::of(run).await;
        let trap = &t["Barrier, one gives up"];
        assert_eq!(
            ends(trap),
            [
                (Ended::Cancelled, ticks(1.5)),
                (Ended::Returned, ticks(3)), // with two clerks
                (Ended::Returned, ticks(3)),
                (Ended::Cancelled, ticks(6)),
            ]
        );
        assert_eq!(*trap.count("went in"), 2);
        assert_eq!(*trap.count("abandoned waits"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clerk_that_comes_after_the_opening_belongs_to_a_new_round() {
        let barrier = Barrier::new(CLERKS);
        let clerks = join_all((0..2 * CLERKS).map(|_| barrier.wait())).await;
        assert_eq!(clerks.iter().filter(|clerk| clerk.is_leader()).count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clerk_who_left_is_not_counted() {
        let t = Timings::of(run).await;
        let door = &t["Door, one gives up"];
        assert_eq!(
            ends(door),
            [
                (Ended::Cancelled, ticks(1.5)),
                (Ended::Returned, ticks(4)),
                (Ended::Returned, ticks(4)),
                (Ended::Returned, ticks(4)),
            ]
        );
        assert_eq!(*door.count("went in"), 3);
        assert_eq!(*door.count("abandoned waits"), 1);
    }

    /// When a clerk comes, and how long they stay, in tens of milliseconds. Nobody leaves when somebody comes.
    type Clerk = (u64, u64);

    fn comes((comes, _): Clerk) -> Duration {
        Duration::from_millis(10 * comes)
    }

    fn stays((_, stays): Clerk) -> Duration {
        Duration::from_millis(10 * stays + 5)
    }

    /// When each of them goes in, computed without a clock: from the first moment on at which three are there.
    fn expected(clerks: &[Clerk]) -> Vec<Option<Duration>> {
        let there = |now, clerk| comes(clerk) <= now && now < comes(clerk) + stays(clerk);
        let opens = clerks.iter().map(|&clerk| comes(clerk)).filter(|&now| {
            let present = clerks.iter().filter(|&&clerk| there(now, clerk));
            present.count() >= CLERKS
        });
        let Some(opens) = opens.min() else {
            return vec![None; clerks.len()];
        };
        let goes_in = |&clerk: &Clerk| {
            let now = opens.max(comes(clerk));
            there(now, clerk).then_some(now)
        };
        clerks.iter().map(goes_in).collect()
    }

    async fn go_in(clerks: &[Clerk], waits: impl AsyncFn()) -> Vec<Option<Duration>> {
        let start = Instant::now();
        let clerks = clerks.iter().map(async |&clerk| {
            sleep(comes(clerk)).await;
            let goes_in = timeout(stays(clerk), waits()).await;
            goes_in.ok().map(|()| start.elapsed())
        });
        join_all(clerks).await
    }

    /// When the first of them goes in; never is later than any other time.
    fn opening(go_in: Vec<Option<Duration>>) -> Duration {
        let first = go_in.into_iter().flatten().min();
        first.unwrap_or(Duration::MAX)
    }

    #[test]
    fn in_512_cases_the_door_opens_when_three_are_present_and_no_sooner() {
        let too_soon = Cell::new(0);
        let cases = vec((0_u64..30, 0_u64..20), 0..9);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&cases, |clerks| {
            on_virtual_clock(async {
                let expected = expected(&clerks);
                let door = Door::default();
                prop_assert_eq!(&go_in(&clerks, async || door.wait().await).await, &expected);

                let barrier = Barrier::new(CLERKS);
                let waits = async || {
                    barrier.wait().await;
                };
                let opens = opening(go_in(&clerks, waits).await);
                let in_time = opening(expected);
                prop_assert!(opens <= in_time);
                too_soon.update(|cases| cases + usize::from(opens < in_time));
                Ok(())
            })
        });
        held.unwrap();
        let too_soon = too_soon.get();
        assert!(too_soon > 100, "a `Barrier` is too soon in {too_soon}");
    }
}
