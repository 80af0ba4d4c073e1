//! # A semaphore: at most N at once
//!
//! Ten customers come to a bank, and each is served for 2 ticks. Without a bound all 10 are served at once, in 2
//! ticks. But the bank has 3 counters. A semaphore with 3 permits never lets more than 3 be served at once: 4 waves
//! of 2 ticks, 8 ticks in all. If every customer is a task from the beginning, there are 10 tasks at once. If the
//! permit is acquired before the task is spawned, there are 3. With `buffer_unordered` (see `streams/unordered`)
//! there are 0: three futures share the task that awaits them, so they never run on two threads at once.
//!
//! asyncio: Semaphore, BoundedSemaphore
//!
//! ```python
//! counters = asyncio.Semaphore(3)
//!
//! async def visit(customer):
//!     async with counters:
//!         await serve(customer)
//! ```
//!
//! Not the same: in asyncio one `release` too many makes a fourth permit without a warning; a `BoundedSemaphore`
//! raises a ValueError. In tokio a permit is a value. It is given back when it is dropped, also when its task is
//! aborted or panics, and it can't be given back twice. More permits come only from `add_permits`: with 2 more, 5
//! customers are served at once, in 4 ticks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use anyhow::Result;
use futures_util::{StreamExt, future::join_all, stream};
use timing::{
    Timings,
    law::{max, waves},
    ticks,
};
use tokio::{runtime::Handle, sync::Semaphore, task::JoinSet, time::sleep};
use tracing::instrument;

/// How long each of the ten customers is served.
const TIMES: [u32; 10] = [2; 10];
const COUNTERS: usize = 3;

pub async fn run(t: &mut Timings) -> Result<()> {
    let bank = Bank::with(COUNTERS);
    let customers = (1..).zip(TIMES);
    // No task is spawned: `join_all` polls the ten futures in the task that awaits it.
    let visits = join_all(customers.map(|(customer, time)| bank.serve(customer, time)));
    t.time("no bound", max(TIMES), visits).await;
    count(t, &bank);

    let bank = Bank::with(COUNTERS);
    let visits = acquire_in_each_task(&bank, &TIMES);
    let law = waves(10, 3, 2);
    t.time("acquire in each task", law, visits).await;
    count(t, &bank);
    t.count("permits at the end", bank.counters.available_permits());

    let bank = Bank::with(COUNTERS);
    let visits = acquire_before_the_spawn(&bank, &TIMES);
    let law = waves(10, 3, 2);
    t.time("acquire_owned, then spawn", law, visits).await;
    count(t, &bank);
    t.count("permits at the end", bank.counters.available_permits());

    let bank = Bank::with(COUNTERS);
    let visits = poll_three_at_a_time(&bank, &TIMES);
    t.time("buffer_unordered(3)", waves(10, 3, 2), visits).await;
    count(t, &bank);

    let bank = Bank::with(COUNTERS);
    bank.counters.add_permits(2); // though nobody has acquired these two
    let visits = acquire_in_each_task(&bank, &TIMES);
    t.time("add_permits(2)", waves(10, 5, 2), visits).await;
    count(t, &bank);
    t.count("permits at the end", bank.counters.available_permits());
    Ok(())
}

/// As with `gather` in asyncio, every customer is a task from the beginning, and most of these tasks wait.
async fn acquire_in_each_task(bank: &Arc<Bank>, times: &[u32]) {
    let mut customers = JoinSet::new();
    for (customer, &time) in (1..).zip(times) {
        customers.spawn(visit(bank.clone(), customer, time));
    }
    // If one of the tasks has panicked, the panic is resumed here.
    customers.join_all().await;
}

async fn visit(bank: Arc<Bank>, customer: u32, time: u32) {
    let permit = bank.counters.acquire().await;
    // The name matters: `let _ = …` would give the permit back before the customer is served (see
    // `pitfalls/let-underscore`).
    let _counter = permit.expect("nobody closes the counters");
    bank.serve(customer, time).await;
}

/// Here the loop waits, and not the tasks: a customer becomes a task when a permit is free. The `JoinSet` keeps each
/// task that has ended until it is joined. Where customers come without end the loop has to call `try_join_next`, too.
async fn acquire_before_the_spawn(bank: &Arc<Bank>, times: &[u32]) {
    let mut customers = JoinSet::new();
    for (customer, &time) in (1..).zip(times) {
        // A permit of `acquire` borrows the semaphore, and a task may not borrow from the loop that spawns it. An
        // owned permit holds an `Arc` of the semaphore, so it can be moved into the task.
        let permit = bank.counters.clone().acquire_owned().await;
        let counter = permit.expect("nobody closes the counters");
        let bank = bank.clone();
        customers.spawn(async move {
            bank.serve(customer, time).await;
            // An `async` block owns only what it mentions. Without this line the loop would still own the permit, and
            // drop it at once.
            drop(counter);
        });
    }
    customers.join_all().await;
}

/// Neither a task nor a semaphore: the stream polls up to three futures, and takes the next when one of them is done.
async fn poll_three_at_a_time(bank: &Bank, times: &[u32]) {
    let visits = (1..).zip(times);
    let visits = visits.map(|(customer, &time)| bank.serve(customer, time));
    stream::iter(visits)
        .buffer_unordered(COUNTERS)
        .collect::<()>()
        .await;
}

struct Bank {
    counters: Arc<Semaphore>,
    /// Each customer who is being served holds a clone.
    served: Arc<()>,
    most_served: AtomicUsize,
    most_tasks: AtomicUsize,
}

impl Bank {
    fn with(counters: usize) -> Arc<Self> {
        Arc::new(Self {
            counters: Arc::new(Semaphore::new(counters)),
            served: Arc::new(()),
            most_served: AtomicUsize::new(0),
            most_tasks: AtomicUsize::new(0),
        })
    }

    #[instrument(ret, skip(self))]
    async fn serve(&self, customer: u32, time: u32) {
        let _one_more = self.served.clone();
        let served = Arc::strong_count(&self.served) - 1; // the bank's own is no customer
        self.most_served.fetch_max(served, Relaxed);
        let tasks = Handle::current().metrics().num_alive_tasks();
        self.most_tasks.fetch_max(tasks, Relaxed);
        sleep(ticks(time)).await;
    }
}

fn count(t: &mut Timings, bank: &Bank) {
    t.count("most at once", bank.most_served.load(Relaxed));
    t.count("most tasks", bank.most_tasks.load(Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::{cmp::Reverse, collections::BinaryHeap, panic::resume_unwind};
    use timing::on_virtual_clock;
    use tokio::time::{Instant, timeout};

    #[tokio::test(start_paused = true)]
    async fn without_a_bound_all_ten_are_served_at_once() {
        let t = Timings::of(run).await;
        assert_eq!(t["no bound"].elapsed, ticks(2));
        assert_eq!(*t["no bound"].count("most at once"), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn three_forms_keep_the_bound_and_differ_in_their_tasks() {
        let t = Timings::of(run).await;
        for (label, tasks) in [
            ("acquire in each task", 10),
            ("acquire_owned, then spawn", 3),
            ("buffer_unordered(3)", 0),
        ] {
            assert_eq!(t[label].elapsed, ticks(8), "{label}");
            assert_eq!(*t[label].count("most at once"), 3, "{label}");
            assert_eq!(*t[label].count("most tasks"), tasks, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_comes_back_by_itself_and_added_ones_stay() {
        let t = Timings::of(run).await;
        for (label, permits) in [
            ("acquire in each task", 3),
            ("acquire_owned, then spawn", 3),
            ("add_permits(2)", 5),
        ] {
            assert_eq!(*t[label].count("permits at the end"), permits, "{label}");
        }
        assert_eq!(*t["add_permits(2)"].count("most at once"), 5);
        assert_eq!(t["add_permits(2)"].elapsed, ticks(4));
    }

    /// How long a customer has to be served, and when they leave at the latest.
    type Customer = (u32, u32);

    /// When the last one leaves, computed without a semaphore: the next in line goes to the counter that is free
    /// first.
    fn list_scheduling(customers: &[Customer], counters: usize) -> u32 {
        let mut free: BinaryHeap<_> = vec![Reverse(0); counters].into();
        let mut last = 0;
        for &(time, patience) in customers {
            let Reverse(begin) = *free.peek().expect("there is a counter");
            let end = patience.min(begin + time);
            if patience > begin {
                free.pop();
                free.push(Reverse(end));
            }
            last = last.max(end);
        }
        last
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn the_bound_holds_and_permits_come_back_from_tasks_that_are_aborted_or_panic(
            customers in vec(((0_u32..6, 0_u32..20), any::<bool>()), 0..20),
            counters in 1_usize..7,
        ) {
            on_virtual_clock(async {
                let bank = Bank::with(counters);
                let start = Instant::now();
                let mut tasks = JoinSet::new();
                for &((time, patience), panics) in &customers {
                    let mut visit = Box::pin(visit(bank.clone(), 0, time));
                    let task = tasks.spawn(async move {
                        let patience = if panics { patience } else { u32::MAX };
                        // `&mut`, so that the panic is what drops a visit, and with it the permit.
                        if timeout(ticks(patience), &mut visit).await.is_err() {
                            resume_unwind(Box::new("leaves with a panic")); // and prints nothing
                        }
                    });
                    tokio::spawn(async move {
                        sleep(ticks(patience)).await;
                        if !panics {
                            task.abort();
                        }
                    });
                }
                while tasks.join_next().await.is_some() {}
                let customers: Vec<Customer> = customers.iter().map(|&(customer, _)| customer).collect();
                prop_assert_eq!(start.elapsed(), ticks(list_scheduling(&customers, counters)));
                prop_assert!(bank.most_served.load(Relaxed) <= counters);
                prop_assert_eq!(bank.counters.available_permits(), counters);
                Ok(())
            })?;
        }

        #[test]
        fn all_forms_take_exactly_as_long_as_list_scheduling(times in vec(0_u32..6, 0..20)) {
            on_virtual_clock(async {
                let customers: Vec<Customer> = times.iter().map(|&time| (time, u32::MAX)).collect();
                let expected = ticks(list_scheduling(&customers, COUNTERS));
                for form in 0..3 {
                    let bank = Bank::with(COUNTERS);
                    let start = Instant::now();
                    match form {
                        0 => acquire_in_each_task(&bank, &times).await,
                        1 => acquire_before_the_spawn(&bank, &times).await,
                        _ => poll_three_at_a_time(&bank, &times).await,
                    }
                    prop_assert_eq!(start.elapsed(), expected, "form {}", form);
                    prop_assert!(bank.most_served.load(Relaxed) <= COUNTERS);
                    prop_assert!(form != 1 || bank.most_tasks.load(Relaxed) <= COUNTERS);
                }
                Ok(())
            })?;
        }
    }
}
