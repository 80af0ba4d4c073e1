//! # Fifty URLs through a client with a hidden cap
//!
//! Fifty requests at once should take one tick, as ten do. Through a client that opens at most ten connections to a
//! host they take five: the other forty wait inside the client, where neither the server nor the code that asked sees
//! them. aiohttp has such a cap and it is 100; the 101st request waits without a word.
//!
//! asyncio: aiohttp.TCPConnector, aiohttp.ClientSession, gather
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! connector = aiohttp.TCPConnector(limit=10)      # 100 if nobody says
//! async with aiohttp.ClientSession(connector=connector) as session:
//!     pages = await asyncio.gather(*(fetch(session, url) for url in urls))
//! ```
//!
//! Not the same: reqwest has no such cap: fifty futures are fifty connections, and ten thousand are an error about file
//! descriptors. The bound is yours to set, in sight: here a semaphore in front of the client.

use anyhow::Result;
use futures_util::future::try_join_all;
use reqwest::Client;
use timing::{
    Timings,
    law::{max, waves},
};
use tokio::sync::Semaphore;
use tracing::instrument;

use crate::options::Options;

const URLS: u32 = 50;
const PER_HOST: u32 = 10;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = options.stand_in()?;
    let url = &server.slow_page();

    let client = &Capped::new(server.client()?, URLS);
    let pages = try_join_all((1..=URLS).map(|page| fetch(page, client, url)));
    t.time("no cap", max([1; URLS as usize]), pages).await?;
    server.count(t);

    // A fresh client, so that it can't use the fifty connections that are open by now.
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

/// A client whose connections are counted: who asks for one more than there are waits for its turn.
struct Capped {
    client: Client,
    slots: Semaphore,
}

impl Capped {
    fn new(client: Client, connections: u32) -> Self {
        Self {
            client,
            slots: Semaphore::new(connections as usize),
        }
    }

    async fn get(&self, url: &str) -> Result<usize> {
        // Held until the body is read: a connection that still delivers is not free.
        let _slot = self.slots.acquire().await?;
        let response = self.client.get(url).send().await?.error_for_status()?;
        Ok(response.bytes().await?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_cap_shows_as_waves_and_the_server_never_sees_more_than_ten() {
        let mut t = Timings::default();
        run(&mut t, &Options::default()).await.unwrap();
        let (free, capped) = (&t["no cap"], &t["10 connections a host"]);
        assert_eq!(*free.count("in flight at once"), URLS);
        assert_eq!(*capped.count("in flight at once"), PER_HOST);
        assert_eq!(*capped.count("connections opened"), PER_HOST);
        assert_eq!(*capped.count("requests"), URLS);
        assert!(capped.elapsed >= timing::ticks(5));
    }
}
