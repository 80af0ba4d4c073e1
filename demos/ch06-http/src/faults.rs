//! # Faults: what reqwest's one error type stands for
//!
//! Nine requests fail in nine ways. Five of the errors have the same text, "error sending request", among them a host
//! that doesn't exist and an answer that isn't HTTP. Two say "error decoding response body", and what happened is
//! that the body ended too early. The reason stands further down: each error has the one that caused it as its
//! `source`, and at the bottom is the socket's or the parser's. One `From` asks them and makes 7 kinds of fault of
//! the nine, so that code can decide: ask again, ask elsewhere, or give up.
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
//! Not the same: aiohttp has a class for each, and `except` goes by class. reqwest has one struct, and methods that
//! ask it. Several can say yes to one error: a host that doesn't exist is `is_dns`, `is_connect` and `is_request`, so
//! here too the order decides. No method tells a reset from an answer that isn't HTTP.

use std::{
    error::Error,
    io::{self, ErrorKind},
    iter,
};

use anyhow::Result;
use reqwest::Client;
use timing::{
    Timings,
    law::{at_most, exactly},
    ticks,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
};
use tracing::instrument;
use web::Server;

use crate::options::Options;

/// In ticks, from the first step of the connection to the last byte of the body.
const TIMEOUT: u32 = 5;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let client = &server.builder().timeout(ticks(TIMEOUT)).build()?;
    let (_taken, nobody) = nobody_listens()?;
    let mail = TcpListener::bind("127.0.0.1:0").await?;
    let not_http = format!("http://{}", mail.local_addr()?);
    let mail = tokio::spawn(answers_as_mail_servers_do(mail));

    for (page, url) in [
        ("404", server.url("/status/404")),
        ("20 redirects", server.url("/redirect/20")), // reqwest follows 10
        ("nobody listens", nobody),
        ("no such host", NO_SUCH_HOST.into()),
        ("no answer", server.url("/stand-in/broken/silence")),
        ("a reset", server.url("/stand-in/broken/reset")),
        ("no HTTP", not_http),
        ("half a body", server.url("/stand-in/broken/short")),
        (
            "a reset in the body",
            server.url("/stand-in/broken/reset-body"),
        ),
    ] {
        let law = if page == "no answer" {
            exactly(TIMEOUT)
        } else {
            at_most(TIMEOUT)
        };
        let result = t.time(page, law, read(page, client, &url)).await;
        let error = result.expect_err("none of them can be read");
        t.count("error", error.to_string());
        let bottom = causes(&error).last().map(<_>::to_string);
        t.count("at the bottom", bottom.unwrap_or_default());
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

/// What can become of a request instead of a page. The last three are found by the lesson `outcomes` as it reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// 400 or higher.
    Status(u16),
    Redirects,
    UnknownHost,
    /// The host is known, and there is no connection to it.
    Unreachable(ErrorKind),
    TimedOut,
    /// The connection ended before the answer was complete.
    CutOff,
    NotHttp,
    TooLong,
    NotJson,
    OtherJson,
}

/// What a socket says when the other side is gone, and what hyper says when the body isn't complete.
const CUTS: [ErrorKind; 3] = [
    ErrorKind::ConnectionReset,
    ErrorKind::BrokenPipe,
    ErrorKind::UnexpectedEof,
];

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        let socket = below(&error).map(io::Error::kind);
        if let Some(status) = error.status() {
            Self::Status(status.as_u16())
        } else if error.is_timeout() {
            Self::TimedOut
        } else if error.is_dns() {
            Self::UnknownHost // `is_connect` says yes to this one too, so it is asked later
        } else if error.is_connect() {
            Self::Unreachable(socket.unwrap_or(ErrorKind::Other))
        } else if error.is_redirect() {
            Self::Redirects
        } else if socket.is_some_and(|kind| CUTS.contains(&kind))
            || below(&error).is_some_and(hyper::Error::is_incomplete_message)
        {
            Self::CutOff
        } else {
            Self::NotHttp // what is left are answers that break the protocol's rules
        }
    }
}

/// The first error of a type below this one. reqwest stands on hyper and names none of its types, so hyper's errors
/// are found at run time, and only while the manifests here and of reqwest name the same version of hyper.
fn below<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    causes(error).find_map(<dyn Error>::downcast_ref)
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(error.source(), |&error| error.source())
}

/// A port that is taken, so that no other program gets it, and at which nobody listens.
pub fn nobody_listens() -> io::Result<(TcpSocket, String)> {
    let taken = TcpSocket::new_v4()?;
    taken.bind(([127, 0, 0, 1], 0).into())?;
    let url = format!("http://{}", taken.local_addr()?);
    Ok((taken, url))
}

/// Two dots in a row are in no host name, so this one is refused without a question to any name server.
pub const NO_SUCH_HOST: &str = "http://no..host";

/// To one request, whose first line is no command of theirs.
async fn answers_as_mail_servers_do(listener: TcpListener) -> io::Result<()> {
    let (mut client, _) = listener.accept().await?;
    let _all_of_it = client.read(&mut [0; 1024]).await?; // a request this short comes in one piece
    client.write_all(b"500 unknown command\r\n").await
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::Failed;

    async fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t, &Options::default()).await.unwrap();
        t
    }

    #[tokio::test]
    async fn different_faults_share_a_text() {
        let t = measured().await;
        for (text, pages) in [
            (
                "error sending request",
                &[
                    "nobody listens",
                    "no such host",
                    "no answer",
                    "a reset",
                    "no HTTP",
                ][..],
            ),
            (
                "error decoding response body",
                &["half a body", "a reset in the body"],
            ),
        ] {
            for page in pages {
                assert_eq!(*t[page].count("error"), text, "{page}");
                assert_eq!(t[page].lane(page).ended, Failed);
            }
        }
    }

    #[tokio::test]
    async fn the_errors_below_tell_them_apart() {
        let t = measured().await;
        for (page, fault) in [
            ("404", "Status(404)"),
            ("20 redirects", "Redirects"),
            ("nobody listens", "Unreachable(ConnectionRefused)"),
            ("no such host", "UnknownHost"),
            ("no answer", "TimedOut"),
            ("a reset", "CutOff"),
            ("no HTTP", "NotHttp"),
            ("half a body", "CutOff"),
            ("a reset in the body", "CutOff"),
        ] {
            assert_eq!(*t[page].count("fault"), fault, "{page}");
        }
        assert!(t["no answer"].elapsed >= ticks(TIMEOUT));
    }
}
