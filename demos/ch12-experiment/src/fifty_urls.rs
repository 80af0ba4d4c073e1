//! # Fifty URLs through a client with a hidden cap
//!
//! Fifty requests at once take 1 tick, as ten do. Through a client that opens at most 10 connections to a host they
//! take 5: 40 of them wait inside the client, where neither the server nor the calling code sees them. aiohttp has
//! such a cap, of 100 connections: its 101st request waits, and nothing says so.
//!
//! asyncio: aiohttp.TCPConnector, aiohttp.ClientSession, gather
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! connector = aiohttp.TCPConnector(limit_per_host=10)    # none by default; `limit`, 100, is for all hosts together
//! async with aiohttp.ClientSession(connector=connector) as session:
//!     pages = await asyncio.gather(*(fetch(session, url) for url in urls))
//! ```
//!
//! Not the same: reqwest has no such cap, whatever its pool keeps (`http/limit`). Fifty requests at once open fifty
//! connections, and enough of them exhaust the file descriptors of one side (`pitfalls/unbounded` counts what a
//! server refuses). The bound is yours to set, and visible where you set it: here a semaphore in front of the client.

use anyhow::Result;
use futures_util::future::try_join_all;
use reqwest::Client;
use timing::{
    Timings,
    law::{max, waves},
};
use tokio::sync::Semaphore;
use tracing::instrument;
use web::Server;

use crate::options::Options;

const URLS: u32 = 50;
const PER_HOST: u32 = 10;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = Server::stand_in(options.server.as_ref())?;
    let url = &server.slow_page(1);

    let client = &Capped::new(server.client()?, URLS);
    let pages = try_join_all((1..=URLS).map(|page| fetch(page, client, url)));
    t.time("no cap", max([1; URLS as usize]), pages).await?;
    server.count(t);

    // A new client: the first one holds fifty open connections by now and would use them again.
    let client = &Capped::new(server.client()?, PER_HOST);
    let pages = try_join_all((1..=URLS).map(|page| fetch(page, client, url)));
    t.time("10 connections a host", waves(URLS, PER_HOST, 1), pages)
        .await?;
    server.count(t);
    Ok(())
}

#[instrument(ret, err, skip(client, url))]
async fn fetch(page: u32, client: &Capped, url: &str) -> Result<usize> {
    client.get(url).await
}

/// A client that has at most so many requests under way, to whatever hosts, and therefore opens at most so many
/// connections. Here there is one host. For a bound to each of several, each needs a semaphore of its own.
struct Capped {
    client: Client,
    permits: Semaphore,
}

impl Capped {
    fn new(client: Client, connections: u32) -> Self {
        Self {
            client,
            permits: Semaphore::new(connections as usize),
        }
    }

    async fn get(&self, url: &str) -> Result<usize> {
        // Held until the body is read: until then the connection can't carry another request.
        let _permit = self.permits.acquire().await?;
        let response = self.client.get(url).send().await?.error_for_status()?;
        Ok(response.bytes().await?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_cap_shows_as_waves_and_the_server_never_sees_more_than_ten() {
        let t = Timings::of_default(run).await;
        let (free, capped) = (&t["no cap"], &t["10 connections a host"]);
        assert_eq!(*free.count("in flight at once"), URLS);
        assert_eq!(*capped.count("in flight at once"), PER_HOST);
        assert_eq!(*capped.count("connections opened"), PER_HOST);
        assert_eq!(*capped.count("requests"), URLS);
        assert!(capped.elapsed >= timing::ticks(5));
    }
}
