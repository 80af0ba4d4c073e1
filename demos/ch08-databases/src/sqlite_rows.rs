//! # SQLite: rows in little memory, and a missing row
//!
//! Four functions read rows. They differ in what a missing row is, and in how many rows are in memory at a time.
//! Where there is no row, `fetch_one` returns an error and `fetch_optional` returns `None`. `fetch_all` holds all
//! orders of the shop: about 8 MiB for 100 000, and about a tenth of that for 10 000. `fetch` is a stream (see
//! `streams/iterator`). It holds less than 64 KiB, for 10 000 orders as for 100 000: the row in hand, and at most 50
//! that lie ready.
//!
//! asyncio: async for, fetchone, fetchall, aiosqlite.Row
//!
//! real clock: a real SQLite
//!
//! ```python
//! cursor = await db.execute("select id, customer, cents from orders")
//! orders = await cursor.fetchall()
//!
//! async with db.execute("select id, customer, cents from orders") as cursor:
//!     async for id, customer, cents in cursor: ...
//! ```
//!
//! Not the same: `fetchone` returns None where there is no row, and the code fails later, where it uses that. Here
//! the caller chooses between an error and an `Option`. aiosqlite's `async for` fetches 64 rows at a time. Here
//! `try_next` asks for the next row, and its `?` hands on an error in the middle. The stream borrows its connection:
//! a second query on it, before the stream is dropped, doesn't compile (E0499). A cursor of Python hands over each
//! value with the type that it has; `query_as` turns a row into a tuple of the types that are written down, or fails.

use std::path::Path;

use anyhow::Result;
use chapter::Folder;
use futures_util::TryStreamExt;
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use timing::{Timings, law::none, memory::Peak};
use tracing::info;

use crate::options::Options;

/// Its number, its customer, its price in cents.
type Order = (i64, String, i64);

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let folder = Folder::temporary()?;
    let mut shop = opens(&folder.path().join("shop.db")).await?;
    places_orders(&mut shop, 10_000).await?;

    // Numbers begin at 1.
    let order = must_find(&mut shop, 0);
    let order = t.time("fetch_one, no such row", none(), order).await;
    let found = order.map_or_else(|error| format!("an error: {error}"), |_| "1".into());
    info!("{found}");

    let order = may_find(&mut shop, 0);
    let order = t.time("fetch_optional, no such row", none(), order).await?;
    info!("{order:?}");

    holds_or_streams(t, &mut shop, ["fetch_all", "fetch"]).await?;
    places_orders(&mut shop, 90_000).await?;
    holds_or_streams(
        t,
        &mut shop,
        ["fetch_all, ten times as many", "fetch, ten times as many"],
    )
    .await
}

async fn holds_or_streams(
    t: &mut Timings,
    shop: &mut SqliteConnection,
    [all, one_by_one]: [&str; 2],
) -> Result<()> {
    let mut peak = Peak::from_now();
    let rows = t.time(all, none(), holds_all(shop, &mut peak)).await?;
    show(t, rows, &peak);

    let mut peak = Peak::from_now();
    let rows = t
        .time(one_by_one, none(), reads_one_by_one(shop, &mut peak))
        .await?;
    show(t, rows, &peak);
    Ok(())
}

async fn must_find(shop: &mut SqliteConnection, id: i64) -> Result<Order, sqlx::Error> {
    let select = "select id, customer, cents from orders where id = ?";
    sqlx::query_as(select).bind(id).fetch_one(shop).await
}

async fn may_find(shop: &mut SqliteConnection, id: i64) -> Result<Option<Order>, sqlx::Error> {
    let select = "select id, customer, cents from orders where id = ?";
    sqlx::query_as(select).bind(id).fetch_optional(shop).await // <- the difference
}

/// No function here is a lane: what the recorder keeps of every poll would be counted as memory of the rows.
async fn holds_all(shop: &mut SqliteConnection, peak: &mut Peak) -> Result<usize> {
    let orders: Vec<Order> = sqlx::query_as("select id, customer, cents from orders")
        .fetch_all(shop)
        .await?;
    peak.look();
    Ok(orders.len())
}

async fn reads_one_by_one(shop: &mut SqliteConnection, peak: &mut Peak) -> Result<usize> {
    // SQLite's thread reads ahead of this task, and waits while 50 rows lie ready.
    let select = sqlx::query_as::<_, Order>("select id, customer, cents from orders");
    let mut orders = select.fetch(shop); // <- the difference
    let mut rows = 0;
    while let Some(_order) = orders.try_next().await? {
        rows += 1;
        // Not at each row: to look takes much longer than to read one, and is part of the time of `fetch`.
        peak.look_each(5_000, rows);
    }
    Ok(rows)
}

async fn opens(path: &Path) -> Result<SqliteConnection> {
    let database = SqliteConnectOptions::new().filename(path);
    let mut shop = database.create_if_missing(true).connect().await?;
    let create =
        "create table orders (id integer primary key, customer text not null, cents int not null)";
    sqlx::query(create).execute(&mut shop).await?;
    Ok(shop)
}

/// All in one statement, so in one transaction: the disk is waited for once.
async fn places_orders(shop: &mut SqliteConnection, more: i64) -> Result<()> {
    let insert = "with recursive n(n) as (select 1 union all select n + 1 from n where n < ?) \
        insert into orders (customer, cents) select 'a customer with the number ' || n, n % 1000 from n";
    sqlx::query(insert).bind(more).execute(shop).await?;
    Ok(())
}

/// What SQLite takes for itself isn't in it: that is C, and its cache has the same bound in both ways of reading. The
/// test of these figures runs the lesson in a process of its own (`tests/program/sqlite_rows.rs`), because other
/// tests beside it would be counted, too.
fn show(t: &mut Timings, rows: usize, peak: &Peak) {
    t.count("rows", rows);
    t.count("memory KiB", peak.bytes() / 1024);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_row_is_an_error_or_none_as_the_call_says() {
        let t = Timings::of_default(run).await;
        let must = &t["fetch_one, no such row"].said[0].text;
        assert!(must.contains("an error: no rows returned"), "{must}");
        assert_eq!(t["fetch_optional, no such row"].said[0].text, "None");
    }

    #[tokio::test]
    async fn both_ways_read_every_row() {
        let t = Timings::of_default(run).await;
        for (variant, rows) in [
            ("fetch_all", 10_000),
            ("fetch_all, ten times as many", 100_000),
        ] {
            assert_eq!(*t[variant].count("rows"), rows);
            let stream = variant.replace("fetch_all", "fetch");
            assert_eq!(*t[&*stream].count("rows"), rows);
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_left_early_gives_its_connection_back() {
        let folder = Folder::temporary().unwrap();
        let mut shop = opens(&folder.path().join("shop.db")).await.unwrap();
        places_orders(&mut shop, 1_000).await.unwrap();
        let mut orders =
            sqlx::query_as::<_, Order>("select id, customer, cents from orders").fetch(&mut shop);
        assert_eq!(orders.try_next().await.unwrap().unwrap().0, 1);
        drop(orders);
        assert!(may_find(&mut shop, 1_000).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_column_of_another_type_is_an_error_and_no_wrong_value() {
        let folder = Folder::temporary().unwrap();
        let mut shop = opens(&folder.path().join("shop.db")).await.unwrap();
        places_orders(&mut shop, 1).await.unwrap();
        let orders = sqlx::query_as::<_, (i64,)>("select customer from orders").fetch(&mut shop);
        let error = orders.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.to_string().contains("mismatched types"), "{error}");
    }
}
