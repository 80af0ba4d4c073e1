//! The executor of `runtime/mini-executor`, with threads that wake its tasks.

use std::{
    future::poll_fn,
    task::{Poll, Waker},
};

use shuttle::{
    sync::{Arc, Mutex},
    thread,
};

use crate::mini_executor::executor::Executor;

/// A form of the executor.
pub trait Runs: Clone + Default + 'static {
    fn block_on<F: Future + 'static>(&self, main: F) -> F::Output;
    fn spawn<F: Future + 'static>(&self, future: F) -> impl Future<Output = F::Output> + 'static;
}

impl Runs for Executor {
    fn block_on<F: Future + 'static>(&self, main: F) -> F::Output {
        self.block_on(main)
    }

    fn spawn<F: Future + 'static>(&self, future: F) -> impl Future<Output = F::Output> + 'static {
        self.spawn(future)
    }
}

/// Two tasks wait for two boards each, one after the other. Each board is delivered by a thread of its own at any moment
/// from when it is ordered: before the task looks, while it looks, or after. A third task is still waiting when the
/// others are done: it is dropped, and its board may come later. Nobody may be left waiting; shuttle fails a schedule
/// in which nobody can go on.
pub fn delivers<E: Runs>() {
    let executor = E::default();
    let shop = executor.clone();
    let arrived = executor.block_on(async move {
        let waiting = [(); 2].map(|()| {
            shop.spawn(async {
                Board::ordered().arrives().await;
                Board::ordered().arrives().await;
                2
            })
        });
        // Its handle is dropped, so nobody waits for it.
        drop(shop.spawn(async { Board::ordered().arrives().await }));
        let mut arrived = 0;
        for task in waiting {
            arrived += task.await;
        }
        arrived
    });
    assert_eq!(arrived, 4);
}

/// Whether it is there, and who waits for it.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<(bool, Option<Waker>)>>);

impl Board {
    fn ordered() -> Self {
        let board = Self::default();
        let delivered = board.clone();
        thread::spawn(move || delivered.deliver());
        board
    }

    fn deliver(&self) {
        let waiter = {
            let mut board = self.0.lock().expect("no holder panics");
            board.0 = true;
            board.1.take()
        };
        waiter.inspect(Waker::wake_by_ref);
    }

    async fn arrives(&self) {
        poll_fn(|context| {
            let mut board = self.0.lock().expect("no holder panics");
            if board.0 {
                return Poll::Ready(());
            }
            board.1 = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
