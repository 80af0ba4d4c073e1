//! # An event: a state that lasts, or a wake-up that doesn't
//!
//! Three customers wait for a bank that opens after 2 ticks. A `watch` (a value whose changes can be waited for, see
//! `queues/watch`), a `Notify` (wake-ups, and no value) and a `CancellationToken` (see `tasks/cancel`) let all 3 in
//! at 2. If the bank opens before they come, the `watch` and the token let in 3 at once, since they keep their state.
//! `notify_waiters` reaches only those who called `notified` before it (see `sync/condition`): it lets in 0. Two calls
//! of `notify_one` store one wake-up, not two: they let in 1. If a `watch` is set and cleared with no `.await` in
//! between, it lets in 0: on this one thread nobody can look before it is cleared. If it is set, cleared overnight and
//! set again, it lets in 3 on each of two days.
//!
//! asyncio: Event
//!
//! ```python
//! opening = asyncio.Event()
//! await opening.wait()              # each of three customers
//! opening.set(); opening.clear()    # wakes all three
//! ```
//!
//! Not the same: asyncio's Event keeps a state for tasks that come later, and its `set` also wakes all that wait,
//! even if `clear` follows at once. tokio has a type for each. A `watch` keeps a state that can be set and cleared;
//! each task looks at it when it has a turn. `notify_waiters` wakes all that wait and keeps nothing, as `set` and
//! `clear` together do in asyncio. A `CancellationToken` is set once and never cleared.

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::{
    join,
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::instrument;

const CUSTOMERS: u32 = 3;
/// How long a customer waits before giving up. Without a limit, one whose wake-up is lost would wait for ever.
const PATIENCE: u32 = 3;

pub async fn run(t: &mut Timings) -> Result<()> {
    let sign = watch::Sender::new(false);
    let visits = customers_first(|| until_open(&sign), || set(&sign, true));
    let let_in = t.time("watch", exactly(2), visits).await;
    t.count("let in", let_in);

    let bell = Notify::new();
    let visits = customers_first(|| bell.notified(), || bell.notify_waiters());
    let let_in = t.time("Notify", exactly(2), visits).await;
    t.count("let in", let_in);

    let token = CancellationToken::new();
    let visits = customers_first(|| token.cancelled(), || token.cancel());
    let let_in = t.time("token", exactly(2), visits).await;
    t.count("let in", let_in);

    let sign = watch::Sender::new(false);
    let visits = bank_first(|| until_open(&sign), || set(&sign, true));
    let let_in = t.time("watch, set before", exactly(0), visits).await;
    t.count("let in", let_in);

    let token = CancellationToken::new();
    let visits = bank_first(|| token.cancelled(), || token.cancel());
    let let_in = t.time("token, set before", exactly(0), visits).await;
    t.count("let in", let_in);

    let bell = Notify::new();
    // <- the difference: the bell rings before they come, and leaves nothing behind that they could see.
    let visits = bank_first(|| bell.notified(), || bell.notify_waiters());
    let law = exactly(PATIENCE);
    let let_in = t.time("notify_waiters before", law, visits).await;
    t.count("let in", let_in);

    let bell = Notify::new();
    let visits = bank_first(
        || bell.notified(),
        || {
            bell.notify_one();
            bell.notify_one(); // a wake-up is stored already, so this one is lost
        },
    );
    let law = exactly(PATIENCE);
    let let_in = t.time("notify_one twice before", law, visits).await;
    t.count("let in", let_in);

    let sign = watch::Sender::new(false);
    let visits = customers_first(
        || until_open(&sign),
        || {
            set(&sign, true);
            set(&sign, false); // <- the difference: when the customers look again, they see this
        },
    );
    let law = exactly(PATIENCE);
    let let_in = t.time("watch, set and cleared", law, visits).await;
    t.count("let in", let_in);

    let let_in = t.time("watch, set again", sum([2, 2]), two_days()).await;
    t.count("let in", let_in);
    Ok(())
}

/// The customers come at 0, and the bank opens at 2. Returns how many customers were let in.
async fn customers_first(waits: impl AsyncFn(), opens: impl FnOnce()) -> usize {
    let opening = async {
        sleep(ticks(2)).await;
        opens();
    };
    join!(three_customers(waits), opening).0
}

/// The bank opens, and then the customers come. Returns how many were let in.
async fn bank_first(waits: impl AsyncFn(), opens: impl FnOnce()) -> usize {
    opens();
    three_customers(waits).await
}

async fn two_days() -> usize {
    let sign = watch::Sender::new(false);
    let first = customers_first(|| until_open(&sign), || set(&sign, true)).await;
    set(&sign, false); // or the customers of the second day would be let in at once
    first + customers_first(|| until_open(&sign), || set(&sign, true)).await
}

/// Looks at the state, and again after each change of it, until it is "open".
async fn until_open(sign: &watch::Sender<bool>) {
    let mut sign = sign.subscribe();
    let open = sign.wait_for(|open| *open).await;
    open.expect("its sender is borrowed here, so it isn't dropped");
}

/// Not `send`: that fails, and leaves the state as it was, while there are no receivers.
fn set(sign: &watch::Sender<bool>, open: bool) {
    sign.send_replace(open);
}

async fn three_customers(waits: impl AsyncFn()) -> usize {
    let customers = (1..=CUSTOMERS).map(|n| customer(n, waits()));
    let let_in = join_all(customers).await;
    let_in.into_iter().filter(|let_in| *let_in).count()
}

/// Returns whether this customer was let in.
#[instrument(ret, skip(waits))]
async fn customer(n: u32, waits: impl Future<Output = ()>) -> bool {
    timeout(ticks(PATIENCE), waits).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prop_assert,
        test_runner::{Config, TestRunner},
    };
    use timing::on_virtual_clock;

    #[tokio::test(start_paused = true)]
    async fn three_who_wait_are_let_in_when_it_is_set() {
        let t = Timings::of(run).await;
        for label in ["watch", "Notify", "token"] {
            assert_eq!(*t[label].count("let in"), 3, "{label}");
            assert_eq!(t[label].elapsed, ticks(2), "{label}");
            let ends = t[label].lanes.iter().map(|lane| lane.end);
            assert!(ends.eq([ticks(2); 3]), "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_lets_in_those_who_come_later() {
        let t = Timings::of(run).await;
        for label in ["watch, set before", "token, set before"] {
            assert_eq!(*t[label].count("let in"), 3, "{label}");
            assert_eq!(t[label].elapsed, ticks(0), "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wake_up_that_nobody_waits_for_is_lost_or_stored_once() {
        let t = Timings::of(run).await;
        assert_eq!(*t["notify_waiters before"].count("let in"), 0);
        assert_eq!(*t["notify_one twice before"].count("let in"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn set_and_cleared_at_once_a_watch_lets_nobody_in() {
        let t = Timings::of(run).await;
        let cleared = &t["watch, set and cleared"];
        assert_eq!(*cleared.count("let in"), 0);
        assert_eq!(cleared.elapsed, ticks(PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_was_cleared_makes_them_wait_until_it_is_set_again() {
        let t = Timings::of(run).await;
        let again = &t["watch, set again"];
        assert_eq!(*again.count("let in"), 6);
        let ends = again.lanes.iter().map(|lane| lane.end);
        assert!(ends.eq([2, 2, 2, 4, 4, 4].map(ticks)));
    }

    #[test]
    fn a_state_lets_in_all_who_come_and_a_bell_those_who_were_there() {
        // In tenths of a tick: customers come at even times and the bank opens at an odd one, so there are no ties,
        // and nobody waits as long as PATIENCE.
        let cases = (vec(0_u32..15, 0..6), 0_u32..15);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&cases, |(come, opening)| {
            let sign = watch::Sender::new(false);
            let bell = Notify::new();
            on_virtual_clock(async {
                let shown = join_all(come.iter().map(async |&n| {
                    tenths(2 * n).await;
                    customer(n, until_open(&sign)).await
                }));
                let rung = join_all(come.iter().map(async |&n| {
                    tenths(2 * n).await;
                    customer(n, bell.notified()).await
                }));
                let opens = async {
                    tenths(2 * opening + 1).await;
                    set(&sign, true);
                    bell.notify_waiters();
                };
                let (shown, rung, ()) = join!(shown, rung, opens);
                prop_assert!(shown.iter().all(|let_in| *let_in));
                let were_there = come.iter().map(|&n| n <= opening);
                prop_assert!(were_there.eq(rung.iter().copied()), "{rung:?}");
                Ok(())
            })
        });
        held.unwrap();
    }

    async fn tenths(count: u32) {
        sleep(ticks(f64::from(count) / 10.0)).await;
    }
}
