//! The lessons about MySQL, run against a MariaDB of the test's own where its programs are, and what they say of a
//! server that they can't reach.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::{
    collections::HashSet,
    env,
    fs::{self, Permissions},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use chapter::Folder;
use sqlx::{ConnectOptions, MySqlConnection, mysql::MySqlConnectOptions};
use timing::{
    report::{Lesson, Outcome},
    ticks,
};
use tokio::time::sleep;

/// Ends the server when its stdin is closed, so when the test is over, in whatever way.
const UNTIL_CLOSED: &str = "\"$@\" >/dev/null 2>&1 & read -r _; kill $!; wait $!";

const PASSWORD: &str = "tOp-SeCrEt";

/// A MariaDB that listens on a socket in a folder of its own, and on nothing else.
struct MariaDb {
    shell: Child,
    folder: Folder,
}

impl MariaDb {
    /// With a database `shop` and its user `ann`.
    async fn start() -> Option<Self> {
        let Some((install, server)) = on_path("mariadb-install-db").zip(on_path("mariadbd")) else {
            skipped("no mariadbd and mariadb-install-db on PATH");
            return None;
        };
        let folder = Folder::temporary().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let data = format!("--datadir={}", folder.path().join("data").display());
        let mut common = vec!["--no-defaults".to_owned(), data];
        if fs::metadata(folder.path()).unwrap().uid() == 0 {
            common.push("--user=mysql".into()); // it refuses to run as root
        }
        let made = Command::new(install)
            .args(&common)
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", told(&made));
        let shell = Command::new("sh")
            .args(["-c", UNTIL_CLOSED, "sh"])
            .arg(server)
            .args(&common)
            .args(["--skip-networking", "--skip-log-bin"])
            .arg(format!("--socket={}", Self::socket_in(&folder).display()))
            .arg(format!(
                "--pid-file={}",
                folder.path().join("data/pid").display()
            ))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let maria = Self { shell, folder };
        let mut root = maria.until_it_answers().await;
        let create = "create database shop; create user ann@localhost identified by 'tOp-SeCrEt';
            grant all on shop.* to ann@localhost";
        sqlx::raw_sql(create).execute(&mut root).await.unwrap();
        Some(maria)
    }

    async fn until_it_answers(&self) -> MySqlConnection {
        let root = MySqlConnectOptions::new()
            .username("root")
            .socket(Self::socket_in(&self.folder));
        for _ in 0..600 {
            if let Ok(connection) = root.connect().await {
                return connection;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("MariaDB doesn't answer within a minute");
    }

    fn socket_in(folder: &Folder) -> PathBuf {
        folder.path().join("data/socket")
    }

    fn url(&self, password: &str) -> String {
        let socket = Self::socket_in(&self.folder);
        format!(
            "mysql://ann:{password}@localhost/shop?socket={}",
            socket.display()
        )
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.shell.wait(); // which closes the pipe first
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|program| program.is_file())
}

/// libtest swallows what a passing test prints; this it doesn't. With `CI=true` nothing may be skipped.
fn skipped(why: &str) {
    let why = format!("skipped: {why}\n");
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    std::io::stderr().write_all(why.as_bytes()).unwrap();
}

fn program(lesson: &str, url: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch08-databases"));
    program
        .args([lesson, "--timeline", "never", "--mysql", url])
        .env_remove("MYSQL_URL");
    program
}

/// Both streams; neither may hold the password.
#[track_caller]
fn told(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    let told = String::from_utf8(both).unwrap();
    assert!(!told.contains(PASSWORD), "{told}");
    told
}

fn lesson(name: &str, url: &str) -> Lesson {
    let output = program(name, url).args(["--json", "-"]).output().unwrap();
    let told = told(&output);
    let mut report = chapter::report(&output).unwrap();
    assert_eq!(report.lessons[0].outcome, Outcome::Ran, "{told}");
    report.lessons.remove(0)
}

#[track_caller]
fn assert_fault(lesson: &str, url: &str, fault: &str) {
    let output = program(lesson, url).output().unwrap();
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("--mysql ") && told.contains(fault), "{told}");
}

#[test]
fn without_a_server_both_are_skipped_with_exit_code_0() {
    for lesson in ["mysql", "mysql-in-list"] {
        let output = Command::new(env!("CARGO_BIN_EXE_ch08-databases"))
            .arg(lesson)
            .env_remove("MYSQL_URL")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(told(&output).contains("MYSQL_URL"), "{lesson}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_reason() {
    for (place, fault) in [
        ("127.0.0.1:1/shop", "Connection refused"),
        ("nowhere.invalid/shop", "lookup"),
        ("localhost/shop?socket=/nowhere/socket", "No such file"),
    ] {
        assert_fault("mysql", &format!("mysql://ann:{PASSWORD}@{place}"), fault);
    }
}

#[test]
fn a_url_of_another_database_is_a_wrong_use() {
    let url = format!("postgres://ann:{PASSWORD}@localhost/shop");
    let output = program("mysql", &url).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("postgres:// isn't a MySQL URL"));
}

#[tokio::test]
async fn with_a_server_both_show_what_they_claim() {
    let Some(maria) = MariaDb::start().await else {
        return;
    };
    let url = maria.url(PASSWORD);

    let pools = lesson("mysql", &url);
    let labels: HashSet<_> = pools
        .variants
        .iter()
        .map(|variant| &*variant.label)
        .collect();
    assert_eq!(
        labels,
        HashSet::from(["pool of 1", "pool of 5", "pool of 10"])
    );
    for (variant, (size, waves)) in pools.variants.iter().zip([(1, 10), (5, 2), (10, 1)]) {
        assert_eq!(*variant.count("sessions"), size, "{}", variant.label);
        // The waits are the server's, and its clock needn't agree with ours to the millisecond.
        assert!(variant.elapsed >= ticks(waves) * 9 / 10);
        assert_eq!(variant.lanes.len(), 10);
    }

    let lists = lesson("mysql-in-list", &url);
    let rows = |n: usize| lists.variants[n].count("rows");
    assert_eq!(*rows(0), 1_000);
    assert_eq!(*lists.variants[0].count("inserts"), 1);
    assert_eq!(*rows(1), 3);
    assert_eq!(*rows(2), "error 1064");
    assert_eq!(*rows(3), 0);

    let refused = "1045 (28000): Access denied for user 'ann'";
    assert_fault("mysql", &maria.url("another"), refused);
    let pid = fs::read_to_string(maria.folder.path().join("data/pid")).unwrap();
    drop(maria);
    let process = Path::new("/proc").join(pid.trim());
    assert!(!process.exists(), "the server has ended");
}
