//! # WAL: readers and a writer that don't wait for each other
//!
//! SQLite keeps what a transaction changes in one of two ways. With the rollback journal, which is the default, reads
//! and commits exclude each other: while a sale locks the file for its commit, 0 of 4 reads are let in, and while a
//! transaction reads, 0 of 1 sales is committed. With the write-ahead log (WAL) 4 of 4 reads are let in and see the
//! stock as it was before the sale, and 1 of 1 sales is committed beside a read. Both let in one writer at a time:
//! beside a write, 0 others.
//!
//! asyncio: PRAGMA journal_mode, aiosqlite, threading.Lock
//!
//! real clock: a real SQLite
//!
//! ```python
//! async with aiosqlite.connect("shop.db") as db:
//!     await db.execute("pragma journal_mode = wal")      # once: it is kept in the file
//! ```
//!
//! Not the same: nothing, since both languages call the same library. Neither needs a lock of its own around the
//! database: SQLite has locks in the file, which hold for other processes too. In sqlx the journal is an option of
//! the connection, `SqliteConnectOptions::journal_mode`; without it the file keeps the mode that it has. A read or a
//! write that isn't let in fails with code 5, "database is locked": at once here, and by default when a
//! `busy_timeout` of 5 s is over.

use std::{path::Path, time::Duration};

use anyhow::Result;
use chapter::Folder;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};
use timing::{Timings, law::none};
use tracing::instrument;

use crate::options::Options;

const READERS: usize = 4;

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    for (label, mode) in [
        ("rollback journal", SqliteJournalMode::Delete),
        ("WAL", SqliteJournalMode::Wal), // <- the difference
    ] {
        let folder = Folder::temporary()?;
        let mut shop = Shop::open(folder.path(), mode).await?;
        let let_in = t.time(label, none(), shop.lets_in()).await?;
        t.count("reads beside a write", let_in.reads);
        t.count("writes beside a read", let_in.writes);
        t.count("writes beside a write", let_in.second_writes);
    }
    Ok(())
}

/// One connection that writes, and four that read.
struct Shop {
    writer: SqliteConnection,
    readers: Vec<SqliteConnection>,
}

/// How many were let in while somebody else had a transaction open: reads beside a write, writes beside a read, and
/// writes beside a write.
#[derive(Debug)]
struct LetIn {
    reads: usize,
    writes: usize,
    second_writes: usize,
}

impl Shop {
    async fn lets_in(&mut self) -> Result<LetIn> {
        Ok(LetIn {
            reads: self.reads_beside_a_write().await?,
            writes: self.writes_beside_a_read().await?,
            second_writes: self.writes_beside_a_write().await?,
        })
    }

    /// With the rollback journal a commit needs the exclusive lock while it changes the file. Here it is held for as
    /// long as the four of them ask. With WAL this lock keeps out other writers, and no reader.
    #[instrument(ret, err, skip_all)]
    async fn reads_beside_a_write(&mut self) -> Result<usize> {
        let mut write = self.writer.begin_with("BEGIN EXCLUSIVE").await?;
        sell_one(&mut write).await?;
        let mut let_in = 0;
        for reader in &mut self.readers {
            let stock = unless_locked(read_stock(reader).await)?;
            let_in += usize::from(stock == Some(10)); // the sale isn't committed, so nobody sees it
        }
        write.rollback().await?;
        Ok(let_in)
    }

    #[instrument(ret, err, skip_all)]
    async fn writes_beside_a_read(&mut self) -> Result<usize> {
        let mut read = self.readers[0].begin().await?;
        // The transaction begins here: `begin` alone locks nothing.
        read_stock(&mut read).await?;
        let mut write = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        sell_one(&mut write).await?;
        let committed = unless_locked(write.commit().await)?;
        read.commit().await?;
        Ok(committed.iter().count())
    }

    #[instrument(ret, err, skip_all)]
    async fn writes_beside_a_write(&mut self) -> Result<usize> {
        let write = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let second = self.readers[0].begin_with("BEGIN IMMEDIATE").await;
        let let_in = unless_locked(second)?.iter().count();
        write.rollback().await?;
        Ok(let_in)
    }

    async fn open(folder: &Path, mode: SqliteJournalMode) -> Result<Self> {
        // Without patience: what isn't let in fails at once, and can be counted.
        let database = SqliteConnectOptions::new()
            .filename(folder.join("shop.db"))
            .busy_timeout(Duration::ZERO);
        let first = database.clone().create_if_missing(true).journal_mode(mode);
        let mut writer = first.connect().await?;
        let create = "create table stock (pears int not null); insert into stock values (10)";
        sqlx::raw_sql(create).execute(&mut writer).await?;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(database.connect().await?); // they find the mode in the file
        }
        Ok(Self { writer, readers })
    }
}

async fn read_stock(shop: &mut SqliteConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select pears from stock")
        .fetch_one(shop)
        .await
}

async fn sell_one(shop: &mut SqliteConnection) -> sqlx::Result<()> {
    let sell = sqlx::query("update stock set pears = pears - 1");
    sell.execute(shop).await.map(drop)
}

/// `None` for what isn't let in. SQLite's code for it is 5, `SQLITE_BUSY`; everything else stays an error.
fn unless_locked<T>(outcome: sqlx::Result<T>) -> Result<Option<T>> {
    let code = |error: &sqlx::Error| Some(error.as_database_error()?.code()?.into_owned());
    match outcome {
        Err(error) if code(&error).as_deref() == Some("5") => Ok(None),
        outcome => Ok(Some(outcome?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Variant;

    #[track_caller]
    fn assert_let_in(variant: &Variant, reads: usize, writes: usize) {
        assert_eq!(*variant.count("reads beside a write"), reads);
        assert_eq!(*variant.count("writes beside a read"), writes);
    }

    #[tokio::test]
    async fn with_the_journal_reads_and_writes_exclude_each_other() {
        assert_let_in(&Timings::of_default(run).await["rollback journal"], 0, 0);
    }

    #[tokio::test]
    async fn with_wal_they_do_not_and_a_read_sees_what_was_committed() {
        assert_let_in(&Timings::of_default(run).await["WAL"], READERS, 1);
    }

    #[tokio::test]
    async fn there_is_one_writer_at_a_time_with_both() {
        let t = Timings::of_default(run).await;
        for variant in ["rollback journal", "WAL"] {
            assert_eq!(*t[variant].count("writes beside a write"), 0, "{variant}");
        }
    }

    #[tokio::test]
    async fn the_file_remembers_its_mode_and_a_connection_waits_for_5_s_unless_told_otherwise() {
        let folder = Folder::temporary().unwrap();
        let shop = Shop::open(folder.path(), SqliteJournalMode::Wal);
        shop.await.unwrap();
        let database = SqliteConnectOptions::new().filename(folder.path().join("shop.db"));
        let mut shop = database.connect().await.unwrap();
        let mode = sqlx::query_scalar("pragma journal_mode").fetch_one(&mut shop);
        let mode: String = mode.await.unwrap();
        let patience = sqlx::query_scalar("pragma busy_timeout").fetch_one(&mut shop);
        let patience: i64 = patience.await.unwrap();
        assert_eq!((mode.as_str(), patience), ("wal", 5_000));
    }
}
