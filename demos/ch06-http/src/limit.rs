//! # A hundred requests, ten at once
//!
//! The server takes one tick to answer. A hundred requests at once need 1 tick, and it has 100 of them in flight, on
//! 100 connections. With a bound of 10 they need 10 ticks, and it never has more than 10. reqwest has no such bound,
//! so it is up to you. With a semaphore all 100 futures begin, and 90 of them wait for a permit (see
//! `sync/semaphore`). A stream begins 10 futures, and another one when one of them is done (see `streams/unordered`).
//!
//! asyncio: Semaphore, aiohttp.TCPConnector
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! slots = asyncio.Semaphore(10)
//! async def fetch(session, url):
//!     async with slots, session.get(url) as response:
//!         return await response.read()
//! # or for all requests of a session: aiohttp.TCPConnector(limit=10); the default is 100
//! ```
//!
//! Not the same: aiohttp's connector bounds how many connections are open, and so how many requests are in flight.
//! reqwest has no such setting. `pool_max_idle_per_host(10)` looks like one, but it bounds only how many connections
//! are kept for later: a hundred requests still open 100. Then 90 of them are closed, and the next hundred requests
//! open 90 again.

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use reqwest::Client;
use timing::{
    Timings,
    law::{max, waves},
    ticks,
};
use tokio::{sync::Semaphore, time::sleep};
use tracing::{info, instrument};
use web::Server;

use crate::options::Options;

/// The most requests without a bound. A closed connection keeps its port for a minute, and Linux has some 28 000
/// ports for connections, unless it is set up otherwise.
const AT_ONCE: u32 = 1_000;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::choose(options.server.as_ref(), t).await?;
    let (requests, limit) = (options.requests, options.limit);
    let url = &server.slow_page(1);

    // The stand-in runs in this process, so each connection takes two of its file descriptors, one at either end.
    // There are two rounds, and the second opens connections while those of the first are still closing: half for
    // each.
    let (wanted, room) = (requests.min(AT_ONCE), web::room_for_connections() / 2);
    if room < wanted {
        info!("without a bound {room} requests, not {wanted}: see ulimit -n");
    }
    let at_once = wanted.min(room);
    // Not a bound: how many connections are kept while no request is in flight on them.
    let pool = server.builder().pool_max_idle_per_host(limit as usize);
    let client = &pool.build()?;
    for label in ["no bound", "no bound, again"] {
        let law = max(vec![1; at_once as usize]);
        let all = try_join_all((1..=at_once).map(|page| fetch(page, client, url)));
        t.time(label, law, all).await?;
        count(t, label, server);
        // A task of the client puts a connection back into the pool, a moment after its page is read.
        sleep(ticks(0.5)).await;
    }

    // Another client each time: it would find the connections of the one before, and open none.
    let (law, client) = (waves(requests, limit, 1), &server.client()?);
    // Other parts of the program can share the semaphore; then one bound holds for all of them.
    let permits = &Semaphore::new(limit as usize);
    let all = try_join_all((1..=requests).map(|page| fetch_in_turn(page, permits, client, url)));
    t.time("Semaphore", law.clone(), all).await?;
    count(t, "Semaphore", server);

    let client = &server.client()?;
    // This bound holds for one list: another stream has a bound of its own.
    let all = stream::iter(1..=requests)
        .map(|page| fetch(page, client, url))
        .buffer_unordered(limit as usize)
        .try_for_each(|_bytes| async { Ok(()) });
    t.time("buffer_unordered", law, all).await?;
    count(t, "buffer_unordered", server);
    Ok(())
}

#[instrument(ret, err, skip(client, url))]
async fn fetch(page: u32, client: &Client, url: &str) -> Result<usize> {
    get(client, url).await
}

#[instrument(ret, err, skip(permits, client, url))]
async fn fetch_in_turn(
    page: u32,
    permits: &Semaphore,
    client: &Client,
    url: &str,
) -> Result<usize> {
    // Held to the end of the function. If it were given back after the head of the answer, the next request would
    // begin while the server still sends the body of this one.
    let _permit = permits.acquire().await?;
    get(client, url).await
}

/// Returns the length of the page in bytes.
async fn get(client: &Client, url: &str) -> Result<usize> {
    let response = client.get(url).send().await?.error_for_status()?;
    Ok(response.bytes().await?.len())
}

fn count(t: &mut Timings, label: &str, server: &Server) {
    server.count(t);
    let variant = &t[label];
    let lanes = &variant.lanes;
    let first_page = lanes.iter().map(|lane| lane.end).min();
    let begun = lanes.iter().filter(|lane| Some(lane.start) < first_page);
    let begun = begun.count();
    // The recorder keeps a bounded number of lanes. If some are left out, this would be too few.
    if variant.left_out.spans == 0 {
        t.count("begun before the first page", begun);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended, Value};

    async fn measured(requests: u32, limit: u32) -> Timings {
        let options = Options {
            requests,
            limit,
            ..Options::default()
        };
        Timings::of(async |t| run(t, &options).await).await
    }

    #[tokio::test]
    async fn a_semaphore_and_a_stream_keep_the_bound_at_the_server() {
        let t = measured(30, 7).await;
        for label in ["Semaphore", "buffer_unordered"] {
            assert_eq!(*t[label].count("in flight at once"), 7, "{label}");
            assert_eq!(*t[label].count("connections opened"), 7, "{label}");
            assert_eq!(*t[label].count("requests"), 30, "{label}");
            assert!(t[label].elapsed >= ticks(5), "{label}"); // ⌈30/7⌉
        }
    }

    #[tokio::test]
    async fn with_a_semaphore_all_futures_begin_and_with_a_stream_ten() {
        let t = measured(30, 10).await;
        assert_eq!(*t["Semaphore"].count("begun before the first page"), 30);
        assert_eq!(
            *t["buffer_unordered"].count("begun before the first page"),
            10
        );
    }

    #[tokio::test]
    async fn the_size_of_the_pool_bounds_neither_requests_nor_connections() {
        let t = measured(40, 4).await;
        // All 40, and then all but the 4 that the pool has kept. On a busy machine it may be fewer: a page is read
        // before the last connection is ready, and its own is used again.
        for (label, most) in [("no bound", 40), ("no bound, again", 36)] {
            for (what, most) in [("in flight at once", 40), ("connections opened", most)] {
                let figure = t[label].count(what);
                let in_range = matches!(figure, Value::Whole(n) if (11..=most).contains(n));
                assert!(in_range, "{label}, {what}: {figure:?}");
            }
        }
    }

    #[tokio::test]
    async fn every_page_comes() {
        let t = measured(12, 5).await;
        for label in ["no bound", "Semaphore", "buffer_unordered"] {
            let lanes = &t[label].lanes;
            assert_eq!(lanes.len(), 12, "{label}");
            assert!(
                lanes.iter().all(|lane| lane.ended == Ended::Returned),
                "{label}"
            );
        }
    }
}
