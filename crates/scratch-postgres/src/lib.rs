//! Where a lesson's statements go: to a PostgreSQL that the reader names with `--postgres` or `DATABASE_URL`, or to a
//! throw-away one that lasts as long as the run ([`Cluster`]).
//!
//! A lesson never sees which: it gets a URL, and whatever it makes there is in a schema of its own, which is dropped
//! with the [`Postgres`] it was given.

#[cfg(unix)]
mod account;
#[cfg(unix)]
mod cluster;
mod named;
mod network;
#[cfg(unix)]
mod programs;
mod schema;

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use anyhow::{Context, Result};
use timing::Timings;
use tokio::{sync::OnceCell, time::timeout};
use tokio_postgres::Config;

#[cfg(unix)]
pub use cluster::Cluster;
pub use named::{Named, named};
pub use network::far_away;

use schema::Schema;

/// What a reader is told who has no PostgreSQL; the lessons after the first refer to it.
fn nothing_found() -> anyhow::Error {
    static SAID: AtomicBool = AtomicBool::new(false);
    chapter::skip(if SAID.swap(true, Relaxed) {
        "no PostgreSQL to talk to; what to do stands above"
    } else {
        "\
no PostgreSQL to talk to: DATABASE_URL is not set, and no
  initdb + postgres were found in $PG_BIN_DIR, on PATH, in the system's
  PostgreSQL folders or in .cache/postgres. Do one of these and run it again:
    sudo apt-get install postgresql    Debian, Ubuntu
    brew install postgresql            macOS
    just postgres                      no root needed: 11 MB into .cache/postgres
    DATABASE_URL=postgres://user:password@host:5432/db cargo demo databases
  The SQLite lessons need none of this."
    })
}

/// A server that doesn't answer within this time is told so: a closed port in a firewall never answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// A PostgreSQL to talk to, and a schema there that is this value's own: every connection that is made with
/// [`url`](Self::url) has it as its `search_path`, and its name as `application_name`.
pub struct Postgres {
    url: String,
    server: String,
    schema: Schema,
}

impl Postgres {
    /// The reader's server if one was named, whose waits nobody can judge, else the throw-away cluster of this
    /// process, which is started when it is first asked for.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> anyhow::Result<()> {
    /// let postgres = scratch_postgres::Postgres::choose(None, &mut timing::Timings::default()).await?;
    /// let (client, connection) =
    ///     tokio_postgres::connect(postgres.url(), tokio_postgres::NoTls).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When nothing answers at that URL. When none was named and there is no PostgreSQL on this machine, with
    /// [`chapter::skip`]'s error: it says what to do.
    pub async fn choose(named: Option<&Named>, t: &mut Timings) -> Result<Self> {
        match named {
            Some(named) => {
                t.judge_nothing();
                let server = format!("--postgres {named}");
                Self::at(&named.url, &named.config, server.clone())
                    .await
                    .context(server)
            }
            None => Self::own().await,
        }
    }

    #[cfg(unix)]
    async fn own() -> Result<Self> {
        /// Never dropped: the end of the process ends it.
        static OWN: OnceCell<Cluster> = OnceCell::const_new();
        let cluster = OWN.get_or_try_init(Cluster::start).await?;
        let url = cluster.url();
        let server = format!(
            "a throw-away cluster, run by {}",
            cluster.programs().display()
        );
        Self::at(&url, &url.parse()?, server).await
    }

    #[cfg(not(unix))]
    async fn own() -> Result<Self> {
        Err(nothing_found())
    }

    async fn at(url: &str, config: &Config, server: String) -> Result<Self> {
        let made = timeout(PATIENCE, Schema::make(config)).await;
        let (schema, version) =
            made.with_context(|| format!("no answer within {PATIENCE:?}"))??;
        let mark = if url.contains('?') { '&' } else { '?' };
        let name = schema.name();
        Ok(Self {
            url: format!("{url}{mark}application_name={name}&options=-csearch_path%3D{name}"),
            server: format!("PostgreSQL {version}: {server}"),
            schema,
        })
    }

    /// Where to connect to, with the reader's password if it has one.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of the schema, and the `application_name` of all connections to [`url`](Self::url).
    pub fn schema(&self) -> &str {
        self.schema.name()
    }
}

impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.server)
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postgres({self})")
    }
}

/// What a test stands on: the throw-away cluster. Without a PostgreSQL on this machine it says that the test is
/// skipped, on the standard error that a test harness doesn't swallow; with `CI=true` that is a failure.
///
/// # Panics
///
/// When it can't be started, or with `CI=true` when there is none.
pub async fn for_test() -> Option<Postgres> {
    match Postgres::own().await {
        Ok(postgres) => Some(postgres),
        Err(error) => {
            skipped(&error);
            None
        }
    }
}

/// What a lesson measures on that cluster, with its options at their defaults.
///
/// # Panics
///
/// As [`for_test`], and when the lesson fails.
pub async fn measured<O: Default>(
    run: impl AsyncFnOnce(&mut Timings, &O) -> Result<()>,
) -> Option<Timings> {
    for_test().await?;
    Some(Timings::of_default(run).await)
}

/// The same as [`for_test`] for a cluster of the test's own, which it may end.
///
/// # Panics
///
/// As [`for_test`].
#[cfg(unix)]
pub async fn cluster_for_test() -> Option<Cluster> {
    match Cluster::start().await {
        Ok(cluster) => Some(cluster),
        Err(error) => {
            skipped(&error);
            None
        }
    }
}

fn skipped(error: &anyhow::Error) {
    use std::io::Write;

    let why = format!("skipped: {error:#}\n");
    assert!(why.contains("no PostgreSQL to talk to"), "{why}");
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{why}"
    );
    let _ = std::io::stderr().write_all(why.as_bytes());
}
