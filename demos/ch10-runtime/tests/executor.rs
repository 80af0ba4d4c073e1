//! The executor of `runtime/mini-executor` by itself: neither a runtime of tokio nor the recorder runs, so these tests
//! also run under Miri, which looks for undefined behaviour and data races.
//!
//! ```sh
//! cargo miri test --package ch10-runtime --test executor
//! ```

use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    sync::{
        self, Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{join_all, pending},
    stream::FuturesUnordered,
};
use mini_executor::executor::Executor;

#[path = "../src/mini_executor.rs"]
#[expect(dead_code, reason = "only the executor is tried here")]
mod mini_executor;

const MS: Duration = Duration::from_millis(1);

#[test]
fn what_a_task_returns_comes_to_its_handle() {
    let executor = Executor::default();
    let spawner = executor.clone();
    let sum = executor.block_on(async move {
        let tasks = [1, 2, 3].map(|n| spawner.spawn(async move { n }));
        join_all(tasks).await.into_iter().sum::<i32>()
    });
    assert_eq!(sum, 6);
}

#[test]
fn timers_are_over_in_the_order_of_their_times() {
    let executor = Executor::default();
    let clock = executor.clone();
    let order: Vec<u32> = executor.block_on(async move {
        let sleeps = [30, 10, 20].map(|ms| {
            let sleep = clock.sleep(MS * ms);
            async move {
                sleep.await;
                ms
            }
        });
        let sleeps: FuturesUnordered<_> = sleeps.into_iter().collect();
        sleeps.collect().await
    });
    assert_eq!(order, [10, 20, 30]);
}

#[test]
fn a_task_that_always_wakes_itself_does_not_keep_the_timers_from_their_turn() {
    let executor = Executor::default();
    let shop = executor.clone();
    executor.block_on(async move {
        drop(shop.spawn(poll_fn(|context: &mut Context<'_>| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        })));
        shop.sleep(MS).await;
    });
}

#[test]
fn a_thread_wakes_a_task_and_what_it_did_before_is_seen() {
    for _ in 0..20 {
        let board = Arc::new((AtomicBool::new(false), Mutex::new(None::<Waker>)));
        let other = board.clone();
        let arrives = poll_fn(move |context| {
            *other.1.lock().unwrap() = Some(context.waker().clone());
            // `Relaxed` makes nothing else visible: it is the wake that has to.
            match other.0.load(Relaxed) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        let delivery = thread::spawn(move || {
            board.0.store(true, Relaxed);
            let waiter = board.1.lock().unwrap().take();
            waiter.inspect(Waker::wake_by_ref);
        });
        Executor::default().block_on(arrives);
        delivery.join().unwrap();
    }
}

#[test]
fn what_is_left_is_dropped_with_what_it_holds() {
    struct Board(Rc<Cell<u32>>);
    impl Drop for Board {
        fn drop(&mut self) {
            self.0.update(|dropped| dropped + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let board = Board(dropped.clone());
    let executor = Executor::default();
    let shop = executor.clone();
    executor.block_on(async move {
        let held = shop.clone();
        drop(shop.spawn(async move {
            let _held = (board, held);
            pending::<()>().await;
        }));
    });
    assert_eq!(dropped.get(), 1);
}

#[test]
fn a_waker_may_outlive_its_executor() {
    let kept = Rc::new(Cell::new(None));
    let keeps = kept.clone();
    Executor::default().block_on(poll_fn(move |context| {
        keeps.set(Some(context.waker().clone()));
        Poll::Ready(())
    }));
    kept.take().unwrap().wake();
}
