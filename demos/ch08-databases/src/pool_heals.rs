//! # A pool heals: a borrower that is aborted, a lost session
//!
//! A task has the only connection of a pool and is aborted after 1 tick. Its drop gives the connection back, so the
//! next borrower has it after 1 tick. It is the same session, with the `lock_timeout` that the aborted task set, and
//! still listening to 1 channel (see `databases/listen-notify`). With an `after_release` that resets the session both
//! are 0 again. A session that the server ends while it is idle in the pool is replaced: the next borrower gets
//! another session, and no error. The task here is idle when it is aborted. `databases/transaction` aborts one in a
//! transaction, `databases/query-timeout` gives up in a query.
//!
//! asyncio: pool.release, Connection.reset, cancel
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! async with pool.acquire() as connection:    # goes back on any way out, cancellation included
//!     await connection.execute("set lock_timeout = '7s'")
//!     await asyncio.sleep(3600)
//! ```
//!
//! Not the same: asyncpg resets a session when it is released (settings, advisory locks, LISTEN, cursors), and
//! shields that from the cancellation (see `tasks/shield`). sqlx pings the server, in a task that it spawns, and
//! leaves the session as it is. asyncpg learns that an idle session has ended when its socket closes. sqlx pings once
//! more before it lends one (`test_before_acquire`), a round trip each time. Without that ping the borrower gets the
//! dead session and an error.

use std::future::pending;

use anyhow::{Result, ensure};
use scratch_postgres::Postgres;
use sqlx::{
    Connection, PgConnection, PgPool, Postgres as Sqlx, pool::PoolConnection,
    postgres::PgPoolOptions, query_as, query_scalar,
};
use timing::{
    Timings,
    law::{at_least, none},
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

use crate::options::Options;

/// What asyncpg sends. Temporary tables stay, there as here.
const RESET: &str = "select pg_advisory_unlock_all(); close all; unlisten *; reset all";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");

    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(postgres.url()).await?;
    let mut connection = pool.acquire().await?;
    let before = look(&mut connection).await?;
    let seen = t.time("aborted", at_least(1), aborted(connection, &pool));
    let after = seen.await?;
    count_left(t, before, after);
    pool.close().await;

    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.after_release(|session, _| {
        Box::pin(async {
            sqlx::raw_sql(RESET).execute(session).await?; // <- the difference
            Ok(true) // it may go back to the pool
        })
    });
    let pool = pool.connect(postgres.url()).await?;
    let mut connection = pool.acquire().await?;
    let before = look(&mut connection).await?;
    let seen = t.time("aborted, reset", at_least(1), aborted(connection, &pool));
    let after = seen.await?;
    count_left(t, before, after);

    let before = borrows_next(&pool).await?;
    ends(before.process, postgres.url()).await?;
    let seen = t.time("ended by the server", none(), borrows_next(&pool));
    let after = seen.await?;
    count_same(t, &before, &after);
    Ok(())
}

/// One borrower has the connection and is aborted, another one waits for it. Returns what the second one finds.
async fn aborted(connection: PoolConnection<Sqlx>, pool: &PgPool) -> Result<Session> {
    let borrower = tokio::spawn(borrows(connection));
    let leaves = async {
        sleep(ticks(1)).await;
        borrower.abort();
    };
    let (after, ()) = tokio::join!(borrows_next(pool), leaves);
    let outcome = borrower.await;
    let cancelled = outcome.is_err_and(|error| error.is_cancelled());
    ensure!(cancelled, "the borrower has ended by itself");
    after
}

/// Sets something in its session, and keeps the connection until it is aborted.
#[instrument(ret, err, skip(connection))]
async fn borrows(mut connection: PoolConnection<Sqlx>) -> Result<()> {
    let sets = sqlx::raw_sql("set lock_timeout = '7s'; listen orders");
    sets.execute(&mut *connection).await?;
    pending().await
}

#[instrument(ret, err, skip(pool))]
async fn borrows_next(pool: &PgPool) -> Result<Session> {
    look(&mut *pool.acquire().await?).await
}

/// With a number of milliseconds `pg_terminate_backend` returns when the session has gone, and not when it has been
/// told to go.
async fn ends(process: i32, url: &str) -> Result<()> {
    let mut admin = PgConnection::connect(url).await?;
    let ends = query_scalar("select pg_terminate_backend($1, 5000)").bind(process);
    let gone: bool = ends.fetch_one(&mut admin).await?;
    ensure!(gone, "the session is still there");
    Ok(())
}

/// A session of the server: its process, and what is set in it.
#[derive(Debug)]
struct Session {
    process: i32,
    lock_timeout: String,
    channels: i64,
}

async fn look(connection: &mut PgConnection) -> Result<Session> {
    let session = "select pg_backend_pid(), current_setting('lock_timeout'),
        (select count(*) from pg_listening_channels())";
    let (process, lock_timeout, channels) = query_as(session).fetch_one(connection).await?;
    Ok(Session {
        process,
        lock_timeout,
        channels,
    })
}

fn count_left(t: &mut Timings, before: Session, after: Session) {
    count_same(t, &before, &after);
    t.count("lock_timeout", after.lock_timeout);
    t.count("channels", after.channels);
}

fn count_same(t: &mut Timings, before: &Session, after: &Session) {
    let same = before.process == after.process;
    t.count("same session", if same { "yes" } else { "no" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use timing::report::Ended;

    #[tokio::test]
    async fn an_aborted_borrower_gives_its_connection_back_as_it_left_it() {
        let Some(t) = measured(run).await else { return };
        let aborted = &t["aborted"];
        assert_eq!(aborted.lane("borrows()").ended, Ended::Cancelled);
        assert!(aborted.lane("borrows_next").end >= aborted.lane("borrows()").end);
        for (label, setting, channels) in [("aborted", "7s", 1), ("aborted, reset", "0", 0)] {
            assert!(t[label].elapsed >= ticks(1), "{label}");
            assert_eq!(*t[label].count("same session"), "yes", "{label}");
            assert_eq!(*t[label].count("lock_timeout"), setting, "{label}");
            assert_eq!(*t[label].count("channels"), channels, "{label}");
        }
    }

    #[tokio::test]
    async fn a_session_that_has_ended_is_replaced() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(*t["ended by the server"].count("same session"), "no");
    }

    #[tokio::test]
    async fn without_the_ping_the_next_borrower_gets_the_dead_session() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let pool = PgPoolOptions::new().max_connections(1);
        let pool = pool.test_before_acquire(false);
        let pool = pool.connect(postgres.url()).await.unwrap();
        let session = borrows_next(&pool).await.unwrap();
        ends(session.process, postgres.url()).await.unwrap();
        assert!(borrows_next(&pool).await.is_err());
    }
}
