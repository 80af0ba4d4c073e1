//! # Ten URLs: one at a time, all at once, five at once
//!
//! Ten pages, and the server takes 1 tick to answer each. Fetched one at a time they take 10 ticks, all at once 1,
//! five at once 2: 10 : 1 : 2. The client uses one thread throughout, and neither side works faster in one variant
//! than in another: the variants differ only in how many waits overlap.
//!
//! asyncio: aiohttp, gather, Semaphore
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! slots = asyncio.Semaphore(5)
//! async def fetch(session, url):
//!     async with slots, session.get(url) as response:
//!         return await response.read()
//!
//! pages = await asyncio.gather(*(fetch(session, url) for url in urls))
//! ```
//!
//! Not the same: `gather` makes a task of every coroutine, and all of them begin, so a bound has to stand inside each
//! of them, as a semaphore. `buffer_unordered(5)` bounds them from outside: it takes futures from an iterator and
//! doesn't take the sixth before one of five is done. As its name says, it doesn't keep their order; `buffered(5)`
//! does (`streams/unordered`).

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use reqwest::Client;
use timing::{
    Timings,
    law::{max, sum, waves},
};
use tracing::{info, instrument};
use web::Server;

use crate::options::Options;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let (urls, limit) = (options.urls, options.limit);
    let server = Server::choose(options.server.as_ref(), t).await?;
    let url = &server.slow_page(1);

    // One client for everything, so that a later request uses the connections of earlier ones (`http/reuse-client`).
    let client = &server.client()?;
    info!("{urls} × GET {url}");

    t.time("one at a time", sum(vec![1; urls as usize]), async {
        for page in 1..=urls {
            fetch(page, client, url).await?;
        }
        anyhow::Ok(()) // an async block has no signature to tell it the type of its errors
    })
    .await?;
    server.count(t);

    // Making the list sends nothing: a request begins when its future is first polled, inside the measurement.
    let all = try_join_all((1..=urls).map(|page| fetch(page, client, url)));
    t.time("all at once", max(vec![1; urls as usize]), all)
        .await?;
    server.count(t);

    // When one page has arrived the next request begins. All pages take equally long here, so it looks like waves.
    let bounded = stream::iter(1..=urls)
        .map(|page| fetch(page, client, url))
        .buffer_unordered(limit as usize)
        .try_collect::<Vec<_>>();
    t.time(format!("{limit} at once"), waves(urls, limit, 1), bounded)
        .await?;
    server.count(t);
    Ok(())
}

/// Fetches a page and returns the length of its body in bytes.
#[instrument(ret, err, skip(client, url))]
async fn fetch(page: u32, client: &Client, url: &str) -> Result<usize> {
    let response = client.get(url).send().await?.error_for_status()?;
    // Only the headers have arrived; the body may still be on its way.
    let body = response.bytes().await?;
    Ok(body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_server_sees_one_then_ten_then_five_at_once() {
        let t = Timings::of_default(run).await;
        for (variant, at_once) in [("one at a time", 1), ("all at once", 10), ("5 at once", 5)] {
            assert_eq!(*t[variant].count("in flight at once"), at_once, "{variant}");
            assert_eq!(*t[variant].count("requests"), 10, "{variant}");
        }
    }

    #[tokio::test]
    async fn connections_are_used_again() {
        let t = Timings::of_default(run).await;
        assert_eq!(*t["one at a time"].count("connections opened"), 1);
        // The existing one is used again.
        assert_eq!(*t["all at once"].count("connections opened"), 9);
        assert_eq!(*t["5 at once"].count("connections opened"), 0);
    }

    #[tokio::test]
    async fn no_page_comes_sooner_than_its_wait_and_none_fails() {
        let options = Options {
            urls: 4,
            limit: 2,
            ..Options::default()
        };
        let t = Timings::of(async |t| run(t, &options).await).await;
        for variant in ["one at a time", "all at once", "2 at once"] {
            let variant = &t[variant];
            assert!(variant.elapsed >= variant.law.as_ref().unwrap().bound);
            assert_eq!(variant.lanes.len(), 4);
            let returned = timing::report::Ended::Returned;
            assert!(variant.lanes.iter().all(|lane| lane.ended == returned));
        }
    }
}
