//! # Timeouts: which limit ends which wait
//!
//! A page takes 4 ticks, and each limit is 2. One page sends nothing until it is complete (the silence); another
//! comes a byte every half tick (the trickle). A read timeout ends the silence after 2 ticks, but not the trickle: it
//! begins again with every byte, and the page is there after 4. A total timeout, `timeout`, ends both after 2. A
//! third server is full and takes no connection, and a connect timeout ends that wait after 2. Without a limit a page
//! is waited for as long as it takes: here 4 ticks, and in a test a day.
//!
//! asyncio: aiohttp.ClientTimeout, sock_read, sock_connect
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! limits = aiohttp.ClientTimeout(total=2, sock_connect=2, sock_read=2)
//! async with aiohttp.ClientSession(timeout=limits) as session:
//!     async with session.get(url) as response:
//!         page = await response.read()
//! # session.get(url, timeout=aiohttp.ClientTimeout(total=10)) replaces all three
//! ```
//!
//! Not the same: aiohttp gives a page 5 minutes, and recent versions give a connection 30 s, unless you say
//! otherwise. reqwest sets no limit for a page. On Linux it has the system give up a connection after 30 s without an
//! answer (`tcp_user_timeout`); elsewhere the system decides alone. In aiohttp the limits of a request replace all
//! those of its session; in reqwest `RequestBuilder::timeout` replaces the client's `timeout` alone.

use anyhow::Result;
use reqwest::RequestBuilder;
use timing::{Timings, law::exactly, ticks};
use tracing::{info, instrument};
use web::{FullServer, Server};

use crate::options::Options;

/// In ticks, whichever limit it is.
const LIMIT: u32 = 2;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let silence = &server.slow_page(4);
    let trickle = &server.url(&trickle());

    let client = server.client()?;
    let page = fetch(client.get(silence));
    let result = t.time("silence, no limit", exactly(4), page).await;
    t.count("result", in_words(result));

    let client = server.builder().read_timeout(ticks(LIMIT)).build()?;
    let page = fetch(client.get(silence));
    let result = t.time("silence, read_timeout", exactly(LIMIT), page).await;
    t.count("result", in_words(result));

    // A limit for this one request, from `send` to the last byte of the body.
    let client = server.client()?;
    let page = fetch(client.get(silence).timeout(ticks(LIMIT)));
    let result = t.time("silence, timeout", exactly(LIMIT), page).await;
    t.count("result", in_words(result));

    let client = server.builder().read_timeout(ticks(LIMIT)).build()?;
    let page = fetch(client.get(trickle));
    let result = t.time("trickle, read_timeout", exactly(4), page).await;
    t.count("result", in_words(result));

    // The same limit for every request of this client that sets none for itself.
    let client = server.builder().timeout(ticks(LIMIT)).build()?;
    let page = fetch(client.get(trickle));
    let result = t.time("trickle, timeout", exactly(LIMIT), page).await;
    t.count("result", in_words(result));

    let full = FullServer::start().await?;
    let client = server.builder().connect_timeout(ticks(LIMIT)).build()?;
    let page = fetch(client.get(full.url()));
    let result = t.time("full, connect_timeout", exactly(LIMIT), page).await;
    t.count("result", in_words(result));
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
    // A limit can still be reached in the body. Then the error's text is "error decoding response body", and before
    // the head "error sending request"; both are `is_timeout`.
    info!("the head is here");
    Ok(response.bytes().await?.len())
}

fn in_words(result: reqwest::Result<usize>) -> String {
    match result {
        Ok(bytes) => format!("{bytes} bytes"),
        // Such an error is both. The server hasn't seen this request, so it is safe to send it again.
        Err(error) if error.is_timeout() && error.is_connect() => "no connection".into(),
        Err(error) if error.is_timeout() => "timeout".into(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::{Client, ClientBuilder};
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    /// For a paused clock: server and client are on one runtime.
    async fn outcome(
        path: &str,
        limited: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> (String, Duration) {
        let server = httpbin::Server::start().await.unwrap();
        let client = limited(Client::builder().no_proxy()).build().unwrap();
        let begin = Instant::now();
        let page = fetch(client.get(format!("{}{path}", server.url()))).await;
        (in_words(page), begin.elapsed())
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

    /// What still arrives on it would be the rest of the old answer.
    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_reached_closes_the_connection_and_the_server_can_stop() {
        let server = httpbin::Server::start().await.unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        let begin = Instant::now();
        let page = client.get(format!("{}/delay/0.4", server.url()));
        assert!(fetch(page.timeout(ticks(LIMIT))).await.is_err());
        while server.stats().in_flight > 0 {
            sleep(ticks(0.1)).await;
        }
        assert!(
            begin.elapsed() < ticks(4),
            "the page would be there after 4"
        );
        fetch(client.get(server.url())).await.unwrap();
        assert_eq!(server.stats().connections, 2);
    }

    #[tokio::test]
    async fn a_connection_that_nobody_takes_is_a_connect_timeout() {
        let t = Timings::of_default(run).await;
        let full = &t["full, connect_timeout"];
        assert_eq!(*full.count("result"), "no connection");
        assert!(full.elapsed >= ticks(LIMIT));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_of_a_request_replaces_only_the_total_one_of_its_client() {
        let server = httpbin::Server::start().await.unwrap();
        let slow = &format!("{}/delay/0.4", server.url());
        let page = async |client: ClientBuilder, url: &str| {
            let client = client.no_proxy().build().unwrap();
            fetch(client.get(url).timeout(ticks(20))).await
        };
        assert!(
            page(Client::builder().timeout(ticks(1)), slow)
                .await
                .is_ok()
        );
        let read = page(Client::builder().read_timeout(ticks(1)), slow).await;
        assert!(read.unwrap_err().is_timeout());
        let full = FullServer::start().await.unwrap();
        let connect = Client::builder().connect_timeout(ticks(1));
        let begin = Instant::now();
        let connect = page(connect, full.url()).await;
        assert_eq!(in_words(connect), "no connection");
        assert_eq!(begin.elapsed(), ticks(1));
    }
}
