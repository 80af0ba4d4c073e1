//! # Outcomes: whatever goes wrong is a value of one `enum`
//!
//! Seven of nine pages can't be fetched, because of a status, a refused connection, a body that stalls, two that are
//! too long, and two that aren't the JSON they should be. Each fault is a value that says what happened. So a batch
//! of all nine ends with nine outcomes, 2 pages and 7 faults, after 5 ticks: that is the timeout, the longest any
//! page can take. If the first fault is to end the batch, the slow page is dropped with the others.
//!
//! asyncio: try, except, aiohttp.ClientError, asyncio.TimeoutError, gather, return_exceptions
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! async def fetch(session, url):                # a session with raise_for_status=True
//!     try:
//!         async with session.get(url) as response:
//!             return (await response.json())["url"]
//!     except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as fault:
//!         return fault
//! ```
//!
//! Not the same: in Python no signature says which exceptions there are. The total timeout's TimeoutError is no
//! ClientError, and bad JSON is a ValueError. One that the list forgets leaves `fetch`, and `gather` raises it, or
//! puts it among the pages with `return_exceptions=True`. In Rust the signature names `Fault`, and there is nothing
//! else to catch. When `gather` raises, the other requests go on; `try_join_all` drops them (see
//! `tasks/join-errors`). Neither client bounds the length of a body.

use std::iter;

use anyhow::Result;
use futures_util::future::{join_all, try_join_all};
use reqwest::Client;
use serde::Deserialize;
use serde_json::error::Category;
use timing::{
    Timings,
    law::{at_most, exactly, none},
    report::Ended,
    ticks,
};
use tracing::instrument;
use web::{Server, nobody_listens};

use crate::{faults::Fault, options::Options};

/// In ticks, from the first step of the connection to the last byte of the body.
const TIMEOUT: u32 = 5;

/// The longest body that is read, in bytes.
const LONGEST: usize = 100_000;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let client = &server.builder().timeout(ticks(TIMEOUT)).build()?;
    let (_taken, nobody) = nobody_listens()?;
    let mut links = links(server, nobody);
    for (n, url) in iter::zip(1.., &options.page) {
        links.push((format!("your page {n}"), url.to_string()));
    }
    let fetches = || links.iter().map(|(page, url)| fetch(page, client, url));

    // One after another, to see what becomes of each.
    for ((page, _), fetch) in iter::zip(&links, fetches()) {
        let law = match page.as_str() {
            "a slow page" => exactly(2),
            "a body that stalls" => exactly(TIMEOUT),
            _ => at_most(TIMEOUT),
        };
        let outcome = match t.time(page, law, fetch).await {
            Ok(_) => "a page".into(),
            Err(fault) => format!("{fault:?}"),
        };
        t.count("outcome", outcome);
    }

    // To `join_all` a `Result` is a value, whichever it is, and it waits for all of them.
    let batch = join_all(fetches());
    let outcomes = t.time("all at once", exactly(TIMEOUT), batch).await;
    let pages = outcomes.iter().flatten().count();
    let faults = outcomes.len() - pages;
    t.count("outcome", format!("{pages} pages, {faults} faults"));

    // `try_join_all` returns the first fault and drops the other futures.
    let batch = try_join_all(fetches());
    let label = "until the first fault";
    let outcome = match t.time(label, none(), batch).await {
        Ok(pages) => format!("{} pages", pages.len()),
        Err(_) => {
            let lanes = &t[label].lanes;
            let cancelled = lanes.iter().filter(|lane| lane.ended == Ended::Cancelled);
            format!("1 fault, {} dropped", cancelled.count())
        }
    };
    t.count("outcome", outcome);
    Ok(())
}

/// Each `?` makes a `Fault` of another library's error: of reqwest's as in `http/faults`, of serde's as below.
#[instrument(ret, err(Debug), skip(client, url))]
async fn fetch(page: &str, client: &Client, url: &str) -> Result<Page, Fault> {
    let mut response = client.get(url).send().await?.error_for_status()?;
    // What is announced as too long isn't begun.
    let announced = response.content_length();
    if announced.is_some_and(|length| length > LONGEST as u64) {
        return Err(Fault::TooLong);
    }
    // A body in chunks announces nothing, so it is counted as it comes. `bytes` and `json` read to the
    // end, however far that is.
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > LONGEST {
            return Err(Fault::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(serde_json::from_slice(&body)?)
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            Category::Data => Self::OtherJson, // JSON so far, but it doesn't fit the type; the rest isn't looked at
            Category::Syntax | Category::Eof | Category::Io => Self::NotJson,
        }
    }
}

/// The part of the stand-in's answer that a page must have.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "a page is asked for and not read")]
struct Page {
    url: String,
}

/// What each is called here, and its URL.
fn links(server: &Server, nobody: String) -> Vec<(String, String)> {
    let stand_in = |path| server.url(&format!("/stand-in/{path}"));
    let links = [
        ("a page", server.url("/get")),
        ("a slow page", server.slow_page(2)),
        ("404", server.url("/status/404")),
        ("nobody listens", nobody),
        ("a body that stalls", stand_in("broken/stall")),
        ("100 GB announced", stand_in("broken/huge")),
        ("a body without end", stand_in("broken/endless?pause=0")),
        ("half of the JSON", stand_in("wrong/malformed-json")),
        ("other JSON", stand_in("wrong/other-json")),
    ];
    links.map(|(page, url)| (page.into(), url)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::{Cancelled, Failed, Returned};

    #[tokio::test]
    async fn what_goes_wrong_is_a_value_that_says_what() {
        let t = Timings::of_default(run).await;
        for (page, outcome) in [
            ("a page", "a page"),
            ("a slow page", "a page"),
            ("404", "Status(404)"),
            ("nobody listens", "Unreachable(ConnectionRefused)"),
            ("a body that stalls", "TimedOut"),
            ("100 GB announced", "TooLong"),
            ("a body without end", "TooLong"),
            ("half of the JSON", "NotJson"),
            ("other JSON", "OtherJson"),
        ] {
            assert_eq!(*t[page].count("outcome"), outcome, "{page}");
            if outcome == "TimedOut" {
                assert!(t[page].elapsed >= ticks(TIMEOUT), "{page}");
            }
        }
    }

    #[tokio::test]
    async fn no_fault_ends_the_others_unless_the_first_is_to_end_all() {
        let t = Timings::of_default(run).await;
        let all = &t["all at once"];
        assert_eq!(*all.count("outcome"), "2 pages, 7 faults");
        assert!(all.elapsed >= ticks(TIMEOUT));
        // It arrives when most of the faults are known.
        assert_eq!(all.lane("a slow page").ended, Returned);
        let failed = all.lanes.iter().filter(|lane| lane.ended == Failed);
        assert_eq!(failed.count(), 7);

        let first = &t["until the first fault"];
        assert_eq!(first.lane("a slow page").ended, Cancelled);
        let ended = |how| first.lanes.iter().filter(move |lane| lane.ended == how);
        assert_eq!(ended(Failed).count(), 1);
        let outcome = format!("1 fault, {} dropped", ended(Cancelled).count());
        assert_eq!(*first.count("outcome"), outcome.as_str());
    }
}
