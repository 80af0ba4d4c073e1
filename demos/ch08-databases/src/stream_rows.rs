//! # Many rows in little memory: a stream, or a cursor
//!
//! A shop adds up all its sales. `fetch_all` waits for the last row before the first one is added, and holds them
//! all. A stream, `fetch` of sqlx or `query_raw` of tokio-postgres, hands over each row as it comes (see
//! `databases/sqlite-rows`): the first one is there while most are still to come, and the memory doesn't grow with
//! their number. A cursor gets there by many small queries, `fetch 1000` within a transaction. With 50 000 rows
//! `fetch_all` takes more than ten times the memory of any other way. All come to the same sum.
//!
//! asyncio: cursor, fetch, async for
//!
//! real clock: a real PostgreSQL
//!
//! release build: without optimisation a row takes several times as long
//!
//! ```python
//! sales = await shop.fetch("select cents from sales")             # asyncpg: a list of all
//! async with shop.transaction():
//!     async for sale in shop.cursor("select cents from sales"):   # 50 at a time
//!         total += sale["cents"]
//! ```
//!
//! Not the same: `fetch` of asyncpg returns a list; `fetch` of sqlx returns a stream, and `fetch_all` the list. The
//! cursor of asyncpg is one of the server, so it needs a transaction. A stream needs none: it reads the answer to a
//! single query bit by bit. In return the connection is taken until the last row; with a cursor, other statements can
//! go between.

use std::pin::pin;

use anyhow::Result;
use futures_util::TryStreamExt;
use scratch_postgres::Postgres;
use sqlx::{PgPool, Row, postgres::PgPoolOptions};
use timing::{Timings, law::none, memory::Peak};
use tokio_postgres::{Client, NoTls};
use tracing::info;

use crate::options::Options;

/// For a debug build. `--rows 1000000 --release` reads a million.
const ROWS: u32 = 50_000;
const FIRST: &str = "the first row is here";
const SALES: &str = "select product, cents from sales";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let one = PgPoolOptions::new().max_connections(1);
    let pool = one.connect(postgres.url()).await?;
    make_sales(&pool, options.rows.unwrap_or(ROWS)).await?;
    let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls).await?;
    let connection = tokio::spawn(connection);

    let total = t
        .time("fetch_all of sqlx", none(), all_at_once(&pool))
        .await?;
    count(t, "fetch_all of sqlx", &total);

    let total = t.time("fetch of sqlx", none(), as_a_stream(&pool)).await?;
    count(t, "fetch of sqlx", &total);

    let total = t
        .time("query_raw", none(), as_a_raw_stream(&client))
        .await?;
    count(t, "query_raw", &total);

    let total = t.time("cursor", none(), with_a_cursor(&pool)).await?;
    count(t, "cursor", &total);

    pool.close().await;
    drop(client);
    Ok(connection.await??)
}

// None of the four has a lane: the record of its polls would be memory, too.

async fn all_at_once(pool: &PgPool) -> Result<Total> {
    let mut total = Total::begin();
    for row in sqlx::query(SALES).fetch_all(pool).await? {
        total.add(row.try_get("cents")?);
    }
    Ok(total)
}

async fn as_a_stream(pool: &PgPool) -> Result<Total> {
    let mut total = Total::begin();
    let mut rows = sqlx::query(SALES).fetch(pool); // <- the difference
    while let Some(row) = rows.try_next().await? {
        total.add(row.try_get("cents")?);
    }
    Ok(total)
}

/// The parameters are an iterator here, and its type must be known although there are none.
async fn as_a_raw_stream(client: &Client) -> Result<Total> {
    let mut total = Total::begin();
    let rows = client.query_raw(SALES, std::iter::empty::<i32>()).await?;
    let mut rows = pin!(rows);
    while let Some(row) = rows.try_next().await? {
        total.add(row.try_get("cents")?);
    }
    Ok(total)
}

/// Between two `fetch` the connection is free for other statements of the transaction.
async fn with_a_cursor(pool: &PgPool) -> Result<Total> {
    let mut total = Total::begin();
    let mut reading = pool.begin().await?;
    let declare = "declare all_sales no scroll cursor for select product, cents from sales";
    sqlx::query(declare).execute(&mut *reading).await?;
    loop {
        let rows = sqlx::query("fetch 1000 from all_sales");
        let rows = rows.fetch_all(&mut *reading).await?;
        if rows.is_empty() {
            return Ok(total);
        }
        for row in rows {
            total.add(row.try_get("cents")?);
        }
    }
}

/// What the sales come to, and the most memory that was in use meanwhile.
#[derive(Debug)]
struct Total {
    peak: Peak,
    rows: usize,
    cents: i64,
}

impl Total {
    fn begin() -> Self {
        Self {
            peak: Peak::from_now(),
            rows: 0,
            cents: 0,
        }
    }

    fn add(&mut self, cents: i32) {
        if self.rows == 0 {
            info!("{FIRST}");
        }
        self.peak.look_each(1_000, self.rows);
        self.rows += 1;
        self.cents += i64::from(cents);
    }
}

async fn make_sales(pool: &PgPool, rows: u32) -> Result<()> {
    sqlx::query("create table sales (product text, cents int4)")
        .execute(pool)
        .await?;
    let insert = "insert into sales select 'tea ' || id % 97, 100 + id % 1000 from generate_series(1, $1) as id";
    sqlx::query(insert)
        .bind(i64::from(rows))
        .execute(pool)
        .await?;
    Ok(())
}

fn count(t: &mut Timings, label: &str, total: &Total) {
    let said = &t[label].said;
    let first = said.iter().find(|line| line.text == FIRST);
    let first = first.map_or(f64::NAN, |line| line.at.as_secs_f64() * 1e3);
    t.count("first row, ms", first);
    t.count("memory KiB", total.peak.bytes() / 1024);
    t.count("cents", total.cents);
}

#[cfg(test)]
mod tests {
    use super::*;

    // What the memory comes to is tested in `tests/program/stream_rows.rs`: here other tests use the same allocator.
    #[tokio::test]
    async fn all_of_them_read_every_row() {
        if scratch_postgres::for_test().await.is_none() {
            return;
        }
        let options = Options {
            rows: Some(2_500),
            ..Options::default()
        };
        let t = Timings::of(async |t| run(t, &options).await).await;
        let sum: i64 = (1..=2_500).map(|id| 100 + id % 1000).sum();
        for label in ["fetch_all of sqlx", "fetch of sqlx", "query_raw", "cursor"] {
            assert_eq!(*t[label].count("cents"), sum, "{label}");
        }
    }
}
