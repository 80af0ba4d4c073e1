//! # PostgreSQL: one row, perhaps a row, all rows
//!
//! Three shelves of a shop hold no product, one, and two. `query_one` wants exactly one row: no row is an error, and
//! so are two. `query_opt` gives `None` for no row; two are still an error. `query` gives them all: 0, 1 and 2. Where
//! a statement should find one row and finds two, the statement or the data is wrong, and here the program is told.
//! `connect` returns two things, a client and a connection. The connection is a future, and all bytes pass through
//! it: while it isn't polled, the client gets 0 answers in 2 ticks, and no error.
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
//! Not the same: of two rows `fetchrow` returns the first and says nothing of the other. sqlx has the same method
//! under the name `fetch_optional`: of two rows it gives 1. The connection of asyncpg is served by the event loop;
//! that of tokio-postgres is served by whoever polls it, and spawning it is the caller's task. A row of asyncpg is
//! read by `row["cents"]` and holds what came; a row here is read into a type, and what doesn't fit it is an `Err`.

use anyhow::Result;
use scratch_postgres::Postgres;
use sqlx::{PgPool, postgres::PgPoolOptions};
use timing::{
    Timings,
    law::{exactly, none},
    ticks,
};
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls, Row};
use tracing::{info, instrument};

use crate::options::Options;

const FIND: &str = "select name, cents from products where shelf = $1 order by name";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");

    let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls).await?;
    let answer = timeout(ticks(2), asks(&client));
    let answer = t.time("connection not polled", exactly(2), answer).await;
    t.count("answers", answer.iter().count());

    // As a task it is polled until the client is dropped. Its result tells what went wrong on the way.
    let connection = tokio::spawn(connection); // <- the difference
    let answer = timeout(ticks(20), asks(&client));
    let answer = t.time("connection spawned", none(), answer).await;
    t.count("answers", answer.iter().count());

    put_on_shelves(&client).await?;
    let found = each_shelf(async |shelf| one(&client, shelf).await);
    let found = t.time("query_one", none(), found).await;
    count(t, found.map(|product| product.map(|_| 1)));

    let found = each_shelf(async |shelf| perhaps_one(&client, shelf).await);
    let found = t.time("query_opt", none(), found).await;
    count(t, found.map(|product| Ok(product?.iter().count())));

    let found = each_shelf(async |shelf| all(&client, shelf).await);
    let found = t.time("query", none(), found).await;
    count(t, found.map(|products| Ok(products?.len())));

    // A pool of one connection, because a shared `&PgPool` can run queries; a bare connection is borrowed mutably.
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(postgres.url()).await?;
    let found = each_shelf(async |shelf| first(&pool, shelf).await);
    let found = t.time("sqlx fetch_optional", none(), found).await;
    count(t, found.map(|product| Ok(product?.iter().count())));
    pool.close().await;

    drop(client);
    Ok(connection.await??)
}

#[instrument(ret, err, skip(client))]
async fn asks(client: &Client) -> Result<i32> {
    let row = client.query_one("select 1 + 1", &[]).await?;
    Ok(row.get(0))
}

#[derive(Debug, PartialEq)]
struct Product {
    name: String,
    cents: i32,
}

impl Product {
    /// By name, so the order in the `select` doesn't matter. No compiler knows the columns of a table: when one is
    /// missing or of another type, `try_get` returns an `Err`, and `get` panics.
    fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
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

/// sqlx reads a row into a tuple, by position. No method of it refuses a second row.
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

async fn each_shelf<T>(find: impl AsyncFn(i32) -> Result<T>) -> [Result<T>; 3] {
    [find(0).await, find(1).await, find(2).await]
}

fn count(t: &mut Timings, found: [Result<usize>; 3]) {
    for (shelf, found) in ["of 0 rows", "of 1 row", "of 2 rows"].iter().zip(found) {
        let found = found.map_or_else(|_| "error".to_owned(), |rows| rows.to_string());
        t.count(*shelf, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    async fn measured() -> Option<Timings> {
        scratch_postgres::for_test().await?;
        Some(Timings::of(async |t| run(t, &Options::default()).await).await)
    }

    #[track_caller]
    fn assert_found(t: &Timings, label: &str, found: [&str; 3]) {
        let counts = ["of 0 rows", "of 1 row", "of 2 rows"];
        for (what, found) in counts.into_iter().zip(found) {
            assert_eq!(*t[label].count(what), found, "{label}, {what}");
        }
    }

    #[tokio::test]
    async fn no_answer_comes_as_long_as_the_connection_is_not_polled() {
        let Some(t) = measured().await else { return };
        let unpolled = &t["connection not polled"];
        assert!(unpolled.elapsed >= ticks(2));
        assert_eq!(*unpolled.count("answers"), 0);
        assert_eq!(unpolled.lane("asks").ended, Ended::Cancelled);
        assert_eq!(*t["connection spawned"].count("answers"), 1);
    }

    #[tokio::test]
    async fn query_one_wants_exactly_one_row() {
        let Some(t) = measured().await else { return };
        assert_found(&t, "query_one", ["error", "1", "error"]);
        let ended = [0, 1, 2].map(|shelf| t["query_one"].lane(&format!("one({shelf})")).ended);
        assert_eq!(ended, [Ended::Failed, Ended::Returned, Ended::Failed]);
    }

    #[tokio::test]
    async fn query_opt_takes_no_row_and_refuses_two() {
        let Some(t) = measured().await else { return };
        assert_found(&t, "query_opt", ["0", "1", "error"]);
    }

    #[tokio::test]
    async fn query_returns_all_rows() {
        let Some(t) = measured().await else { return };
        assert_found(&t, "query", ["0", "1", "2"]);
    }

    #[tokio::test]
    async fn fetch_optional_drops_the_second_row_as_fetchrow_does() {
        let Some(t) = measured().await else { return };
        assert_found(&t, "sqlx fetch_optional", ["0", "1", "1"]);
    }

    #[tokio::test]
    async fn a_column_that_does_not_fit_is_an_error_when_the_row_is_read() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        for (columns, why) in [
            ("'tea' as name", "invalid column `cents`"),
            (
                "'tea' as name, 4.5::float8 as cents",
                "error deserializing column 1",
            ),
        ] {
            let row = client
                .query_one(&format!("select {columns}"), &[])
                .await
                .unwrap();
            assert_eq!(Product::of(&row).unwrap_err().to_string(), why);
        }
        let row = client
            .query_one("select 450 as cents, 'tea' as name", &[])
            .await
            .unwrap();
        let tea = Product {
            name: "tea".into(),
            cents: 450,
        };
        assert_eq!(Product::of(&row).unwrap(), tea);
    }
}
