//! # PostgreSQL: spawn the connection; one row, or none, or all
//!
//! tokio-postgres speaks to a PostgreSQL, which the lesson starts unless `--postgres URL` names one. Its `connect`
//! returns a client and a connection. The connection is a future, and all bytes pass through it: while it isn't
//! polled, the client gets 0 answers in 2 ticks, and no error. What the client has sent by then goes out when the
//! connection is polled, as a task of its own (see `tasks/spawn`). Shelf 0 of a shop holds no product, shelf 1 one,
//! shelf 2 two. `query_one` wants exactly one row: no row is an error, and so are two. `query_opt` gives `None` for
//! no row; two are still an error. `query` gives them all: 0, 1 and 2.
//!
//! asyncio: asyncpg.connect, fetch, fetchrow, execute
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! shop = await asyncpg.connect(url)
//! await shop.execute("insert into products values ($1, $2, $3)", 1, "tea", 450)
//! product = await shop.fetchrow(find, 1)      # the first row, or None
//! products = await shop.fetch(find, 2)        # a list, maybe an empty one
//! ```
//!
//! Not the same: of two rows `fetchrow` of asyncpg returns the first and says nothing of the other. So does
//! `fetch_optional` of sqlx (see `databases/sqlite-rows`): of two rows it gives 1. The connection of asyncpg is
//! served by the event loop. Here it is served by the code that polls it, and spawning it is the caller's job. A row
//! of asyncpg is read by `row["cents"]` and holds what came. Here it is read into a type; where that doesn't fit,
//! `try_get` returns an `Err`, and `get` panics.

use anyhow::{Context, Result};
use scratch_postgres::Postgres;
use sqlx::{PgPool, postgres::PgPoolOptions};
use timing::{
    Timings,
    law::{exactly, none},
    ticks,
};
use tokio::time::timeout;
use tokio_postgres::{Client, Error, NoTls, Row};
use tracing::{info, instrument, warn};

use crate::options::Options;

const FIND: &str = "select name, cents from products where shelf = $1 order by name";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");

    let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls).await?;
    let answer = timeout(ticks(2), asks(&client));
    let answer = t.time("connection not polled", exactly(2), answer).await;
    t.count("answers", answer.iter().count());

    // As a task it is polled until the client is dropped. Its result says what went wrong on the way.
    let connection = tokio::spawn(connection); // <- the difference
    let answer = timeout(ticks(20), asks(&client));
    let answer = t.time("connection spawned", none(), answer).await;
    t.count("answers", answer.iter().count());

    put_on_shelves(&client).await?;
    let found = each_shelf(async |shelf| Ok(vec![one(&client, shelf).await?]));
    let found = t.time("query_one", none(), found).await;
    count(t, found);

    let found = each_shelf(async |shelf| Ok(Vec::from_iter(perhaps_one(&client, shelf).await?)));
    let found = t.time("query_opt", none(), found).await;
    count(t, found);

    let found = each_shelf(async |shelf| all(&client, shelf).await);
    let found = t.time("query", none(), found).await;
    count(t, found);

    // A pool of one connection, because a shared `&PgPool` can run queries; a bare connection is borrowed mutably.
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(postgres.url()).await?;
    let found = each_shelf(async |shelf| Ok(Vec::from_iter(first(&pool, shelf).await?)));
    let found = t.time("sqlx fetch_optional", none(), found).await;
    count(t, found);
    pool.close().await;

    drop(client);
    Ok(connection.await??)
}

#[instrument(ret, err, skip(client))]
async fn asks(client: &Client) -> Result<i32> {
    let row = client.query_one("select 1 + 1", &[]).await?;
    Ok(row.try_get(0)?)
}

#[derive(Debug, PartialEq)]
struct Product {
    name: String,
    cents: i32,
}

impl Product {
    /// By name, so the order in the `select` doesn't matter. No compiler knows the columns of a table: one may be
    /// missing, or of another type.
    fn of(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            name: row.try_get("name")?,
            cents: row.try_get("cents")?,
        })
    }
}

#[instrument(ret, err, skip(client))]
async fn one(client: &Client, shelf: i32) -> Result<Product> {
    // The value travels beside the statement. Its Rust type must fit the type that the server expects for `$1`.
    Ok(Product::of(&client.query_one(FIND, &[&shelf]).await?)?)
}

#[instrument(ret, err, skip(client))]
async fn perhaps_one(client: &Client, shelf: i32) -> Result<Option<Product>> {
    let row = client.query_opt(FIND, &[&shelf]).await?;
    Ok(row.as_ref().map(Product::of).transpose()?)
}

#[instrument(ret, err, skip(client))]
async fn all(client: &Client, shelf: i32) -> Result<Vec<Product>> {
    let rows = client.query(FIND, &[&shelf]).await?;
    Ok(rows.iter().map(Product::of).collect::<Result<_, _>>()?)
}

/// sqlx reads a row into a tuple, by position. Its `fetch_one` refuses no second row either.
#[instrument(ret, err, skip(pool))]
async fn first(pool: &PgPool, shelf: i32) -> Result<Option<(String, i32)>> {
    let query = sqlx::query_as(FIND).bind(shelf);
    Ok(query.fetch_optional(pool).await?)
}

/// Shelf 0 stays empty, shelf 1 gets one product, shelf 2 two.
async fn put_on_shelves(client: &Client) -> Result<()> {
    let table = "create table products (shelf int4, name text, cents int4)";
    client.batch_execute(table).await?;
    for (shelf, name, cents) in [(1, "tea", 450), (2, "cup", 700), (2, "pot", 1_900)] {
        let insert = "insert into products values ($1, $2, $3)";
        client.execute(insert, &[&shelf, &name, &cents]).await?;
    }
    Ok(())
}

async fn each_shelf<T>(find: impl AsyncFn(i32) -> Result<Vec<T>>) -> [Result<Vec<T>>; 3] {
    [find(0).await, find(1).await, find(2).await]
}

const SHELVES: [&str; 3] = ["shelf 0", "shelf 1", "shelf 2"];

fn count<T>(t: &mut Timings, found: [Result<Vec<T>>; 3]) {
    for (shelf, found) in SHELVES.into_iter().zip(found) {
        let rows = found.map_or_else(|_| "error".to_owned(), |rows| rows.len().to_string());
        t.count(shelf, rows);
    }
}

/// For lessons with several clients: a task serves the connection, and says so when it is lost.
pub fn served<C>((client, connection): (Client, C)) -> Client
where
    C: Future<Output = Result<(), Error>> + Send + 'static,
{
    tokio::spawn(async {
        if let Err(error) = connection.await.context("the connection") {
            warn!("{error:#}");
        }
    });
    client
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use scratch_postgres::measured;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use timing::report::Ended;

    /// The first value keeps the schema.
    async fn connected() -> Option<(Postgres, Client, impl Future<Output = ()> + Send + 'static)> {
        let postgres = scratch_postgres::for_test().await?;
        let connected = tokio_postgres::connect(postgres.url(), NoTls).await;
        let (client, connection) = connected.unwrap();
        Some((postgres, client, connection.map(drop)))
    }

    #[tokio::test]
    async fn no_answer_comes_as_long_as_the_connection_is_not_polled() {
        let Some(t) = measured(run).await else { return };
        let unpolled = &t["connection not polled"];
        assert!(unpolled.elapsed >= ticks(2));
        assert_eq!(*unpolled.count("answers"), 0);
        assert_eq!(unpolled.lane("asks").ended, Ended::Cancelled);
        assert_eq!(*t["connection spawned"].count("answers"), 1);
    }

    #[tokio::test]
    async fn what_was_handed_over_before_is_sent_when_the_connection_is_polled() {
        let Some((_postgres, client, connection)) = connected().await else {
            return;
        };
        let create = client.batch_execute("create table early ()");
        assert!(create.now_or_never().is_none(), "polled once, and given up");
        tokio::spawn(connection);
        client.batch_execute("drop table early").await.unwrap();
    }

    #[tokio::test]
    async fn query_one_wants_exactly_one_row_and_sqlx_drops_the_second() {
        let Some(t) = measured(run).await else { return };
        for (label, found) in [
            ("query_one", ["error", "1", "error"]),
            ("query_opt", ["0", "1", "error"]),
            ("query", ["0", "1", "2"]),
            ("sqlx fetch_optional", ["0", "1", "1"]),
        ] {
            for (shelf, found) in SHELVES.into_iter().zip(found) {
                assert_eq!(*t[label].count(shelf), found, "{label}, {shelf}");
            }
        }
    }

    #[tokio::test]
    async fn fetch_one_of_sqlx_drops_the_second_row_too() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let pool = PgPool::connect(postgres.url()).await.unwrap();
        let two = sqlx::query_scalar("select * from generate_series(1, 2)");
        let one: i32 = two.fetch_one(&pool).await.unwrap();
        assert_eq!(one, 1);
    }

    #[tokio::test]
    async fn a_column_that_does_not_fit_is_an_error_of_try_get_and_a_panic_of_get() {
        let Some((_postgres, client, connection)) = connected().await else {
            return;
        };
        tokio::spawn(connection);
        let select = async |columns| client.query_one(columns, &[]).await.unwrap();
        let missing = select("select 'tea' as name").await;
        let of_another_type = select("select 'tea' as name, 4.5::float8 as cents").await;
        for (row, why) in [
            (missing, "invalid column `cents`"),
            (of_another_type, "error deserializing column 1"),
        ] {
            assert_eq!(Product::of(&row).unwrap_err().to_string(), why);
            let get = AssertUnwindSafe(|| row.get::<_, i32>("cents"));
            assert!(catch_unwind(get).is_err());
        }
        let (name, cents) = ("tea".to_owned(), 450);
        let other_order = select("select 450 as cents, 'tea' as name").await;
        assert_eq!(Product::of(&other_order).unwrap(), Product { name, cents });
    }
}
