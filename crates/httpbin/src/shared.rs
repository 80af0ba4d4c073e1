//! What all connections of a server have in common.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::header::HeaderValue;

use crate::stats::Counters;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) addr: SocketAddr,
    pub(crate) counters: Arc<Counters>,
    head_timeout: Mutex<Option<Duration>>,
    attempts: Mutex<HashMap<String, u64>>,
    digests: Mutex<HashMap<(u64, u64), HeaderValue>>,
    #[cfg(feature = "websocket")]
    pub(crate) rooms: Arc<crate::chat::Rooms>,
}

impl Shared {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            counters: Arc::default(),
            head_timeout: Mutex::default(),
            attempts: Mutex::default(),
            digests: Mutex::default(),
            #[cfg(feature = "websocket")]
            rooms: Arc::default(),
        }
    }

    /// How long the head of a request may take on connections that are accepted from now on.
    pub(crate) fn head_timeout(&self) -> Option<Duration> {
        *lock(&self.head_timeout)
    }

    pub(crate) fn set_head_timeout(&self, limit: Option<Duration>) {
        *lock(&self.head_timeout) = limit;
    }

    /// Counts a request for a key, from 1.
    pub(crate) fn attempt(&self, key: String) -> u64 {
        let mut attempts = lock(&self.attempts);
        let attempt = attempts.entry(key).or_default();
        *attempt += 1;
        *attempt
    }

    /// The digest of that seed's first bytes, if it has been computed.
    pub(crate) fn digest(&self, seed: u64, bytes: u64) -> Option<HeaderValue> {
        lock(&self.digests).get(&(seed, bytes)).cloned()
    }

    pub(crate) fn keep_digest(&self, seed: u64, bytes: u64, digest: HeaderValue) {
        let mut digests = lock(&self.digests);
        if digests.len() >= 1000 {
            digests.clear(); // they can be computed again
        }
        digests.insert((seed, bytes), digest);
    }
}

/// Each change of what these hold is one call that leaves it whole, so a poisoned lock guards sound ones.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
