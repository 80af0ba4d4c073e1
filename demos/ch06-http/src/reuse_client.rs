//! # One client for all requests: its connections are used again
//!
//! 200 pages of 100 kB are fetched, 20 at a time. With a new client for each request that takes 200 connections, with
//! one client 20. A clone is the same client: 200 clones of it use its 20 connections again and open none. And a page
//! has to be read to its end before its connection can carry another request: if the answers are dropped unread, one
//! client opens 200 connections too. The times hardly differ, since on one machine and without TLS a connection costs
//! next to nothing. To a server elsewhere each one begins with a round trip, or with several for TLS.
//!
//! asyncio: aiohttp.ClientSession, ClientResponse.read, release, TCPConnector
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! async with aiohttp.ClientSession() as session:    # once, around all requests
//!     slots = asyncio.Semaphore(20)
//!     async def fetch(url):
//!         async with slots, session.get(url) as response:
//!             return await response.read()          # left unread, its connection is closed
//!     pages = await asyncio.gather(*map(fetch, urls))
//! ```
//!
//! Not the same: a ClientSession has to be closed, hence the `async with`; one that isn't logs "Unclosed client
//! session". A reqwest client has no `close`: its connections are closed when its last clone is dropped. Cloning it
//! costs no more than cloning an `Arc`, so every task can have a client.

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Client;
use timing::{Timings, law::waves, ticks};
use tracing::instrument;
use web::Server;

use crate::options::Options;

const REQUESTS: u32 = 200;
const AT_ONCE: u32 = 20;
const WAIT: f64 = 0.5;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let delay = ticks(WAIT).as_secs_f64();
    let url = &server.url(&format!("/drip?delay={delay}&duration=0&numbytes=100000"));
    let law = || waves(REQUESTS, AT_ONCE, WAIT);

    let pages = bounded(async || {
        let client = server.client()?;
        fetch(&client, url).await
    });
    let bytes = t.time("a client per request", law(), pages).await?;
    t.count("bytes read", bytes);
    server.count(t);

    let client = &server.client()?; // <- the difference: made once
    let pages = bounded(async || fetch(client, url).await);
    let bytes = t.time("one client", law(), pages).await?;
    t.count("bytes read", bytes);
    server.count(t);

    // The connections of the variant before are still open, and belong to the clones as much as to the original.
    let pages = bounded(async || {
        let clone = client.clone();
        fetch(&clone, url).await
    });
    let bytes = t.time("its clones", law(), pages).await?;
    t.count("bytes read", bytes);
    server.count(t);

    let client = &server.client()?;
    let pages = bounded(async || fetch_status(client, url).await);
    let bytes = t.time("one client, pages unread", law(), pages).await?;
    t.count("bytes read", bytes);
    server.count(t);
    Ok(())
}

/// Fetches all pages, as a stream with a bound (see `streams/unordered`). Returns how many bytes were read in all.
async fn bounded(fetch: impl AsyncFn() -> Result<usize>) -> Result<usize> {
    stream::iter(0..REQUESTS)
        .map(|_| fetch())
        .buffer_unordered(AT_ONCE as usize)
        .try_fold(0, async |sum, bytes| Ok(sum + bytes))
        .await
}

#[instrument(ret, err, skip_all)]
async fn fetch(client: &Client, url: &str) -> Result<usize> {
    let response = client.get(url).send().await?.error_for_status()?;
    let page = response.bytes().await?;
    Ok(page.len())
}

/// Needs the status and nothing else. Another answer on this connection would come behind the rest of this page, so
/// the client closes the connection. If nothing of the page is still to come, as with a short one, the connection
/// is kept.
#[instrument(ret, err, skip_all)]
async fn fetch_status(client: &Client, url: &str) -> Result<usize> {
    let _unread = client.get(url).send().await?.error_for_status()?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(t: &Timings, variant: &str) -> i64 {
        t[variant].count("connections opened").whole()
    }

    // How many connections one client opens depends a little on when each of them is ready: a request that waits for
    // a new one takes an old one if that is free sooner.
    const FEW: std::ops::Range<i64> = 1..40;

    #[tokio::test]
    async fn a_client_per_request_opens_a_connection_for_each_and_one_client_few() {
        let t = Timings::of_default(run).await;
        assert_eq!(opened(&t, "a client per request"), 200);
        assert!(FEW.contains(&opened(&t, "one client")));
        for variant in ["a client per request", "one client"] {
            assert_eq!(*t[variant].count("requests"), 200);
            assert_eq!(*t[variant].count("in flight at once"), 20);
            assert_eq!(*t[variant].count("bytes read"), 20_000_000);
            assert!(t[variant].elapsed >= ticks(5));
        }
    }

    #[tokio::test]
    async fn clones_use_the_connections_of_their_original() {
        let t = Timings::of_default(run).await;
        assert!(opened(&t, "its clones") < 10);
        assert_eq!(*t["its clones"].count("requests"), 200);
    }

    #[tokio::test]
    async fn a_page_that_is_not_read_costs_its_connection() {
        let t = Timings::of_default(run).await;
        let unread = "one client, pages unread";
        assert_eq!(opened(&t, unread), 200);
        assert_eq!(*t[unread].count("bytes read"), 0);
    }
}
