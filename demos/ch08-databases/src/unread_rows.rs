//! # A stream of rows that is left early
//!
//! Ten of 50 000 sales are read, then the stream is dropped. The server isn't told: it goes on with the query, and
//! the next statement on that connection waits until all rows have come. The query counts the rows that the server
//! makes: 50 000 with a stream of sqlx or tokio-postgres, 1 000 with a cursor that has fetched once (see
//! `databases/stream-rows`), 10 with `limit 10`. Where the number is known beforehand, it belongs in the query.
//!
//! asyncio: cursor, async for, break
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! async with shop.transaction():
//!     async for sale in shop.cursor("select cents from sales"):
//!         if enough(sale): break        # one batch of 50 was fetched for it
//! ```
//!
//! Not the same: asyncpg reads a stream of rows through a cursor, so leaving it costs the rest of a batch. Here it
//! costs the rest of the rows: sqlx reads and drops them before its next statement, tokio-postgres does so in the
//! task of its connection. Streams that ask for each page stop when they are dropped (see `streams/pages`); this one
//! has asked for everything. A cursor is for code that may stop early; so is a `limit`.

use std::pin::pin;

use anyhow::{Context, Result};
use futures_util::{Stream, TryStreamExt};
use scratch_postgres::Postgres;
use sqlx::{Connection, PgConnection};
use timing::{Timings, law::none};
use tokio_postgres::{Client, NoTls};
use tracing::{info, instrument};

use crate::options::Options;

/// `nextval` counts the rows as the server makes them.
const SALES: &str = "select nextval('made'), product, cents from sales";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let mut shop = PgConnection::connect(postgres.url()).await?;
    let sales = "create sequence made;
        create table sales as
            select 'tea ' || id as product, 100 + id % 1000 as cents from generate_series(1, 50000) as id";
    sqlx::raw_sql(sales).execute(&mut shop).await?;
    let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls).await?;
    let connection = tokio::spawn(connection);

    let read = t
        .time("fetch of sqlx", none(), leaves_a_stream(&mut shop))
        .await?;
    count(t, read, made(&mut shop).await?);

    let read = t
        .time("query_raw", none(), leaves_a_raw_stream(&client))
        .await?;
    client.simple_query("").await?; // answered when all rows have come
    count(t, read, made(&mut shop).await?);

    let read = t.time("cursor", none(), leaves_a_cursor(&mut shop)).await?;
    count(t, read, made(&mut shop).await?);

    let read = t.time("limit 10", none(), asks_for_ten(&mut shop)).await?;
    count(t, read, made(&mut shop).await?);
    shop.close().await?;
    drop(client);
    Ok(connection.await??)
}

#[instrument(ret, err, skip_all)]
async fn leaves_a_stream(shop: &mut PgConnection) -> Result<u32> {
    read_ten(sqlx::query(SALES).fetch(shop)).await
}

#[instrument(ret, err, skip_all)]
async fn leaves_a_raw_stream(client: &Client) -> Result<u32> {
    read_ten(client.query_raw(SALES, std::iter::empty::<i32>()).await?).await
}

/// The batch in hand is read to its end, and no other one is asked for.
#[instrument(ret, err, skip_all)]
async fn leaves_a_cursor(shop: &mut PgConnection) -> Result<u32> {
    let mut reading = shop.begin().await?;
    let declare =
        "declare all_sales no scroll cursor for select nextval('made'), product, cents from sales";
    sqlx::query(declare).execute(&mut *reading).await?;
    let read = read_ten(sqlx::query("fetch 1000 from all_sales").fetch(&mut *reading)).await?;
    reading.commit().await?; // closes the cursor
    Ok(read)
}

#[instrument(ret, err, skip_all)]
async fn asks_for_ten(shop: &mut PgConnection) -> Result<u32> {
    let ten = "select nextval('made'), product, cents from sales limit 10";
    read_ten(sqlx::query(ten).fetch(shop)).await
}

/// Drops the stream when ten rows have come.
async fn read_ten<R, E>(rows: impl Stream<Item = Result<R, E>>) -> Result<u32>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let mut rows = pin!(rows);
    for _ in 0..10 {
        rows.try_next().await?.context("there are ten")?;
    }
    Ok(10)
}

/// How many rows the server has made since this was last asked.
async fn made(shop: &mut PgConnection) -> Result<i64> {
    let made = sqlx::query_scalar("select last_value from made");
    let made = made.fetch_one(&mut *shop).await?;
    sqlx::query("alter sequence made restart")
        .execute(shop)
        .await?;
    Ok(made)
}

fn count(t: &mut Timings, read: u32, made: i64) {
    t.count("rows read", read);
    t.count("rows the server made", made);
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;

    #[tokio::test]
    async fn a_dropped_stream_does_not_stop_the_query() {
        let Some(t) = measured(run).await else { return };
        for label in ["fetch of sqlx", "query_raw"] {
            assert_eq!(*t[label].count("rows read"), 10, "{label}");
            assert_eq!(*t[label].count("rows the server made"), 50_000, "{label}");
        }
    }

    #[tokio::test]
    async fn a_cursor_has_made_one_batch_and_a_limit_no_row_too_many() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(*t["cursor"].count("rows the server made"), 1_000);
        assert_eq!(*t["limit 10"].count("rows the server made"), 10);
    }
}
