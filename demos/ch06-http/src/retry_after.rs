//! # Retry-After: the server says when to come back
//!
//! A server that is overloaded can answer 503, or 429, with `Retry-After: 1`. A client that goes by its own backoff
//! is back after 1 tick and its jitter, long before that second is over. One that reads the header leaves the server
//! alone for the whole second, and comes back a tick after it at the earliest. It also needs a time limit: with
//! `Retry-After: 86400` it would wait a day. So it gives up at once, after 1 request.
//!
//! asyncio: aiohttp_retry, ExponentialRetry, get_timeout, Retry-After
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! class Patient(ExponentialRetry):     # aiohttp_retry
//!     def get_timeout(self, attempt, response=None):
//!         wait = super().get_timeout(attempt, response)
//!         after = response.headers.get("Retry-After", 0) if response else 0
//!         return wait + int(after)     # a date is a ValueError, which ends the retrying
//! ```
//!
//! Not the same: `get_timeout` gets the response, and ends the retrying only by raising: then the caller gets that
//! exception, and no response. `adjust` of `backon` gets the error, so the header has to be put into it before
//! `error_for_status` drops the response; its `None` ends the retrying.
//! Neither library reads the header by itself, and reqwest doesn't either.

use std::time::Duration;

use anyhow::Result;
use backon::Retryable;
use reqwest::{Client, Response, header::RETRY_AFTER};
use serde_json::Value;
use timing::{
    Timings,
    law::{at_least, at_most},
    tick,
};
use tracing::instrument;
use web::Server;

use crate::{
    faults::Fault,
    options::Options,
    retry::{Asked, backoff, can_pass, count, requests},
};

/// A server that asks for more than this isn't waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let client = &server.client()?;

    let path = "/stand-in/flaky/a?fail=1&retry_after=1";
    let asked = retry(client, server, path, |_, wait| wait); // <- the difference: the header isn't looked at
    let asked = t.time("a second, ignored", at_least(1), asked).await;
    count(t, asked);

    // A law is in ticks and in tenths of them, the header in seconds, whatever a tick is.
    let second = (10.0 / tick().as_secs_f64()).floor() / 10.0;
    let path = "/stand-in/flaky/b?fail=1&retry_after=1";
    let asked = retry(client, server, path, next_wait);
    let asked = t.time("a second", at_least(second), asked).await;
    count(t, asked);

    let path = "/stand-in/flaky/c?fail=1&retry_after=86400";
    let asked = retry(client, server, path, next_wait);
    let asked = t.time("a day", at_most(1), asked).await;
    count(t, asked);
    Ok(())
}

/// `wait` is the backoff's own. It is `None` after the last attempt, and `None` is also what ends the retrying.
fn next_wait(retry_after: Option<Duration>, wait: Option<Duration>) -> Option<Duration> {
    match retry_after {
        Some(after) if after > PATIENCE => None,
        // Every client is told the same second. Their own waits, each with its jitter, keep them apart after it.
        Some(after) => Some(after + wait?),
        None => wait,
    }
}

async fn retry(
    client: &Client,
    server: &Server,
    path: &str,
    next_wait: fn(Option<Duration>, Option<Duration>) -> Option<Duration>,
) -> Asked {
    let (url, before) = (server.url(path), requests(server));
    let mut waits = Vec::new();
    let outcome = (|| fetch(client, &url))
        .retry(backoff())
        .when(|failed| can_pass(&failed.fault))
        .adjust(|failed, wait| next_wait(failed.retry_after, wait))
        .notify(|_, wait| waits.push(wait))
        .await;
    Asked {
        outcome: outcome.map_err(|failed| failed.fault),
        requests: requests(server) - before,
        waits,
    }
}

#[instrument(ret, err(Debug), skip_all)]
async fn fetch(client: &Client, url: &str) -> Result<Value, Failed> {
    let response = client.get(url).send().await?;
    let retry_after = retry_after(&response);
    let response = response.error_for_status().map_err(|error| Failed {
        fault: error.into(),
        retry_after,
    })?;
    Ok(serde_json::from_slice(&response.bytes().await?)?)
}

/// The header may hold a date instead of seconds. It isn't read here, and the wait is the backoff's own.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[derive(Debug)]
struct Failed {
    fault: Fault,
    retry_after: Option<Duration>,
}

/// For each `?`: a fault that has no answer has no header either.
impl<E: Into<Fault>> From<E> for Failed {
    fn from(error: E) -> Self {
        let fault = error.into();
        Self {
            fault,
            retry_after: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use timing::ticks;

    const SECOND: Duration = Duration::from_secs(1);

    /// The wait before the second request, in ticks.
    fn wait(t: &Timings, variant: &str) -> f64 {
        t[variant].count("waits in ticks").text().parse().unwrap()
    }

    #[tokio::test]
    async fn a_client_that_ignores_the_header_is_back_too_early() {
        let t = Timings::of_default(run).await;
        assert_eq!(*t["a second, ignored"].count("requests"), 2);
        assert!(wait(&t, "a second, ignored") <= 2.0);
        assert!(ticks(2) < SECOND);
    }

    #[tokio::test]
    async fn one_that_reads_it_leaves_the_server_alone_for_that_long() {
        let t = Timings::of_default(run).await;
        let second = &t["a second"];
        assert_eq!(*second.count("requests"), 2);
        assert_eq!(*second.count("outcome"), "a page");
        assert!(second.elapsed >= SECOND + ticks(1));
        assert!(wait(&t, "a second") >= 11.0);
    }

    #[tokio::test]
    async fn a_day_is_not_waited_for() {
        let t = Timings::of_default(run).await;
        let day = &t["a day"];
        assert_eq!(*day.count("requests"), 1);
        assert_eq!(*day.count("outcome"), "Status(503)");
        assert_eq!(*day.count("waits in ticks"), "");
    }

    proptest! {
        #[test]
        fn the_next_wait_is_never_shorter_than_the_server_says(after in 0_u64..200, own in 0_u64..200) {
            let (after, own) = (Duration::from_secs(after), Duration::from_secs(own));
            prop_assert_eq!(next_wait(Some(after), None), None);
            prop_assert_eq!(next_wait(None, Some(own)), Some(own));
            match next_wait(Some(after), Some(own)) {
                Some(wait) => prop_assert!(wait >= after && wait >= own && after <= PATIENCE),
                None => prop_assert!(after > PATIENCE),
            }
        }
    }
}
