//! # After an error in a transaction, all is refused
//!
//! The second of three lines of an order is bad, and its error is ignored. PostgreSQL then refuses the third line as
//! well: "current transaction is aborted". The `commit` at the end returns `Ok`, and 0 lines are stored: the server
//! has rolled back instead. It says so in its answer, and neither driver makes an error of that. To go on after an
//! error, a line that may fail goes into a savepoint, a transaction within the transaction: then the 2 good lines are
//! stored.
//!
//! asyncio: transaction, InFailedSQLTransactionError, savepoint
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! async with shop.transaction():
//!     try:
//!         async with shop.transaction():          # asyncpg: a savepoint
//!             await shop.execute(insert, "cup", -1)
//!     except asyncpg.CheckViolationError: ...     # the outer transaction goes on
//! ```
//!
//! Not the same: in Python an exception leaves the block of the transaction unless it is caught. In Rust an error is
//! a value: `_ = add(…).await` is enough to ignore it, and the compiler is content. Not every database is so strict:
//! SQLite goes on after the error, and the same code stores the 2 good lines there.

use anyhow::Result;
use scratch_postgres::Postgres;
use sqlx::{Acquire, PgConnection, PgPool, postgres::PgPoolOptions};
use timing::{Timings, law::none};
use tokio_postgres::{Client, NoTls};
use tracing::{info, instrument};

use crate::options::Options;

const LINES: [(&str, i32); 3] = [("tea", 2), ("cup", -1), ("pot", 1)];
const INSERT: &str = "insert into lines values ($1, $2)";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let one = PgPoolOptions::new().max_connections(1);
    let pool = one.connect(postgres.url()).await?;
    let table = "create table lines (product text, pieces int4 check (pieces > 0))";
    sqlx::query(table).execute(&pool).await?;
    let (mut client, connection) = tokio_postgres::connect(postgres.url(), NoTls).await?;
    let connection = tokio::spawn(connection);

    let order = t.time("sqlx", none(), ignores_the_error(&pool)).await?;
    count(t, order, &pool).await?;

    let order = ignores_it_too(&mut client);
    let order = t.time("tokio-postgres", none(), order).await?;
    count(t, order, &pool).await?;

    let order = with_savepoints(&pool);
    let order = t.time("with savepoints", none(), order).await?;
    count(t, order, &pool).await?;

    pool.close().await;
    drop(client);
    Ok(connection.await??)
}

/// How an order went, as its program sees it.
#[derive(Debug, Default)]
struct Order {
    accepted: u32,
    refused: u32,
    commit_is_ok: bool,
}

impl Order {
    fn note(&mut self, line: &Result<(), impl std::fmt::Display>) {
        match line {
            Ok(()) => self.accepted += 1,
            Err(_) => self.refused += 1,
        }
    }
}

#[instrument(ret, err, skip_all)]
async fn ignores_the_error(pool: &PgPool) -> Result<Order> {
    let mut order = Order::default();
    let mut all = pool.begin().await?;
    for (product, pieces) in LINES {
        order.note(&add(&mut all, product, pieces).await); // <- the mistake: an error, and on to the next line
    }
    order.commit_is_ok = all.commit().await.is_ok();
    Ok(order)
}

#[instrument(ret, err, skip_all)]
async fn ignores_it_too(client: &mut Client) -> Result<Order> {
    let mut order = Order::default();
    let all = client.transaction().await?;
    for (product, pieces) in LINES {
        let line = all.execute(INSERT, &[&product, &pieces]).await;
        order.note(&line.map(|_rows| ()));
    }
    order.commit_is_ok = all.commit().await.is_ok();
    Ok(order)
}

/// A savepoint that is dropped without a commit is rolled back, and with it the error. It costs two statements a
/// line, so it is for the line that may fail, not for every one.
#[instrument(ret, err, skip_all)]
async fn with_savepoints(pool: &PgPool) -> Result<Order> {
    let mut order = Order::default();
    let mut all = pool.begin().await?;
    for (product, pieces) in LINES {
        let mut savepoint = all.begin().await?; // <- the difference
        let line = add(&mut savepoint, product, pieces).await;
        if line.is_ok() {
            savepoint.commit().await?;
        }
        order.note(&line);
    }
    order.commit_is_ok = all.commit().await.is_ok();
    Ok(order)
}

#[instrument(ret, err, skip(lines))]
async fn add(lines: &mut PgConnection, product: &str, pieces: i32) -> Result<(), sqlx::Error> {
    let line = sqlx::query(INSERT).bind(product).bind(pieces);
    line.execute(lines).await?;
    Ok(())
}

async fn count(t: &mut Timings, order: Order, pool: &PgPool) -> Result<()> {
    let stored = sqlx::query("delete from lines").execute(pool).await?;
    t.count("accepted", order.accepted);
    t.count("refused", order.refused);
    t.count("commit", if order.commit_is_ok { "Ok" } else { "Err" });
    t.count("lines stored", stored.rows_affected());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use timing::report::Ended;

    #[track_caller]
    fn assert_order(t: &Timings, label: &str, expected: [u32; 3]) {
        for (what, expected) in ["accepted", "refused", "lines stored"]
            .into_iter()
            .zip(expected)
        {
            assert_eq!(*t[label].count(what), expected, "{label}: {what}");
        }
    }

    #[tokio::test]
    async fn after_an_error_the_good_line_is_refused_and_nothing_is_stored() {
        let Some(t) = measured(run).await else { return };
        for label in ["sqlx", "tokio-postgres"] {
            assert_order(&t, label, [1, 2, 0]);
        }
        assert_eq!(t["sqlx"].lane("pot").ended, Ended::Failed);
        let said = t["sqlx"].said.iter();
        assert_eq!(
            said.filter(|line| line.text.contains("current transaction is aborted"))
                .count(),
            1
        );
    }

    #[tokio::test]
    async fn the_commit_says_ok_although_it_was_a_rollback() {
        let Some(t) = measured(run).await else { return };
        for label in ["sqlx", "tokio-postgres"] {
            assert_eq!(*t[label].count("commit"), "Ok", "{label}");
        }
    }

    #[tokio::test]
    async fn a_savepoint_keeps_the_error_to_itself() {
        let Some(t) = measured(run).await else { return };
        assert_order(&t, "with savepoints", [2, 1, 2]);
    }

    #[tokio::test]
    async fn sqlite_goes_on_after_the_error() {
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
        let mut all = pool.begin().await.unwrap();
        let table = "create table lines (product text, pieces int check (pieces > 0))";
        sqlx::query(table).execute(&mut *all).await.unwrap();
        let mut accepted = 0;
        for (product, pieces) in LINES {
            let line = sqlx::query(INSERT).bind(product).bind(pieces);
            accepted += u32::from(line.execute(&mut *all).await.is_ok());
        }
        all.commit().await.unwrap();
        let stored = sqlx::query_scalar("select count(*) from lines");
        let stored: u32 = stored.fetch_one(&pool).await.unwrap();
        assert_eq!((accepted, stored), (2, 2));
    }
}
