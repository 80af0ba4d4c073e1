//! # A rate limit, and why a semaphore isn't one
//!
//! A clearing house accepts at most 2 transfers a tick. A semaphore with 2 permits bounds how many are under way, and
//! not how many begin. If a transfer takes 0.2 ticks, 8 of them begin within a tick, which is four times too many. If
//! it takes 2 ticks, 8 transfers need 8 ticks, although the clearing house would accept more. With a token every half
//! tick at most 2 begin within a tick, however long they take: the 8 long ones need 5.5 ticks, with 4 at once.
//!
//! asyncio: Semaphore
//!
//! ```python
//! limit = asyncio.Semaphore(2)
//!
//! async with limit:               # at most two at once, however many begin in a second
//!     await transfer()
//! ```
//!
//! Not the same: neither asyncio nor tokio has a rate limit, but one can be made of tokio's `interval` (see
//! `tasks/periodic`): each time it fires, one caller gets a token. By default it makes up for the times when nobody
//! waited for it: after a pause of 4 ticks 9 tokens are due, and all 8 transfers begin at once. So it is reset after
//! each token. Then it saves up one token at most, and is stricter than the limit: no two transfers begin together,
//! though 2 a tick are accepted.

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
        let transfers = (1..=TRANSFERS).map(|number| with_a_token(bucket.token(), number, time));
        let label = format!("{kind}, a token each");
        let law = sum([LAST_TOKEN, time]);
        // The marks inside the lanes: when one future is woken, `join_all` polls them all (see `tasks/join`).
        t.time(&label, law, join_all(transfers)).await;
        count(t, &label);
    }

    let bucket = TokenBucket::new(ticks(0.5));
    let label = "no reset, after a pause";
    let transfers = (1..=TRANSFERS).map(|number| with_a_token(bucket.saved_token(), number, 0.2));
    let law = sum([4.0, 0.2]);
    t.time(label, law, after_a_pause(join_all(transfers))).await;
    count(t, label);

    let bucket = TokenBucket::new(ticks(0.5));
    let label = "reset, after a pause";
    let transfers = (1..=TRANSFERS).map(|number| with_a_token(bucket.token(), number, 0.2));
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

async fn with_a_token(token: impl Future, number: u32, time: f64) {
    token.await;
    // A token doesn't come back. So it makes no difference how long a transfer takes, or how many are under way.
    transfer(number, time).await;
}

struct TokenBucket {
    /// Its `tick`, which waits until the interval fires, needs a `&mut`, and the callers share the bucket. tokio's
    /// `Mutex` is fair: the caller that came first is next.
    clock: Mutex<Interval>,
}

impl TokenBucket {
    fn new(period: Duration) -> Self {
        Self {
            // Fires for the first time at once. `interval` panics outside of a runtime, and if the period is zero.
            clock: Mutex::new(interval(period)),
        }
    }

    /// No two tokens are taken less than a period apart. One that nobody takes stays; no second one is added.
    async fn token(&self) {
        let mut clock = self.clock.lock().await;
        // A caller may be cancelled while it waits, here or in the line above. `tick` takes no token before it is
        // ready, and after it there is no `.await`. So no token is lost with a caller.
        clock.tick().await;
        // The next token is due a period from now, even if this one was taken late. `MissedTickBehavior::Delay`
        // isn't enough: it ignores a delay of up to 5 ms.
        clock.reset(); // <- the difference
    }

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

/// Counts at the start of every transfer: both figures can only rise there.
fn count(t: &mut Timings, label: &str) {
    let lanes = &t[label].lanes;
    let most = |counts: &dyn Fn(&Lane, Duration) -> bool| {
        let starts = lanes.iter().map(|lane| lane.start);
        let counted = starts.map(|now| lanes.iter().filter(|lane| counts(lane, now)).count());
        counted.max().unwrap_or(0)
    };
    // A start exactly a tick later belongs to the next tick.
    let starts = most(&|lane, now| (now..now + tick()).contains(&lane.start));
    let at_once = most(&|lane, now| (lane.start..lane.end).contains(&now));
    t.count("most starts in a tick", starts);
    t.count("most at once", at_once);
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use proptest::{
        collection::vec,
        prelude::*,
        test_runner::{Config, TestRunner},
    };
    use std::{
        cell::{Cell, RefCell},
        panic::AssertUnwindSafe,
    };
    use timing::on_virtual_clock;
    use tokio::time::{Instant, MissedTickBehavior, timeout};

    fn assert_counts(t: &Timings, label: &str, starts: usize, at_once: usize) {
        assert_eq!(*t[label].count("most starts in a tick"), starts, "{label}");
        assert_eq!(*t[label].count("most at once"), at_once, "{label}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_semaphore_bounds_what_is_under_way_and_not_what_begins() {
        let t = Timings::of(run).await;
        assert_counts(&t, "short, Semaphore(2)", 8, 2);
        assert_counts(&t, "long, Semaphore(2)", 2, 2);
        assert_eq!(t["long, Semaphore(2)"].elapsed, ticks(8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_bounds_what_begins_and_not_what_is_under_way() {
        let t = Timings::of(run).await;
        assert_counts(&t, "short, a token each", 2, 1);
        assert_counts(&t, "long, a token each", 2, 4);
        assert_eq!(t["long, a token each"].elapsed, ticks(5.5));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_reset_the_tokens_of_a_pause_are_handed_out_together() {
        let t = Timings::of(run).await;
        assert_counts(&t, "no reset, after a pause", 8, 8);
        assert_counts(&t, "reset, after a pause", 2, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_of_eight_periods_nine_tokens_are_due() {
        let bucket = TokenBucket::new(ticks(0.5));
        sleep(ticks(4)).await;
        let begin = Instant::now();
        for due in 1..=9 {
            bucket.saved_token().await;
            assert_eq!(begin.elapsed(), ticks(0), "token {due}");
        }
        bucket.saved_token().await;
        assert_eq!(begin.elapsed(), ticks(0.5), "token 10");
    }

    #[tokio::test(start_paused = true)]
    async fn to_delay_missed_ticks_instead_ignores_five_milliseconds() {
        let mut clock = interval(Duration::from_millis(50));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        clock.tick().await;
        sleep(Duration::from_millis(55)).await;
        let late = clock.tick().await + Duration::from_millis(5);
        assert_eq!(clock.tick().await - late, Duration::from_millis(45));
    }

    /// How long after the one before a caller comes; how long they wait at most: five milliseconds more than these
    /// tens, so that nobody gives up at the very moment a token is due; and whether they panic once they have a
    /// token.
    type Caller = (u64, u64, bool);

    fn patience((_, waits, _): Caller) -> Duration {
        tens(waits) + Duration::from_millis(5)
    }

    fn tens(tens: u64) -> Duration {
        Duration::from_millis(10 * tens)
    }

    /// When tokens are taken, computed without a clock: the next in line takes one when it is due, or goes.
    fn expected(callers: &[Caller], period: u64) -> Vec<Duration> {
        let (mut now, mut due) = (Duration::ZERO, Duration::ZERO);
        let mut starts = Vec::new();
        for &caller in callers {
            now += tens(caller.0);
            let start = due.max(now);
            if start <= now + patience(caller) {
                starts.push(start);
                due = start + tens(period);
            }
        }
        starts
    }

    async fn taken(callers: &[Caller], takes: impl AsyncFn()) -> Vec<Duration> {
        let begin = Instant::now();
        let starts = RefCell::new(Vec::new());
        let mut comes = 0;
        let callers = callers.iter().map(|&caller| {
            comes += caller.0;
            let comes = tens(comes);
            let (takes, starts) = (&takes, &starts);
            let takes_one = async move {
                sleep(comes).await;
                if timeout(patience(caller), takes()).await.is_ok() {
                    starts.borrow_mut().push(begin.elapsed());
                    assert!(!caller.2, "the transfer fails");
                }
            };
            AssertUnwindSafe(takes_one).catch_unwind()
        });
        join_all(callers).await;
        starts.take()
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
        let callers = vec((0_u64..10, 0_u64..30, any::<bool>()), 0..20);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&(callers, 1_u64..10), |(callers, period)| {
            on_virtual_clock(async {
                let bucket = TokenBucket::new(tens(period));
                let starts = taken(&callers, || bucket.token()).await;
                prop_assert!(!too_many_in_a_window(&starts, period), "{starts:?}");
                prop_assert_eq!(starts, expected(&callers, period));
                let bucket = TokenBucket::new(tens(period));
                let saved = taken(&callers, || bucket.saved_token()).await;
                caught.update(|caught| caught + usize::from(too_many_in_a_window(&saved, period)));
                Ok(())
            })
        });
        held.unwrap();
        let caught = caught.get();
        assert!(caught > 100, "without a reset only {caught} cases break");
    }
}
