//! # Pages together: as long as the slowest, in the order asked for
//!
//! Three pages take their server 1, 2 and 1 ticks. Fetched one at a time they take 4 ticks, the sum; together they
//! take 2, as long as the slowest. The server then has all 3 in flight, each on a connection of its own. The weather
//! arrives last and is still the second of the results, as it was asked for.
//!
//! asyncio: gather, aiohttp.ClientSession.get
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
//! Not the same: each request of a `gather` is a task. When a page fails, `gather` raises its exception, and the
//! other requests go on. `try_join_all` is `try_join!` for a list: it returns the error and drops the other futures
//! (see `tasks/join-errors`), and reqwest closes their connections. What the server has begun by then it may finish.

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

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::choose(options.server.as_ref(), t).await?;

    let client = &server.client()?;
    let pages = t
        .time("one at a time", sum([1, 2, 1]), async {
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
    Ok(())
}

#[instrument(ret, err, skip(client, server))]
async fn fetch(page: &str, wait: u32, client: &Client, server: &Server) -> Result<String> {
    let url = format!("{}?page={page}", server.slow_page(wait));
    let response = client.get(url).send().await?.error_for_status()?;
    // The server echoes the query, so the page's name comes from the answer, and mixed-up answers would show.
    let echo: Echo = response.json().await?;
    Ok(echo.args.page)
}

#[derive(Deserialize)]
struct Echo {
    args: Args,
}

#[derive(Deserialize)]
struct Args {
    page: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::{
        law::none,
        report::Ended::{Cancelled, Failed},
        ticks,
    };

    #[tokio::test]
    async fn together_all_three_are_in_flight_and_one_at_a_time_one_is() {
        let t = Timings::of_default(run).await;
        for (variant, at_once) in [("one at a time", 1), ("together", 3)] {
            let variant = &t[variant];
            assert_eq!(*variant.count("in flight at once"), at_once);
            assert_eq!(*variant.count("requests"), 3);
            assert_eq!(*variant.count("connections opened"), at_once);
            assert!(variant.elapsed >= variant.law.as_ref().unwrap().bound);
        }
    }

    #[tokio::test]
    async fn results_keep_the_order_in_which_they_were_asked_for() {
        let t = Timings::of_default(run).await;
        let together = &t["together"];
        let [weather, sports] = ["weather", "sports"].map(|page| together.lane(page).end);
        assert!(sports < weather, "though the sports arrive first");
        assert_eq!(*together.count("results"), "news, weather, sports");
    }

    #[tokio::test]
    async fn a_page_that_fails_drops_the_others() {
        let mut t = Timings::default();
        let server = &Server::stand_in(None).unwrap();
        let patient = &server.client().unwrap();
        let hasty = &server.builder().timeout(ticks(1)).build().unwrap();
        let pages = [
            fetch("news", 2, patient, server),
            fetch("weather", 2, hasty, server),
        ];
        let failed = t.time("one fails", none(), try_join_all(pages)).await;
        assert!(failed.is_err());
        assert_eq!(t["one fails"].lane("weather").ended, Failed);
        assert_eq!(t["one fails"].lane("news").ended, Cancelled);
    }
}
