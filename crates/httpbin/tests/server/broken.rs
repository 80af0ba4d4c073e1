use std::{io::ErrorKind, time::Duration};

use httpbin::Server;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    time::Instant,
};

use crate::client::{ask, get, request, send, until};

async fn start(server: &Server, what: &str) -> BufReader<TcpStream> {
    let path = format!("/stand-in/broken/{what}");
    BufReader::new(send(server.addr(), &request("GET", &path, "\r\n")).await)
}

/// The lines up to the empty one.
async fn head(stream: &mut BufReader<TcpStream>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => return lines,
            text => lines.push(text.to_owned()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_lasts_as_long_as_asked_and_a_minute_by_itself() {
    let server = Server::start().await.unwrap();
    for (query, seconds) in [("", 60), ("?seconds=3", 3)] {
        let begun = Instant::now();
        let mut client = start(&server, &format!("silence{query}")).await;
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        assert!(begun.elapsed() >= Duration::from_secs(seconds));
        assert!(begun.elapsed() < Duration::from_secs(seconds + 1));
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_what_would_go_on() {
    let server = Server::start().await.unwrap();
    for what in [
        "silence",
        "stall",
        "endless",
        "endless?pause=0",
        "huge",
        "slow-head?pause=60",
    ] {
        let client = start(&server, what).await;
        until("in flight", || server.stats().in_flight == 1).await;
        drop(client);
        until("gone", || server.stats().in_flight == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_comes_line_by_line() {
    let server = Server::start().await.unwrap();
    let mut client = start(&server, "slow-head?lines=5&pause=2").await;
    let begun = Instant::now();
    let mut line = String::new();
    client.read_line(&mut line).await.unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    assert!(begun.elapsed() < Duration::from_secs(2));
    let head = head(&mut client).await;
    assert!(begun.elapsed() >= Duration::from_secs(10));
    assert!(begun.elapsed() < Duration::from_secs(11));
    assert_eq!(head.last().unwrap(), "x-line: 5");
    let mut body = String::new();
    client.read_to_string(&mut body).await.unwrap();
    assert_eq!(body, "done\n");
}

#[tokio::test]
async fn a_reset_comes_instead_of_an_answer() {
    let server = Server::start().await.unwrap();
    let mut client = start(&server, "reset").await;
    let error = client.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(get(server.addr(), "/get").await.status, 200);
}

#[tokio::test]
async fn a_reset_in_mid_body_harms_nobody_else() {
    let server = Server::start().await.unwrap();
    let mut other = start(&server, "endless?pause=0").await;
    head(&mut other).await;

    let mut client = start(&server, "reset-body?sent=100&length=200").await;
    let mut got = Vec::new();
    let error = client.read_to_end(&mut got).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // How much of it comes before the reset is up to the system.
    let stars = got.iter().rev().take_while(|byte| **byte == b'*').count();
    assert!(stars <= 100, "{stars}");

    let mut chunks = vec![0; 1 << 20];
    other.read_exact(&mut chunks).await.unwrap();
    assert_eq!(get(server.addr(), "/get").await.status, 200);
}

#[tokio::test]
async fn a_short_body_ends_before_its_length() {
    let server = Server::start().await.unwrap();
    for (query, length, sent) in [
        ("", 1000, 10),
        ("?length=1", 1, 0),
        ("?sent=0&length=5", 5, 0),
        ("?sent=200001&length=200002", 200_002, 200_001),
    ] {
        let answer = get(server.addr(), &format!("/stand-in/broken/short{query}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-length"), length.to_string());
        assert_eq!(answer.body, vec![b'*'; sent]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_comes_to_a_stop() {
    let server = Server::start().await.unwrap();
    let mut client = start(&server, "stall?sent=7&seconds=30").await;
    assert!(
        head(&mut client)
            .await
            .contains(&"content-length: 1000".to_owned())
    );
    client.read_exact(&mut [0; 7]).await.unwrap();
    let begun = Instant::now();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert!(begun.elapsed() > Duration::from_secs(29));
}

#[tokio::test(start_paused = true)]
async fn an_endless_body_keeps_its_pace() {
    let server = Server::start().await.unwrap();
    let mut client = start(&server, "endless?piece=16&pause=1").await;
    assert!(
        head(&mut client)
            .await
            .contains(&"transfer-encoding: chunked".to_owned())
    );
    let begun = Instant::now();
    for _ in 0..100 {
        let mut chunk = [0; 22];
        client.read_exact(&mut chunk).await.unwrap();
        assert_eq!(&chunk, b"10\r\n****************\r\n");
    }
    assert!(begun.elapsed() > Duration::from_secs(98));
}

#[tokio::test]
async fn a_hundred_gigabytes_are_announced_and_begun() {
    let server = Server::start().await.unwrap();
    let mut client = start(&server, "huge?pause=0&piece=65536").await;
    assert!(
        head(&mut client)
            .await
            .contains(&"content-length: 100000000000".to_owned())
    );
    client.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
    let little = get(server.addr(), "/stand-in/broken/huge?length=2500&pause=0").await;
    assert_eq!(little.body.len(), 2500);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_written_to_for_ever() {
    let server = Server::start().await.unwrap();
    let client = start(&server, "endless?pause=0&piece=65536").await;
    until("in flight", || server.stats().in_flight == 1).await;
    // The kernel's buffers fill, then the server waits: it is free for others, and notices the end all the same.
    for _ in 0..20 {
        assert_eq!(get(server.addr(), "/get").await.status, 200);
    }
    drop(client);
    until("gone", || server.stats().in_flight == 0).await;
}

#[tokio::test]
async fn broken_paths_have_only_get() {
    let server = Server::start().await.unwrap();
    for method in ["HEAD", "POST", "DELETE"] {
        let answer = ask(server.addr(), method, "/stand-in/broken/short", "").await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, "GET, OPTIONS")
        );
    }
}

#[tokio::test]
async fn shutdown_does_not_wait_for_what_never_ends() {
    let server = Server::start().await.unwrap();
    let mut clients = Vec::new();
    for what in [
        "silence",
        "stall",
        "endless",
        "endless?pause=0&piece=65536",
        "slow-head?pause=9",
    ] {
        clients.push(start(&server, what).await);
    }
    until("in flight", || server.stats().in_flight == 5).await;
    let begun = Instant::now();
    server.shutdown().await;
    // Far from the ten seconds that another request in flight is waited for.
    assert!(begun.elapsed() < Duration::from_secs(5));
}
