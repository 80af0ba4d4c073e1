//! # Two locks, taken in the order of the arguments
//!
//! A transfer locks one account, writes a line into an audit log for 1.5 ticks, and locks the other account. One goes
//! from Ada to Ben, another from Ben to Ada. If they begin at the same time and each locks its first argument first,
//! each holds the lock that the other one waits for, and neither ever goes on: a deadline of 7 ticks ends them. Of 16
//! pairs, which begin 0 to 3 ticks apart, 10 hang. If all lock the account with the lower number first, none hangs.
//!
//! asyncio: Lock, wait_for
//!
//! How to see it: in the timeline neither of the two lanes is polled between the line of the log and the deadline.
//! Neither rustc nor clippy warns, and a test whose transfers don't meet passes.
//!
//! Cured in: this lesson. What becomes of a wait that is given up: `tasks/timeout`
//!
//! ```python
//! async with out.lock:
//!     await write_line()                             # others run here
//!     async with into.lock: ...                      # hangs, if somebody pays back meanwhile
//! first, second = sorted((out, into), key=lambda account: account.number)
//! async with first.lock, second.lock: ...
//! ```
//!
//! Not the same: asyncio takes two locks that are free in one turn, so it hangs only with a wait between them, or for
//! the first. Tasks on several worker threads need no such wait. The compiler rules out data races, and a deadlock
//! isn't one. A transfer from an account to itself hangs with either order, as in `pitfalls/deadlock-on-self`.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::{
    join,
    sync::{Mutex, MutexGuard},
    time::{sleep, timeout},
};
use tracing::instrument;

/// The longest pair that doesn't hang takes 6 ticks: the second by number waits until the first has paid.
const DEADLINE: u32 = 7;

pub async fn run(t: &mut Timings) -> Result<()> {
    let pair = hangs([0, 0], by_argument);
    let hung = t.time("by argument", exactly(DEADLINE), pair).await;
    count(t, &[hung]);

    let pair = hangs([0, 0], by_number);
    let hung = t.time("by number", sum([1.5, 1.5]), pair).await;
    count(t, &[hung]);

    let pairs = join_all(starts().map(|starts| hangs(starts, by_argument)));
    let law = exactly(DEADLINE);
    let hung = t.time("by argument, 16 pairs", law, pairs).await;
    count(t, &hung);

    let pairs = join_all(starts().map(|starts| hangs(starts, by_number)));
    let hung = t.time("by number, 16 pairs", exactly(6), pairs).await;
    count(t, &hung);
    Ok(())
}

struct Account {
    number: u32,
    balance: Mutex<i64>,
}

type Balance<'a> = MutexGuard<'a, i64>;

/// Reads like the sentence it stands for: from this account to that one.
async fn by_argument(from: &Account, to: &Account) {
    let (mut from, mut to) = locks_both(from, to).await; // <- the difference
    *from -= 1;
    *to += 1;
}

/// With one order for all, a transfer that holds an account waits only for one with a higher number. So the holder of
/// the highest number that is locked waits for nobody, and nobody waits in a circle.
async fn by_number(from: &Account, to: &Account) {
    let (mut from, mut to) = if from.number < to.number {
        locks_both(from, to).await
    } else {
        let (to, from) = locks_both(to, from).await; // <- the difference
        (from, to)
    };
    *from -= 1;
    *to += 1;
}

async fn locks_both<'a>(first: &'a Account, second: &'a Account) -> (Balance<'a>, Balance<'a>) {
    let first = first.balance.lock().await;
    writes_into_the_audit_log().await; // here others run, and lock what is second
    (first, second.balance.lock().await)
}

/// A transfer from Ada to Ben and one from Ben to Ada, which begin after so many ticks. Returns whether the
/// deadline had to end them.
async fn hangs(starts: [u32; 2], transfer: impl AsyncFn(&Account, &Account)) -> bool {
    let [ada, ben] = [1, 2].map(Account::of);
    let [there, back] = starts.map(ticks);
    let both = async {
        join!(
            pays("Ada to Ben", there, transfer(&ada, &ben)),
            pays("Ben to Ada", back, transfer(&ben, &ada)),
        )
    };
    timeout(ticks(DEADLINE), both).await.is_err()
}

#[instrument(ret, skip(start, transfer))]
async fn pays(way: &str, start: Duration, transfer: impl Future<Output = ()>) {
    sleep(start).await;
    transfer.await;
}

async fn writes_into_the_audit_log() {
    sleep(ticks(1.5)).await;
}

impl Account {
    fn of(number: u32) -> Self {
        let balance = Mutex::new(10);
        Self { number, balance }
    }
}

/// Every way in which each of the two begins after 0, 1, 2 or 3 ticks.
fn starts() -> impl Iterator<Item = [u32; 2]> {
    (0..16).map(|n| [n / 4, n % 4])
}

fn count(t: &mut Timings, hung: &[bool]) {
    t.count("pairs", hung.len());
    t.count("hung", hung.iter().filter(|hung| **hung).count());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prop_assert, prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use timing::{on_virtual_clock, report::Ended};

    #[tokio::test(start_paused = true)]
    async fn in_the_order_of_the_arguments_a_pair_that_meets_hangs() {
        let t = Timings::of(run).await;
        let hung = &t["by argument"];
        assert_eq!(*hung.count("hung"), 1);
        assert_eq!(hung.elapsed, ticks(DEADLINE));
        let ended: Vec<_> = hung.lanes.iter().map(|lane| lane.ended).collect();
        assert_eq!(ended, [Ended::Cancelled; 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn in_the_order_of_the_numbers_it_takes_turns() {
        let t = Timings::of(run).await;
        let in_turn = &t["by number"];
        assert_eq!(*in_turn.count("hung"), 0);
        assert_eq!(in_turn.elapsed, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn of_16_pairs_10_hang_and_with_one_order_none() {
        let t = Timings::of(run).await;
        for label in ["by argument, 16 pairs", "by number, 16 pairs"] {
            assert_eq!(*t[label].count("pairs"), 16, "{label}");
        }
        assert_eq!(*t["by argument, 16 pairs"].count("hung"), 10);
        let in_turn = &t["by number, 16 pairs"];
        assert_eq!(*in_turn.count("hung"), 0);
        assert_eq!(in_turn.elapsed, ticks(6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_hangs_exactly_if_the_second_begins_before_the_first_has_both_locks() {
        for [there, back] in starts() {
            let before = ticks(u32::abs_diff(there, back)) < ticks(1.5);
            assert_eq!(hangs([there, back], by_argument).await, before);
            assert!(!hangs([there, back], by_number).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_order_helps_where_both_are_the_same_account() {
        let ada = Account::of(1);
        let by_number = timeout(ticks(DEADLINE), by_number(&ada, &ada));
        by_number.await.unwrap_err();
        let by_argument = timeout(ticks(DEADLINE), by_argument(&ada, &ada));
        by_argument.await.unwrap_err();
    }

    #[test]
    fn in_512_crowds_with_one_order_all_are_paid_and_no_money_is_lost() {
        let mut runner = TestRunner::new(Config::with_cases(512));
        // From which of four accounts, how many further on, and when.
        let transfers = vec((0_usize..4, 1_usize..4, 0_u32..8), 1..12);
        let held = runner.run(&transfers, |transfers| {
            on_virtual_clock(async {
                let accounts = [1, 2, 3, 4].map(Account::of);
                let all = transfers.iter().map(async |&(from, further, start)| {
                    sleep(ticks(start)).await;
                    by_number(&accounts[from], &accounts[(from + further) % 4]).await;
                });
                prop_assert!(timeout(ticks(1_000), join_all(all)).await.is_ok());
                let balances = accounts.map(|account| account.balance.into_inner());
                prop_assert_eq!(balances.iter().sum::<i64>(), 40);
                Ok(())
            })
        });
        held.unwrap();
    }
}
