//! # A pool heals: a borrower that is aborted, a lost session
//!
//! A task has the only connection of a pool and is aborted after 1 tick. Its drop gives the connection back, so the
//! next one has it after 1 tick: the same session, with the `lock_timeout` that the aborted one set in it. With an
//! `after_release` that resets the session it is 0 again. A session that the server ends while it is idle in the pool
//! is replaced: the next one gets another session, and no error.
//!
//! asyncio: pool.release, Connection.reset, cancel
//!
//! real clock: a real server
//!
//! ```python
//! async with pool.acquire() as connection:    # goes back on any way out, cancellation included
//!     await connection.execute("set lock_timeout = '7s'")
//!     await asyncio.sleep(3600)
//! ```
//!
//! Not the same: asyncpg resets a session when it is released (settings, locks, LISTEN), and shields that from the
//! cancellation. sqlx asks the server for an answer, in a task that it spawns, and leaves the session as it is. That an
//! idle session has ended asyncpg learns when its socket closes; sqlx asks once more before it hands one out
//! (`test_before_acquire`), at the price of a round trip each time.

use std::future::pending;

use anyhow::{Result, ensure};
use scratch_postgres::Postgres;
use sqlx::{
    Connection, PgConnection, PgPool, Postgres as Sqlx, pool::PoolConnection,
    postgres::PgPoolOptions, query, query_as,
};
use timing::{
    Timings,
    law::{exactly, none},
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

use crate::options::Options;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");

    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(postgres.url()).await?;
    let mut connection = pool.acquire().await?;
    let before = look(&mut connection).await?;
    let seen = t.time("aborted", exactly(1), aborted(connection, &pool));
    let after = seen.await?;
    count(t, before, after);
    pool.close().await;

    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.after_release(|session, _| {
        Box::pin(async {
            query("reset all").execute(session).await?; // <- the difference
            Ok(true) // it may go back to the pool
        })
    });
    let pool = pool.connect(postgres.url()).await?;
    let mut connection = pool.acquire().await?;
    let before = look(&mut connection).await?;
    let seen = t.time("aborted, reset", exactly(1), aborted(connection, &pool));
    let after = seen.await?;
    count(t, before, after);

    let mut admin = PgConnection::connect(postgres.url()).await?;
    let before = next(&pool).await?;
    let seen = t.time("ended by the server", none(), async {
        // With a number of milliseconds it returns when the session has gone, and not when it has been told to go.
        let ends = query("select pg_terminate_backend($1, 5000)").bind(before.0);
        ends.execute(&mut admin).await?;
        next(&pool).await
    });
    let after = seen.await?;
    count(t, before, after);
    Ok(())
}

/// What the next one finds who waits for the connection of a borrower that is aborted.
async fn aborted(connection: PoolConnection<Sqlx>, pool: &PgPool) -> Result<Session> {
    let borrower = tokio::spawn(borrows(connection));
    let leaves = async {
        sleep(ticks(1)).await;
        borrower.abort();
    };
    let (after, ()) = tokio::join!(next(pool), leaves);
    let outcome = borrower.await;
    ensure!(outcome.is_err_and(|error| error.is_cancelled()), "it ended");
    after
}

/// Sets something in its session, and keeps the connection until it is aborted.
#[instrument(ret, err, skip(connection))]
async fn borrows(mut connection: PoolConnection<Sqlx>) -> Result<()> {
    let sets = query("set lock_timeout = '7s'");
    sets.execute(&mut *connection).await?;
    pending().await
}

#[instrument(ret, err, skip(pool))]
async fn next(pool: &PgPool) -> Result<Session> {
    look(&mut *pool.acquire().await?).await
}

/// The process of a session on the server, and its `lock_timeout`.
type Session = (i32, String);

async fn look(connection: &mut PgConnection) -> Result<Session> {
    let session = query_as("select pg_backend_pid(), current_setting('lock_timeout')");
    Ok(session.fetch_one(connection).await?)
}

fn count(t: &mut Timings, before: Session, after: Session) {
    let same = before.0 == after.0;
    t.count("same session", if same { "yes" } else { "no" });
    t.count("its lock_timeout", after.1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended, Variant};

    async fn measured() -> Option<Timings> {
        scratch_postgres::for_test().await?;
        Some(Timings::of(async |t| run(t, &Options::default()).await).await)
    }

    #[track_caller]
    fn assert_counts(variant: &Variant, same: &'static str, setting: &'static str) {
        assert_eq!(*variant.count("same session"), same);
        assert_eq!(*variant.count("its lock_timeout"), setting);
    }

    #[tokio::test]
    async fn an_aborted_borrower_gives_its_connection_back_as_it_left_it() {
        let Some(t) = measured().await else { return };
        let aborted = &t["aborted"];
        assert_eq!(aborted.lane("borrows").ended, Ended::Cancelled);
        assert!(aborted.lane("next").end >= aborted.lane("borrows").end);
        assert_counts(aborted, "yes", "7s");
        assert_counts(&t["aborted, reset"], "yes", "0");
    }

    #[tokio::test]
    async fn a_session_that_has_ended_is_replaced() {
        let Some(t) = measured().await else { return };
        assert_counts(&t["ended by the server"], "no", "0");
    }
}
