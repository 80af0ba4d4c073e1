//! What befalls a program that waits in the server.

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use super::{count, program, schemas, told, with_password};

/// For a machine that builds something beside it; nothing here takes a second otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session whose program is gone is there until its statement ends.
async fn no_session_is_left(client: &Client) {
    let sessions = "select count(*) from pg_stat_activity where application_name like 'waitwise%'";
    while count(client, sessions).await > 0 {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Runs the program until it waits in the server, does that to it, and returns what came of it.
async fn in_mid_query(client: &Client, url: &str, fault: impl AsyncFnOnce(u32)) -> Output {
    // One of a run before would be taken for this one's.
    no_session_is_left(client).await;
    let child = program(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let waiting = "select count(*) from pg_stat_activity
        where wait_event = 'PgSleep' and application_name like 'waitwise%'";
    let until_it_waits = async {
        while count(client, waiting).await == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, until_it_waits).await.unwrap();
    fault(child.id()).await;
    let ended = tokio::task::spawn_blocking(|| child.wait_with_output());
    timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn a_session_that_the_server_ends_in_mid_query_is_told_with_its_reason() {
    let Some((_cluster, client, host)) = with_password().await else {
        return;
    };
    let end_them = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'waitwise%'";
    let url = format!("{host}/postgres");
    let output = in_mid_query(&client, &url, async |_pid| {
        client.batch_execute(end_them).await.unwrap();
    });
    let (code, told) = told(&output.await);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("terminating connection due to administrator command"),
        "{told}"
    );
    assert_eq!(
        schemas(&client).await,
        0,
        "its schema is dropped all the same"
    );
}

#[tokio::test]
async fn a_server_that_is_killed_in_mid_query_ends_the_lesson_not_the_program() {
    let Some((cluster, client, host)) = with_password().await else {
        return;
    };
    let url = format!("{host}/postgres");
    let output = in_mid_query(&client, &url, async |_pid| {
        let server = cluster.server_pid().unwrap().to_string();
        Command::new("kill")
            .args(["-KILL", &server])
            .status()
            .unwrap();
    });
    let (code, told) = told(&output.await);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("error communicating") || told.contains("closed"),
        "{told}"
    );
}

#[tokio::test]
async fn ctrl_c_in_mid_query_drops_the_schema() {
    let Some((_cluster, client, host)) = with_password().await else {
        return;
    };
    for (signal, expected) in [("INT", 130), ("TERM", 143)] {
        let url = format!("{host}/postgres");
        let output = in_mid_query(&client, &url, async |pid| {
            Command::new("kill")
                .args(["-s", signal, &pid.to_string()])
                .status()
                .unwrap();
        });
        let (code, told) = told(&output.await);
        assert_eq!(code, Some(expected), "{told}");
        assert_eq!(schemas(&client).await, 0);
    }
}

#[tokio::test]
async fn after_a_kill_the_next_run_drops_the_schema() {
    let Some((_cluster, client, host)) = with_password().await else {
        return;
    };
    let url = format!("{host}/postgres");
    in_mid_query(&client, &url, async |pid| {
        Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status()
            .unwrap();
    })
    .await;
    assert_eq!(schemas(&client).await, 1);
    // Its session holds the lock.
    no_session_is_left(&client).await;
    assert_eq!(told(&program(&url).output().unwrap()).0, Some(0));
    assert_eq!(schemas(&client).await, 0);
}
