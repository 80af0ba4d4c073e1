//! Trays with a defect that is easy to write: the check must find it. The third one is the lesson's own wrong form.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use crate::{condition::put, trays::Tray};

/// One list for tellers and clerks, and one of them is woken. It may be one who can't go on, and those who can sleep on.
pub struct OneListWakeOne {
    places: usize,
    cheques: Mutex<VecDeque<u32>>,
    changed: Notify,
}

impl OneListWakeOne {
    async fn wait_for<T>(&self, attempt: impl Fn(&mut VecDeque<u32>) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(done) = attempted(&self.cheques, &attempt) {
                self.changed.notify_one(); // <- the defect: it takes notify_waiters, or a list for each side
                return done;
            }
            changed.await;
        }
    }
}

impl Tray for OneListWakeOne {
    fn new(places: usize) -> Self {
        Self {
            places,
            cheques: Mutex::default(),
            changed: Notify::new(),
        }
    }

    async fn put(&self, cheque: u32) {
        self.wait_for(|cheques| put(cheques, cheque, self.places))
            .await;
    }

    async fn take(&self) -> u32 {
        self.wait_for(VecDeque::pop_front).await
    }

    fn filled(&self) -> usize {
        self.cheques
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

/// A list of waiters for each side, made by hand. A waiter who is cancelled after it was woken doesn't wake the next
/// one, who would have been able to go on.
pub struct KeepsItsWake {
    places: usize,
    cheques: Mutex<VecDeque<u32>>,
    tellers: Waiters,
    clerks: Waiters,
}

/// Those who wait, in their order. tokio's own `Notified` passes its wake on when it is dropped.
#[derive(Default)]
struct Waiters(Mutex<VecDeque<oneshot::Sender<()>>>);

impl Waiters {
    fn register(&self) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(wake);
        woken
    }

    /// Wakes the first who is still there. <- the defect: it may go away before it has done anything
    fn wake_one(&self) {
        while let Some(first) = self.first() {
            if first.send(()).is_ok() {
                return;
            }
        }
    }

    /// A function of its own, so that the lock is free again before anybody is woken.
    fn first(&self) -> Option<oneshot::Sender<()>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }
}

impl Tray for KeepsItsWake {
    fn new(places: usize) -> Self {
        Self {
            places,
            cheques: Mutex::default(),
            tellers: Waiters::default(),
            clerks: Waiters::default(),
        }
    }

    async fn put(&self, cheque: u32) {
        loop {
            let woken = self.tellers.register();
            if attempted(&self.cheques, &|cheques| put(cheques, cheque, self.places)).is_some() {
                return self.clerks.wake_one();
            }
            let _closed = woken.await;
        }
    }

    async fn take(&self) -> u32 {
        loop {
            let woken = self.clerks.register();
            if let Some(cheque) = attempted(&self.cheques, &VecDeque::pop_front) {
                self.tellers.wake_one();
                return cheque;
            }
            let _closed = woken.await;
        }
    }

    fn filled(&self) -> usize {
        self.cheques
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

fn attempted<T>(
    cheques: &Mutex<VecDeque<u32>>,
    attempt: &impl Fn(&mut VecDeque<u32>) -> Option<T>,
) -> Option<T> {
    attempt(&mut cheques.lock().unwrap_or_else(PoisonError::into_inner))
}
