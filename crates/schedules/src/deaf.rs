//! An executor with a defect that is easy to write: a wake that comes during a poll is taken for one that came before it,
//! and is dropped. The poll may have looked already, so the task is never polled again.

use std::{
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use shuttle::sync::Mutex;

use crate::{mini_executor::executor::Executor, wakes::Runs};

/// The lesson's executor, with tasks that hear nothing while they are polled.
#[derive(Clone, Default)]
pub struct Deaf(Executor);

impl Runs for Deaf {
    fn block_on<F: Future + 'static>(&self, main: F) -> F::Output {
        self.0.block_on(Task::new(main))
    }

    fn spawn<F: Future + 'static>(&self, future: F) -> impl Future<Output = F::Output> + 'static {
        self.0.spawn(Task::new(future))
    }
}

struct Task<F> {
    future: Pin<Box<F>>,
    ear: Arc<Ear>,
}

/// The executor's waker, from the end of a poll to the wake that follows it.
#[derive(Default)]
struct Ear(Mutex<Option<Waker>>);

impl Ear {
    fn replace(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut ear = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut ear, waker)
    }
}

impl<F> Task<F> {
    fn new(future: F) -> Self {
        Self {
            future: Box::pin(future),
            ear: Arc::default(),
        }
    }
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let ear = Waker::from(self.ear.clone());
        self.ear.replace(None);
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&ear));
        self.ear.replace(Some(context.waker().clone())); // <- the defect: it belongs before the poll
        polled
    }
}

impl Wake for Ear {
    fn wake(self: Arc<Self>) {
        self.replace(None).inspect(Waker::wake_by_ref);
    }
}
