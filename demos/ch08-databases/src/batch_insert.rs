//! # Ten thousand rows: one by one, or in one statement
//!
//! A shop enters 10 000 sales, six ways. By row it is 10 000 statements, and each is a commit. In one transaction
//! there is 1 commit, and still each statement waits for the answer to the one before. Pipelined, up to 256 are under
//! way. A list of values for 5 000 rows makes 2 statements of it; `unnest` and `COPY` make 1. All ways store the same
//! rows. How fast each is depends on the machine, so the lesson names the fastest.
//!
//! asyncio: executemany, copy_records_to_table
//!
//! real clock: a real PostgreSQL
//!
//! release build: unoptimised, making the parameters costs more than it has to
//!
//! ```python
//! await shop.executemany(insert, sales)                           # asyncpg: pipelined
//! await shop.copy_records_to_table("sales", records=sales)        # COPY
//! await cursor.executemany(insert, sales)                         # aiomysql: one list of values
//! ```
//!
//! Not the same: tokio-postgres and sqlx have no `executemany`. Several futures of one client that are polled
//! together are its pipeline, and a transaction around them makes it all or nothing. sqlx has no pipeline.

use std::pin::pin;

use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, future::LocalBoxFuture, stream};
use scratch_postgres::Postgres;
use sqlx::{PgPool, QueryBuilder, postgres::PgPoolOptions};
use timing::Timings;
use tokio_postgres::{
    Client, NoTls,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};
use tracing::info;

use crate::options::Options;

const SALES: u32 = 10_000;
/// Odd, so that one of them is the median. A debug build takes 1: it shows that all works, and no speed.
const ROUNDS: usize = if cfg!(debug_assertions) { 1 } else { 5 };
/// A statement has 65 535 parameters at most, here three for each row.
const ROWS_OF_A_STATEMENT: usize = 5_000;
const INSERT: &str = "insert into sales values ($1, $2, $3)";

pub type Way = (
    &'static str,
    for<'a> fn(&'a mut Shop, &'a [Sale]) -> LocalBoxFuture<'a, Result<()>>,
);
pub const WAYS: [Way; 6] = [
    ("by row", |shop, sales| Box::pin(by_row(shop, sales))),
    ("one transaction", |shop, sales| {
        Box::pin(together(shop, sales))
    }),
    ("pipelined", |shop, sales| Box::pin(pipelined(shop, sales))),
    ("value lists", |shop, sales| Box::pin(lists(shop, sales))),
    ("unnest", |shop, sales| Box::pin(unnest(shop, sales))),
    ("COPY", |shop, sales| Box::pin(copy(shop, sales))),
];

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    all_ways(t, &mut Shop::open(&postgres).await?, SALES).await
}

async fn all_ways(t: &mut Timings, shop: &mut Shop, number: u32) -> Result<()> {
    let mut first = None;
    let sales: Vec<_> = (0..number).map(Sale::new).collect();
    for round in 0..ROUNDS {
        for (label, way) in WAYS {
            shop.clear().await?;
            t.rate(label, number, way(shop, &sales)).await?;
            let stored = shop.stored().await?;
            ensure!(
                *first.get_or_insert(stored.checksum.clone()) == stored.checksum,
                "{label}: other rows"
            );
            if round == 0 {
                t.count("commits", stored.commits);
                t.count("statements", stored.statements);
                t.count("rows", stored.rows);
            }
        }
    }
    info!("fastest: {}", fastest(t));
    Ok(())
}

/// Autocommit: a statement outside a transaction is a transaction.
async fn by_row(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let insert = shop.client.prepare(INSERT).await?;
    for sale in sales {
        shop.client.execute(&insert, &sale.values()).await?;
    }
    Ok(())
}

async fn together(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let all = shop.client.transaction().await?;
    let insert = all.prepare(INSERT).await?;
    for sale in sales {
        all.execute(&insert, &sale.values()).await?;
    }
    Ok(all.commit().await?)
}

/// The server still runs one statement after another, but the next one is there when it has done the last.
async fn pipelined(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let all = shop.client.transaction().await?;
    let insert = all.prepare(INSERT).await?;
    let inserts = stream::iter(sales);
    let inserts = inserts.map(async |sale| all.execute(&insert, &sale.values()).await);
    // With no bound, as with `try_join_all`, all answers would wait in memory.
    inserts
        .buffered(256)
        .try_for_each(async |_rows| Ok(()))
        .await?;
    Ok(all.commit().await?)
}

/// A transaction holds the statements together: one of them may be refused when another is in.
async fn lists(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let mut all = shop.pool.begin().await?;
    for chunk in sales.chunks(ROWS_OF_A_STATEMENT) {
        let mut insert = QueryBuilder::new("insert into sales ");
        insert.push_values(chunk, |mut row, sale| {
            row.push_bind(sale.id)
                .push_bind(&sale.product)
                .push_bind(sale.cents);
        });
        insert.build().execute(&mut *all).await?;
    }
    Ok(all.commit().await?)
}

/// Three parameters, however many rows: an array for each column.
async fn unnest(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let ids: Vec<_> = sales.iter().map(|sale| sale.id).collect();
    let products: Vec<_> = sales.iter().map(|sale| &sale.product[..]).collect();
    let cents: Vec<_> = sales.iter().map(|sale| sale.cents).collect();
    let insert = "insert into sales select * from unnest($1::int4[], $2::text[], $3::int4[])";
    shop.client
        .execute(insert, &[&ids, &products, &cents])
        .await?;
    Ok(())
}

async fn copy(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let sink = shop.client.copy_in("copy sales from stdin binary").await?;
    // In the binary form nothing is converted: each value must have its column's exact type.
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
        let product = format!("tea {}", id % 97);
        Self {
            id,
            product,
            cents: 100 + id % 1_000,
        }
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
        let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls).await?;
        tokio::spawn(connection); // an error of it reaches the statement that waits for an answer
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
        let [rows, commits, statements] = [0, 1, 2].map(|column| row.get(column));
        let checksum = row.get(3);
        Ok(Stored {
            rows,
            commits,
            statements,
            checksum,
        })
    }
}

/// What is in the table. PostgreSQL keeps with each row which transaction has written it (`xmin`) and which of that
/// transaction's statements (`cmin`), so the server itself tells how many there were.
pub struct Stored {
    pub rows: i64,
    commits: i64,
    statements: i64,
    checksum: String, // of all rows
}

fn fastest(t: &Timings) -> &'static str {
    let elapsed = |(label, _): &Way| t[*label].elapsed;
    WAYS.into_iter()
        .min_by_key(elapsed)
        .expect("there are six")
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn measured(sales: u32) -> Option<Timings> {
        let postgres = scratch_postgres::for_test().await?;
        let mut shop = Shop::open(&postgres).await.unwrap();
        Some(Timings::of(async |t| all_ways(t, &mut shop, sales).await).await)
    }

    #[tokio::test]
    async fn by_row_each_is_a_commit_and_a_list_is_a_statement() {
        let Some(t) = measured(5_001).await else {
            return;
        };
        for (way, commits, statements) in [
            ("by row", 5_001, 5_001),
            ("one transaction", 1, 5_001),
            ("pipelined", 1, 5_001),
            ("value lists", 1, 2),
            ("unnest", 1, 1),
            ("COPY", 1, 1),
        ] {
            assert_eq!(*t[way].count("commits"), commits, "{way}");
            assert_eq!(*t[way].count("statements"), statements, "{way}");
        }
    }

    #[tokio::test]
    async fn every_way_stores_every_row_and_the_fastest_is_named() {
        let Some(t) = measured(300).await else { return };
        // That they are the same rows `all_ways` has checked.
        let fastest = t[fastest(&t)].elapsed;
        assert!(WAYS.iter().all(|(way, _)| t[*way].elapsed >= fastest));
        assert!(WAYS.iter().all(|(way, _)| *t[*way].count("rows") == 300));
    }

    #[tokio::test]
    async fn a_list_of_values_has_65_535_parameters_at_most() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let shop = Shop::open(&postgres).await.unwrap();
        for (rows, fits) in [(65_535 / 3, true), (65_535 / 3 + 1, false)] {
            let mut insert = QueryBuilder::new("insert into sales ");
            insert.push_values((0..rows).map(Sale::new), |mut row, sale| {
                row.push_bind(sale.id)
                    .push_bind(sale.product)
                    .push_bind(sale.cents);
            });
            let inserted = insert.build().execute(&shop.pool).await;
            assert_eq!(inserted.is_ok(), fits, "{rows}");
        }
    }
}
