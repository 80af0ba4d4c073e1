//! # The same experiment on threads
//!
//! Ten requests on 10 threads take about a tick, as they do on one thread with an event loop. Fifty on 50 threads
//! take a little more, and nowhere near 50 ticks: all 50 are in flight at once. Waits overlap either way; what comes
//! on top is the work of starting and connecting. For some dozens of requests it is no question of speed.
//! `executors/models` measures what thousands of threads and tasks cost.
//!
//! asyncio: ThreadPoolExecutor, requests
//!
//! real clock: real HTTP, and threads that block
//!
//! ```python
//! with ThreadPoolExecutor(max_workers=50) as pool:
//!     pages = list(pool.map(requests.get, urls))
//! ```
//!
//! Not the same: Python's threads compute one at a time, because of the interpreter's lock (a free-threaded build has
//! none), and Rust's compute in parallel. For waiting it makes no difference, since a blocking read releases that lock.
//! The timeline shows the two ways to wait: a thread's lane is solid, because its function holds the thread while
//! `read` blocks it; a future's lane is thin, because it is polled a few times and holds no thread in between.

use std::thread;

use anyhow::{Context, Result, anyhow};
use futures_util::future::try_join_all;
use reqwest::Client;
use timing::{Timings, law::max};
use tokio::runtime::Builder;
use tracing::instrument;
use ureq::Agent;
use web::Server;

use crate::options::Options;

pub fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = Server::stand_in(options.server.as_ref())?;
    let url = &server.slow_page(1);
    // Made beforehand, as the other client is: a measurement holds no more than threads and requests.
    let agent = &Agent::config_builder().proxy(None).build().new_agent();
    for urls in [10, 50] {
        let law = max(vec![1; urls as usize]);
        t.time_blocking(format!("{urls} threads"), law.clone(), || {
            on_threads(urls, agent, url)
        })?;
        server.count(t);

        let client = &server.client()?;
        t.time_blocking(format!("{urls} futures, one thread"), law, || {
            on_one_loop(urls, client, url)
        })?;
        server.count(t);
    }
    Ok(())
}

/// One thread for each request. It blocks in `read` until the answer is there.
fn on_threads(urls: u32, agent: &Agent, url: &str) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = (1..=urls)
            .map(|page| scope.spawn(move || get(page, agent, url)))
            .collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(())
    })
}

/// Builds its runtime inside the measurement, because the threads are started inside it too.
fn on_one_loop(urls: u32, client: &Client, url: &str) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(try_join_all(
        (1..=urls).map(|page| fetch(page, client, url)),
    ))?;
    Ok(())
}

#[instrument(ret, err, skip(agent, url))]
fn get(page: u32, agent: &Agent, url: &str) -> Result<usize> {
    let body = agent
        .get(url)
        .call()?
        .into_body()
        .read_to_vec()
        .context("the body")?;
    Ok(body.len())
}

#[instrument(ret, err, skip(client, url))]
async fn fetch(page: u32, client: &Client, url: &str) -> Result<usize> {
    let response = client.get(url).send().await?.error_for_status()?;
    Ok(response.bytes().await?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_make_every_request_and_wait_through_the_tick() {
        let t = Timings::of_blocking(|t| run(t, &Options::default()));
        for (variant, urls) in [
            ("10 threads", 10),
            ("10 futures, one thread", 10),
            ("50 threads", 50),
            ("50 futures, one thread", 50),
        ] {
            assert_eq!(*t[variant].count("requests"), urls, "{variant}");
            assert!(t[variant].elapsed >= timing::ticks(1), "{variant}");
        }
    }

    /// On a busy machine it takes more than a tick until fifty have asked.
    const HELD: u32 = 30;

    #[test]
    fn fifty_threads_have_their_requests_in_flight_at_once() {
        let server = Server::stand_in(None).unwrap();
        let agent = &Agent::config_builder().proxy(None).build().new_agent();
        on_threads(50, agent, &server.slow_page(HELD)).unwrap();
        assert_eq!(server.stats().unwrap().peak_in_flight, 50);
    }

    #[test]
    fn one_thread_has_fifty_requests_in_flight_at_once() {
        let server = Server::stand_in(None).unwrap();
        on_one_loop(50, &server.client().unwrap(), &server.slow_page(HELD)).unwrap();
        assert_eq!(server.stats().unwrap().peak_in_flight, 50);
    }
}
