//! # Statuses: a 503 is an answer until you make it an error
//!
//! A server answers three requests with the statuses 200, 418 and 503. As they come, that is 3 times `Ok`: there was
//! an answer. `error_for_status` makes an `Err` of each status from 400 on, 2 here, and drops the page that came with
//! it: of the 71 bytes that say why, none is read. `error_for_status_ref` borrows the answer, and the page can be
//! read too. When nobody answers, that is an `Err` in any case, and one without a status.
//!
//! asyncio: ClientResponse.raise_for_status, raise_for_status, ClientResponseError
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! async with session.get(url) as response:
//!     if response.status >= 400:
//!         why = await response.text()     # before the next line, which leaves the block
//!     response.raise_for_status()         # ClientResponseError, with .status
//! ```
//!
//! Not the same: `raise_for_status` looks at the response, which is still there after it, though its page can be read
//! only inside the `async with`: outside of one it is closed. `error_for_status` takes the response by value and gives
//! it back only if its status is good. A ClientSession made with `raise_for_status=True` checks every answer; a
//! reqwest client has no such switch, so the call stands at every request.

use std::cell::Cell;

use anyhow::Result;
use futures_util::future::join_all;
use reqwest::{RequestBuilder, Response, StatusCode};
use timing::{Timings, law::at_most};
use tracing::instrument;
use web::{Server, nobody_listens};

use crate::options::Options;

type Page = (&'static str, RequestBuilder);
type Checked = reqwest::Result<StatusCode>;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = Server::choose(options.server.as_ref(), t).await?;
    let client = server.client()?;
    let asked = ["200", "418", "503"];
    let asked = || asked.map(|it| (it, client.get(server.url(&format!("/status/{it}")))));

    // Nothing here waits, so a tick is plenty. How much less it takes is not the subject.
    let read = &Cell::new(0);
    let pages = join_all(asked().map(|page| as_it_comes(page, read)));
    let results = t.time("as they come", at_most(1), pages).await;
    count(t, &results, read);

    let read = &Cell::new(0);
    let pages = join_all(asked().map(|page| checks(page, read)));
    let results = t.time("error_for_status", at_most(1), pages).await;
    count(t, &results, read);

    let read = &Cell::new(0);
    let pages = join_all(asked().map(|page| reads_and_checks(page, read)));
    let results = t.time("error_for_status_ref", at_most(1), pages).await;
    count(t, &results, read);

    let (_taken, nobody) = nobody_listens()?;
    let read = &Cell::new(0);
    let page = as_it_comes(("nobody", client.get(nobody)), read);
    let result = t.time("nobody answers", at_most(1), page).await;
    count(t, &[result], read);
    Ok(())
}

#[instrument(ret, err, skip(request, read))]
async fn as_it_comes((page, request): Page, read: &Cell<usize>) -> Checked {
    let response = request.send().await?;
    let status = response.status();
    read_page(response, read).await?;
    Ok(status)
}

#[instrument(ret, err, skip(request, read))]
async fn checks((page, request): Page, read: &Cell<usize>) -> Checked {
    let response = request.send().await?.error_for_status()?; // <- the difference
    let status = response.status();
    read_page(response, read).await?;
    Ok(status)
}

#[instrument(ret, err, skip(request, read))]
async fn reads_and_checks((page, request): Page, read: &Cell<usize>) -> Checked {
    let response = request.send().await?;
    // Not `?` yet, which would return before the page is read.
    let checked = response.error_for_status_ref().map(Response::status);
    read_page(response, read).await?;
    checked
}

/// What an API has to say about an error is in the page: which field was wrong, or when to come back.
async fn read_page(response: Response, read: &Cell<usize>) -> reqwest::Result<()> {
    let page = response.bytes().await?;
    read.update(|bytes| bytes + page.len());
    Ok(())
}

fn count(t: &mut Timings, results: &[Checked], read: &Cell<usize>) {
    let texts = results.iter().map(|result| match result {
        Ok(status) => format!("Ok({})", status.as_str()),
        // An error that was made of a status knows it. Other errors have none.
        Err(error) => match error.status() {
            Some(status) => format!("Err({})", status.as_str()),
            None => "Err(no status)".into(),
        },
    });
    t.count("results", texts.collect::<Vec<_>>().join(" "));
    t.count("bytes read", read.get()); // of the 418: the other two pages are empty
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::{self, Failed, Returned};

    fn ends(t: &Timings, variant: &str) -> Vec<Ended> {
        t[variant].lanes.iter().map(|lane| lane.ended).collect()
    }

    #[tokio::test]
    async fn an_error_status_is_ok_until_it_is_made_an_error() {
        let t = Timings::of_default(run).await;
        let results = |variant| t[variant].count("results");
        assert_eq!(*results("as they come"), "Ok(200) Ok(418) Ok(503)");
        assert_eq!(ends(&t, "as they come"), [Returned; 3]);
        assert_eq!(*results("error_for_status"), "Ok(200) Err(418) Err(503)");
        assert_eq!(ends(&t, "error_for_status"), [Returned, Failed, Failed]);
    }

    #[tokio::test]
    async fn an_error_for_status_drops_the_page_that_says_why() {
        let t = Timings::of_default(run).await;
        let read = |variant| t[variant].count("bytes read");
        assert_eq!(*read("as they come"), 71);
        assert_eq!(*read("error_for_status"), 0);
    }

    #[tokio::test]
    async fn a_page_can_be_read_and_be_an_error() {
        let t = Timings::of_default(run).await;
        let both = &t["error_for_status_ref"];
        assert_eq!(*both.count("results"), "Ok(200) Err(418) Err(503)");
        assert_eq!(*both.count("bytes read"), 71);
    }

    #[tokio::test]
    async fn without_an_answer_there_is_an_error_without_a_status() {
        let t = Timings::of_default(run).await;
        assert_eq!(*t["nobody answers"].count("results"), "Err(no status)");
        assert_eq!(ends(&t, "nobody answers"), [Failed]);
    }
}
