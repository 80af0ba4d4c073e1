//! # The same experiment on threads
//!
//! A thread that waits for an answer uses no processor either. Ten requests on ten threads take a tick, fifty on
//! fifty threads take a tick, as they do on one thread with an event loop. For waiting at this scale threads are
//! neither faster nor slower, so choose by how the code reads and by what a waiting thread costs.
//!
//! asyncio: ThreadPoolExecutor, to_thread, requests
//!
//! real clock: real HTTP, and threads that block
//!
//! ```python
//! with ThreadPoolExecutor(max_workers=50) as pool:
//!     pages = list(pool.map(requests.get, urls))
//! ```
//!
//! Not the same: nothing is different here. Python's threads wait side by side too, because a blocking read releases
//! the interpreter's lock; the lock only serialises computing. The timeline shows the two ways of waiting: a thread's
//! lane is solid, because its function keeps the thread while it sleeps in `read`; a future's lane is thin, because
//! it is polled a few times and holds no thread in between.

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

/// One thread for each request. It blocks in `read` until the answer is there.
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

/// Builds its runtime inside the measurement, because the threads are started inside it too.
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
