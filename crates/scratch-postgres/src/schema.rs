//! A schema of a lesson's own.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{runtime::Builder, task::JoinHandle, time::timeout};
use tokio_postgres::{Client, Config, NoTls};

use crate::PATIENCE;

/// What all begin with. No other user of a database is likely to.
const PREFIX: &str = "waitwise_";

/// How long dropping one may wait for statements that are still running.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// A schema that is dropped with this. What a process left that was killed is dropped by the next that makes one: as
/// long as a schema is in use, its session holds an advisory lock of that name.
pub struct Schema {
    name: String,
    config: Config,
    _session: Client,
    connection: JoinHandle<()>,
}

impl Schema {
    /// Makes one, and tells the server's version.
    pub async fn make(config: &Config) -> Result<(Self, String)> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let (session, connection) = config.connect(NoTls).await?;
        let version = connection.parameter("server_version").unwrap_or_default();
        let version = version.split(' ').next().unwrap_or_default().to_owned();
        // An error of the connection reaches whoever waits for an answer.
        let connection = tokio::spawn(async { _ = connection.await });
        sweep(&session)
            .await
            .context("what a run before left there can't be dropped")?;
        let pid: i32 = session
            .query_one("select pg_backend_pid()", &[])
            .await?
            .get(0);
        let number = MADE.fetch_add(1, Relaxed);
        let name = format!("{PREFIX}{pid}_{number}"); // no two sessions have one number at once
        lock(&session, &name).await?;
        session
            .batch_execute(&format!("create schema {name}"))
            .await?;
        let schema = Self {
            name,
            config: config.clone(),
            _session: session,
            connection,
        };
        Ok((schema, version))
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (config, name) = (self.config.clone(), self.name.clone());
        // On a thread, since a runtime can't be entered from within another. One that fails is swept by the next.
        let thread = thread::spawn(move || -> Result<()> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let dropped = async {
                let (session, connection) = config.connect(NoTls).await?;
                tokio::spawn(async { _ = connection.await });
                drop_schema(&session, &name).await
            };
            runtime.block_on(async { timeout(PATIENCE, dropped).await? })
        });
        let _ = thread.join();
        self.connection.abort();
    }
}

/// Whether the lock could be had. It is the session's until its end.
async fn lock(session: &Client, name: &str) -> Result<bool> {
    let take = "select pg_try_advisory_lock(hashtextextended($1, 0))";
    Ok(session.query_one(take, &[&name]).await?.get(0))
}

async fn drop_schema(session: &Client, name: &str) -> Result<()> {
    let wait = LOCK_TIMEOUT.as_millis();
    let statement = format!(
        "set lock_timeout = {wait}; drop schema if exists {name} cascade; reset lock_timeout"
    );
    session.batch_execute(&statement).await?;
    Ok(())
}

async fn sweep(session: &Client) -> Result<()> {
    let pattern = format!("^{PREFIX}[0-9]+_[0-9]+$");
    let all = "select nspname::text from pg_namespace where nspname ~ $1";
    for row in session.query(all, &[&pattern]).await? {
        let name: String = row.get(0);
        if lock(session, &name).await? {
            drop_schema(session, &name).await?;
            let unlock = "select pg_advisory_unlock(hashtextextended($1, 0))";
            session.execute(unlock, &[&name]).await?;
        }
    }
    Ok(())
}
