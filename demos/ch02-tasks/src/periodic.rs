//! # Every five ticks: `sleep` in a loop drifts, `interval` doesn't
//!
//! The soup is to be stirred every 5 ticks, and stirring takes 2. A loop that stirs and then sleeps for 5 begins at
//! 0, 7 and 14: 3 runs in 20 ticks, each 2 ticks further behind the plan. `interval` counts from the planned times,
//! not from the end of the work: 0, 5, 10, 15, which are 4 runs. When the first run takes 12 ticks, two planned times
//! have gone by, and `MissedTickBehavior` says what becomes of them. `Burst` makes up for both (0, 12, 14, 16),
//! `Delay` counts afresh from the late run (0, 12, 17), `Skip` leaves one out and goes back to the plan (0, 12, 15).
//!
//! asyncio: loop with sleep
//!
//! ```python
//! async def stir_every(period):
//!     while True:
//!         await stir()                  # takes 2
//!         await asyncio.sleep(period)   # begins only now
//!
//! await asyncio.wait_for(stir_every(5), 20)   # 0, 7, 14, then TimeoutError
//! ```
//!
//! Not the same: asyncio has no `interval`. There, a loop without drift computes each next time from `loop.time()` by
//! hand, and has to decide what a late run does to it. The first tick of an `interval` comes at once, not after one
//! period.

use std::convert::Infallible;

use anyhow::Result;
use timing::{Timings, law::exactly, report::Variant, ticks};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::instrument;

const PERIOD: u32 = 5;
const SHIFT: u32 = 20;

/// How long each run takes. There is time for four runs at most.
const STEADY: [u32; 4] = [2, 2, 2, 2];
const HELD_UP: [u32; 4] = [12, 2, 2, 2];

pub async fn run(t: &mut Timings) -> Result<()> {
    let stirring = for_a_shift(sleeps_in_between(stirs(STEADY)));
    t.time("sleep in a loop", exactly(SHIFT), stirring).await;
    t.count("runs", t["sleep in a loop"].lanes.len());
    t.count("begun at tick", begun(&t["sleep in a loop"]));

    // `Burst` is what an interval does unless it is told otherwise. Here no run is late, so it makes no difference.
    let stirring = for_a_shift(keeps_to_the_plan(MissedTickBehavior::Burst, stirs(STEADY)));
    t.time("interval", exactly(SHIFT), stirring).await;
    t.count("runs", t["interval"].lanes.len());
    t.count("begun at tick", begun(&t["interval"]));

    for missed in [
        MissedTickBehavior::Burst,
        MissedTickBehavior::Delay,
        MissedTickBehavior::Skip,
    ] {
        let label = format!("one run late, {missed:?}");
        let stirring = for_a_shift(keeps_to_the_plan(missed, stirs(HELD_UP)));
        t.time(&label, exactly(SHIFT), stirring).await;
        t.count("runs", t[label.as_str()].lanes.len());
        t.count("begun at tick", begun(&t[label.as_str()]));
    }
    Ok(())
}

/// The plan has a run at 20 as well, at the moment when the shift is over. `biased` asks the end of the shift first,
/// so that run doesn't begin (`tasks/branch-order`). `timeout` asks its future first: it would begin the run and cut
/// it off at once.
async fn for_a_shift(routine: impl Future<Output = Infallible>) {
    tokio::select! {
        biased;
        () = sleep(ticks(SHIFT)) => {}
        never = routine => match never {}, // a loop without an end has no result to handle
    }
}

/// The sleep begins when the work is done, so the time the work takes is added to every period.
async fn sleeps_in_between(work: impl AsyncFn(usize)) -> Infallible {
    let mut run = 0;
    loop {
        work(run).await;
        run += 1;
        sleep(ticks(PERIOD)).await; // <- the difference
    }
}

/// The interval holds the time of its next tick and moves it on by a period, however long the work takes.
async fn keeps_to_the_plan(missed: MissedTickBehavior, work: impl AsyncFn(usize)) -> Infallible {
    let mut plan = interval(ticks(PERIOD));
    plan.set_missed_tick_behavior(missed);
    let mut run = 0;
    loop {
        plan.tick().await; // the first is due at once, and one that is overdue doesn't wait
        work(run).await;
        run += 1;
    }
}

/// The closure owns `times`, and each future it makes borrows the list from it. With `Fn(usize) -> Fut` as the type
/// of the callback that doesn't compile: its future may not borrow from the closure. `AsyncFn` allows it.
fn stirs(times: [u32; 4]) -> impl AsyncFn(usize) {
    async move |run| stir(times[run]).await
}

#[instrument(ret)]
async fn stir(time: u32) {
    sleep(ticks(time)).await;
}

/// When each run began, read off the lanes. On the real clock every timer is a little late, hence `round`.
fn begun(variant: &Variant) -> String {
    let starts = variant.lanes.iter().map(|lane| lane.start);
    let in_ticks = starts.map(|start| start.div_duration_f64(ticks(1)).round().to_string());
    in_ticks.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test(start_paused = true)]
    async fn a_sleep_after_the_work_drifts_and_makes_fewer_runs() {
        let t = Timings::of(run).await;
        let sleeping = &t["sleep in a loop"];
        assert_eq!(*sleeping.count("runs"), 3);
        assert_eq!(*sleeping.count("begun at tick"), "0 7 14");
        let late = |run: u32| sleeping.lanes[run as usize].start - ticks(run * PERIOD);
        assert_eq!([late(1), late(2)], [ticks(2), ticks(4)], "more each time");
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_keeps_to_the_plan_and_its_first_tick_comes_at_once() {
        let t = Timings::of(run).await;
        assert_eq!(*t["interval"].count("runs"), 4);
        let starts: Vec<_> = t["interval"].lanes.iter().map(|lane| lane.start).collect();
        assert_eq!(starts, [0, 5, 10, 15].map(ticks));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_late_run_each_behaviour_goes_on_in_its_own_way() {
        let t = Timings::of(run).await;
        for (missed, runs, begun) in [
            ("Burst", 4, "0 12 14 16"),
            ("Delay", 3, "0 12 17"),
            ("Skip", 3, "0 12 15"),
        ] {
            let variant = &t[format!("one run late, {missed}").as_str()];
            assert_eq!(*variant.count("runs"), runs, "{missed}");
            assert_eq!(*variant.count("begun at tick"), begun, "{missed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_shift_ends_on_time_and_cuts_no_run_off() {
        let t = Timings::of(run).await;
        for label in ["sleep in a loop", "interval", "one run late, Delay"] {
            assert_eq!(t[label].elapsed, ticks(20));
            let mut lanes = t[label].lanes.iter();
            assert!(lanes.all(|lane| lane.ended == Ended::Returned), "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_would_begin_the_run_that_is_due_at_its_end() {
        let mut t = Timings::default();
        let routine = keeps_to_the_plan(MissedTickBehavior::Burst, async |_| stir(2).await);
        let stirring = tokio::time::timeout(ticks(SHIFT), routine);
        t.time("timeout", exactly(SHIFT), stirring)
            .await
            .unwrap_err();
        assert_eq!(begun(&t["timeout"]), "0 5 10 15 20");
        assert_eq!(t["timeout"].lanes[4].ended, Ended::Cancelled);
    }
}
