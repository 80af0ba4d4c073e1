//! Where a lesson's requests go: to a server that the reader names with `--server`, or to the local stand-in. And
//! where a download goes: to a [`Part`], which is a file once it is whole.

mod faulty;
mod part;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use reqwest::{Client, ClientBuilder, Url};
use timing::Timings;
use tokio::net::TcpStream;

pub use chapter::Folder;
pub use faulty::{FullServer, mail_server, nobody_listens};
pub use part::Part;

/// Where requests go. The stand-in, if it is that, ends with this.
#[derive(Debug)]
pub struct Server {
    base: String,
    stand_in: Option<httpbin::Server>,
}

impl Server {
    /// The reader's server if one was named, whose waits nobody can judge, else a stand-in on a thread of its own: a
    /// lesson that blocks its loop must not stall the server too.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> anyhow::Result<()> {
    /// let server = web::Server::choose(None, &mut timing::Timings::default()).await?;
    /// let page = server.client()?.get(server.url("/get?dish=tea")).send().await?;
    /// assert_eq!(page.status(), 200);
    /// assert_eq!(server.stats().map(|stats| stats.requests), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When nothing answers at that URL, or the tick is longer than an httpbin delays an answer.
    pub async fn choose(named: Option<&Url>, t: &mut Timings) -> Result<Self> {
        let seconds = timing::tick().as_secs();
        ensure!(
            seconds <= 10,
            "--tick {seconds}s: httpbin delays an answer by 10 s at most; use --tick 10s or less"
        );
        let Some(url) = named else {
            return Self::start();
        };
        t.judge_nothing();
        let address = url
            .socket_addrs(|| None)
            .with_context(|| format!("--server {url}: unknown host"))?;
        TcpStream::connect(address.as_slice()).await.with_context(|| {
            format!("--server {url}: nothing answers there; start one with cargo run -p httpbin -- --port 8080")
        })?;
        Ok(Self {
            base: url.as_str().trim_end_matches('/').to_owned(),
            stand_in: None,
        })
    }

    /// The stand-in, for lessons that need its own paths or counts. With a server named they are skipped.
    ///
    /// ```
    /// assert!(web::Server::stand_in(None).is_ok());
    /// let named = "http://127.0.0.1:8080".parse()?;
    /// assert!(web::Server::stand_in(Some(&named)).unwrap_err().to_string().contains("--server"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the stand-in can't be started.
    pub fn stand_in(named: Option<&Url>) -> Result<Self> {
        match named {
            None => Self::start(),
            Some(url) => Err(chapter::skip(format!(
                "it needs what only the stand-in has, and {url} is another; run it without --server"
            ))),
        }
    }

    fn start() -> Result<Self> {
        let stand_in = httpbin::Server::on_thread().context("the local server can't be started")?;
        Ok(Self {
            base: stand_in.url().to_owned(),
            stand_in: Some(stand_in),
        })
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A page that is answered after so many ticks.
    pub fn slow_page(&self, ticks: impl Into<f64>) -> String {
        self.url(&format!("/delay/{}", timing::ticks(ticks).as_secs_f64()))
    }

    /// A client for this server, with reqwest's defaults.
    ///
    /// # Errors
    ///
    /// When reqwest can't set one up.
    pub fn client(&self) -> Result<Client> {
        self.builder().build().context("no client could be built")
    }

    /// The same, before it is built. A proxy in the environment is for servers elsewhere.
    pub fn builder(&self) -> ClientBuilder {
        #[cfg(feature = "tls")]
        // Whoever was first has set the same one.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder();
        if self.stand_in.is_some() {
            builder.no_proxy()
        } else {
            builder
        }
    }

    /// What the stand-in has counted since it started, or since [`count`](Self::count) was called.
    pub fn stats(&self) -> Option<httpbin::Stats> {
        self.stand_in.as_ref().map(httpbin::Server::stats)
    }

    /// Puts the stand-in's own figures since the last call beside the variant that ran last.
    pub fn count(&self, t: &mut Timings) {
        if let Some(stats) = self.take_stats() {
            t.count("requests", stats.requests);
            t.count("in flight at once", stats.peak_in_flight);
            t.count("connections opened", stats.connections);
        }
    }

    /// The same, of its requests alone: for a lesson whose waits are not the server's.
    pub fn count_requests(&self, t: &mut Timings) {
        if let Some(stats) = self.take_stats() {
            t.count("requests", stats.requests);
        }
    }

    fn take_stats(&self) -> Option<httpbin::Stats> {
        let stand_in = self.stand_in.as_ref()?;
        let stats = stand_in.stats();
        stand_in.reset_stats();
        Some(stats)
    }
}

/// How many connections to a server in this same process can be open at once: each takes a file descriptor at both ends.
/// Raises the soft limit of descriptors as far as the hard one lets it.
///
/// ```
/// assert!(web::room_for_connections() >= 10);
/// ```
pub fn room_for_connections() -> u32 {
    /// What the process has open besides: standard streams, the runtime's, listeners, files.
    const KEPT_BACK: u64 = 64;

    // Windows counts sockets as handles, of which a process may have millions.
    #[cfg(not(unix))]
    let descriptors = u64::MAX;
    // 256 is the lowest soft limit that a system sets by itself (macOS).
    #[cfg(unix)]
    let descriptors = rlimit::increase_nofile_limit(u64::MAX)
        .or_else(|_refused| rlimit::Resource::NOFILE.get_soft())
        .unwrap_or(256);
    let connections = descriptors.saturating_sub(KEPT_BACK) / 2;
    u32::try_from(connections).unwrap_or(u32::MAX).max(1)
}

/// Reads the value of `--server`: an http URL, or https in a build with the feature `tls`.
///
/// ```
/// assert!(web::named("http://127.0.0.1:8080").is_ok());
/// assert!(web::named("127.0.0.1:8080").unwrap_err().contains("for instance"));
/// ```
///
/// # Errors
///
/// What is wrong with it, and an example.
pub fn named(text: &str) -> Result<Url, String> {
    const FOR_INSTANCE: &str = "for instance: --server http://127.0.0.1:8080";
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}\n{FOR_INSTANCE}"))?;
    match url.scheme() {
        _ if !url.has_host() => Err(format!("not an http URL\n{FOR_INSTANCE}")),
        "http" => Ok(url),
        "https" if cfg!(feature = "tls") => Ok(url),
        "https" => Err(format!(
            "this program is built without TLS\nwith it: cargo run -p {} --features tls -- --server {text}",
            package()
        )),
        _ => Err(format!("not an http URL\n{FOR_INSTANCE}")),
    }
}

/// A chapter's program has its package's name.
fn package() -> String {
    let program = std::env::args_os().next().map(PathBuf::from);
    let name = program.as_deref().and_then(Path::file_stem);
    name.map_or("ch06-http".into(), |name| {
        name.to_string_lossy().into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_http_url() {
        assert!(named("http://127.0.0.1:8080").is_ok());
        for text in ["nonsense", "localhost:80", "ftp://x", "http://", ""] {
            assert!(named(text).unwrap_err().contains("http"), "{text}");
        }
    }

    #[test]
    fn https_takes_the_feature_and_says_so() {
        let https = named("https://httpbin.org");
        if cfg!(feature = "tls") {
            assert!(https.is_ok());
        } else {
            assert!(https.unwrap_err().contains("--features tls"));
        }
    }
}
