//! # Ten thousand rows: one by one, or in one statement
//!
//! A shop enters 10 000 sales, six ways. Row by row, that is 10 000 inserts, and each is a commit. In one transaction
//! there is 1 commit, and still each insert waits for the answer to the one before. Pipelined, inserts are sent without
//! that wait (see `databases/pipelining`). With lists of values for 5 000 rows it is 2 inserts. With `unnest` of an
//! array for each column it is 1, and so it is with `COPY`, PostgreSQL's own way to load a table. All ways store the
//! same rows. The server that the lesson starts never waits for its disk at a commit (`fsync=off`), so a transaction
//! saves little here. To see what it saves on a server that does wait, name one of yours: `--postgres URL`.
//!
//! asyncio: executemany, copy_records_to_table
//!
//! real clock: a real PostgreSQL
//!
//! release build: without optimisation the client's own work takes several times as long
//!
//! ```python
//! await shop.executemany("insert … ($1, $2, $3)", sales)          # asyncpg: pipelined
//! await shop.copy_records_to_table("sales", records=sales)        # asyncpg: COPY
//! await cursor.executemany("insert … (%s, %s, %s)", sales)        # aiomysql: lists of values
//! ```
//!
//! Not the same: tokio-postgres and sqlx have no `executemany`; `execute_many` of sqlx takes no rows, but a text of
//! several statements. asyncpg's is pipelined and all or nothing. Here, futures of one client that are polled together
//! are the pipeline, and a transaction around them makes it all or nothing (see `databases/bad-row`). sqlx has no
//! pipeline for prepared statements.

use std::pin::pin;

use anyhow::{Result, bail, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use scratch_postgres::Postgres;
use sqlx::{PgPool, QueryBuilder, postgres::PgPoolOptions};
use timing::Timings;
use tokio_postgres::{
    Client, NoTls,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};
use tracing::info;

use crate::{options::Options, postgres::served};

const SALES: u32 = 10_000;
/// Odd, so that one of them is the median. A debug build, whose times say little, takes 1.
const ROUNDS: usize = if cfg!(debug_assertions) { 1 } else { 5 };
/// At most it is 21 845: a statement has 65 535 parameters, here three for each row.
const ROWS_OF_A_STATEMENT: usize = 5_000;
const INSERT: &str = "insert into sales values ($1, $2, $3)";

pub const WAYS: [&str; 6] = [
    "row by row",
    "one transaction",
    "pipelined",
    "value lists, sqlx",
    "unnest",
    "COPY",
];

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    all_ways(t, &mut Shop::open(&postgres).await?, SALES).await
}

async fn all_ways(t: &mut Timings, shop: &mut Shop, number: u32) -> Result<()> {
    let mut expected = None;
    let sales: Vec<_> = (0..number).map(Sale::new).collect();
    for round in 0..ROUNDS {
        for way in WAYS {
            shop.clear().await?;
            t.rate(way, number, enter(way, shop, &sales)).await?;
            let stored = shop.stored().await?;
            ensure!(stored.rows == i64::from(number), "{way}: rows are missing");
            let checksum = expected.get_or_insert(stored.checksum.clone());
            ensure!(*checksum == stored.checksum, "{way}: other rows");
            if round == 0 {
                t.count("commits", stored.commits);
                t.count("inserts", stored.inserts);
            }
        }
    }
    Ok(())
}

pub async fn enter(way: &str, shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    match way {
        "row by row" => row_by_row(shop, sales).await,
        "one transaction" => one_transaction(shop, sales).await,
        "pipelined" => pipelined(shop, sales).await,
        "value lists, sqlx" => value_lists(shop, sales).await,
        "unnest" => unnest(shop, sales).await,
        "COPY" => copy(shop, sales).await,
        _ => bail!("there is no way called {way}"),
    }
}

/// Autocommit: a statement outside a transaction is a transaction.
async fn row_by_row(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let insert = shop.client.prepare(INSERT).await?;
    for sale in sales {
        shop.client.execute(&insert, &sale.values()).await?;
    }
    Ok(())
}

async fn one_transaction(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let tx = shop.client.transaction().await?; // <- the difference
    let insert = tx.prepare(INSERT).await?;
    for sale in sales {
        tx.execute(&insert, &sale.values()).await?;
    }
    Ok(tx.commit().await?)
}

/// The server still runs one statement after another, but the next has arrived when it is done with one.
async fn pipelined(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let tx = shop.client.transaction().await?;
    let insert = tx.prepare(INSERT).await?;
    let inserts = stream::iter(sales).map(async |sale| tx.execute(&insert, &sale.values()).await);
    // At most 256 futures at a time; `try_join_all` would hold one for each sale.
    let mut answers = inserts.buffered(256); // <- the difference
    while answers.try_next().await?.is_some() {}
    drop(answers); // it borrows the transaction
    Ok(tx.commit().await?)
}

/// Without the transaction the second statement could fail when the first is stored.
async fn value_lists(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let mut tx = shop.pool.begin().await?;
    for chunk in sales.chunks(ROWS_OF_A_STATEMENT) {
        list_of(chunk).build().execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

fn list_of(sales: &[Sale]) -> QueryBuilder<sqlx::Postgres> {
    let mut insert = QueryBuilder::new("insert into sales ");
    insert.push_values(sales, |mut row, sale| {
        row.push_bind(sale.id);
        row.push_bind(sale.product.clone());
        row.push_bind(sale.cents);
    });
    insert
}

/// Three parameters, however many rows: an array for each column.
async fn unnest(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let ids: Vec<_> = sales.iter().map(|sale| sale.id).collect();
    let products: Vec<_> = sales.iter().map(|sale| &sale.product[..]).collect();
    let cents: Vec<_> = sales.iter().map(|sale| sale.cents).collect();
    let insert = "insert into sales select * from unnest($1::int4[], $2::text[], $3::int4[])";
    let columns: [&(dyn ToSql + Sync); 3] = [&ids, &products, &cents];
    shop.client.execute(insert, &columns).await?;
    Ok(())
}

async fn copy(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let sink = shop.client.copy_in("copy sales from stdin binary").await?;
    // The server converts nothing in the binary form, so the columns' types are named.
    let types = [Type::INT4, Type::TEXT, Type::INT4];
    let mut rows = pin!(BinaryCopyInWriter::new(sink, &types));
    for sale in sales {
        rows.as_mut().write(&sale.values()).await?;
    }
    rows.finish().await?;
    Ok(())
}

pub struct Sale {
    id: i32,
    product: String,
    pub cents: i32,
}

impl Sale {
    pub fn new(id: u32) -> Self {
        let id = i32::try_from(id).expect("there are fewer");
        let (product, cents) = (format!("tea {}", id % 97), 100 + id % 1_000);
        Self { id, product, cents }
    }

    pub fn values(&self) -> [&(dyn ToSql + Sync); 3] {
        [&self.id, &self.product, &self.cents]
    }
}

/// The same shop for both drivers.
pub struct Shop {
    pub client: Client,
    pool: PgPool,
}

impl Shop {
    pub async fn open(postgres: &Postgres) -> Result<Self> {
        let client = served(tokio_postgres::connect(postgres.url(), NoTls).await?);
        let table = "create table sales (id int4, product text, cents int4 check (cents > 0))";
        client.batch_execute(table).await?;
        let one = PgPoolOptions::new().max_connections(1);
        let pool = one.connect(postgres.url()).await?;
        Ok(Self { client, pool })
    }

    pub async fn clear(&self) -> Result<()> {
        Ok(self.client.batch_execute("truncate sales").await?)
    }

    pub async fn stored(&self) -> Result<Stored> {
        let stored = "select count(*), count(distinct xmin::text),
            count(distinct xmin::text || '/' || cmin::text),
            coalesce(md5(string_agg(sales::text, ';' order by id)), '') from sales";
        let row = self.client.query_one(stored, &[]).await?;
        Ok(Stored {
            rows: row.try_get(0)?,
            commits: row.try_get(1)?,
            inserts: row.try_get(2)?,
            checksum: row.try_get(3)?,
        })
    }
}

/// What is in the table. PostgreSQL keeps with each row which transaction has written it (`xmin`) and which of that
/// transaction's statements (`cmin`), so the server itself tells how many there were that wrote a row.
pub struct Stored {
    pub rows: i64,
    commits: i64,
    inserts: i64,
    checksum: String, // of all rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shop's table goes with its `Postgres`.
    async fn opened() -> Option<(Postgres, Shop)> {
        let postgres = scratch_postgres::for_test().await?;
        let shop = Shop::open(&postgres).await.unwrap();
        Some((postgres, shop))
    }

    #[tokio::test]
    async fn row_by_row_each_is_a_commit_and_a_list_is_a_statement() {
        let Some((_postgres, mut shop)) = opened().await else {
            return;
        };
        // That all ways store all rows, and the same ones, `all_ways` makes sure of.
        let t = Timings::of(async |t| all_ways(t, &mut shop, 5_001).await).await;
        for (way, commits, inserts) in [
            ("row by row", 5_001, 5_001),
            ("one transaction", 1, 5_001),
            ("pipelined", 1, 5_001),
            ("value lists, sqlx", 1, 2),
            ("unnest", 1, 1),
            ("COPY", 1, 1),
        ] {
            assert_eq!(*t[way].count("commits"), commits, "{way}");
            assert_eq!(*t[way].count("inserts"), inserts, "{way}");
        }
    }

    #[tokio::test]
    async fn a_list_of_values_has_65_535_parameters_at_most() {
        let Some((_postgres, shop)) = opened().await else {
            return;
        };
        let sales: Vec<_> = (0..=65_535 / 3).map(Sale::new).collect();
        let (_, most) = sales.split_last().unwrap();
        let stored = list_of(most).build().execute(&shop.pool).await.unwrap();
        assert_eq!(stored.rows_affected(), 65_535 / 3);
        let error = list_of(&sales).build().execute(&shop.pool).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("too many arguments"), "{error}");
    }
}
