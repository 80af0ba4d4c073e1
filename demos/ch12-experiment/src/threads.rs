//! # The same experiment on threads
//!
//! A thread that waits for an answer costs no processor either. Ten requests on ten threads take a tick, fifty on fifty
//! take a tick, as they do on one thread with an event loop. Threads win nothing here and lose nothing: at this size the
//! choice is about how the code reads, not about speed.
//!
//! asyncio: requests, ThreadPoolExecutor, to_thread
//!
//! real clock: real HTTP, and threads that block
//!
//! ```python
//! with ThreadPoolExecutor(max_workers=50) as pool:
//!     pages = list(pool.map(requests.get, urls))
//! ```
//!
//! Not the same: nothing is different here, and that is the point. Python's threads wait side by side too, since a blocking
//! read gives the interpreter's lock back; only its computing takes turns. The lanes tell who waits how: a thread is busy
//! from end to end, asleep in its `read`, where a future is polled a few times and holds no thread in between.

use std::thread;

use anyhow::{Context, Result, anyhow};
use futures_util::future::try_join_all;
use reqwest::Client;
use timing::{Timings, law::max};
use tokio::runtime::Builder;
use tracing::instrument;

use crate::options::Options;

pub fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = options.stand_in()?;
    let url = &server.slow_page();
    for urls in [10, 50] {
        let law = max(vec![1; urls as usize]);
        t.time_blocking(format!("{urls} threads"), law.clone(), || {
            on_threads(urls, url)
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

/// Every thread is made, waits in its `read`, and is joined: the blocking code of a textbook.
fn on_threads(urls: u32, url: &str) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = (1..=urls)
            .map(|page| scope.spawn(move || get(page, url)))
            .collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(())
    })
}

/// The runtime is built inside the measurement, as the threads are.
fn on_one_loop(urls: u32, client: &Client, url: &str) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(try_join_all(
        (1..=urls).map(|page| fetch(page, client, url)),
    ))?;
    Ok(())
}

#[instrument(ret, err, skip(url))]
fn get(page: u32, url: &str) -> Result<usize> {
    let agent = ureq::Agent::config_builder()
        .proxy(None)
        .build()
        .new_agent();
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
    fn both_have_all_requests_in_flight_at_once() {
        let mut t = Timings::default();
        run(&mut t, &Options::default()).unwrap();
        for (variant, urls) in [
            ("10 threads", 10),
            ("10 futures, one thread", 10),
            ("50 threads", 50),
            ("50 futures, one thread", 50),
        ] {
            assert_eq!(*t[variant].count("in flight at once"), urls, "{variant}");
            assert_eq!(*t[variant].count("requests"), urls, "{variant}");
            assert!(t[variant].elapsed >= timing::ticks(1), "{variant}");
        }
    }
}
