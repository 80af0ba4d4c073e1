//! # WAL at work: four readers and a writer, and their waits
//!
//! For 5 ticks four readers ask for the stock again and again, and a writer sells. With the rollback journal the writer
//! waits for the readers and they for the writer, never a reader for a reader: its lock is shared. With WAL the readers
//! wait for no lock (see `databases/wal`). `busy_timeout` turns a refusal into a wait, so all five work to the end in
//! both. How many reads and writes that makes, and how long a reader waited at most, is measured on your machine. Other
//! programs slow it down too: where all five lanes stand still with WAL, no lock is the reason.
//!
//! asyncio: sqlite3.connect timeout, busy_timeout
//!
//! real clock: a real SQLite
//!
//! ```python
//! db = await aiosqlite.connect("shop.db", timeout=60)     # seconds
//! await db.execute("pragma journal_mode = wal")
//! ```
//!
//! Not the same: nothing in SQLite. While it waits for a lock it sleeps, on the thread of its connection. In
//! aiosqlite and in sqlx the event loop goes on meanwhile; with `sqlite3` alone it stands still. There is no queue
//! for the lock: each connection looks again after 1 to 100 ms, so the one that has waited longest needn't be the
//! next.

use std::{cell::Cell, path::Path, time::Duration};

use anyhow::Result;
use chapter::Folder;
use futures_util::future::try_join_all;
use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};
use timing::{Timings, law::at_least, report::Lane, ticks};
use tokio::time::sleep;
use tracing::instrument;

use crate::options::Options;

const READERS: usize = 4;
/// How long they are at work, in ticks.
const WORK: u32 = 5;
/// Longer than anybody has to wait in that time.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    for (label, mode) in [
        ("rollback journal", SqliteJournalMode::Delete),
        ("WAL", SqliteJournalMode::Wal), // <- the difference
    ] {
        let folder = Folder::temporary()?;
        let path = folder.path().join("shop.db");
        let mut writer = opens(&path, mode).await?;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(opens(&path, mode).await?);
        }
        let work = are_at_work(&mut writer, &mut readers);
        let [reads, writes] = t.time(label, at_least(WORK), work).await?;
        let longest = longest_wait(&t[label].lanes);
        t.count("reads", reads);
        t.count("writes", writes);
        t.count("longest wait of a reader, ms", longest.as_secs_f64() * 1e3);
    }
    Ok(())
}

/// Reads and writes that were done. One that fails ends all of it.
async fn are_at_work(
    writer: &mut SqliteConnection,
    readers: &mut [SqliteConnection],
) -> Result<[u32; 2]> {
    let open = Cell::new(true);
    let closes = async {
        sleep(ticks(WORK)).await;
        open.set(false);
        Ok(())
    };
    let readers = readers.iter_mut().map(|reader| reads(reader, &open));
    let readers = try_join_all(readers);
    let (reads, writes, ()) = tokio::try_join!(readers, writes(writer, &open), closes)?;
    Ok([reads.into_iter().sum(), writes])
}

#[instrument(ret, err, skip_all)]
async fn reads(shop: &mut SqliteConnection, open: &Cell<bool>) -> Result<u32> {
    let mut done = 0;
    while open.get() {
        let read = sqlx::query_scalar::<_, i64>("select pears from stock");
        read.fetch_one(&mut *shop).await?;
        done += 1;
    }
    Ok(done)
}

#[instrument(ret, err, skip_all)]
async fn writes(shop: &mut SqliteConnection, open: &Cell<bool>) -> Result<u32> {
    let mut done = 0;
    while open.get() {
        // A statement without a `begin` is a transaction of its own, so each sale reaches the disk.
        let sell = sqlx::query("update stock set pears = pears - 1");
        sell.execute(&mut *shop).await?;
        done += 1;
    }
    Ok(done)
}

async fn opens(path: &Path, mode: SqliteJournalMode) -> Result<SqliteConnection> {
    let database = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(mode)
        .busy_timeout(PATIENCE);
    let mut shop = database.connect().await?;
    let create = "create table if not exists stock as select 10 as pears";
    sqlx::query(create).execute(&mut shop).await?;
    Ok(shop)
}

/// A reader is polled when an answer has come, so the longest time between two polls is its longest wait.
fn longest_wait(lanes: &[Lane]) -> Duration {
    let readers = lanes.iter().filter(|lane| lane.label.starts_with("reads"));
    let waits = readers.flat_map(|lane| lane.polls.windows(2));
    let waits = waits.map(|polls| polls[1].start.saturating_sub(polls[0].end));
    waits.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test]
    async fn all_five_get_something_done_and_nobody_is_refused() {
        let t = Timings::of_default(run).await;
        for variant in ["rollback journal", "WAL"] {
            let work = &t[variant];
            assert!(work.elapsed >= ticks(WORK));
            for what in ["reads", "writes"] {
                assert_ne!(*work.count(what), 0, "{variant}: {what}");
            }
            let returned = |lane: &&Lane| lane.ended == Ended::Returned;
            assert_eq!(work.lanes.iter().filter(returned).count(), READERS + 1);
        }
    }

    #[tokio::test]
    async fn every_write_is_in_the_file() {
        let folder = Folder::temporary().unwrap();
        let path = folder.path().join("shop.db");
        let mut writer = opens(&path, SqliteJournalMode::Wal).await.unwrap();
        let mut readers = [opens(&path, SqliteJournalMode::Wal).await.unwrap()];
        let work = are_at_work(&mut writer, &mut readers).await;
        let [_, writes] = work.unwrap();
        let left = sqlx::query_scalar("select pears from stock").fetch_one(&mut readers[0]);
        let left: i64 = left.await.unwrap();
        assert_eq!(left, 10 - i64::from(writes));
    }

    #[tokio::test]
    async fn the_wait_for_a_lock_leaves_the_event_loop_free() {
        let folder = Folder::temporary().unwrap();
        let path = folder.path().join("shop.db");
        let mut shop = opens(&path, SqliteJournalMode::Wal).await.unwrap();
        let mut second = opens(&path, SqliteJournalMode::Wal).await.unwrap();
        sqlx::query("begin immediate")
            .execute(&mut shop)
            .await
            .unwrap();
        // The lock is given back by a task of the same thread, which has its turn while the second one waits.
        let (waited, given_back) = tokio::join!(
            sqlx::query("begin immediate").execute(&mut second),
            sqlx::query("commit").execute(&mut shop),
        );
        assert!(waited.is_ok() && given_back.is_ok());
    }
}
