//! # A counter: how much of the work stands under the lock
//!
//! 20 customers of a bank, each in a task of its own, fill in a form and take a number. The form takes half a tick.
//! With the lock held around both, they fill in 1 form at a time: 10 ticks. With the lock taken after the form, they
//! fill in 20 at a time: half a tick. Both times they get 20 different numbers. A lock can also be a `static` that
//! several runtimes share (see `basics/entry-point`): here 1 task waits for it while a task of another runtime holds
//! it.
//!
//! asyncio: Lock
//!
//! ```python
//! lock = asyncio.Lock()      # at module level
//!
//! async with lock:           # around both: one form at a time
//!     await fill_in_form()
//!     number = next(numbers)
//! ```
//!
//! Not the same: up to Python 3.9 such a lock belongs to the loop that was current when the module was loaded, and
//! fails under `asyncio.run` as soon as a task has to wait for it. From 3.10 on it belongs to the first loop in which
//! a task has to wait for it, and a task that has to wait in another loop fails. A lock of tokio's belongs to no
//! runtime, and `const_new` makes it at compile time. Tasks share a lock that isn't a `static` by an `Arc`.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
};

use anyhow::Result;
use futures_util::poll;
use timing::{
    Timings,
    law::{exactly, max, waves},
    ticks,
};
use tokio::{
    runtime::Builder,
    sync::{Mutex, oneshot},
    task::JoinSet,
    time::sleep,
};
use tracing::instrument;

const CUSTOMERS: u32 = 20;
const FORM: f64 = 0.5;

/// Made before there is a runtime. A `static` is never dropped, and every part of the program can reach it.
static LAST_NUMBER: Mutex<u32> = Mutex::const_new(0);

pub async fn run(t: &mut Timings) -> Result<()> {
    let one_at_a_time = waves(CUSTOMERS, 1, FORM);
    let all = serve(CUSTOMERS, locks_around_the_form);
    let (numbers, at_once) = t.time("around the form", one_at_a_time, all).await;
    t.count("different numbers", different(&numbers));
    t.count("forms at once", at_once);

    let all_at_once = max([FORM; CUSTOMERS as usize]);
    let all = serve(CUSTOMERS, locks_after_the_form);
    let (numbers, at_once) = t.time("after the form", all_at_once, all).await;
    t.count("different numbers", different(&numbers));
    t.count("forms at once", at_once);

    let two = numbers_on_two_runtimes();
    let (numbers, waits) = t.time("a static", exactly(0), two).await?;
    t.count("different numbers", different(&numbers));
    t.count("tasks waiting", waits);
    Ok(())
}

/// Returns the numbers that the customers took, and the most forms that were filled in at once.
async fn serve<F>(customers: u32, customer: impl Fn(u32, Arc<Bank>) -> F) -> (Vec<u32>, u32)
where
    F: Future<Output = u32> + Send + 'static,
{
    let bank = Arc::new(Bank::default());
    let tasks: JoinSet<u32> = (0..customers).map(|n| customer(n, bank.clone())).collect();
    let numbers = tasks.join_all().await;
    (numbers, bank.most.load(SeqCst))
}

#[instrument(ret, skip(bank))]
async fn locks_around_the_form(customer: u32, bank: Arc<Bank>) -> u32 {
    let mut counter = bank.counter.lock().await;
    bank.fill_in_form().await; // doesn't touch the counter, and yet all other customers wait for its end
    *counter += 1;
    *counter
}

#[instrument(ret, skip(bank))]
async fn locks_after_the_form(customer: u32, bank: Arc<Bank>) -> u32 {
    bank.fill_in_form().await;
    let mut counter = bank.counter.lock().await; // <- the difference: no `.await` while it is held
    *counter += 1;
    *counter
}

/// Takes a number here while a task of another runtime, in a thread of its own, waits for the same lock.
#[instrument(ret, err)]
async fn numbers_on_two_runtimes() -> Result<([u32; 2], u32)> {
    let elsewhere = Builder::new_current_thread().build()?;
    let (tells, waiting) = oneshot::channel();
    let (hands_over, number) = oneshot::channel();

    let mut last = LAST_NUMBER.lock().await;
    thread::spawn(move || elsewhere.block_on(takes_a_number(tells, hands_over)));
    let waits = waiting.await?;
    *last += 1;
    let here = *last;
    // Wakes the task of the other runtime. A task's waker knows its runtime, so the lock doesn't have to.
    drop(last);
    Ok(([here, number.await?], u32::from(waits)))
}

async fn takes_a_number(tells: oneshot::Sender<bool>, hands_over: oneshot::Sender<u32>) {
    let mut lock = pin!(LAST_NUMBER.lock());
    // The first poll takes a place in the lock's queue. The other runtime is told after it, so it doesn't release the
    // lock before this task waits for it.
    let waits = poll!(&mut lock).is_pending();
    tells.send(waits).expect("the other side waits for it");
    let mut last = lock.await;
    *last += 1;
    let number = *last;
    hands_over
        .send(number)
        .expect("the other side waits for it");
}

#[derive(Default)]
struct Bank {
    counter: Mutex<u32>,
    now: AtomicU32,
    /// The highest that `now` has been.
    most: AtomicU32,
}

impl Bank {
    async fn fill_in_form(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        sleep(ticks(FORM)).await;
        self.now.fetch_sub(1, SeqCst);
    }
}

fn different(numbers: &[u32]) -> usize {
    numbers.iter().collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use timing::on_virtual_clock;

    #[tokio::test(start_paused = true)]
    async fn a_lock_around_the_form_means_one_form_at_a_time() {
        let t = Timings::of(run).await;
        let around = &t["around the form"];
        assert_eq!(around.elapsed, ticks(10));
        assert_eq!(*around.count("forms at once"), 1);
        assert_eq!(*around.count("different numbers"), CUSTOMERS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_after_the_form_counts_the_same_in_a_twentieth_of_the_time() {
        let t = Timings::of(run).await;
        let after = &t["after the form"];
        assert_eq!(after.elapsed, ticks(0.5));
        assert_eq!(*after.count("forms at once"), CUSTOMERS);
        assert_eq!(*after.count("different numbers"), CUSTOMERS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_of_one_runtime_waits_for_a_lock_that_a_task_of_another_holds() {
        let t = Timings::of(run).await;
        assert_eq!(*t["a static"].count("tasks waiting"), 1);
        assert_eq!(*t["a static"].count("different numbers"), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn however_many_there_are_each_gets_a_number_of_its_own(customers in 0_u32..60) {
            on_virtual_clock(async {
                let (mut numbers, at_once) = serve(customers, locks_around_the_form).await;
                numbers.sort_unstable();
                prop_assert!(numbers.into_iter().eq(1..=customers));
                prop_assert_eq!(at_once, customers.min(1));

                let (mut numbers, at_once) = serve(customers, locks_after_the_form).await;
                numbers.sort_unstable();
                prop_assert!(numbers.into_iter().eq(1..=customers));
                prop_assert_eq!(at_once, customers);
                Ok(())
            })?;
        }
    }
}
