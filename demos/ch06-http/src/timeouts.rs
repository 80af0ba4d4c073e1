//! # Timeouts: which limit ends which wait
//!
//! A page takes 4 ticks, and each limit is 2. One page is silence until it comes, one trickles in, a byte every half
//! tick, and one server is too busy to take a connection. A read timeout ends the silence after 2 ticks, but not the
//! trickle: it begins again with every byte, and the page is there after 4. A total timeout ends both after 2. Without
//! a limit nothing does, and for a server that never answers a program waits for ever.
//!
//! asyncio: aiohttp.ClientTimeout, sock_read, sock_connect
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! limits = aiohttp.ClientTimeout(total=2, sock_connect=2, sock_read=2)
//! async with aiohttp.ClientSession(timeout=limits) as session:
//!     page = await session.get(url)
//!     page = await session.get(url, timeout=aiohttp.ClientTimeout(total=10))    # replaces all three
//! ```
//!
//! Not the same: aiohttp gives up after 5 minutes unless it is told otherwise; reqwest never does. In aiohttp the limits
//! of a request replace all those of its session. In reqwest `RequestBuilder::timeout` replaces the client's `timeout`,
//! and its other limits stay. Either library closes the connection when a limit is reached, since what comes by it
//! would still be the answer to the old request. The stand-in notices that and drops the request; a server that
//! doesn't look works on.

use anyhow::Result;
use reqwest::{Client, RequestBuilder};
use timing::{Timings, law::exactly, ticks};
use tokio::time::sleep;
use tracing::{info, instrument};
use web::{FullServer, Server};

use crate::options::Options;

const LIMIT: u32 = 2;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let silence = &server.slow_page(4);
    let trickle = &server.url(&trickle());
    let (limit, reached) = (ticks(LIMIT), || exactly(LIMIT));

    let client = server.client()?;
    let page = fetch(client.get(silence));
    let page = t.time("silence, no limit", exactly(4), page).await;
    count(t, page, &client, server).await?;

    let client = server.builder().read_timeout(limit).build()?;
    let page = fetch(client.get(silence));
    let page = t.time("silence, read_timeout", reached(), page).await;
    count(t, page, &client, server).await?;

    // A limit for this one request, from `send` to the last byte of the body.
    let client = server.client()?;
    let page = fetch(client.get(silence).timeout(limit));
    let page = t.time("silence, timeout", reached(), page).await;
    count(t, page, &client, server).await?;

    let client = server.builder().read_timeout(limit).build()?;
    let page = fetch(client.get(trickle));
    let page = t.time("trickle, read_timeout", exactly(4), page).await;
    count(t, page, &client, server).await?;

    // The same limit for every request of this client that sets none for itself.
    let client = server.builder().timeout(limit).build()?;
    let page = fetch(client.get(trickle));
    let page = t.time("trickle, timeout", reached(), page).await;
    count(t, page, &client, server).await?;

    let full = FullServer::start().await?;
    let client = server.builder().connect_timeout(limit).build()?;
    let page = fetch(client.get(full.url()));
    let page = t.time("full, connect_timeout", reached(), page).await;
    t.count("result", told(page));
    Ok(())
}

/// Nine bytes, one every half tick: the first comes at once, the last after four ticks.
fn trickle() -> String {
    format!("/drip?numbytes=9&duration={}", ticks(4.5).as_secs_f64())
}

/// Returns the length of the page in bytes.
#[instrument(ret, err, skip_all)]
async fn fetch(request: RequestBuilder) -> reqwest::Result<usize> {
    let response = request.send().await?;
    // A limit can still be reached: the body takes its own time.
    info!("the head is here");
    Ok(response.bytes().await?.len())
}

fn told(page: reqwest::Result<usize>) -> String {
    match page {
        Ok(bytes) => format!("{bytes} bytes"),
        // Both at once. The server hasn't seen this request, so it is safe to send it again.
        Err(error) if error.is_timeout() && error.is_connect() => "no connection".into(),
        Err(error) if error.is_timeout() => "timeout".into(),
        Err(error) => error.to_string(),
    }
}

/// What became of the page; then another request, and what the server has seen of both. It comes before the 4 ticks of
/// the first are over. So if that were still being worked on, two would be in flight at once.
async fn count(
    t: &mut Timings,
    page: reqwest::Result<usize>,
    client: &Client,
    server: &Server,
) -> Result<()> {
    t.count("result", told(page));
    // As long as it may take a server to see that a connection is closed.
    sleep(ticks(1)).await;
    client.get(server.url("/get")).send().await?;
    server.count(t);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::ClientBuilder;
    use std::time::Duration;
    use tokio::time::Instant;

    async fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t, &Options::default()).await.unwrap();
        t
    }

    /// For a paused clock: server and client are on one runtime.
    async fn outcome(
        path: &str,
        limited: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> (String, Duration) {
        let server = httpbin::Server::start().await.unwrap();
        let client = limited(Client::builder().no_proxy()).build().unwrap();
        let begin = Instant::now();
        let page = fetch(client.get(format!("{}{path}", server.url()))).await;
        (told(page), begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_timeout_ends_silence_and_no_trickle() {
        let read = |client: ClientBuilder| client.read_timeout(ticks(LIMIT));
        let (silence, elapsed) = outcome("/delay/0.4", read).await;
        assert_eq!((&*silence, elapsed.as_millis()), ("timeout", 200));
        let (trickle, elapsed) = outcome(&trickle(), read).await;
        assert_eq!((&*trickle, elapsed.as_millis()), ("9 bytes", 400));
    }

    #[tokio::test(start_paused = true)]
    async fn a_total_timeout_ends_both() {
        let total = |client: ClientBuilder| client.timeout(ticks(LIMIT));
        for path in ["/delay/0.4", &trickle()] {
            let (page, elapsed) = outcome(path, total).await;
            assert_eq!((&*page, elapsed.as_millis()), ("timeout", 200), "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_a_day_is_waited_for() {
        let (page, elapsed) = outcome("/drip?numbytes=1&delay=86400", |client| client).await;
        assert_eq!(page, "1 bytes");
        assert!(elapsed >= Duration::from_hours(24));
    }

    #[tokio::test]
    async fn a_limit_that_is_reached_closes_the_connection_and_ends_the_request() {
        let t = measured().await;
        for (label, opened) in [
            ("silence, no limit", 1),
            ("silence, read_timeout", 2),
            ("silence, timeout", 2),
            ("trickle, timeout", 2),
        ] {
            let variant = &t[label];
            assert!(variant.elapsed >= ticks(LIMIT), "{label}");
            assert_eq!(*variant.count("requests"), 2, "{label}");
            assert_eq!(*variant.count("in flight at once"), 1, "{label}");
            assert_eq!(*variant.count("connections opened"), opened, "{label}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_nobody_takes_is_a_connect_timeout() {
        let t = measured().await;
        let full = &t["full, connect_timeout"];
        assert_eq!(*full.count("result"), "no connection");
        assert!(full.elapsed >= ticks(LIMIT));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_of_a_request_replaces_only_the_total_one_of_its_client() {
        let server = httpbin::Server::start().await.unwrap();
        let page = async |client: ClientBuilder| {
            let client = client.no_proxy().build().unwrap();
            let page = client.get(format!("{}/delay/0.4", server.url()));
            fetch(page.timeout(ticks(20))).await
        };
        assert!(page(Client::builder().timeout(ticks(1))).await.is_ok());
        let read = page(Client::builder().read_timeout(ticks(1))).await;
        assert!(read.unwrap_err().is_timeout());
    }
}
