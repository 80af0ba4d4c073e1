//! # `get`: a page of JSON becomes a struct
//!
//! reqwest is the HTTP client of this chapter, and serde turns JSON into structs. `json` reads the body into a type
//! of your own, whose fields say what the page has to contain. Three pages that don't fit are 3 errors at once, each
//! with its line and column: a field that is missing, a value of another type, HTML instead of JSON. Code after that
//! call never sees an incomplete page. The last two variants are about the request: some servers refuse a client that
//! doesn't say who it is, and reqwest sends no User-Agent unless it is given one.
//!
//! asyncio: aiohttp.ClientSession.get, ClientResponse.json, json, User-Agent
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! async with session.get(f"{server}/json") as response:
//!     page = await response.json()     # dicts and lists, whatever is in them
//! title = page["slideshow"]["title"]   # KeyError here, if there is no such field
//! ```
//!
//! Not the same: aiohttp's `json` raises ContentTypeError if the header says that the body is no JSON. reqwest's
//! doesn't look at the header, so HTML is an error of the parser. aiohttp keeps the body, and `json` can be called
//! again; in reqwest it takes the response by value, and a second call doesn't compile (E0382). aiohttp sends a
//! User-Agent with its own version and Python's.

use std::{error::Error, fmt::Debug};

use reqwest::{Client, Result};
use serde::{Deserialize, de::DeserializeOwned};
use timing::{Timings, law::at_most};
use tracing::instrument;
use web::Server;

use crate::options::Options;

pub async fn run(t: &mut Timings, options: &Options) -> anyhow::Result<()> {
    // A stand-in for httpbin.org, on a thread of its own and gone with this value; or the server of `--server URL`.
    let server = &Server::choose(options.server.as_ref(), t).await?;
    let client = &server.client()?;

    // Nothing here waits, so a tick is plenty. How much less it takes is not the subject.
    let page = get::<Page<Slideshow>>(client, server, "/json");
    let Slideshow { title, slides } = t
        .time("a page that fits", at_most(1), page)
        .await?
        .slideshow;
    t.count("result", format!("{title}: {} slides", slides.len()));

    // A mistake that is easily made: the fields are those of the page, but they stand one level further down.
    let page = get::<Slideshow>(client, server, "/json");
    let page = t.time("a field is missing", at_most(1), page).await;
    t.count("result", reason(&page));

    let page = get::<Page<String>>(client, server, "/json");
    let page = t.time("a value of another type", at_most(1), page).await;
    t.count("result", reason(&page));

    let page = get::<Page<Slideshow>>(client, server, "/links/2/0");
    let page = t.time("a page of HTML", at_most(1), page).await;
    t.count("result", reason(&page));

    let asked = get::<Asked>(client, server, "/user-agent");
    let asked = t.time("User-Agent by default", at_most(1), asked).await?;
    t.count("result", format!("{:?}", asked.user_agent));

    // Set on the client, it goes out with each of its requests.
    let client = &server.builder().user_agent("reader/1.0").build()?;
    let asked = get::<Asked>(client, server, "/user-agent");
    let asked = t.time("User-Agent set", at_most(1), asked).await?;
    t.count("result", format!("{:?}", asked.user_agent));
    Ok(())
}

/// Which type is wanted is the caller's choice, and it decides what the page has to look like.
#[instrument(ret, err, skip(client, server))]
async fn get<T>(client: &Client, server: &Server, path: &str) -> Result<T>
where
    T: DeserializeOwned + Debug,
{
    // Only the head of the answer has arrived after this. The body may still be on its way. Without
    // `error_for_status`, an error page could pass for the page (see `http/statuses`).
    let response = client.get(server.url(path)).send().await?;
    response.error_for_status()?.json().await
}

/// For all three pages that don't fit, the text of reqwest's own error is "error decoding response body" and the URL.
/// What is wrong, and where, is the parser's error, one step down the chain. `{:#}` of an `anyhow::Error`
/// prints both.
fn reason<T>(page: &Result<T>) -> String {
    match page {
        Ok(_) => "it fits".into(),
        Err(error) => error.source().map_or(error.to_string(), <_>::to_string),
    }
}

#[derive(Debug, Deserialize)]
struct Page<T> {
    slideshow: T,
}

/// The page has an author and a date, too. Fields that aren't named here are skipped.
#[derive(Debug, Deserialize)]
struct Slideshow {
    title: String,
    slides: Vec<Slide>,
}

#[derive(Debug, Deserialize)]
#[expect(
    dead_code,
    reason = "nothing here reads the items; the parser checks them all the same"
)]
struct Slide {
    // One of the two slides has no items. Without this attribute that would be a missing field.
    #[serde(default)]
    items: Vec<String>,
}

/// What the server got. It answers `null` where it got nothing, and an `Option` makes `None` of that.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(rename = "user-agent")] // a name that Rust doesn't allow
    user_agent: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::{Failed, Returned};

    #[tokio::test]
    async fn a_page_becomes_a_struct() {
        let t = Timings::of_default(run).await;
        let fits = &t["a page that fits"];
        assert_eq!(*fits.count("result"), "A Kitchen in Slides: 2 slides");
        assert_eq!(fits.lane("get").ended, Returned);
    }

    #[tokio::test]
    async fn a_page_that_does_not_fit_is_an_error_with_its_place() {
        let t = Timings::of_default(run).await;
        for (variant, error) in [
            (
                "a field is missing",
                "missing field `title` at line 21 column 1", // where the object ends that has no such field
            ),
            (
                "a value of another type",
                "invalid type: map, expected a string at line 2 column 15",
            ),
        ] {
            assert_eq!(*t[variant].count("result"), error);
            assert_eq!(t[variant].lane("get").ended, Failed);
        }
    }

    #[tokio::test]
    async fn a_page_of_html_is_an_error_of_the_parser() {
        let t = Timings::of_default(run).await;
        let html = &t["a page of HTML"];
        assert_eq!(*html.count("result"), "expected value at line 1 column 1");
        assert_eq!(html.lane("get").ended, Failed);
    }

    #[tokio::test]
    async fn no_user_agent_is_sent_unless_one_is_set() {
        let t = Timings::of_default(run).await;
        let sent = |variant| t[variant].count("result");
        assert_eq!(*sent("User-Agent by default"), "None");
        assert_eq!(*sent("User-Agent set"), r#"Some("reader/1.0")"#);
    }
}
