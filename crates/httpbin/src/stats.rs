use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// What a server has counted since it started, or since [`Server::reset_stats`](crate::Server::reset_stats).
///
/// Requests to `/stand-in/stats` are in none of these figures.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = httpbin::Server::start().await?;
/// assert_eq!(server.stats(), httpbin::Stats::default());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Connections that carried at least one counted request: one that sends none, or asks for nothing but
    /// `/stand-in/stats`, is not among them. Each is counted once in its life, with its first request; a connection that
    /// was counted before a reset doesn't come back after it.
    pub connections: u64,
    /// Requests whose head has arrived, whatever became of them.
    pub requests: u64,
    /// Requests being worked on now: from the moment their head has arrived until the last byte of the answer was
    /// handed over for sending, or the client went away.
    pub in_flight: u64,
    /// The largest `in_flight` there has been.
    pub peak_in_flight: u64,
}

/// The counters behind [`Stats`]: under one lock, so that the four figures of a snapshot belong together.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Stats>);

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        *self.lock()
    }

    /// Starts again from zero. What is in flight stays in flight: it will be taken off when it ends.
    pub(crate) fn reset(&self) {
        let mut stats = self.lock();
        *stats = Stats {
            in_flight: stats.in_flight,
            peak_in_flight: stats.in_flight,
            ..Stats::default()
        };
    }

    /// A request's head has arrived; it is in flight until the value returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>, first_of_its_connection: bool) -> InFlight {
        let mut stats = self.lock();
        stats.connections += u64::from(first_of_its_connection);
        stats.requests += 1;
        stats.in_flight += 1;
        stats.peak_in_flight = stats.peak_in_flight.max(stats.in_flight);
        drop(stats);
        InFlight(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, Stats> {
        // Nothing panics between two changes of these numbers, so a poisoned lock guards sound ones.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds one request in `in_flight`. It travels with the handler's future and then with the answer's body, so
/// whichever of the two hyper drops last (at the end, or because the client went away) ends the request.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Counters>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}
