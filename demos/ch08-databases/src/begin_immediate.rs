//! # `BEGIN IMMEDIATE`: the lock before the first read
//!
//! Five clerks sell a pear each: read the stock, take the money, write the stock minus one. Without a transaction all
//! five sell and 4 of the updates are lost. In a plain `BEGIN` nothing is lost, but 4 of the 5 are refused, at once,
//! however long `busy_timeout` is: the writer waits until no other transaction reads, so a reader who waited for the
//! writer would wait for ever. `BEGIN IMMEDIATE` takes the lock before the read: all 5 sell in turn, 0 are refused,
//! and nobody has to try again. `busy_timeout` is for that wait: where a lock is held for longer, the refusal comes
//! then.
//!
//! asyncio: sqlite3.OperationalError, isolation_level, BEGIN IMMEDIATE, database is locked
//!
//! real clock: a real database
//!
//! ```python
//! db = await aiosqlite.connect("shop.db", isolation_level=None)      # it begins nothing by itself
//! await db.execute("begin immediate")
//! pears, = await (await db.execute("select pears from stock")).fetchone()
//! await db.execute("update stock set pears = ?", (pears - 1,))
//! await db.commit()
//! ```
//!
//! Not the same: unless told otherwise Python begins a transaction before the update, and the select stands outside
//! of it, so it is the first variant. `isolation_level="IMMEDIATE"` changes only how it begins, not where. sqlx
//! begins where the code says so: `begin` is a plain `BEGIN`, `begin_with` takes the statement.

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
/// How long it takes to get the money, in ticks.
const PAYING: f64 = 0.5;
/// Longer than all clerks need one after another.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let folder = Folder::temporary()?;
    let shop = open(&folder.path().join("lost"), PATIENCE).await?;
    let till = Barrier::new(CLERKS as usize);
    let sales = join_all((1..=CLERKS).map(|clerk| sells_over_the_others(clerk, &shop, &till)));
    let sales = t.time("no transaction", at_least(PAYING), sales).await;
    count(t, "no transaction", &shop, sales).await?;

    let in_turn = PAYING * f64::from(CLERKS);
    for (statement, at_the_till, ticks) in [
        ("BEGIN", CLERKS, PAYING),
        // While one clerk has the lock, no other gets as far as the till.
        ("BEGIN IMMEDIATE", 1, in_turn), // <- the difference
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

async fn sells_over_the_others(clerk: u32, shop: &SqlitePool, till: &Barrier) -> sqlx::Result<()> {
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

/// A transaction that has read keeps the others from committing. Of two that have read and want to write, each would
/// wait for the end of the other, so SQLite refuses the second one without a wait.
#[instrument(ret, err, skip(shop))]
async fn writes(clerk: u32, shop: &mut SqliteConnection, pears: i64) -> sqlx::Result<()> {
    let update = sqlx::query("update stock set pears = ?").bind(pears);
    update.execute(shop).await.map(drop)
}

async fn count(
    t: &mut Timings,
    label: &str,
    shop: &SqlitePool,
    sales: Vec<sqlx::Result<()>>,
) -> Result<()> {
    let (sold, others): (Vec<_>, Vec<_>) = sales.into_iter().partition(Result::is_ok);
    let mut errors = others.into_iter().flat_map(Result::err);
    if let Some(error) = errors.find(|error| !is_locked(error)) {
        return Err(error.into());
    }
    let left = read_stock(&mut *shop.acquire().await?).await?;
    let lanes = t[label].lanes.iter();
    let refused = lanes.filter(|lane| lane.ended == Ended::Failed);
    let number = refused.clone().count();
    let longest = refused.map(|lane| lane.end - lane.start).max();
    t.count("sold", sold.len());
    t.count("updates lost", sold.len() as i64 - (10 - left));
    t.count("refused", number);
    if let Some(longest) = longest {
        t.count("after, ms", longest.as_secs_f64() * 1e3);
    }
    shop.close().await;
    Ok(())
}

/// `SQLITE_BUSY`, "database is locked".
fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "5")
}

async fn open(path: &Path, patience: Duration) -> sqlx::Result<SqlitePool> {
    let database = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(patience);
    let options = SqlitePoolOptions::new().max_connections(CLERKS);
    let shop = options.connect_with(database).await?;
    let create = "create table stock (pears int not null); insert into stock values (10)";
    sqlx::raw_sql(create).execute(&shop).await?;
    Ok(shop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Lane, Variant};

    async fn measured() -> Timings {
        Timings::of(async |t| run(t, &Options::default()).await).await
    }

    #[track_caller]
    fn assert_counts(variant: &Variant, sold: i64, lost: i64, refused: i64) {
        assert_eq!(*variant.count("sold"), sold);
        assert_eq!(*variant.count("updates lost"), lost);
        assert_eq!(*variant.count("refused"), refused);
    }

    #[tokio::test]
    async fn without_a_transaction_four_of_five_updates_are_lost() {
        assert_counts(&measured().await["no transaction"], 5, 4, 0);
    }

    #[tokio::test]
    async fn begin_refuses_four_of_five_whatever_their_patience() {
        let t = measured().await;
        let plain = &t["BEGIN"];
        assert_counts(plain, 1, 0, 4);
        assert!(plain.elapsed < PATIENCE / 2, "at once");
        let refused = |lane: &&Lane| lane.ended == Ended::Failed;
        let refused = plain.lanes.iter().filter(refused);
        assert!(refused.clone().all(|lane| lane.label.starts_with("writes")));
        assert!(
            plain
                .said
                .iter()
                .all(|said| said.text.contains("(code: 5) database is locked"))
        );
    }

    #[tokio::test]
    async fn begin_immediate_lets_all_of_them_sell_in_turn() {
        let t = measured().await;
        let in_turn = &t["BEGIN IMMEDIATE"];
        assert_counts(in_turn, 5, 0, 0);
        assert!(in_turn.elapsed >= ticks(PAYING) * CLERKS);
    }

    #[tokio::test]
    async fn a_lock_that_is_held_for_longer_is_refused_when_the_patience_is_over() {
        let t = measured().await;
        let held = &t["held for longer"];
        assert_counts(held, 0, 0, 1);
        assert!(held.elapsed >= ticks(2));
        assert_eq!(held.lane("begins").ended, Ended::Failed);
    }

    /// A log keeps no lock for a reader; there it is the stock that was read which is too old.
    #[tokio::test]
    async fn with_wal_a_plain_begin_is_refused_too() {
        let folder = Folder::temporary().unwrap();
        let shop = open(&folder.path().join("shop.db"), PATIENCE)
            .await
            .unwrap();
        let wal = "pragma journal_mode = wal";
        sqlx::query(wal).execute(&shop).await.unwrap();
        let together = Barrier::new(CLERKS as usize);
        let sales = join_all((1..=CLERKS).map(|clerk| sells(clerk, &shop, "BEGIN", &together)));
        let sales = sales.await;
        assert_eq!(sales.iter().flatten().count(), 1);
        assert_eq!(
            read_stock(&mut shop.acquire().await.unwrap())
                .await
                .unwrap(),
            9
        );
    }
}
