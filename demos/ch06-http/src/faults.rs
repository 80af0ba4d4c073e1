//! # Faults: what reqwest's one error type stands for
//!
//! Nine requests fail in nine ways. Five of the errors have the same text, "error sending request", among them a host
//! name that can't be looked up and an answer that isn't HTTP. Two say "error decoding response body", and what
//! happened is that the body ended too early. The methods of the error overlap, and none tells a reset from an answer
//! that isn't HTTP. The cause does: an error can hold the error that caused it, its `source`, and that one can hold
//! another. One `From` asks the methods and the causes, and makes 7 kinds of fault of the nine errors. So code can
//! decide whether to ask again, to ask elsewhere, or to give up.
//!
//! asyncio: aiohttp.ClientError, ClientConnectorError, ServerDisconnectedError, ClientPayloadError, TooManyRedirects
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! try:
//!     async with session.get(url) as response:
//!         page = await response.read()
//! except aiohttp.ClientConnectorDNSError: ...     # a subclass goes before its base
//! except aiohttp.ClientConnectorError: ...
//! ```
//!
//! Not the same: aiohttp has many classes, and `except` goes by class. Some of them cover several faults too: a 404,
//! with `raise_for_status`, and an answer that isn't HTTP are both ClientResponseError. reqwest has one struct, with
//! methods to ask it. Several of them say yes to one error, so the order in which they are asked decides, as the
//! order of `except`s does.

use std::{
    error::Error,
    io::{self, ErrorKind},
    iter,
};

use anyhow::Result;
use reqwest::Client;
use timing::{Timings, law::at_most, ticks};
use tracing::instrument;
use web::{Server, mail_server, nobody_listens};

use crate::options::Options;

/// In ticks, from the first step of the connection to the last byte of the body.
const TIMEOUT: u32 = 5;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let client = &server.builder().timeout(ticks(TIMEOUT)).build()?;
    let (_taken, nobody) = nobody_listens()?;
    let (not_http, mail) = mail_server().await?;

    for (page, url) in [
        ("404", server.url("/status/404")),
        ("20 redirects", server.url("/redirect/20")), // reqwest follows 10
        ("nobody listens", nobody),
        // Two dots in a row are in no host name, so this one is refused without a question to any name server.
        ("a bad name", "http://no..host".into()),
        ("no answer", server.url("/stand-in/broken/silence")),
        ("a reset", server.url("/stand-in/broken/reset")),
        ("no HTTP", not_http),
        ("half a body", server.url("/stand-in/broken/short")),
        ("a late reset", server.url("/stand-in/broken/reset-body")),
    ] {
        let page = t.time(page, at_most(TIMEOUT), read(page, client, &url));
        let error = page.await.expect_err("none of them can be read");
        t.count("says yes", says_yes(&error).join(" "));
        let bottom = causes(&error).last().map(<_>::to_string);
        t.count("last cause", bottom.unwrap_or_default());
        t.count("fault", format!("{:?}", Fault::from(error)));
    }
    mail.await??;
    Ok(())
}

#[instrument(ret, err, skip(client, url))]
async fn read(page: &str, client: &Client, url: &str) -> reqwest::Result<usize> {
    let reading = async {
        let response = client.get(url).send().await?.error_for_status()?;
        Ok(response.bytes().await?.len())
    };
    // The URL is a part of the error's text. Here the pages have names, and that is enough.
    reading.await.map_err(reqwest::Error::without_url)
}

fn says_yes(error: &reqwest::Error) -> Vec<&'static str> {
    let answers = [
        (error.is_status(), "is_status"),
        (error.is_redirect(), "is_redirect"),
        (error.is_timeout(), "is_timeout"),
        (error.is_dns(), "is_dns"),
        (error.is_connect(), "is_connect"),
        (error.is_request(), "is_request"),
        (error.is_decode(), "is_decode"),
    ];
    let yes = answers.into_iter().filter(|(yes, _)| *yes);
    yes.map(|(_, method)| method).collect()
}

/// What can become of a request instead of a page. The last three are faults of the page itself: see `http/outcomes`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// 400 or higher.
    Status(u16),
    Redirects,
    /// There is no such host, or no name server has answered. The error tells which in its text alone.
    UnknownHost,
    /// The host is known, and there is no connection to it.
    Unreachable(ErrorKind),
    TimedOut,
    /// The connection ended before the answer was complete.
    CutOff,
    NotHttp,
    /// None of these: a URL that can't be parsed, for instance.
    Other,
    TooLong,
    NotJson,
    OtherJson,
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        use ErrorKind::{BrokenPipe, ConnectionReset, InvalidData, InvalidInput, UnexpectedEof};

        if let Some(status) = error.status() {
            return Self::Status(status.as_u16());
        }
        let hyper: Option<&hyper::Error> = below(&error);
        match below(&error).map(io::Error::kind) {
            _ if error.is_timeout() => Self::TimedOut,
            _ if error.is_dns() => Self::UnknownHost, // before `is_connect`, which says yes to it, too
            kind if error.is_connect() => Self::Unreachable(kind.unwrap_or(ErrorKind::Other)),
            _ if error.is_redirect() => Self::Redirects,
            _ if hyper.is_some_and(hyper::Error::is_parse) => Self::NotHttp,
            _ if hyper.is_some_and(hyper::Error::is_incomplete_message) => Self::CutOff,
            // The first two are the socket's, the third is hyper's word for a body that isn't complete.
            Some(ConnectionReset | BrokenPipe | UnexpectedEof) => Self::CutOff,
            // hyper's words for a body in chunks, where the length of a chunk isn't a number.
            Some(InvalidData | InvalidInput) => Self::NotHttp,
            _ => Self::Other,
        }
    }
}

/// The first error of this type below. reqwest stands on hyper and doesn't name its types, so hyper's errors are
/// found only if this package depends on the same version of hyper as reqwest does; no compiler checks that.
fn below<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    causes(error).find_map(<dyn Error>::downcast_ref)
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(error.source(), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn different_faults_share_a_text() {
        let t = Timings::of_default(run).await;
        let assert_text = |page: &str, text: &str| {
            assert_eq!(t[page].said[0].text, format!("error={text}"), "{page}");
        };
        for page in ["nobody listens", "a bad name", "no answer", "a reset"] {
            assert_text(page, "error sending request");
        }
        assert_text("no HTTP", "error sending request");
        assert_text("half a body", "error decoding response body");
        assert_text("a late reset", "error decoding response body");
    }

    #[tokio::test]
    async fn methods_overlap_and_the_causes_tell_the_faults_apart() {
        const REFUSED: &str = "Unreachable(ConnectionRefused)";
        let t = Timings::of_default(run).await;
        for (page, yes, fault) in [
            ("404", "is_status", "Status(404)"),
            ("20 redirects", "is_redirect", "Redirects"),
            ("nobody listens", "is_connect is_request", REFUSED),
            ("a bad name", "is_dns is_connect is_request", "UnknownHost"),
            ("no answer", "is_timeout is_request", "TimedOut"),
            ("a reset", "is_request", "CutOff"),
            ("no HTTP", "is_request", "NotHttp"),
            ("half a body", "is_decode", "CutOff"),
            ("a late reset", "is_decode", "CutOff"),
        ] {
            assert_eq!(*t[page].count("says yes"), yes, "{page}");
            assert_eq!(*t[page].count("fault"), fault, "{page}");
        }
        assert!(t["no answer"].elapsed >= ticks(TIMEOUT));
        let error = Client::new().get("no URL").send().await.unwrap_err();
        assert_eq!(Fault::from(error), Fault::Other);
    }
}
