//! # Retry: which answers deserve another request
//!
//! A server is down for two requests and answers the third, after waits of 1 and 2 ticks, each made longer by its
//! jitter (see `tasks/retry`). A 404 and a page that isn't JSON are asked for once, since the next answer would be
//! the same. Retried like the rest, each of them is asked for 3 times, and the same outcome comes at least 3 ticks
//! later. A page that never comes also costs the timeout of each attempt: at least 9 ticks in all, and the server has
//! had all 3 requests.
//!
//! asyncio: retry, aiohttp_retry, RetryClient, ExponentialRetry
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! options = ExponentialRetry(attempts=3, statuses={429}, exceptions={ClientError, TimeoutError})
//! async with RetryClient(retry_options=options) as client:     # aiohttp_retry
//!     async with client.get(url) as response:
//!         page = await response.json()
//! ```
//!
//! Not the same: RetryClient looks at the head of an answer. A body that breaks off or isn't JSON comes after it, in
//! your own code, unless an `evaluate_response_callback` reads it. `backon` retries any future, so here the body is a
//! part of the attempt, and one function decides about all faults.

use std::time::Duration;

use anyhow::Result;
use backon::{ExponentialBuilder, Retryable};
use reqwest::Client;
use serde_json::Value;
use timing::{
    Timings,
    law::{at_least, at_most},
    ticks,
};
use tracing::instrument;
use web::Server;

use crate::{faults::Fault, options::Options};

/// In ticks, before the jitter. Two waits allow for three attempts.
const WAITS: [u32; 2] = [1, 2];

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let client = &server.client()?;

    let asked = retry(client, server, "/stand-in/flaky/a?fail=2", can_pass);
    let asked = t.time("503 twice", at_least(3), asked).await;
    count(t, asked);

    // The client's timeout is that of each attempt: 2 ticks three times, and both waits.
    let hasty = &server.builder().timeout(ticks(2)).build()?;
    let asked = retry(hasty, server, "/stand-in/broken/silence", can_pass);
    let asked = t.time("no answer", at_least(9), asked).await;
    count(t, asked);

    for (page, path) in [
        ("404", "/status/404"),
        ("half of the JSON", "/stand-in/wrong/malformed-json"),
    ] {
        let asked = retry(client, server, path, can_pass);
        let asked = t.time(page, at_most(1), asked).await;
        count(t, asked);

        let asked = retry(client, server, path, |_| true); // <- the difference: every fault is retried
        let label = format!("{page}, retried");
        let asked = t.time(label, at_least(3), asked).await;
        count(t, asked);
    }
    Ok(())
}

/// Whether the same request may end in another way later. Without a `_` arm, since a new kind of fault has to be
/// decided on here.
pub fn can_pass(fault: &Fault) -> bool {
    match fault {
        // 429 is "too many requests". From 500 on it is the server that failed, and it may recover.
        Fault::Status(status) => *status == 429 || *status >= 500,
        // The server may have done what it was asked to. That is harmless for a GET; a POST that is sent again can
        // order a thing twice, unless the server can tell that the two are one.
        Fault::TimedOut | Fault::CutOff | Fault::Unreachable(_) => true,
        // There may be no such host, or a name server that didn't answer this once. Only the error's text tells.
        Fault::UnknownHost => true,
        Fault::Redirects | Fault::NotHttp => false,
        Fault::Other | Fault::TooLong | Fault::NotJson | Fault::OtherJson => false,
    }
}

async fn retry(
    client: &Client,
    server: &Server,
    path: &str,
    is_worth_it: fn(&Fault) -> bool,
) -> Asked {
    let (url, before) = (server.url(path), requests(server));
    let mut waits = Vec::new();
    let outcome = (|| fetch(client, &url))
        .retry(backoff())
        .when(is_worth_it)
        .notify(|_, wait| waits.push(wait))
        .await;
    Asked {
        outcome,
        requests: requests(server) - before,
        waits,
    }
}

pub fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(ticks(WAITS[0]))
        .with_factor(2.0)
        .with_max_times(WAITS.len())
        .with_jitter() // each wait is longer by a random part of less than its own length
}

#[instrument(ret, err(Debug), skip_all)]
async fn fetch(client: &Client, url: &str) -> Result<Value, Fault> {
    let response = client.get(url).send().await?.error_for_status()?;
    Ok(serde_json::from_slice(&response.bytes().await?)?)
}

/// What came of it, after how many requests, and the waits between them.
pub struct Asked {
    pub outcome: Result<Value, Fault>,
    pub requests: u64,
    pub waits: Vec<Duration>,
}

/// As the server counts them.
pub fn requests(server: &Server) -> u64 {
    server.stats().map_or(0, |stats| stats.requests)
}

pub fn count(t: &mut Timings, asked: Asked) {
    let waits = asked.waits.iter();
    let waits = waits.map(|wait| format!("{:.1}", wait.div_duration_f64(ticks(1))));
    let outcome = match asked.outcome {
        Ok(_) => "a page".into(),
        Err(fault) => format!("{fault:?}"),
    };
    t.count("requests", asked.requests);
    t.count("waits in ticks", waits.collect::<Vec<_>>().join(" "));
    t.count("outcome", outcome);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_is_down_is_asked_again_until_it_answers() {
        let t = Timings::of_default(run).await;
        let twice = &t["503 twice"];
        assert_eq!(*twice.count("requests"), 3);
        assert_eq!(*twice.count("outcome"), "a page");
        assert!(twice.elapsed >= ticks(3));
    }

    #[tokio::test]
    async fn each_attempt_has_its_timeout_and_the_server_has_each_request() {
        let t = Timings::of_default(run).await;
        let silent = &t["no answer"];
        assert_eq!(*silent.count("requests"), 3);
        assert_eq!(*silent.count("outcome"), "TimedOut");
        assert!(silent.elapsed >= ticks(9));
    }

    #[tokio::test]
    async fn what_stays_wrong_is_asked_for_once_and_asking_again_changes_nothing() {
        let t = Timings::of_default(run).await;
        for (page, outcome) in [("404", "Status(404)"), ("half of the JSON", "NotJson")] {
            assert_eq!(*t[page].count("requests"), 1);
            assert_eq!(*t[page].count("outcome"), outcome);

            let retried = &t[&format!("{page}, retried")];
            assert_eq!(*retried.count("requests"), 3);
            assert_eq!(*retried.count("outcome"), outcome);
            assert!(retried.elapsed >= ticks(3));
        }
    }

    #[tokio::test]
    async fn jitter_makes_each_wait_longer_and_less_than_twice_as_long() {
        let server = &Server::stand_in(None).unwrap();
        let client = &server.client().unwrap();
        let asked = retry(client, server, "/status/500", can_pass).await;
        let planned = WAITS.map(ticks);
        assert_eq!(asked.waits.len(), planned.len());
        assert_ne!(asked.waits, planned);
        for (wait, planned) in asked.waits.into_iter().zip(planned) {
            assert!((planned..planned * 2).contains(&wait), "{wait:?}");
        }
    }

    #[test]
    fn of_the_statuses_429_and_those_from_500_on_can_pass() {
        for status in 400..600 {
            let expected = status == 429 || status >= 500;
            assert_eq!(can_pass(&Fault::Status(status)), expected, "{status}");
        }
    }
}
