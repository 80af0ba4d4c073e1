//! # `BEGIN IMMEDIATE`: the write lock before the read
//!
//! Ten pears are in stock, and five clerks sell one each: read the stock, take the money, write the stock minus one.
//! Without a transaction all five sell and 4 of the updates are lost (see `sync/lost-update`). In a plain `BEGIN`
//! nothing is lost, but 4 of the 5 are refused, with most of a `busy_timeout` of 30 s left. Waiting couldn't help
//! them: a writer waits until no other transaction reads, and all of them have read. `BEGIN IMMEDIATE` takes the
//! write lock before the read: all 5 sell, one after another, 0 are refused, and nobody has to try again. Their order
//! is free, and they need longer than the five sales (see `databases/wal-at-work`). `busy_timeout` limits that wait:
//! where the lock is held for longer, the refusal comes then.
//!
//! asyncio: sqlite3.OperationalError, isolation_level, BEGIN IMMEDIATE, database is locked
//!
//! real clock: a real SQLite
//!
//! ```python
//! db = await aiosqlite.connect("shop.db", isolation_level=None)      # it begins nothing by itself
//! await db.execute("begin immediate")
//! pears, = await (await db.execute("select pears from stock")).fetchone()
//! await db.execute("update stock set pears = ?", (pears - 1,))
//! await db.commit()
//! ```
//!
//! Not the same: by default Python begins a transaction before the update, and the select stands outside of it, so
//! that is the first variant. `isolation_level="IMMEDIATE"` changes only how it begins, not where. In sqlx a
//! transaction begins where the code says so: `begin` is a plain `BEGIN`, `begin_with` takes the statement.

use std::{path::Path, time::Duration};

use anyhow::Result;
use chapter::Folder;
use futures_util::future::join_all;
use sqlx::{
    Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use timing::{Timings, law::at_least, report::Ended, ticks};
use tokio::{sync::Barrier, time::sleep};
use tracing::instrument;

use crate::options::Options;

const CLERKS: u32 = 5;
const PEARS: i64 = 10;
/// How long it takes to get the money, in ticks.
const PAYING: f64 = 0.5;
/// Longer than all clerks need one after another.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let folder = Folder::temporary()?;
    let shop = open(&folder.path().join("lost"), PATIENCE).await?;
    let till = Barrier::new(CLERKS as usize);
    let sales = join_all((1..=CLERKS).map(|clerk| sells_unprotected(clerk, &shop, &till)));
    let sales = t.time("no transaction", at_least(PAYING), sales).await;
    count(t, "no transaction", &shop, sales).await?;

    let one_by_one = PAYING * f64::from(CLERKS);
    for (statement, at_the_till, ticks) in [
        ("BEGIN", CLERKS, PAYING),
        // While one clerk has the lock, no other gets as far as the till, so the clerk there waits for nobody.
        ("BEGIN IMMEDIATE", 1, one_by_one), // <- the difference
    ] {
        let shop = open(&folder.path().join(statement), PATIENCE).await?;
        let till = Barrier::new(at_the_till as usize);
        let sales = join_all((1..=CLERKS).map(|clerk| sells(clerk, &shop, statement, &till)));
        let sales = t.time(statement, at_least(ticks), sales).await;
        count(t, statement, &shop, sales).await?;
    }

    let shop = open(&folder.path().join("held"), ticks(2)).await?;
    let held = shop.begin_with("BEGIN IMMEDIATE").await?;
    let till = Barrier::new(1);
    let sale = sells(1, &shop, "BEGIN IMMEDIATE", &till);
    let sale = t.time("held for longer", at_least(2), sale).await;
    held.rollback().await?;
    count(t, "held for longer", &shop, vec![sale]).await
}

async fn sells(
    clerk: u32,
    shop: &SqlitePool,
    statement: &'static str,
    till: &Barrier,
) -> sqlx::Result<()> {
    let mut sale = begins(clerk, shop, statement).await?;
    let pears = read_stock(&mut sale).await?;
    till.wait().await; // where they pay together, all of them have read the stock
    sleep(ticks(PAYING)).await;
    writes(clerk, &mut sale, pears - 1).await?;
    sale.commit().await
}

async fn sells_unprotected(clerk: u32, shop: &SqlitePool, till: &Barrier) -> sqlx::Result<()> {
    let mut shop = shop.acquire().await?; // <- the difference: the select is over before the update begins
    let pears = read_stock(&mut shop).await?;
    till.wait().await;
    sleep(ticks(PAYING)).await;
    writes(clerk, &mut shop, pears - 1).await
}

type Sale = Transaction<'static, Sqlite>;

/// A plain `BEGIN` waits for nothing: the first statement after it takes a lock, and readers share theirs.
#[instrument(ret, err, skip(shop, statement))]
async fn begins(clerk: u32, shop: &SqlitePool, statement: &'static str) -> sqlx::Result<Sale> {
    shop.begin_with(statement).await
}

async fn read_stock(shop: &mut SqliteConnection) -> sqlx::Result<i64> {
    let select = sqlx::query_scalar("select pears from stock");
    select.fetch_one(shop).await
}

/// A transaction that has read keeps the others from committing. If two have read and want to write, each would wait
/// for the end of the other, so SQLite refuses the second one without a wait.
#[instrument(ret, err, skip(shop))]
async fn writes(clerk: u32, shop: &mut SqliteConnection, pears: i64) -> sqlx::Result<()> {
    let update = sqlx::query("update stock set pears = ?").bind(pears);
    update.execute(shop).await.map(drop)
}

type Sales = Vec<sqlx::Result<()>>;

async fn count(t: &mut Timings, label: &str, shop: &SqlitePool, sales: Sales) -> Result<()> {
    let (sold, refused): (Sales, Sales) = sales.into_iter().partition(Result::is_ok);
    t.count("sold", sold.len());
    let left = read_stock(&mut *shop.acquire().await?).await?;
    t.count("updates lost", sold.len() as i64 - (PEARS - left));
    t.count("refused", refused.len());
    let mut errors = refused.into_iter().flat_map(Result::err);
    if let Some(error) = errors.find(|error| !is_locked(error)) {
        return Err(error.into());
    }
    let failed = t[label]
        .lanes
        .iter()
        .filter(|lane| lane.ended == Ended::Failed);
    let longest = failed.map(|lane| lane.end - lane.start).max();
    if let Some(longest) = longest {
        t.count("refused after, ms", longest.as_millis() as i64);
    }
    shop.close().await;
    Ok(())
}

/// `SQLITE_BUSY`, "database is locked", has the code 5. Its kinds have 5 in the low byte, so has
/// `SQLITE_BUSY_SNAPSHOT`, 517: with WAL, of a transaction that has read what is no longer the newest.
fn is_locked(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code & 0xff == 5)
}

fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

async fn open(path: &Path, patience: Duration) -> sqlx::Result<SqlitePool> {
    let database = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(patience);
    let options = SqlitePoolOptions::new().max_connections(CLERKS);
    let shop = options.connect_with(database).await?;
    let create = "create table stock (pears int not null)";
    sqlx::query(create).execute(&shop).await?;
    let stock = sqlx::query("insert into stock values (?)").bind(PEARS);
    stock.execute(&shop).await?;
    Ok(shop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Lane, Variant};

    #[track_caller]
    fn assert_counts(variant: &Variant, sold: i64, lost: i64, refused: i64) {
        assert_eq!(*variant.count("sold"), sold);
        assert_eq!(*variant.count("updates lost"), lost);
        assert_eq!(*variant.count("refused"), refused);
    }

    #[tokio::test]
    async fn without_a_transaction_four_of_five_updates_are_lost() {
        assert_counts(&Timings::of_default(run).await["no transaction"], 5, 4, 0);
    }

    #[tokio::test]
    async fn begin_refuses_four_of_five_whatever_their_patience() {
        let t = Timings::of_default(run).await;
        let plain = &t["BEGIN"];
        assert_counts(plain, 1, 0, 4);
        let refused = |lane: &&Lane| lane.ended == Ended::Failed;
        for lane in plain.lanes.iter().filter(refused) {
            assert!(lane.label.starts_with("writes"));
            assert!(lane.end - lane.start < PATIENCE / 2, "much of it is left");
        }
        let locked = "(code: 5) database is locked";
        assert!(plain.said.iter().all(|said| said.text.contains(locked)));
    }

    #[tokio::test]
    async fn begin_immediate_lets_all_of_them_sell_one_after_another() {
        let t = Timings::of_default(run).await;
        let immediate = &t["BEGIN IMMEDIATE"];
        assert_counts(immediate, 5, 0, 0);
        assert!(immediate.elapsed >= ticks(PAYING) * CLERKS);
    }

    #[tokio::test]
    async fn a_lock_that_is_held_for_longer_is_refused_when_the_patience_is_over() {
        let t = Timings::of_default(run).await;
        let held = &t["held for longer"];
        assert_counts(held, 0, 0, 1);
        assert!(held.elapsed >= ticks(2));
        assert_eq!(held.lane("begins").ended, Ended::Failed);
    }

    /// With WAL a reader locks nobody out, so the other sale is committed. What was read is then too old to build on.
    #[tokio::test]
    async fn with_wal_a_plain_begin_is_refused_with_a_code_of_its_own() {
        let folder = Folder::temporary().unwrap();
        let path = folder.path().join("shop.db");
        let shop = open(&path, PATIENCE).await.unwrap();
        let wal = sqlx::query("pragma journal_mode = wal").execute(&shop);
        wal.await.unwrap();
        let mut sale = begins(1, &shop, "BEGIN").await.unwrap();
        assert_eq!(read_stock(&mut sale).await.unwrap(), PEARS);
        let till = Barrier::new(1);
        sells(2, &shop, "BEGIN", &till).await.unwrap();
        let error = writes(1, &mut sale, PEARS - 1).await.unwrap_err();
        assert_eq!(code(&error), Some(517));
        assert!(is_locked(&error));
    }
}
