//! # A lost update, in spite of a transaction
//!
//! There are 10 pieces of tea, and five customers buy one each: read, wait a tick for the payment, write what was
//! read less one. Each does so in a transaction, and yet all have read 10, so all write 9: 5 sold, 1 taken from the
//! stock, 4 lost. `select … for update` locks the row from the read on: 5 taken, and the customers wait in turn, 5
//! ticks instead of one. An `update` that subtracts reads and writes in one statement, after the wait: 5 taken in 1
//! tick. At the isolation level `repeatable read` the server refuses a customer who would overwrite a change: 1 sold
//! and 1 taken, 4 refused.
//!
//! asyncio: transaction, isolation, SELECT FOR UPDATE
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! async with shop.transaction():                           # isolation="read_committed"
//!     pieces = await shop.fetchval("select pieces from stock for update")
//!     await payment()
//!     await shop.execute("update stock set pieces = $1", pieces - 1)
//! ```
//!
//! Not the same: `asyncio.Lock` and tokio's `Mutex` protect one process, a row's lock every program that uses the
//! table. In Rust a `Mutex` holds its data, so no code reaches the data without the lock (see `sync/lost-update`).
//! The lock of a row doesn't: a plain `select` reads the row, locked or not. SQLite has no locks on rows, only on the
//! whole file (see `databases/wal`).

use anyhow::Result;
use futures_util::future::{join_all, try_join_all};
use scratch_postgres::Postgres;
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use timing::{
    Timings,
    law::{max, sum},
    ticks,
};
use tokio::{sync::Barrier, time::sleep};
use tracing::{info, instrument};

use crate::options::Options;

const CUSTOMERS: usize = 5;
const PIECES: i32 = 10;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let five = PgPoolOptions::new().max_connections(5);
    let shop = five.connect(postgres.url()).await?;
    let stock = "create table stock (pieces int4); insert into stock values (10)";
    sqlx::raw_sql(stock).execute(&shop).await?;
    // A connection for each customer, made before the time is taken.
    drop(try_join_all([(); CUSTOMERS].map(|()| shop.acquire())).await?);

    let all_read = Barrier::new(CUSTOMERS);
    let sold = join_all([(); CUSTOMERS].map(|()| overwrites(&shop, &all_read)));
    let sold = t.time("read, wait, write", max([1; CUSTOMERS]), sold).await;
    count(t, sold, &shop).await?;

    let sold = join_all([(); CUSTOMERS].map(|()| locks(&shop)));
    let sold = t.time("for update", sum([1; CUSTOMERS]), sold).await;
    count(t, sold, &shop).await?;

    let sold = join_all([(); CUSTOMERS].map(|()| subtracts(&shop)));
    let sold = t.time("pieces - 1", max([1; CUSTOMERS]), sold).await;
    count(t, sold, &shop).await?;

    let all_read = Barrier::new(CUSTOMERS);
    let sold = join_all([(); CUSTOMERS].map(|()| is_refused(&shop, &all_read)));
    let sold = t.time("repeatable read", max([1; CUSTOMERS]), sold).await;
    count(t, sold, &shop).await?;
    shop.close().await;
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn overwrites(shop: &PgPool, all_read: &Barrier) -> Result<()> {
    let mut sale = shop.begin().await?;
    let pieces = read(&mut sale, "select pieces from stock").await?;
    all_read.wait().await; // so all have read before one of them writes, and it isn't left to chance
    sleep(ticks(1)).await;
    write(&mut sale, pieces - 1).await?;
    Ok(sale.commit().await?)
}

/// The lock belongs to the transaction, until its commit or its rollback.
#[instrument(ret, err, skip_all)]
async fn locks(shop: &PgPool) -> Result<()> {
    let mut sale = shop.begin().await?;
    let pieces = read(&mut sale, "select pieces from stock for update").await?; // <- the difference
    sleep(ticks(1)).await;
    write(&mut sale, pieces - 1).await?;
    Ok(sale.commit().await?)
}

/// Nothing is read before the wait, so nothing can be out of date after it. It needs no transaction around it. Where
/// the stock may run out it needs `where pieces > 0`, and a look at `rows_affected`: 0 means that nothing was sold.
#[instrument(ret, err, skip_all)]
async fn subtracts(shop: &PgPool) -> Result<()> {
    sleep(ticks(1)).await;
    let subtract = sqlx::query("update stock set pieces = pieces - 1");
    subtract.execute(shop).await?;
    Ok(())
}

/// The level promises that what was read stays true. A write to a row that has changed since would break that. Who is
/// refused has to begin again, in a new transaction and with the read.
#[instrument(ret, err, skip_all)]
async fn is_refused(shop: &PgPool, all_read: &Barrier) -> Result<()> {
    let level = "begin isolation level repeatable read";
    let mut sale = shop.begin_with(level).await?; // <- the difference
    let pieces = read(&mut sale, "select pieces from stock").await?;
    all_read.wait().await;
    sleep(ticks(1)).await;
    write(&mut sale, pieces - 1).await?;
    Ok(sale.commit().await?)
}

async fn read(sale: &mut PgConnection, query: &'static str) -> Result<i32> {
    Ok(sqlx::query_scalar(query).fetch_one(sale).await?)
}

async fn write(sale: &mut PgConnection, pieces: i32) -> Result<()> {
    let update = sqlx::query("update stock set pieces = $1").bind(pieces);
    update.execute(sale).await?;
    Ok(())
}

/// Counts, and fills the shelf up again. An error other than "could not serialize access" ends the lesson.
async fn count(t: &mut Timings, sales: Vec<Result<()>>, shop: &PgPool) -> Result<()> {
    let (mut sold, mut refused) = (0, 0);
    for sale in sales {
        match sale {
            Ok(()) => sold += 1,
            Err(error) if changed_meanwhile(&error) => refused += 1,
            Err(error) => return Err(error),
        }
    }
    let left: i32 = sqlx::query_scalar("select pieces from stock")
        .fetch_one(shop)
        .await?;
    let refill = sqlx::query("update stock set pieces = $1").bind(PIECES);
    refill.execute(shop).await?;
    t.count("sold", sold);
    t.count("taken", PIECES - left);
    t.count("lost", sold - (PIECES - left));
    t.count("refused", refused);
    Ok(())
}

fn changed_meanwhile(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<sqlx::Error>();
    let code = error.and_then(|error| error.as_database_error()?.code());
    code.as_deref() == Some("40001")
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;

    #[track_caller]
    fn assert_sales(t: &Timings, label: &str, expected: [i32; 4]) {
        for (what, expected) in ["sold", "taken", "lost", "refused"]
            .into_iter()
            .zip(expected)
        {
            assert_eq!(*t[label].count(what), expected, "{label}: {what}");
        }
    }

    #[tokio::test]
    async fn a_transaction_alone_loses_four_of_five_sales() {
        let Some(t) = measured(run).await else { return };
        assert_sales(&t, "read, wait, write", [5, 1, 4, 0]);
    }

    #[tokio::test]
    async fn with_a_lock_on_the_row_they_wait_in_turn_and_none_is_lost() {
        let Some(t) = measured(run).await else { return };
        assert_sales(&t, "for update", [5, 5, 0, 0]);
        assert!(t["for update"].elapsed >= ticks(5));
    }

    #[tokio::test]
    async fn one_statement_that_reads_and_writes_loses_none() {
        let Some(t) = measured(run).await else { return };
        assert_sales(&t, "pieces - 1", [5, 5, 0, 0]);
    }

    #[tokio::test]
    async fn at_repeatable_read_a_customer_who_would_overwrite_is_refused() {
        let Some(t) = measured(run).await else { return };
        assert_sales(&t, "repeatable read", [1, 1, 0, 4]);
    }

    #[tokio::test]
    async fn a_plain_select_reads_a_row_that_is_locked() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let shop = PgPool::connect(postgres.url()).await.unwrap();
        let stock = "create table stock (pieces int4); insert into stock values (10)";
        sqlx::raw_sql(stock).execute(&shop).await.unwrap();
        let mut holder = shop.begin().await.unwrap();
        read(&mut holder, "select pieces from stock for update")
            .await
            .unwrap();
        let mut other = shop.begin().await.unwrap();
        assert_eq!(
            read(&mut other, "select pieces from stock").await.unwrap(),
            10
        );
        let locked = read(&mut other, "select pieces from stock for update nowait").await;
        assert!(locked.is_err());
    }
}
