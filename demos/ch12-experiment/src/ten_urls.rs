//! # Ten URLs: one at a time, all at once, five at once
//!
//! Ten pages, and the server takes a tick to answer each. Fetched one at a time they take ten ticks, all at once one,
//! five at once two: 10 : 1 : 2, on one thread. The server is not faster and neither is the client. What shrinks is
//! the time in which nothing happens.
//!
//! asyncio: requests, aiohttp, gather, Semaphore
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! async def fetch(session, url, slots):
//!     async with slots, session.get(url) as response:
//!         return await response.read()
//!
//! pages = await asyncio.gather(*(fetch(session, url, slots) for url in urls))
//! ```
//!
//! Not the same: the numbers are. Python's are 10 : 1 : 2 too, since waiting is what both do here. In Rust the bound
//! needs no semaphore: `buffer_unordered(5)` starts the sixth request when the first of five is done, and futures
//! that were never polled cost no request.

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use reqwest::Client;
use timing::{
    Timings,
    law::{max, sum, waves},
};
use tracing::{info, instrument};

use crate::options::Options;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let (urls, limit) = (options.urls, options.limit);
    let server = options.server(t).await?;
    let url = &server.slow_page();

    // One client for everything: it keeps connections and uses them again, so that no variant pays for another's.
    let client = &server.client()?;
    info!("{urls} × GET {url}");

    t.time("one at a time", sum(vec![1; urls as usize]), async {
        for page in 1..=urls {
            fetch(page, client, url).await?;
        }
        anyhow::Ok(())
    })
    .await?;
    server.count(t);

    // Nothing is sent while the list is made: a request starts when its future is first polled.
    let all = try_join_all((1..=urls).map(|page| fetch(page, client, url)));
    t.time("all at once", max(vec![1; urls as usize]), all)
        .await?;
    server.count(t);

    // A polite client has a bound. Waves of five: the last page starts when the fifth is done, not before.
    let bounded = stream::iter(1..=urls)
        .map(|page| fetch(page, client, url))
        .buffer_unordered(limit as usize)
        .try_collect::<Vec<_>>();
    t.time(format!("{limit} at once"), waves(urls, limit, 1), bounded)
        .await?;
    server.count(t);
    Ok(())
}

/// Fetches a page whole; its length in bytes.
#[instrument(ret, err, skip(client, url))]
async fn fetch(page: u32, client: &Client, url: &str) -> Result<usize> {
    let response = client.get(url).send().await?.error_for_status()?;
    // The head has come; the body is still on its way.
    let body = response.bytes().await?;
    Ok(body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn measured(options: Options) -> Timings {
        let mut t = Timings::default();
        run(&mut t, &options).await.unwrap();
        t
    }

    #[tokio::test]
    async fn the_server_sees_one_then_ten_then_five_at_once() {
        let t = measured(Options::default()).await;
        for (variant, at_once) in [("one at a time", 1), ("all at once", 10), ("5 at once", 5)] {
            assert_eq!(*t[variant].count("in flight at once"), at_once, "{variant}");
            assert_eq!(*t[variant].count("requests"), 10, "{variant}");
        }
    }

    #[tokio::test]
    async fn connections_are_used_again() {
        let t = measured(Options::default()).await;
        assert_eq!(*t["one at a time"].count("connections opened"), 1);
        // The one that is there already serves too.
        assert_eq!(*t["all at once"].count("connections opened"), 9);
        assert_eq!(*t["5 at once"].count("connections opened"), 0);
    }

    #[tokio::test]
    async fn no_page_comes_sooner_than_its_wait_and_none_fails() {
        let t = measured(Options {
            urls: 4,
            limit: 2,
            ..Options::default()
        })
        .await;
        for variant in ["one at a time", "all at once", "2 at once"] {
            let variant = &t[variant];
            assert!(variant.elapsed >= variant.law.as_ref().unwrap().bound);
            assert_eq!(variant.lanes.len(), 4);
            let returned = timing::report::Ended::Returned;
            assert!(variant.lanes.iter().all(|lane| lane.ended == returned));
        }
    }
}
