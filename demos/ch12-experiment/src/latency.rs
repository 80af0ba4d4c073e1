//! # What a request waits for while the load grows
//!
//! One client gets its page in a fraction of a millisecond. With ten times the clients the server answers no more
//! requests a second than it can, so every request waits ten times as long: in the queue, not in the work. More at
//! once wins until the other side is busy; from there on it buys nothing but waiting.
//!
//! asyncio: gather, aiohttp
//!
//! real clock: real HTTP over real sockets
//!
//! release build: the server and the client are several times as fast when they are optimised
//!
//! ```python
//! async def client(session):
//!     for _ in range(requests):
//!         begin = time.perf_counter()
//!         await (await session.get(url)).read()
//!         waits.append(time.perf_counter() - begin)
//! ```
//!
//! Not the same: no stopwatch is needed. A span is a lane with a beginning and an end, so the recorder knows how long every
//! request took. The server reaches its limit later than a Python one does; the bend in the table is there all the same.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::try_join_all;
use reqwest::Client;
use timing::{Timings, law::none, report::Variant};
use tracing::instrument;

use crate::options::Options;

/// In each variant, whatever the number of clients that share them.
const REQUESTS: u32 = 2_000;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = options.server(t).await?;
    let url = &server.fast_page();
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

/// One client: it sends the next request when it has the answer to the last.
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

/// The wait that `percent` of a hundred requests don't exceed.
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
        let mut t = Timings::default();
        run(&mut t, &Options::default()).await.unwrap();
        for clients in ["1 at once", "10 at once", "100 at once", "500 at once"] {
            assert_eq!(t[clients].lanes.len(), REQUESTS as usize);
        }
        // Five hundred share what one had to itself: far apart, however busy the machine is.
        let median = |clients| percentile(&sorted_waits(&t[clients]), 50);
        assert!(median("500 at once") > 3 * median("1 at once"));
    }
}
