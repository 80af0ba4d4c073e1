//! # Pages together: as long as the slowest, in the order asked for
//!
//! Three pages take their server 1, 2 and 1 ticks. Fetched one by one they take 4 ticks, the sum; together they take
//! 2, as long as the slowest. The weather arrives last and is still the second of the results, where it was asked
//! for. Together means all of them: 110 requests at once are 110 in flight and 110 connections, because nothing in
//! the client bounds them. What bounds them in the end is the server, or the file descriptors of one side.
//!
//! asyncio: gather, aiohttp.ClientSession.get, TCPConnector
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! async def fetch(page, wait):
//!     async with session.get(f"{server}/delay/{wait}", params={"page": page}) as response:
//!         return (await response.json())["args"]["page"]
//!
//! pages = await asyncio.gather(fetch("news", 1), fetch("weather", 2), fetch("sports", 1))
//! ```
//!
//! Not the same: a ClientSession opens 100 connections at most, so of 110 requests 10 wait inside it until another
//! one is done: 2 ticks instead of 1. The server sees 100, and the calling code sees nothing of it. In Rust such a
//! bound is yours to write, with a semaphore or `buffer_unordered`.

use anyhow::Result;
use futures_util::future::try_join_all;
use reqwest::Client;
use serde::Deserialize;
use timing::{
    Timings,
    law::{max, sum},
};
use tracing::instrument;
use web::Server;

use crate::options::Options;

const PAGES: [(&str, u32); 3] = [("news", 1), ("weather", 2), ("sports", 1)];

/// More than the 100 of aiohttp, and few enough for a machine that allows a process 256 open files: client and server
/// are in one process here, and each needs one for its end of a connection.
const MANY: usize = 110;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::choose(options.server.as_ref(), t).await?;

    let client = &server.client()?;
    let pages = t
        .time("one by one", sum([1, 2, 1]), async {
            let mut pages = Vec::new();
            for (page, wait) in PAGES {
                pages.push(fetch(page, wait, client, server).await?);
            }
            anyhow::Ok(pages)
        })
        .await?;
    t.count("results", pages.join(", "));
    server.count(t);

    // A new client for each variant: the one before has open connections, and would use them again.
    let client = &server.client()?;
    let pages = PAGES.map(|(page, wait)| fetch(page, wait, client, server));
    let pages = t
        .time("together", max([1, 2, 1]), try_join_all(pages))
        .await?;
    t.count("results", pages.join(", "));
    server.count(t);

    // The server of the option --server may be somebody else's. It is spared these.
    if options.server.is_none() {
        let client = &server.client()?;
        let pages = [(); MANY].map(|()| fetch("news", 1, client, server));
        let pages = t
            .time("110 together", max([1; MANY]), try_join_all(pages))
            .await?;
        t.count("results", format!("{} pages", pages.len()));
        server.count(t);
    }
    Ok(())
}

#[instrument(ret, err, skip(client, server))]
async fn fetch(page: &str, wait: u32, client: &Client, server: &Server) -> Result<String> {
    let url = format!("{}?page={page}", server.slow_page(wait));
    let response = client.get(url).send().await?.error_for_status()?;
    // The server tells the query back. So a result is what was answered, and a mix-up of two answers would show.
    let told: Told = response.json().await?;
    Ok(told.args.page)
}

#[derive(Deserialize)]
struct Told {
    args: Args,
}

#[derive(Deserialize)]
struct Args {
    page: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t, &Options::default()).await.unwrap();
        t
    }

    #[tokio::test]
    async fn together_all_three_are_in_flight_and_one_by_one_one_is() {
        let t = measured().await;
        for (variant, at_once) in [("one by one", 1), ("together", 3)] {
            let variant = &t[variant];
            assert_eq!(*variant.count("in flight at once"), at_once);
            assert_eq!(*variant.count("requests"), 3);
            assert_eq!(*variant.count("connections opened"), at_once);
            assert!(variant.elapsed >= variant.law.as_ref().unwrap().bound);
        }
    }

    #[tokio::test]
    async fn results_keep_the_order_in_which_they_were_asked_for() {
        let t = measured().await;
        let together = &t["together"];
        let [weather, sports] = ["weather", "sports"].map(|page| together.lane(page).end);
        assert!(sports < weather, "though the sports arrive first");
        assert_eq!(*together.count("results"), "news, weather, sports");
    }

    #[tokio::test]
    async fn no_number_of_requests_is_held_back() {
        let t = measured().await;
        let many = &t["110 together"];
        assert_eq!(*many.count("in flight at once"), MANY);
        assert_eq!(*many.count("connections opened"), MANY);
        assert_eq!(*many.count("results"), "110 pages");
    }
}
