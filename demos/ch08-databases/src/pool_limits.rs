//! # A full pool, and one that closes: who is refused
//!
//! A pool has one connection, and it is taken. The next order that asks is refused after 3 ticks, because this pool
//! was told to wait so long; by default sqlx waits 30 s and deadpool for ever. With a wrong port sqlx reports the
//! same timeout, and not that the server refuses. `close` of sqlx waits for what is borrowed: the order that has the
//! connection is packed to its end, 2 ticks, and an order that asks meanwhile is refused at once. If an error skips
//! the `close`, the drop of the pool, with its clones and what is borrowed, ends its sessions: within 5 s 0 are left.
//!
//! asyncio: pool.close, pool.terminate, acquire(timeout), finally
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! pool = await asyncpg.create_pool(url, min_size=1, max_size=1)
//! try:
//!     async with pool.acquire(timeout=3) as connection: ...   # TimeoutError
//! finally:
//!     await pool.close()      # `async with create_pool(…)` does this too
//! ```
//!
//! Not the same: `acquire` of asyncpg waits for ever unless it is given a `timeout`. sqlx has one limit for the whole
//! pool, for waiting and connecting together; deadpool has one for waiting and one for connecting. `close` of asyncpg
//! and sqlx waits, so it needs a `timeout` around it if a borrower may hang; deadpool's doesn't wait. In Python an
//! exception that skips the `close` can leave the sessions open as long as the program runs. In Rust `close` is for a
//! graceful shutdown; the drop waits for nobody. It isn't `terminate`: a borrowed connection keeps all sessions open.

use std::{fmt::Debug, time::Duration};

use anyhow::{Context, Result, ensure};
use deadpool_postgres::{Client, Manager, PoolError, Runtime};
use scratch_postgres::Postgres;
use sqlx::{
    Connection, PgConnection, PgPool, Postgres as Sqlx, pool::PoolConnection,
    postgres::PgPoolOptions, query, query_scalar,
};
use timing::{
    Timings,
    law::{at_least, exactly, none},
    ticks,
};
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;
use tracing::{info, instrument};

use crate::options::Options;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");

    let pool = of_one(postgres.url()).await?;
    let taken = pool.acquire().await?;
    let asked = t.time("sqlx, all taken", at_least(3), asks(&pool)).await;
    t.count("refused with", told(asked));
    drop(taken);

    let nobody = "postgres://nobody@127.0.0.1:1/shop";
    let opened = t.time("sqlx, wrong port", at_least(3), of_one(nobody));
    let refused = told(opened.await);
    t.count("refused with", refused);

    let manager = Manager::new(postgres.url().parse()?, NoTls);
    let deadpool = deadpool_postgres::Pool::builder(manager)
        .max_size(1)
        .wait_timeout(Some(ticks(3)))
        .runtime(Runtime::Tokio1) // deadpool supports several, and needs one with a timer
        .build()?;
    let taken = deadpool.get().await?;
    let asked = asks_deadpool(&deadpool);
    let asked = t.time("deadpool, all taken", at_least(3), asked).await;
    t.count("refused with", told(asked));
    drop((taken, deadpool));

    let connection = pool.acquire().await?;
    let ends = async { tokio::join!(packs(connection), closes(&pool), asks(&pool)) };
    let (packed, (), asked) = t.time("sqlx, close", exactly(2), ends).await;
    packed?;
    t.count("refused with", told(asked));

    let watch = PgConnection::connect(postgres.url()).await?;
    let failed = sells(postgres.url());
    let sold = t.time("sqlx, error before close", none(), failed).await;
    ensure!(sold.is_err(), "there is a table called nowhere");
    t.count("sessions left", left(watch, postgres.schema()).await?);
    Ok(())
}

/// The limit is for connecting, too. While a server refuses connections sqlx tries again, and keeps its reason to
/// itself: one `PgConnection::connect`, without a pool, tells it.
#[instrument(ret, err, skip(url))]
async fn of_one(url: &str) -> sqlx::Result<PgPool> {
    let options = PgPoolOptions::new().max_connections(1);
    options.acquire_timeout(ticks(3)).connect(url).await
}

#[instrument(ret, err, skip(pool))]
async fn asks(pool: &PgPool) -> sqlx::Result<PoolConnection<Sqlx>> {
    pool.acquire().await
}

#[instrument(ret, err, skip(pool))]
async fn asks_deadpool(pool: &deadpool_postgres::Pool) -> Result<Client, PoolError> {
    pool.get().await
}

/// Owns the connection that it has borrowed, so the pool gets it back at the end of this function.
#[instrument(ret, err, skip(connection))]
async fn packs(mut connection: PoolConnection<Sqlx>) -> Result<()> {
    let packs = query("select pg_sleep($1)").bind(ticks(2).as_secs_f64());
    let packed = packs.execute(&mut *connection).await;
    packed.map(drop).context("not packed")
}

/// `close` marks the pool as closed at once, and then waits.
#[instrument(ret, skip(pool))]
async fn closes(pool: &PgPool) {
    pool.close().await;
}

/// The `?` leaves the function before the `close`, as an exception would.
#[instrument(ret, err, skip(url))]
async fn sells(url: &str) -> Result<()> {
    let pool = of_one(url).await?;
    query("select price from nowhere").execute(&pool).await?;
    pool.close().await;
    Ok(())
}

fn told<T, E: Debug>(asked: Result<T, E>) -> String {
    asked.map_or_else(|error| format!("{error:?}"), |_connection| "nothing".into())
}

/// Sessions of this lesson other than `watch`. The server takes a moment to notice that one has gone, so they get
/// five seconds.
async fn left(mut watch: PgConnection, application: &str) -> Result<i64> {
    let mut count = 0;
    let until_none = async {
        loop {
            let sessions = "select count(*) from pg_stat_activity
                            where application_name = $1 and pid <> pg_backend_pid()";
            let sessions = query_scalar(sessions).bind(application);
            count = sessions.fetch_one(&mut watch).await?;
            if count == 0 {
                return anyhow::Ok(());
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    // When the limit is over, the answer is what was counted last.
    if let Ok(counted) = timeout(Duration::from_secs(5), until_none).await {
        counted?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use timing::report::Ended::{Failed, Returned};

    #[tokio::test]
    async fn a_full_pool_refuses_when_its_limit_is_over() {
        let Some(t) = measured(run).await else { return };
        for (label, kind, text) in [
            ("sqlx, all taken", "PoolTimedOut", "pool timed out while"),
            ("deadpool, all taken", "Timeout(Wait)", "Timeout occurred"),
        ] {
            assert!(t[label].elapsed >= ticks(3));
            assert_eq!(*t[label].count("refused with"), kind);
            assert!(t[label].said[0].text.contains(text));
        }
    }

    #[tokio::test]
    async fn close_waits_for_what_is_borrowed() {
        let Some(t) = measured(run).await else { return };
        let close = &t["sqlx, close"];
        assert!(close.elapsed >= ticks(2));
        assert_eq!(close.lane("packs").ended, Returned);
        assert!(close.lane("closes").end >= close.lane("packs").end);
    }

    #[tokio::test]
    async fn an_order_that_asks_a_pool_that_closes_is_refused_at_once() {
        let Some(t) = measured(run).await else { return };
        let close = &t["sqlx, close"];
        assert_eq!(*close.count("refused with"), "PoolClosed");
        let [asked] = close.lane("asks").polls[..] else {
            panic!("it had to wait")
        };
        assert_eq!(close.lane("asks").ended, Failed);
        assert!(asked.end < close.lane("packs").end);
    }

    #[tokio::test]
    async fn a_pool_that_is_dropped_leaves_no_session() {
        let Some(t) = measured(run).await else { return };
        let error = &t["sqlx, error before close"];
        assert_eq!(error.lane("sells").ended, Failed);
        assert_eq!(*error.count("sessions left"), 0);
    }

    #[tokio::test]
    async fn by_default_sqlx_waits_thirty_seconds_and_deadpool_for_ever() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let pool = PgPool::connect_lazy(postgres.url()).unwrap();
        assert_eq!(pool.options().get_acquire_timeout().as_secs(), 30);
        let manager = Manager::new(postgres.url().parse().unwrap(), NoTls);
        let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
        assert_eq!(pool.timeouts().wait, None);
    }

    #[tokio::test]
    async fn a_server_that_refuses_is_reported_as_a_full_pool() {
        let nobody = "postgres://nobody@127.0.0.1:1/shop";
        assert_eq!(told(of_one(nobody).await), "PoolTimedOut");
        let error = PgConnection::connect(nobody).await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn close_of_deadpool_does_not_wait() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let manager = Manager::new(postgres.url().parse().unwrap(), NoTls);
        let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
        let borrowed = pool.get().await.unwrap();
        pool.close(); // no future: there is nothing to wait for
        assert_eq!(told(pool.get().await), "Closed");
        borrowed.simple_query("select 1").await.unwrap();
    }

    #[tokio::test]
    async fn a_borrowed_connection_keeps_all_sessions_of_a_dropped_pool() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let options = PgPoolOptions::new().max_connections(2);
        let pool = options.connect(postgres.url()).await.unwrap();
        let (borrowed, other) = tokio::try_join!(pool.acquire(), pool.acquire()).unwrap();
        drop((other, pool));
        sleep(ticks(2)).await;
        let mut watch = PgConnection::connect(postgres.url()).await.unwrap();
        let sessions = "select count(*) from pg_stat_activity where application_name = $1";
        let sessions = query_scalar(sessions).bind(postgres.schema());
        let sessions: i64 = sessions.fetch_one(&mut watch).await.unwrap();
        assert_eq!(sessions, 3, "two of the pool, and this one");
        drop(borrowed);
        assert_eq!(left(watch, postgres.schema()).await.unwrap(), 0);
    }
}
