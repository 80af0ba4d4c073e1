//! # A database file that may be anything
//!
//! A file called shop.db may be missing, a folder, a text, or cut off. To connect is not to read: 4 of 6 files are
//! connected, because SQLite looks at a file when the first statement needs it. Only 2 of the 6 can be read, a good
//! one and an empty one. So the fault of a file can come from any query, at once or hours later: read something
//! before you rely on it. `cargo demo databases/sqlite-file --sqlite FILE` lists the tables of a file of yours, and
//! how many rows each has. It is opened with `read_only`, so nothing in it changes; a fault makes the exit code 1.
//!
//! asyncio: sqlite3.DatabaseError, sqlite3.connect mode=ro, OperationalError
//!
//! real clock: a real SQLite
//!
//! ```python
//! async with aiosqlite.connect(f"file:{quote(path)}?mode=ro", uri=True) as db:      # no new file, no change
//!     names = await db.execute_fetchall("select name from sqlite_schema where type = 'table'")
//!     for name, in names: ...                           # a name can't be bound: it is quoted, and " is doubled
//! ```
//!
//! Not the same: Python has classes for these errors, OperationalError and DatabaseError, and since 3.11 SQLite's
//! number in `sqlite_errorcode`; sqlx has the number, in `code()`. Neither says which file it is about, and SQLite's
//! words are its own: a folder that is opened read-only is a "disk I/O error", and a missing file is as "unable to
//! open" as one that may not be read. The system knows the reason, so the lesson
//! asks it before it connects.

use std::{
    fs::{self, File},
    path::{self, Path},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chapter::Folder;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions,
};
use timing::{Timings, law::none, report::Ended};
use tracing::{info, instrument};

use crate::options::Options;

/// A file that somebody else writes to is waited for this long.
const PATIENCE: Duration = Duration::from_secs(1);

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    if let Some(path) = &options.sqlite {
        let tables = t.time("your file", none(), lists(path)).await?;
        show(t, "your file", Some(tables));
        return Ok(());
    }
    let folder = Folder::temporary()?;
    makes_files(folder.path()).await?;
    for file in ["good", "empty", "missing", "folder", "text", "cut off"] {
        let path = folder.path().join(file);
        // What is wrong stands in the narration: the lane that fails says it.
        let tables = t.time(file, none(), lists(&path)).await.ok();
        show(t, file, tables);
    }
    Ok(())
}

type Tables = Vec<(String, i64)>;

/// None of the errors names the file.
async fn lists(path: &Path) -> Result<Tables> {
    let name = || path.display().to_string();
    let mut shop = connects(path).await.with_context(name)?;
    let tables = reads(&mut shop).await.with_context(name)?;
    shop.close().await.with_context(name)?;
    Ok(tables)
}

#[instrument(ret, err, skip_all)]
async fn connects(path: &Path) -> Result<SqliteConnection> {
    // To open a pipe would wait for a process that writes to it, so the kind of the file comes first.
    ensure!(fs::metadata(path)?.is_file(), "not a file");
    File::open(path)?;
    let database = SqliteConnectOptions::new()
        .filename(path::absolute(path)?) // SQLite reads a name that begins with `file:` as a URL
        .read_only(true)
        .busy_timeout(PATIENCE);
    Ok(database.connect().await?)
}

/// All in one transaction: if somebody writes meanwhile, the numbers are still those of one moment.
#[instrument(ret, err, skip_all)]
async fn reads(shop: &mut SqliteConnection) -> Result<Tables> {
    let mut moment = shop.begin().await?;
    let select = "select name from sqlite_schema
        where type = 'table' and name not like 'sqlite!_%' escape '!' order by name";
    let names: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut *moment).await?;
    let mut tables = Tables::new();
    for name in names {
        // Only a value can be bound, and a table's name isn't one: so it is quoted, and marked as safe (see
        // `databases/parameters`).
        let count = AssertSqlSafe(format!("select count(*) from {}", quoted(&name)));
        let rows = sqlx::query_scalar(count).fetch_one(&mut *moment).await?;
        info!("{name}: {rows} rows");
        tables.push((name, rows));
    }
    Ok(tables)
}

/// A name in double quotes may hold anything; a double quote in it is doubled.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn show(t: &mut Timings, label: &str, tables: Option<Tables>) {
    let mut lanes = t[label].lanes.iter();
    let connected = lanes.any(|lane| lane.label == "connects()" && lane.ended == Ended::Returned);
    t.count("connected", if connected { "yes" } else { "no" });
    t.count("read", if tables.is_some() { "yes" } else { "no" });
    if let Some(tables) = tables {
        t.count("tables", tables.len());
        t.count("rows", tables.iter().map(|(_, rows)| rows).sum::<i64>());
    }
}

async fn makes_files(folder: &Path) -> Result<()> {
    let good = folder.join("good");
    let database = SqliteConnectOptions::new().filename(&good);
    let mut shop = database.create_if_missing(true).connect().await?;
    let create = "create table customers (name text); insert into customers values ('Ann'), ('Bo');
        create table orders as with recursive n(n) as (select 1 union all select n + 1 from n where n < 1000)
            select n as id, 'pears' as what from n";
    sqlx::raw_sql(create).execute(&mut shop).await?;
    shop.close().await?;
    fs::write(folder.join("empty"), "")?;
    fs::create_dir(folder.join("folder"))?;
    fs::write(folder.join("text"), "pears: 10\n".repeat(100))?;
    let mut cut_off = fs::read(&good)?;
    cut_off.truncate(cut_off.len() / 2);
    fs::write(folder.join("cut off"), cut_off)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::runtime::Builder;

    #[tokio::test]
    async fn four_of_six_are_connected_and_two_of_them_can_be_read() {
        let t = Timings::of_default(run).await;
        for (file, connected, read) in [
            ("good", "yes", "yes"),
            ("empty", "yes", "yes"),
            ("missing", "no", "no"),
            ("folder", "no", "no"),
            ("text", "yes", "no"),
            ("cut off", "yes", "no"),
        ] {
            assert_eq!(*t[file].count("connected"), connected, "{file}");
            assert_eq!(*t[file].count("read"), read, "{file}");
        }
        assert_eq!(*t["good"].count("tables"), 2);
        assert_eq!(*t["good"].count("rows"), 1_002);
        assert_eq!(*t["empty"].count("tables"), 0);
    }

    #[tokio::test]
    async fn each_fault_is_told_where_sqlite_alone_has_other_words() {
        let t = Timings::of_default(run).await;
        for (file, fault) in [
            ("missing", "No such file"),
            ("folder", "not a file"),
            ("text", "(code: 26) file is not a database"),
            ("cut off", "(code: 11) database disk image is malformed"),
        ] {
            let said = &t[file].said[0].text;
            assert!(said.contains(fault), "{file}: {said}");
        }
        let folder = Folder::temporary().unwrap();
        let missing = folder.path().join("missing");
        for (path, words) in [
            (folder.path(), "disk I/O error"),
            (&missing, "unable to open database file"),
        ] {
            let database = SqliteConnectOptions::new().filename(path).read_only(true);
            let error = database.connect().await.unwrap_err().to_string();
            assert!(error.ends_with(words), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_table_may_have_any_name(name in "[^\u{0}]{1,20}") {
            prop_assume!(!name.to_lowercase().starts_with("sqlite_"));
            let runtime = Builder::new_current_thread().build().unwrap();
            let tables = runtime.block_on(async {
                let mut shop = SqliteConnection::connect("sqlite::memory:").await.unwrap();
                let create = AssertSqlSafe(format!("create table {} (id int)", quoted(&name)));
                sqlx::query(create).execute(&mut shop).await.unwrap();
                reads(&mut shop).await.unwrap()
            });
            prop_assert_eq!(tables, [(name, 0)]);
        }
    }
}
