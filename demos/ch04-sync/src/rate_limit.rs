//! # A rate limit, and why a semaphore is none
//!
//! Another bank accepts at most 2 transfers a tick. A semaphore with 2 permits bounds how many are under way, and not
//! how many begin. If a transfer takes 0.2 ticks, 8 of them begin within a tick, which is four times too many. If it
//! takes 2 ticks, 8 transfers need 8 ticks, although the other bank would accept more. With a token every half tick
//! never more than 2 begin within a tick, however long they take: the 8 long ones need 5.5 ticks, with 4 at once.
//!
//! asyncio: Semaphore
//!
//! ```python
//! limit = asyncio.Semaphore(2)    # often called a rate limit
//!
//! async with limit:               # at most two at once, however many that is in a second
//!     await transfer()
//! ```
//!
//! Not the same: neither asyncio nor tokio has a rate limit. But tokio has an `interval`, and a token bucket can be
//! made of it: whenever it strikes, one caller gets a token. By default it makes up for the strikes that nobody
//! waited for: after a pause of 4 ticks 8 transfers begin at once. So it is reset after each token, and the bucket
//! never holds more than one.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{sum, waves},
    report::Lane,
    tick, ticks,
};
use tokio::{
    sync::{Mutex, Semaphore},
    time::{Interval, interval, sleep},
};
use tracing::instrument;

const TRANSFERS: u32 = 8;
/// The last of 8 transfers gets its token after 7 waits of half a tick.
const LAST_TOKEN: f64 = 3.5;

pub async fn run(t: &mut Timings) -> Result<()> {
    for (kind, time) in [("short", 0.2), ("long", 2.0)] {
        let limit = Semaphore::new(2);
        let transfers = (1..=TRANSFERS).map(|number| with_a_permit(&limit, number, time));
        let label = format!("{kind}, Semaphore(2)");
        let law = waves(TRANSFERS, 2, time);
        t.time(&label, law, join_all(transfers)).await;
        count(t, &label);

        let bucket = TokenBucket::new(ticks(0.5));
        let transfers = (1..=TRANSFERS).map(|number| with_a_token(&bucket, number, time));
        let label = format!("{kind}, a token each");
        let law = sum([LAST_TOKEN, time]);
        t.time(&label, law, join_all(transfers)).await;
        count(t, &label);
    }

    let bucket = TokenBucket::new(ticks(0.5));
    let label = "no reset, after a pause";
    let transfers = (1..=TRANSFERS).map(|number| with_a_saved_token(&bucket, number, 0.2));
    t.time(label, sum([4.0, 0.2]), after_a_pause(join_all(transfers)))
        .await;
    count(t, label);

    let bucket = TokenBucket::new(ticks(0.5));
    let label = "reset, after a pause";
    let transfers = (1..=TRANSFERS).map(|number| with_a_token(&bucket, number, 0.2));
    let law = sum([4.0, LAST_TOKEN, 0.2]);
    t.time(label, law, after_a_pause(join_all(transfers))).await;
    count(t, label);
    Ok(())
}

async fn with_a_permit(limit: &Semaphore, number: u32, time: f64) {
    let permit = limit.acquire().await;
    // The permit comes back when the transfer is over. So the shorter the transfers, the more of them begin.
    let _permit = permit.expect("nobody closes the semaphore");
    transfer(number, time).await;
}

async fn with_a_token(bucket: &TokenBucket, number: u32, time: f64) {
    bucket.token().await;
    // A token doesn't come back. So it makes no difference how long a transfer takes, or how many are under way.
    transfer(number, time).await;
}

async fn with_a_saved_token(bucket: &TokenBucket, number: u32, time: f64) {
    bucket.saved_token().await;
    transfer(number, time).await;
}

/// Hands out tokens, never two of them less than a `period` apart. One that nobody takes stays; no second one is
/// added.
struct TokenBucket {
    /// `tick` needs a `&mut`, and the callers share the bucket. tokio's `Mutex` is fair: who came first is next.
    clock: Mutex<Interval>,
}

impl TokenBucket {
    fn new(period: Duration) -> Self {
        Self {
            clock: Mutex::new(interval(period)), // its first tick comes at once
        }
    }

    async fn token(&self) {
        let mut clock = self.clock.lock().await;
        // A caller may be cancelled while it waits, here or in the line above. `tick` takes no token before it is
        // ready, and after it there is no `.await`. So no token is lost with a caller.
        clock.tick().await;
        // The next token is due a period from now, even if this one was taken late. `MissedTickBehavior::Delay` would
        // do the same, but it overlooks a delay of up to 5 ms, and then two tokens are that much closer together.
        clock.reset(); // <- the difference
    }

    /// By default an `Interval` makes up for the ticks it missed: those that nobody waited for.
    async fn saved_token(&self) {
        let mut clock = self.clock.lock().await;
        clock.tick().await;
    }
}

/// Nobody wants a token for 4 ticks, then all of them do.
async fn after_a_pause(transfers: impl Future) {
    sleep(ticks(4)).await;
    transfers.await;
}

#[instrument(ret)]
async fn transfer(number: u32, time: f64) {
    sleep(ticks(time)).await;
}

/// Both figures come from the lanes. They can grow only when a transfer begins, so these are the moments to look at.
fn count(t: &mut Timings, label: &str) {
    let lanes = &t[label].lanes;
    let most = |counts: &dyn Fn(&Lane, Duration) -> bool| {
        let moments = lanes.iter().map(|begins| begins.start);
        let counted = moments.map(|now| lanes.iter().filter(|lane| counts(lane, now)).count());
        counted.max().unwrap_or(0)
    };
    let starts = most(&|lane, now| (now..now + tick()).contains(&lane.start));
    let at_once = most(&|lane, now| (lane.start..lane.end).contains(&now));
    t.count("most starts in a tick", starts);
    t.count("most at once", at_once);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prelude::*,
        test_runner::{Config, TestRunner},
    };
    use std::{cell::Cell, panic::resume_unwind, pin::pin, sync::Arc};
    use timing::{on_virtual_clock, report::Value};
    use tokio::{
        task::JoinSet,
        time::{Instant, MissedTickBehavior, timeout},
    };

    fn figures(t: &Timings, label: &str) -> [i64; 2] {
        ["most starts in a tick", "most at once"].map(|what| match t[label].count(what) {
            Value::Whole(figure) => *figure,
            other => panic!("{other:?} is not a number of transfers"),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_semaphore_bounds_what_is_under_way_and_not_what_begins() {
        let t = Timings::of(run).await;
        assert_eq!(figures(&t, "short, Semaphore(2)"), [8, 2]);
        assert_eq!(figures(&t, "long, Semaphore(2)"), [2, 2]);
        assert_eq!(t["long, Semaphore(2)"].elapsed, ticks(8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_bounds_what_begins_and_not_what_is_under_way() {
        let t = Timings::of(run).await;
        assert_eq!(figures(&t, "short, a token each"), [2, 1]);
        assert_eq!(figures(&t, "long, a token each"), [2, 4]);
        assert_eq!(t["long, a token each"].elapsed, ticks(5.5));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_reset_the_tokens_of_a_pause_are_handed_out_together() {
        let t = Timings::of(run).await;
        assert_eq!(figures(&t, "no reset, after a pause"), [8, 8]);
        assert_eq!(figures(&t, "reset, after a pause"), [2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn to_delay_missed_ticks_instead_overlooks_five_milliseconds() {
        let mut clock = interval(Duration::from_millis(50));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        clock.tick().await;
        sleep(Duration::from_millis(55)).await;
        let late = clock.tick().await + Duration::from_millis(5);
        assert_eq!(clock.tick().await - late, Duration::from_millis(45));
    }

    /// How long after the one before a caller comes, how long they wait at most, and whether they then panic.
    type Caller = (u64, u64, bool);

    /// No caller gives up at the very moment a token is due: tokens are due at whole tens, patience ends between
    /// them.
    fn patience(tens: u64) -> Duration {
        Duration::from_millis(10 * tens + 5)
    }

    fn tens(tens: u64) -> Duration {
        Duration::from_millis(10 * tens)
    }

    /// When tokens are taken, computed without a clock: the next in line takes one when it is due, or goes.
    fn expected(callers: &[Caller], period: u64) -> Vec<Duration> {
        let (mut now, mut due) = (Duration::ZERO, Duration::ZERO);
        let mut starts = Vec::new();
        for &(after, waits, _) in callers {
            now += tens(after);
            let start = due.max(now);
            if start <= now + patience(waits) {
                starts.push(start);
                due = start + tens(period);
            }
        }
        starts
    }

    async fn taken(callers: &[Caller], period: u64, reset: bool) -> Vec<Duration> {
        let bucket = Arc::new(TokenBucket::new(tens(period)));
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        for &(after, waits, panics) in callers {
            sleep(tens(after)).await;
            let bucket = bucket.clone();
            tasks.spawn(async move {
                let mut token = pin!(async {
                    match reset {
                        true => bucket.token().await,
                        false => bucket.saved_token().await,
                    }
                });
                let in_time = timeout(patience(waits), &mut token).await;
                if in_time.is_err() && panics {
                    resume_unwind(Box::new("gives up with a panic")); // and prints nothing
                }
                in_time.map(|()| begin.elapsed())
            });
        }
        let mut starts = Vec::new();
        while let Some(caller) = tasks.join_next().await {
            match caller {
                Ok(in_time) => starts.extend(in_time),
                Err(end) => assert!(end.is_panic()),
            }
        }
        starts.sort();
        starts
    }

    fn too_many_in_a_window(starts: &[Duration], period: u64) -> bool {
        (1..5).any(|tokens| {
            let window = tens(period) * tokens as u32;
            starts
                .windows(tokens + 1)
                .any(|starts| starts[tokens] - starts[0] < window)
        })
    }

    #[test]
    fn in_512_cases_no_window_holds_more_starts_than_tokens_and_no_token_is_lost() {
        let caught = Cell::new(0);
        let caller = (0_u64..10, 0_u64..30, any::<bool>());
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&(vec(caller, 0..20), 1_u64..10), |(callers, period)| {
            on_virtual_clock(async {
                let starts = taken(&callers, period, true).await;
                prop_assert!(!too_many_in_a_window(&starts, period), "{starts:?}");
                prop_assert_eq!(starts, expected(&callers, period));
                let saved = taken(&callers, period, false).await;
                caught.update(|caught| caught + usize::from(too_many_in_a_window(&saved, period)));
                Ok(())
            })
        });
        held.unwrap();
        assert!(
            caught.get() > 100,
            "without a reset only {} cases break",
            caught.get()
        );
    }
}
