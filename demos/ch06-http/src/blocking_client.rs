//! # A blocking client in async code stops everything
//!
//! Three pages take their server 2 ticks each, and beside them a ticker wants a turn every 10 ms. With an async
//! client the pages take 2 ticks together. With a blocking client in the same `async` code they take 6, and the
//! server has 1 request in flight at a time. For those 6 ticks the ticker has no turn, since each call keeps the
//! loop's only thread (see `basics/sleep`). `spawn_blocking` runs a call on a thread of a pool: there the same calls
//! take 2 ticks, and the ticker has its turns.
//!
//! asyncio: requests, to_thread
//!
//! real clock: real HTTP, and calls that block
//!
//! ```python
//! async def blocks(url): return requests.get(url).content    # nothing else runs meanwhile
//!
//! async def in_a_thread(url):
//!     response = await asyncio.to_thread(requests.get, url)
//!     return response.content
//! ```
//!
//! Not the same: `to_thread` has a pool of 32 threads at most, fewer on a machine with fewer than 28 cores;
//! `spawn_blocking` starts up to 512. Neither can stop a call that has begun (see `executors/abort-blocking`). To the
//! compiler an `async fn` around a blocking call looks like any other, as it does to Python. The timeline shows the
//! difference: its lane is solid. The blocking client here is ureq.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::try_join_all;
use reqwest::Client;
use timing::{
    Timings, beside_ticker,
    law::{max, sum},
};
use tokio::task::spawn_blocking;
use tracing::instrument;
use ureq::Agent;
use web::Server;

use crate::options::Options;

const PAGES: [&str; 3] = ["news", "weather", "sports"];
const EVERY: Duration = Duration::from_millis(10);

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = Server::stand_in(options.server.as_ref())?;
    let url = &server.slow_page(2);
    let client = &server.client()?;
    let agent = &Agent::config_builder().proxy(None).build().new_agent();

    let (each, all) = (sum([2; PAGES.len()]), max([2; PAGES.len()]));
    let pages = try_join_all(PAGES.map(|page| fetch(page, client, url)));
    let (pages, ticked) = t
        .time("an async client", all.clone(), beside_ticker(EVERY, pages))
        .await;
    pages?;
    count(t, ticked.longest_gap, &server);

    let pages = try_join_all(PAGES.map(|page| fetch_blocking(page, agent, url)));
    let (pages, ticked) = t
        .time("a blocking client", each, beside_ticker(EVERY, pages))
        .await;
    pages?;
    count(t, ticked.longest_gap, &server);

    let pages = try_join_all(PAGES.map(|page| fetch_on_a_thread(page, agent, url)));
    let (pages, ticked) = t
        .time("spawn_blocking", all, beside_ticker(EVERY, pages))
        .await;
    pages?;
    count(t, ticked.longest_gap, &server);
    Ok(())
}

#[instrument(ret, err, skip(client, url))]
async fn fetch(page: &'static str, client: &Client, url: &str) -> Result<usize> {
    let response = client.get(url).send().await?.error_for_status()?;
    Ok(response.bytes().await?.len())
}

/// There is no `.await` in it: its future is ready at its first poll, which lasts as long as the page.
#[instrument(ret, err, skip(agent, url))]
async fn fetch_blocking(page: &'static str, agent: &Agent, url: &str) -> Result<usize> {
    get(agent, url) // <- the difference: it runs here, on the loop's thread
}

#[instrument(ret, err, skip(agent, url))]
async fn fetch_on_a_thread(page: &'static str, agent: &Agent, url: &str) -> Result<usize> {
    // The thread may outlive this function, so it can't borrow: it gets copies. The agent's shares its connections.
    let (agent, url) = (agent.clone(), url.to_owned());
    // Two errors: the thread's, if it panics, and the request's.
    spawn_blocking(move || get(&agent, &url)).await?
}

/// Blocks its thread in `read` until the page is here.
fn get(agent: &Agent, url: &str) -> Result<usize> {
    Ok(agent.get(url).call()?.into_body().read_to_vec()?.len())
}

fn count(t: &mut Timings, gap: Duration, server: &Server) {
    t.count("longest gap, ms", gap.as_secs_f64() * 1e3);
    server.count(t);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::ticks;

    fn gap(t: &Timings, label: &str) -> Duration {
        Duration::from_secs_f64(t[label].count("longest gap, ms").number() / 1e3)
    }

    #[tokio::test]
    async fn a_blocking_client_fetches_one_at_a_time_and_the_ticker_has_no_turn() {
        let t = Timings::of_default(run).await;
        let blocking = &t["a blocking client"];
        assert!(blocking.elapsed >= ticks(6));
        assert_eq!(*blocking.count("in flight at once"), 1);
        assert!(gap(&t, "a blocking client") >= ticks(6));
        for page in PAGES {
            let lane = blocking.lane(page);
            assert_eq!(lane.polls.len(), 1, "{page}");
            assert!(lane.longest_poll() >= ticks(2), "{page}");
        }
    }

    #[tokio::test]
    async fn an_async_client_and_threads_have_three_in_flight_and_the_ticker_goes_on() {
        let t = Timings::of_default(run).await;
        for label in ["an async client", "spawn_blocking"] {
            assert_eq!(*t[label].count("in flight at once"), 3, "{label}");
            assert!(t[label].elapsed >= ticks(2), "{label}");
            // 10 ms on an idle machine. If the loop were blocked it would be all of the time.
            assert!(gap(&t, label) < t[label].elapsed * 9 / 10, "{label}");
        }
    }
}
