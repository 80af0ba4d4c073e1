//! # Checking several pages: a result for each, and none lost
//!
//! Three pages are checked at once: home (200, after 2 ticks), search (404, after 1) and shop (503, after 3).
//! `join_all` returns 3 results, 2 of them an `Err`. `try_join_all` returns the first `Err` after 1 tick and drops
//! the rest, so the results of 2 pages are lost. The third variant has tasks, and aborts the shop when the home page
//! is here. It still has 3 results: a check that was cancelled is an `Err` like the others, and can't pass for a
//! success.
//!
//! asyncio: gather, return_exceptions, BaseException, CancelledError
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! async def check(url):
//!     async with session.get(url, raise_for_status=True) as response:
//!         return response.status
//! results = await asyncio.gather(*map(check, urls), return_exceptions=True)
//! failed = [result for result in results if isinstance(result, BaseException)]
//! ```
//!
//! Not the same:  `return_exceptions=True` puts statuses and exceptions into one list, and nothing makes you write
//! the last line. With `Exception` in it a cancelled check counts as a success (see `tasks/join-errors`). Here the
//! list holds `Result`s, and a status can't be had without a look at whether there is an `Err` instead.

use futures_util::future::{join_all, try_join_all};
use reqwest::{Client, RequestBuilder, StatusCode};
use timing::{
    Timings,
    law::{exactly, max},
    ticks,
};
use tokio::task::JoinError;
use tracing::instrument;
use web::Server;

use crate::options::Options;

pub async fn run(t: &mut Timings, options: &Options) -> anyhow::Result<()> {
    let server = &Server::choose(options.server.as_ref(), t).await?;
    let client = &server.client()?;

    let checks = pages(client, server).map(check);
    let results = t.time("join_all", max([2, 1, 3]), join_all(checks)).await;
    count(t, &results);

    // For pages of which one is useless without the others. Here each is of interest by itself.
    let checks = try_join_all(pages(client, server).map(check));
    let results = match t.time("try_join_all", exactly(1), checks).await {
        Ok(statuses) => statuses.into_iter().map(Ok).collect(),
        Err(first) => vec![Err(first)],
    };
    count(t, &results);

    let checks = until_home_is_here(pages(client, server));
    let results = t.time("tasks, one given up", max([2, 1]), checks).await;
    count(t, &results);
    Ok(())
}

type Checked = Result<StatusCode, Failed>;

#[instrument(ret, err(Debug), skip(request))]
async fn check((page, request): Page) -> Checked {
    let response = request.send().await?.error_for_status()?;
    Ok(response.status())
}

/// A future that is dropped leaves no result. A task has a handle, which tells how it has ended, also after an abort.
async fn until_home_is_here(pages: [Page; 3]) -> Vec<Checked> {
    let [home, search, shop] = pages.map(|page| tokio::spawn(check(page)));
    let home = home.await;
    shop.abort();
    // Each is a `Result` of the task, with a `Result` of the check in it. They become one.
    let ended = [home, search.await, shop.await];
    ended
        .map(|task| task.map_err(Failed::from).flatten())
        .into()
}

/// Why a page has no status. A `match` over it is complete, or it doesn't compile.
#[derive(Debug)]
#[expect(dead_code, reason = "what the variants hold is read by `Debug` alone")]
enum Failed {
    Status(StatusCode),
    NoAnswer(reqwest::Error),
    Cancelled,
    Panicked(JoinError),
}

/// What `?` calls in `check`.
impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        error.status().map_or(Self::NoAnswer(error), Self::Status)
    }
}

impl From<JoinError> for Failed {
    fn from(end: JoinError) -> Self {
        if end.is_cancelled() {
            Self::Cancelled
        } else {
            Self::Panicked(end)
        }
    }
}

fn count(t: &mut Timings, results: &[Checked]) {
    let shown: Vec<_> = results.iter().map(|result| format!("{result:?}")).collect();
    t.count("results", shown.join(" "));
    t.count("pages lost", 3 - results.len());
}

type Page = (&'static str, RequestBuilder);

/// `/drip` answers after a while, with any status and a body of one byte.
fn pages(client: &Client, server: &Server) -> [Page; 3] {
    [("home", 200, 2), ("search", 404, 1), ("shop", 503, 3)].map(|(page, status, wait)| {
        let delay = ticks(wait).as_secs_f64();
        let path = format!("/drip?delay={delay}&duration=0&numbytes=1&code={status}");
        (page, client.get(server.url(&path)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::{self, Cancelled, Failed, Returned};

    fn ends(t: &Timings, variant: &str) -> [Ended; 3] {
        ["home", "search", "shop"].map(|page| t[variant].lane(page).ended)
    }

    #[tokio::test]
    async fn join_all_has_a_result_for_every_page() {
        let t = Timings::of_default(run).await;
        let all = &t["join_all"];
        assert_eq!(
            *all.count("results"),
            "Ok(200) Err(Status(404)) Err(Status(503))"
        );
        assert_eq!(*all.count("pages lost"), 0);
        assert_eq!(ends(&t, "join_all"), [Returned, Failed, Failed]);
        assert!(all.elapsed >= ticks(3));
    }

    #[tokio::test]
    async fn try_join_all_has_the_first_error_and_drops_the_rest() {
        let t = Timings::of_default(run).await;
        let first = &t["try_join_all"];
        assert_eq!(*first.count("results"), "Err(Status(404))");
        assert_eq!(*first.count("pages lost"), 2);
        assert_eq!(ends(&t, "try_join_all"), [Cancelled, Failed, Cancelled]);
    }

    #[tokio::test]
    async fn a_cancelled_check_is_an_error_and_not_a_success() {
        let t = Timings::of_default(run).await;
        let given_up = &t["tasks, one given up"];
        assert_eq!(
            *given_up.count("results"),
            "Ok(200) Err(Status(404)) Err(Cancelled)"
        );
        assert_eq!(*given_up.count("pages lost"), 0);
        assert_eq!(
            ends(&t, "tasks, one given up"),
            [Returned, Failed, Cancelled]
        );
    }
}
