//! What a SQLite file can be, through the chapter's own program: `sqlite-file --sqlite` names the file and the fault and
//! exits with 1, and leaves the file and its folder as they are.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::{
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use chapter::Folder;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};
use tokio::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ch08-databases");

fn program(file: &Path) -> Command {
    let mut program = Command::new(PROGRAM);
    program
        .args(["sqlite-file", "--timeline", "never", "--sqlite"])
        .arg(file);
    program
}

/// A folder of the test's own with a shop in it, and the connection that made it.
async fn shop(mode: SqliteJournalMode) -> (Folder, PathBuf, SqliteConnection) {
    let folder = Folder::temporary().unwrap();
    let file = folder.path().join("shop.db");
    let database = SqliteConnectOptions::new()
        .filename(&file)
        .journal_mode(mode);
    let mut shop = database.create_if_missing(true).connect().await.unwrap();
    let create = "create table orders (what text); insert into orders values ('pears'), ('figs')";
    sqlx::raw_sql(create).execute(&mut shop).await.unwrap();
    (folder, file, shop)
}

async fn closed_shop(mode: SqliteJournalMode) -> (Folder, PathBuf) {
    let (folder, file, shop) = shop(mode).await;
    shop.close().await.unwrap();
    (folder, file)
}

fn told(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

#[track_caller]
fn assert_read(output: &Output) {
    let told = told(output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("orders: 2 rows"), "{told}");
}

/// One line on stderr names the file and, behind it, the fault.
#[track_caller]
fn assert_fault(output: &Output, file: &Path, fault: &str) {
    let told = told(output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let named = format!("{}: ", file.display());
    let line = stderr.lines().find(|line| line.contains(&named));
    let line = line.unwrap_or_else(|| panic!("it isn't named: {told}"));
    assert!(line.contains(fault), "{line}");
    assert!(!told.contains("panicked"), "{told}");
}

/// The fault of a file with these bytes, which the program leaves alone.
#[track_caller]
fn assert_fault_of(bytes: &[u8], fault: &str) {
    let folder = Folder::temporary().unwrap();
    let file = folder.path().join("shop.db");
    fs::write(&file, bytes).unwrap();
    assert_fault(&program(&file).output().unwrap(), &file, fault);
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// libtest swallows what a passing test prints; this it doesn't.
fn skipped(why: &str) {
    let why = format!("skipped: {why}\n");
    io::stderr().write_all(why.as_bytes()).unwrap();
}

/// The numeric user that has no rights but everybody's.
const NOBODY: u32 = 65_534;

/// The program without the rights of root, to which mode bits don't apply.
fn without_rights(folder: &Path, file: &Path) -> Command {
    let mut program = program(file);
    if fs::metadata(folder).unwrap().uid() == 0 {
        program.uid(NOBODY).gid(NOBODY);
    }
    program
}

#[tokio::test]
async fn a_good_file_is_read_and_stays_as_it_is() {
    for mode in [SqliteJournalMode::Delete, SqliteJournalMode::Wal] {
        let (_folder, file) = closed_shop(mode).await;
        let before = fs::read(&file).unwrap();
        assert_read(&program(&file).output().unwrap());
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}

#[tokio::test]
async fn a_name_that_looks_like_a_url_is_a_name() {
    let (folder, file) = closed_shop(SqliteJournalMode::Delete).await;
    for name in ["file:shop.db?mode=memory", ":memory:"] {
        fs::copy(&file, folder.path().join(name)).unwrap();
        let mut program = program(Path::new(name));
        assert_read(&program.current_dir(folder.path()).output().unwrap());
    }
}

#[test]
fn what_is_no_file_is_named() {
    let folder = Folder::temporary().unwrap();
    let path = folder.path();
    let pipe = path.join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for (file, fault) in [
        (path.join("missing"), "No such file or directory"),
        (path.join("missing/shop.db"), "No such file or directory"),
        (pipe.join("shop.db"), "Not a directory"),
        (path.to_owned(), "not a file"),
        (pipe, "not a file"),
    ] {
        assert_fault(&program(&file).output().unwrap(), &file, fault);
    }
    assert_eq!(fs::read_dir(path).unwrap().count(), 1, "nothing is made");
}

#[tokio::test]
async fn what_is_no_database_or_a_part_of_one_is_told() {
    let (_folder, file) = closed_shop(SqliteJournalMode::Delete).await;
    let good = fs::read(file).unwrap();
    assert_fault_of(b"what a shop sells, as a text\n", "file is not a database");
    assert_fault_of(&[0x5A; 10_000], "file is not a database");
    // The header is whole, and what it says isn't there.
    assert_fault_of(&good[..good.len() / 2], "database disk image is malformed");
    let mut scrambled = good.clone();
    scrambled[100..].fill(0x5A);
    assert_fault_of(&scrambled, "database disk image is malformed");
}

#[tokio::test]
async fn a_file_that_somebody_else_has_locked_is_waited_for_and_then_told() {
    let (_folder, file, mut shop) = shop(SqliteJournalMode::Delete).await;
    let held = shop.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let start = Instant::now();
    let output = program(&file).output().unwrap();
    assert_fault(&output, &file, "(code: 5) database is locked");
    assert!(start.elapsed() >= Duration::from_secs(1));
    held.rollback().await.unwrap();
    assert_read(&program(&file).output().unwrap());
}

#[tokio::test]
async fn beside_a_writer_with_wal_it_is_read_as_it_was_committed() {
    let (_folder, file, mut shop) = shop(SqliteJournalMode::Wal).await;
    let mut held = shop.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let clear = sqlx::query("delete from orders");
    clear.execute(&mut *held).await.unwrap();
    assert_read(&program(&file).output().unwrap());
    held.rollback().await.unwrap();
}

/// Half of a transaction is in the file, and the journal beside it knows what was there before. To put that back is to
/// write.
#[tokio::test]
async fn a_file_whose_writer_was_killed_is_told_and_a_connection_that_may_write_repairs_it() {
    let (_folder, file, mut shop) = shop(SqliteJournalMode::Delete).await;
    let killed = Folder::temporary().unwrap();
    let left = killed.path().join("shop.db");
    let half = "pragma cache_size = 1; begin; delete from orders;
        insert into orders with recursive n(n) as (select 1 union all select n + 1 from n where n < 1000)
            select hex(zeroblob(500)) from n";
    sqlx::raw_sql(half).execute(&mut shop).await.unwrap();
    for name in ["shop.db", "shop.db-journal"] {
        fs::copy(file.with_file_name(name), left.with_file_name(name)).unwrap();
    }
    sqlx::raw_sql("rollback").execute(&mut shop).await.unwrap();

    let before = fs::read(&left).unwrap();
    let output = program(&left).output().unwrap();
    assert_fault(&output, &left, "attempt to write a readonly database");
    assert_eq!(fs::read(&left).unwrap(), before);

    let database = SqliteConnectOptions::new().filename(&left);
    let mut repaired = database.connect().await.unwrap();
    let count = sqlx::query_scalar("select count(*) from orders").fetch_one(&mut repaired);
    let count: i64 = count.await.unwrap();
    assert_eq!(count, 2);
    assert_read(&program(&left).output().unwrap());
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_told() {
    let (folder, file) = closed_shop(SqliteJournalMode::Delete).await;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o0)).unwrap();
    match without_rights(folder.path(), &file).output() {
        Err(error) => skipped(&format!("a file that may not be read: {error}")),
        Ok(output) => assert_fault(&output, &file, "Permission denied"),
    }
}

/// With WAL even a reader needs files of its own beside the database.
#[tokio::test]
async fn in_a_folder_that_may_not_be_written_a_journal_is_enough_and_wal_is_not() {
    for mode in [SqliteJournalMode::Delete, SqliteJournalMode::Wal] {
        let (folder, file) = closed_shop(mode).await;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
        match without_rights(folder.path(), &file).output() {
            Err(error) => skipped(&format!("a folder that may not be written: {error}")),
            Ok(output) if mode == SqliteJournalMode::Delete => assert_read(&output),
            Ok(output) => assert_fault(&output, &file, "attempt to write a readonly database"),
        }
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    }
}

/// In a mount namespace of its own, where a user may mount a small file system; it is gone with its last process.
#[tokio::test]
async fn on_a_full_disk_a_journal_is_enough_and_wal_is_not() {
    for (mode, code, words) in [
        (SqliteJournalMode::Delete, 0, "orders: 2 rows"),
        (
            SqliteJournalMode::Wal,
            1,
            "/full.db: error returned from database: ",
        ),
    ] {
        let (folder, file) = closed_shop(mode).await;
        let script = "mkdir \"$2\" && mount -t tmpfs -o size=64k none \"$2\" || exit 77
            cp \"$1\" \"$2/full.db\"; cat /dev/zero >\"$2/filler\" 2>&-
            \"$0\" sqlite-file --timeline never --sqlite \"$2/full.db\"; echo \"exit code $?\"
            cmp \"$1\" \"$2/full.db\" && echo unharmed";
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", script, PROGRAM]);
        command.arg(&file).arg(folder.path().join("full"));
        let output = match command.output() {
            Ok(output) if output.status.code() != Some(77) => output,
            other => return skipped(&format!("a full disk; no mount: {other:?}")),
        };
        let told = told(&output);
        assert!(
            told.contains(&format!("exit code {code}\nunharmed\n")),
            "{told}"
        );
        assert!(told.contains(words), "{told}");
    }
}
