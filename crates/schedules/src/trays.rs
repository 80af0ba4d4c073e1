//! The trays of the lesson, as the check wants them.

use std::{collections::VecDeque, future::Future};

use crate::condition::{self, Channel, Counted, Watched};

/// A place where tellers put cheques and clerks take them.
pub trait Tray: Send + Sync + 'static {
    /// An empty one.
    fn new(places: usize) -> Self;
    /// Waits for a free place.
    fn put(&self, cheque: u32) -> impl Future<Output = ()> + Send;
    /// Waits for a cheque.
    fn take(&self) -> impl Future<Output = u32> + Send;
    /// How many cheques lie on it.
    fn filled(&self) -> usize;
}

/// The lesson's right form.
pub struct Registered(Watched, usize);

impl Tray for Registered {
    fn new(places: usize) -> Self {
        Self(Watched::default(), places)
    }

    async fn put(&self, cheque: u32) {
        self.0
            .wait_for(|cheques| condition::put(cheques, cheque, self.1))
            .await;
    }

    async fn take(&self) -> u32 {
        self.0.wait_for(VecDeque::pop_front).await
    }

    fn filled(&self) -> usize {
        condition::locked(&self.0.cheques).len()
    }
}

/// The lesson's wrong form, and the first of the three defects: a change between the look and the registration is
/// missed.
pub struct LookedFirst(Watched, usize);

impl Tray for LookedFirst {
    fn new(places: usize) -> Self {
        Self(Watched::default(), places)
    }

    async fn put(&self, cheque: u32) {
        self.0
            .look_first(|cheques| condition::put(cheques, cheque, self.1))
            .await;
    }

    async fn take(&self) -> u32 {
        self.0.look_first(VecDeque::pop_front).await
    }

    fn filled(&self) -> usize {
        condition::locked(&self.0.cheques).len()
    }
}

impl Tray for Counted {
    fn new(places: usize) -> Self {
        Self::new(places)
    }

    async fn put(&self, cheque: u32) {
        Counted::put(self, cheque).await;
    }

    async fn take(&self) -> u32 {
        Counted::take(self).await
    }

    fn filled(&self) -> usize {
        condition::locked(&self.cheques).len()
    }
}

impl Tray for Channel {
    fn new(places: usize) -> Self {
        Self::new(places)
    }

    async fn put(&self, cheque: u32) {
        Channel::put(self, cheque).await;
    }

    async fn take(&self) -> u32 {
        Channel::take(self).await
    }

    fn filled(&self) -> usize {
        self.inbox.max_capacity() - self.inbox.capacity()
    }
}
