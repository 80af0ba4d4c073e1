//! # What a request waits for while the load grows
//!
//! A single client gets its page in a fraction of a millisecond. The server can answer only so many requests a
//! second, so with ten times the clients past that point each request takes about ten times as long, and nearly all
//! of it is spent in a queue: more requests at once only wait longer. Half of the requests take no longer than p50, 99
//! of 100 no longer than p99.
//!
//! asyncio: aiohttp, gather
//!
//! real clock: real HTTP over real sockets
//!
//! release build: server and client are several times as fast when they are optimised
//!
//! ```python
//! async def client(session):
//!     for _ in range(requests):
//!         begin = time.perf_counter()
//!         await (await session.get(url)).read()
//!         waits.append(time.perf_counter() - begin)
//! ```
//!
//! Not the same: there is no stopwatch below. `#[instrument]` opens a span for every request, the recorder keeps when
//! it began and ended, and the percentiles come from there. In production the same span would feed a tracing backend.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::try_join_all;
use reqwest::Client;
use timing::{Timings, law::none, report::Variant};
use tracing::instrument;
use web::Server;

use crate::options::Options;

/// In each variant, divided among its clients.
const REQUESTS: u32 = 2_000;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = Server::choose(options.server.as_ref(), t).await?;
    let url = &server.url("/get");
    let client = &server.client()?;
    for clients in [1, 10, 100, 500] {
        let label = format!("{clients} at once");
        let load = try_join_all((0..clients).map(|_| fetches(REQUESTS / clients, client, url)));
        t.time(label.as_str(), none(), load).await?;

        let (waits, seconds) = (sorted_waits(&t[&label]), t[&label].elapsed.as_secs_f64());
        t.count("requests/s", (f64::from(REQUESTS) / seconds).round());
        t.count("p50 ms", percentile(&waits, 50).as_secs_f64() * 1e3);
        t.count("p99 ms", percentile(&waits, 99).as_secs_f64() * 1e3);
    }
    Ok(())
}

/// One client: it sends its next request when the last one is answered.
async fn fetches(requests: u32, client: &Client, url: &str) -> Result<()> {
    for _ in 0..requests {
        fetch(client, url).await?;
    }
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn fetch(client: &Client, url: &str) -> Result<usize> {
    let response = client.get(url).send().await?.error_for_status()?;
    Ok(response.bytes().await?.len())
}

fn sorted_waits(variant: &Variant) -> Vec<Duration> {
    let mut waits: Vec<_> = variant
        .lanes
        .iter()
        .map(|lane| lane.end - lane.start)
        .collect();
    waits.sort_unstable();
    waits
}

/// The shortest wait that `percent` percent of the requests didn't exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_wait_that_was_measured() {
        let waits: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&waits, 50), Duration::from_millis(100));
        assert_eq!(percentile(&waits, 99), Duration::from_millis(198));
        assert_eq!(percentile(&waits[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[tokio::test]
    async fn every_request_has_a_lane_and_more_clients_wait_longer_for_each() {
        let t = Timings::of_default(run).await;
        for clients in ["1 at once", "10 at once", "100 at once", "500 at once"] {
            assert_eq!(t[clients].lanes.len(), REQUESTS as usize);
        }
        // Five hundred share what one had to itself. A busy machine slows both, so the factor stays far above 3.
        let median = |clients| percentile(&sorted_waits(&t[clients]), 50);
        assert!(median("500 at once") > 3 * median("1 at once"));
    }
}
