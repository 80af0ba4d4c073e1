//! # An event: a state that lasts, or a wake-up that doesn't
//!
//! Three customers wait for the doors of a bank, which open after 2 ticks. A `watch`, a `Notify` and a
//! `CancellationToken` let all 3 in at 2. If the doors open before the customers come, the `watch` and the token let
//! 3 in at once, since they keep their state. `notify_waiters` wakes those who wait at that moment, so it lets in 0;
//! `notify_one` stores one wake-up, so it lets in 1. If the doors are opened and shut again without an `.await` in
//! between, the `watch` lets in 0: when the customers get a turn to look, the doors are shut.
//!
//! asyncio: Event
//!
//! ```python
//! doors = asyncio.Event()
//! await doors.wait()            # each of three customers
//! doors.set(); doors.clear()    # wakes all three
//! ```
//!
//! Not the same: an asyncio Event does both. It has a state, for those who come later, and `set` wakes all who wait
//! even if `clear` follows at once. tokio has a type for each. A `watch` has the state, which can be set and cleared
//! any number of times. A `Notify` has no state: `notify_waiters` wakes all 3, as `set` and `clear` together do in
//! asyncio. A `CancellationToken` can be set, and never cleared.

use std::future::pending;

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::{
    select,
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::instrument;

const CUSTOMERS: u32 = 3;
/// How long a customer waits before giving up. Without a limit, one whose wake-up is lost would wait for ever.
const PATIENCE: u32 = 3;

pub async fn run(t: &mut Timings) -> Result<()> {
    let doors = watch::Sender::new(false);
    let three = customers_first(|| shown_open(&doors), || set(&doors, true));
    let let_in = t.time("watch", exactly(2), three).await;
    t.count("let in", let_in);

    let bell = Notify::new();
    let three = customers_first(|| bell.notified(), || bell.notify_waiters());
    let let_in = t.time("Notify", exactly(2), three).await;
    t.count("let in", let_in);

    let doors = CancellationToken::new();
    let three = customers_first(|| doors.cancelled(), || doors.cancel());
    let let_in = t.time("token", exactly(2), three).await;
    t.count("let in", let_in);

    let doors = watch::Sender::new(false);
    let three = doors_first(|| shown_open(&doors), || set(&doors, true));
    let let_in = t.time("watch, set before", exactly(0), three).await;
    t.count("let in", let_in);

    let doors = CancellationToken::new();
    let three = doors_first(|| doors.cancelled(), || doors.cancel());
    let let_in = t.time("token, set before", exactly(0), three).await;
    t.count("let in", let_in);

    let bell = Notify::new();
    // <- the difference: a bell has no state, and the three come after it has rung.
    let three = doors_first(|| bell.notified(), || bell.notify_waiters());
    let let_in = t
        .time("notify_waiters before", exactly(PATIENCE), three)
        .await;
    t.count("let in", let_in);

    let bell = Notify::new();
    // With nobody there to be woken, one wake-up is kept for the first who comes.
    let three = doors_first(|| bell.notified(), || bell.notify_one());
    let let_in = t.time("notify_one before", exactly(PATIENCE), three).await;
    t.count("let in", let_in);

    let doors = watch::Sender::new(false);
    let three = customers_first(
        || shown_open(&doors),
        || {
            set(&doors, true);
            set(&doors, false); // <- the difference: the customers are woken, and see this state only
        },
    );
    let let_in = t
        .time("watch, set and cleared", exactly(PATIENCE), three)
        .await;
    t.count("let in", let_in);

    let two_days = t.time("watch, set again", sum([2, 2]), on_two_days()).await;
    t.count("let in", two_days);
    Ok(())
}

/// The customers come at 0, and the doors open at 2. It ends with the last customer, so it takes no time if none of
/// them has to wait for the opening.
async fn customers_first(doors: impl AsyncFn(), open: impl FnOnce()) -> usize {
    let opening = async {
        sleep(ticks(2)).await;
        open();
        pending().await // so that only the other branch can end the `select!`
    };
    select! {
        let_in = three_customers(doors) => let_in,
        never = opening => never,
    }
}

/// The doors open, and then the customers come.
async fn doors_first(doors: impl AsyncFn(), open: impl FnOnce()) -> usize {
    open();
    three_customers(doors).await
}

async fn on_two_days() -> usize {
    let doors = watch::Sender::new(false);
    let first = customers_first(|| shown_open(&doors), || set(&doors, true)).await;
    set(&doors, false); // or the customers of the second day would be let in at once
    first + customers_first(|| shown_open(&doors), || set(&doors, true)).await
}

/// Looks at the state, and again after each change of it, until it is "open".
async fn shown_open(doors: &watch::Sender<bool>) {
    let mut sign = doors.subscribe();
    let open = sign.wait_for(|open| *open).await;
    open.expect("its sender is borrowed here, so it isn't dropped");
}

/// `send` would fail, and change nothing, as long as nobody has subscribed. Doors open whether anybody waits or not.
fn set(doors: &watch::Sender<bool>, open: bool) {
    doors.send_replace(open);
}

/// Returns how many of them were let in.
async fn three_customers(doors: impl AsyncFn()) -> usize {
    let customers = (1..=CUSTOMERS).map(|n| customer(n, doors()));
    let let_in = join_all(customers).await;
    let_in.into_iter().filter(|let_in| *let_in).count()
}

#[instrument(ret, skip(doors))]
async fn customer(n: u32, doors: impl Future<Output = ()>) -> bool {
    timeout(ticks(PATIENCE), doors).await.is_ok()
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
    use tokio::join;

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
        assert_eq!(*t["notify_one before"].count("let in"), 1);
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
        assert_eq!(again.elapsed, ticks(4));
    }
    #[test]
    fn a_state_lets_in_all_who_come_and_a_bell_those_who_were_there() {
        let cases = (vec(0_u32..15, 0..6), 0_u32..15);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&cases, |(come, opening)| {
            let doors = watch::Sender::new(false);
            let bell = Notify::new();
            on_virtual_clock(async {
                // They come at even tenths of a tick and the doors open at an odd one, so there are no ties.
                let shown = join_all(come.iter().map(async |&n| {
                    tenths(2 * n).await;
                    customer(n, shown_open(&doors)).await
                }));
                let rung = join_all(come.iter().map(async |&n| {
                    tenths(2 * n).await;
                    customer(n, bell.notified()).await
                }));
                let opens = async {
                    tenths(2 * opening + 1).await;
                    set(&doors, true);
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
