//! What a lesson gets: a schema of its own on the cluster that its process shares.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use scratch_postgres::{Cluster, Postgres, cluster_for_test, for_test, named};
use timing::Timings;
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn schemas(client: &Client) -> i64 {
    let count = "select count(*) from pg_namespace where nspname like 'waitwise%'";
    client.query_one(count, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn two_of_them_share_a_server_and_no_table() {
    let Some(one) = for_test().await else { return };
    let two = for_test().await.unwrap();
    assert!(one.to_string().starts_with("PostgreSQL 1"), "{one}");
    let (first, second) = (connect(one.url()).await, connect(two.url()).await);
    first
        .batch_execute("create table orders (id int)")
        .await
        .unwrap();
    second
        .batch_execute("create table orders (id text)")
        .await
        .unwrap();
    let own = "select count(*) from pg_stat_activity where application_name = $1";
    let count: i64 = first.query_one(own, &[&one.schema()]).await.unwrap().get(0);
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_schema_is_dropped_with_it_and_a_killed_ones_by_the_next() {
    let Some(cluster) = cluster_for_test().await else {
        return;
    };
    let url = cluster.url();
    let watch = connect(&url).await;
    let named = named(&url).unwrap();
    let one = Postgres::choose(Some(&named), &mut Timings::default())
        .await
        .unwrap();
    assert_eq!(schemas(&watch).await, 1);
    // A second one sees that the first is in use.
    let two = Postgres::choose(Some(&named), &mut Timings::default())
        .await
        .unwrap();
    assert_eq!(schemas(&watch).await, 2);
    drop(two);
    assert_eq!(schemas(&watch).await, 1);
    // What a killed process leaves: the schema, and no session that holds its lock.
    watch
        .batch_execute("create schema waitwise_1_1; create table waitwise_1_1.t ()")
        .await
        .unwrap();
    let three = Postgres::choose(Some(&named), &mut Timings::default())
        .await
        .unwrap();
    assert_eq!(schemas(&watch).await, 2);
    drop((one, three));
    assert_eq!(schemas(&watch).await, 0);
}

#[tokio::test]
async fn what_does_not_answer_is_named_with_its_cause_and_without_its_password() {
    for (url, cause) in [
        (
            "postgres://ann:secret@127.0.0.1:1/shop",
            "Connection refused",
        ),
        ("postgres://ann:secret@nowhere.invalid/shop", "lookup"),
        ("postgres://ann:secret@%2Fnowhere/shop", "No such file"),
    ] {
        let named = named(url).unwrap();
        let error = Postgres::choose(Some(&named), &mut Timings::default())
            .await
            .unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains(cause) && error.contains("--postgres "),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_network_delays_each_answer_and_several_of_them_at_once() {
    let Some(postgres) = for_test().await else {
        return;
    };
    let round_trip = std::time::Duration::from_millis(300);
    let far = scratch_postgres::far_away(postgres.url(), round_trip).await;
    let (client, connection) = far.unwrap();
    tokio::spawn(connection);
    let select = client.prepare("select 1").await.unwrap();

    let start = tokio::time::Instant::now();
    let [one, two, three] = [(); 3].map(|()| client.query_one(&select, &[]));
    tokio::try_join!(one, two, three).unwrap();
    assert!(start.elapsed() >= round_trip);
    assert!(start.elapsed() < round_trip * 3, "three in turn");
}

#[tokio::test]
async fn a_cluster_is_closed_to_other_users_and_has_no_port() {
    use std::os::unix::fs::MetadataExt;
    let Some(cluster) = cluster_for_test().await else {
        return;
    };
    assert_eq!(
        std::fs::metadata(cluster.folder()).unwrap().mode() & 0o777,
        0o700
    );
    let client = connect(&cluster.url()).await;
    let row = client
        .query_one("show listen_addresses", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "");
}

#[tokio::test]
async fn a_server_that_does_not_start_says_why_and_leaves_nothing() {
    if cluster_for_test().await.is_none() {
        return;
    }
    let folder = chapter::Folder::temporary().unwrap();
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for program in ["initdb", "postgres"] {
        let path = bin.join(program);
        std::fs::write(&path, "#!/bin/sh\necho 'no room on this shelf'\nexit 1\n").unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["starts_or_says_why", "--exact", "--ignored", "--nocapture"])
        .env("PG_BIN_DIR", &bin)
        .env("TMPDIR", "/tmp")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("no room on this shelf"), "{told}");
}

#[tokio::test]
#[ignore = "the test above runs it, in a process of its own"]
async fn starts_or_says_why() {
    if let Err(error) = Cluster::start().await {
        println!("{error:#}");
    }
}
