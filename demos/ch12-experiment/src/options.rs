//! The chapter's own flags, and the server they choose.

use std::ops::RangeInclusive;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Url};
use timing::Timings;

/// What the reader may change about the experiment.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many URLs ten-urls fetches
    #[arg(long, value_name = "N", default_value = "10", value_parser = urls, allow_hyphen_values = true)]
    pub urls: u32,

    /// How many of them at once in the last variant
    #[arg(long, value_name = "N", default_value = "5", value_parser = limit, allow_hyphen_values = true)]
    pub limit: u32,

    /// An httpbin to use instead of the local stand-in
    #[arg(long, value_name = "URL", value_parser = server)]
    pub server: Option<Url>,

    /// How many tasks scale goes up to
    #[arg(long, value_name = "N", default_value = "100000", value_parser = tasks, allow_hyphen_values = true)]
    pub tasks: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            urls: 10,
            limit: 5,
            server: None,
            tasks: 100_000,
        }
    }
}

/// Where requests go. The stand-in, if it is that, ends with this.
pub struct Server {
    base: String,
    stand_in: Option<httpbin::Server>,
}

impl Options {
    /// The reader's server if one was named, whose waits nobody can judge, else a stand-in on a thread of its own: a
    /// lesson that blocks its loop must not stall the server too.
    pub async fn server(&self, t: &mut Timings) -> Result<Server> {
        let seconds = timing::tick().as_secs();
        ensure!(
            seconds <= 10,
            "--tick {seconds}s: httpbin delays an answer by 10 s at most; use --tick 10s or less"
        );
        let Some(url) = &self.server else {
            return stand_in();
        };
        t.judge_nothing();
        let address = url
            .socket_addrs(|| None)
            .with_context(|| format!("--server {url}: unknown host"))?;
        tokio::net::TcpStream::connect(address.as_slice()).await.with_context(|| {
            format!("--server {url}: nothing answers there; start one with cargo run -p httpbin -- --port 8080")
        })?;
        Ok(Server {
            base: url.as_str().trim_end_matches('/').to_owned(),
            stand_in: None,
        })
    }

    /// The stand-in, for lessons that need its own counts.
    pub fn stand_in(&self) -> Result<Server> {
        match &self.server {
            None => stand_in(),
            Some(url) => Err(chapter::skip(format!(
                "it counts what the stand-in sees, and {url} doesn't tell; run it without --server"
            ))),
        }
    }
}

fn stand_in() -> Result<Server> {
    let stand_in = httpbin::Server::on_thread().context("the local server can't be started")?;
    Ok(Server {
        base: stand_in.url().to_owned(),
        stand_in: Some(stand_in),
    })
}

impl Server {
    /// A page that is answered after a tick.
    pub fn slow_page(&self) -> String {
        format!("{}/delay/{}", self.base, timing::ticks(1).as_secs_f64())
    }

    /// A page that is answered at once.
    pub fn fast_page(&self) -> String {
        format!("{}/get", self.base)
    }

    /// A client for this server. A proxy in the environment is for servers elsewhere.
    pub fn client(&self) -> Result<Client> {
        let client = Client::builder();
        let client = if self.stand_in.is_some() {
            client.no_proxy()
        } else {
            client
        };
        client.build().context("no client could be built")
    }

    /// Puts the stand-in's own figures since the last call beside the variant that ran last.
    pub fn count(&self, t: &mut Timings) {
        let Some(stand_in) = &self.stand_in else {
            return;
        };
        let stats = stand_in.stats();
        t.count("requests", stats.requests);
        t.count("in flight at once", stats.peak_in_flight);
        t.count("connections opened", stats.connections);
        stand_in.reset_stats();
    }
}

fn urls(text: &str) -> Result<u32, String> {
    number(
        text,
        1..=10_000,
        "the experiment fetches 1 to 10000 URLs\nfor instance: --urls 10",
    )
}

fn limit(text: &str) -> Result<u32, String> {
    number(
        text,
        1..=10_000,
        "at least one request is in flight, at most 10000\nfor instance: --limit 5",
    )
}

fn tasks(text: &str) -> Result<u32, String> {
    number(
        text,
        10..=10_000_000,
        "scale goes up to 10 to 10000000 tasks\nfor instance: --tasks 1000000",
    )
}

fn number(text: &str, range: RangeInclusive<u32>, rule: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| rule.to_owned())
}

fn server(text: &str) -> Result<Url, String> {
    const FOR_INSTANCE: &str = "for instance: --server http://127.0.0.1:8080";
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}\n{FOR_INSTANCE}"))?;
    match url.scheme() {
        "http" if url.has_host() => Ok(url),
        "https" => Err(format!("this chapter is built without TLS\n{FOR_INSTANCE}")),
        _ => Err(format!("not an http URL\n{FOR_INSTANCE}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_range_and_say_so() {
        assert_eq!(urls("50"), Ok(50));
        for text in ["0", "-1", "", "many", "10001", "99999999999"] {
            assert!(urls(text).unwrap_err().contains("1 to 10000"), "{text}");
            assert!(limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_server_is_an_http_url() {
        assert!(server("http://127.0.0.1:8080").is_ok());
        for text in ["nonsense", "localhost:80", "ftp://x", "http://", ""] {
            assert!(server(text).unwrap_err().contains("http"), "{text}");
        }
        assert!(server("https://httpbin.org").unwrap_err().contains("TLS"));
    }
}
