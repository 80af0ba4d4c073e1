//! What can go wrong with a PostgreSQL, one fault after another, through the chapter's own program: it says what with
//! its cause, in time, with the right exit code, and never the password.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

mod meanwhile;
mod restart;

use std::{
    fs,
    process::{Command, Output},
    time::Duration,
};

use scratch_postgres::{Cluster, cluster_for_test};
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

const PASSWORD: &str = "s3cret%2Fword";

/// What the program does in all these tests, once it is connected: it waits in the server, again and again.
const LESSON: &str = "pool";

fn program(url: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch08-databases"));
    program.args([LESSON, "--postgres", url]);
    program.env_remove("DATABASE_URL");
    program
}

/// The exit code, and what it said on both streams.
fn told(output: &Output) -> (Option<i32>, String) {
    let told = [&output.stdout[..], &output.stderr[..]].concat();
    let told = String::from_utf8(told).unwrap();
    for secret in [PASSWORD, "s3cret"] {
        assert!(!told.contains(secret), "{told}");
    }
    assert!(!told.contains("panicked"), "{told}");
    (output.status.code(), told)
}

#[track_caller]
fn assert_told(url: &str, code: i32, causes: &[&str]) {
    let (ended, told) = told(&program(url).output().unwrap());
    assert_eq!(ended, Some(code), "{told}");
    for cause in causes {
        assert!(told.contains(cause), "{cause:?} isn't in: {told}");
    }
}

/// A server that asks a user `ann` for a password; its URL up to the database's name.
async fn with_password() -> Option<(Cluster, Client, String)> {
    let cluster = cluster_for_test().await?;
    let (client, connection) = tokio_postgres::connect(&cluster.url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let role =
        "create role ann login password 's3cret/word'; grant create on database postgres to ann";
    client.batch_execute(role).await.unwrap();
    let rules = "local all postgres trust\nlocal all all scram-sha-256\n";
    fs::write(cluster.folder().join("data/pg_hba.conf"), rules).unwrap();
    client
        .batch_execute("select pg_reload_conf()")
        .await
        .unwrap();
    let host = cluster
        .url()
        .replace("postgres@", &format!("ann:{PASSWORD}@"));
    let host = host.rsplit_once('/').unwrap().0.to_owned();
    // The server reads its rules when it gets round to it.
    let wrong = host.replace(PASSWORD, "wrong") + "/postgres";
    while tokio_postgres::connect(&wrong, NoTls).await.is_ok() {
        sleep(Duration::from_millis(10)).await;
    }
    Some((cluster, client, host))
}

async fn count(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

async fn schemas(client: &Client) -> i64 {
    let all = "select count(*) from pg_namespace where nspname like 'waitwise%'";
    count(client, all).await
}

#[test]
fn a_url_that_is_none_is_a_mistake_of_the_command_line() {
    assert_told(
        "nonsense",
        2,
        &["--postgres nonsense: not a URL", "for instance"],
    );
    assert_told(
        &format!("mysql://ann:{PASSWORD}@localhost/shop"),
        2,
        &["mysql:// isn't a PostgreSQL URL"],
    );
    assert_told(
        &format!("postgres://ann:{PASSWORD}@localhost:many/shop"),
        2,
        &["port"],
    );
    assert_told("", 2, &["not a URL"]);
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_cause() {
    let refused = format!("postgres://ann:{PASSWORD}@127.0.0.1:1/shop");
    assert_told(
        &refused,
        1,
        &["--postgres 127.0.0.1:1/shop", "Connection refused"],
    );
    let unknown = format!("postgres://ann:{PASSWORD}@nowhere.invalid/shop");
    assert_told(
        &unknown,
        1,
        &["--postgres nowhere.invalid:5432/shop", "lookup"],
    );
    assert_told(
        "postgres://ann@%2Fnowhere/shop",
        1,
        &["No such file or directory"],
    );
}

/// A server that takes a connection and says nothing: without a limit that is a wait for ever.
#[test]
fn a_server_that_says_nothing_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_told(
        &format!("postgres://ann@127.0.0.1:{port}/shop"),
        1,
        &["no answer within 5s"],
    );
}

#[tokio::test]
async fn the_url_may_stand_in_the_environment_and_the_flag_wins() {
    let Some(cluster) = cluster_for_test().await else {
        return;
    };
    let mut in_environment = program(&cluster.url());
    in_environment.env("DATABASE_URL", "postgres://ann@127.0.0.1:1/shop");
    let (code, told_by_flag) = told(&in_environment.output().unwrap());
    assert_eq!(code, Some(0), "{told_by_flag}");
    let mut without_flag = Command::new(env!("CARGO_BIN_EXE_ch08-databases"));
    without_flag
        .args([LESSON])
        .env("DATABASE_URL", "postgres://ann@127.0.0.1:1/shop");
    let (code, told) = told(&without_flag.output().unwrap());
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("127.0.0.1:1/shop"), "{told}");
}

#[tokio::test]
async fn a_password_a_database_and_a_right_that_are_wrong_are_told_apart() {
    let Some((_cluster, client, host)) = with_password().await else {
        return;
    };
    let (code, well) = told(&program(&format!("{host}/postgres")).output().unwrap());
    assert_eq!(code, Some(0), "{well}");
    assert_eq!(schemas(&client).await, 0, "its schema is dropped");
    let wrong = host.replace(PASSWORD, "s3cret");
    assert_told(
        &format!("{wrong}/postgres"),
        1,
        &["password authentication failed for user \"ann\""],
    );
    assert_told(
        &format!("{host}/nowhere"),
        1,
        &["database \"nowhere\" does not exist"],
    );
    client
        .batch_execute("revoke create on database postgres from ann")
        .await
        .unwrap();
    assert_told(
        &format!("{host}/postgres"),
        1,
        &["permission denied for database postgres"],
    );
    client
        .batch_execute(
            "grant create on database postgres to ann; alter role ann connection limit 0",
        )
        .await
        .unwrap();
    assert_told(
        &format!("{host}/postgres"),
        1,
        &["too many connections for role \"ann\""],
    );
}
