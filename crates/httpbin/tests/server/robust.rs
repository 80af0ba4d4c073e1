//! What clients may do to a server without harm to it or to each other.

use std::time::Duration;

use httpbin::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::client::{Answer, a_thousand, again, ask, get, read_to_end, request, send, until};

#[tokio::test(start_paused = true)]
async fn a_head_that_takes_too_long_ends_its_connection() {
    let server = Server::start().await.unwrap();
    server.set_head_timeout(Some(Duration::from_secs(10)));
    for part in [
        "G",
        "GET /get HTTP/1.1\r\nHost: a",
        "GET /get HTTP/1.1\r\nHost: a\r\n",
    ] {
        let mut client = send(server.addr(), part).await;
        let begun = Instant::now();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "{part}");
        assert!(begun.elapsed() >= Duration::from_secs(9), "{part}");
        assert!(begun.elapsed() < Duration::from_secs(11), "{part}");
    }
    assert_eq!(server.stats().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn trickling_bytes_gain_a_head_no_time() {
    let server = Server::start().await.unwrap();
    server.set_head_timeout(Some(Duration::from_secs(10)));
    let mut client = TcpStream::connect(server.addr()).await.unwrap();
    let (mut read, mut write) = client.split();
    let begun = Instant::now();
    let trickle = async {
        while write.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let mut end = [0];
    tokio::select! {
        _ = read.read(&mut end) => {}
        () = trickle => {}
    }
    assert!(begun.elapsed() < Duration::from_secs(13));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_all_the_time_there_is() {
    let server = Server::start().await.unwrap();
    server.set_head_timeout(Some(Duration::from_secs(10)));
    let mut client = TcpStream::connect(server.addr()).await.unwrap();
    for _ in 0..3 {
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(again(&mut client, "/get").await.status, 200);
    }
    // The time is a head's: neither the wait for an answer nor a body counts.
    assert_eq!(again(&mut client, "/delay/10").await.status, 200);
    assert_eq!(again(&mut client, "/drip?duration=60").await.status, 200);
    let asked = request(
        "POST",
        "/post",
        "Connection: close\r\nContent-Length: 3\r\n\r\n",
    );
    client.write_all(asked.as_bytes()).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    client.write_all(b"tea").await.unwrap();
    assert_eq!(read_to_end(client).await.json()["data"], "tea");
}

#[tokio::test(start_paused = true)]
async fn on_the_callers_runtime_a_head_has_all_the_time_there_is() {
    let server = Server::start().await.unwrap();
    let mut client = send(server.addr(), "GET /get HTTP/1.1\r\n").await;
    sleep(Duration::from_secs(3600)).await;
    client
        .write_all(b"Connection: close\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(read_to_end(client).await.status, 200);
}

#[tokio::test]
async fn a_head_beyond_64_kib_or_a_hundred_headers_is_refused() {
    let server = Server::start().await.unwrap();
    let long = |bytes| format!("X-Long: {}\r\n", "x".repeat(bytes));
    let many = |headers| "X-Many: x\r\n".repeat(headers);
    for (headers, status) in [
        (long(65_000), 200),
        (long(66_000), 431),
        (many(90), 200),
        (many(100), 431),
    ] {
        let answer = ask(server.addr(), "GET", "/ip", &headers).await;
        assert_eq!(answer.status, status, "{} bytes", headers.len());
    }
}

#[tokio::test]
async fn a_method_nobody_knows_is_refused_with_those_there_are() {
    let server = Server::start().await.unwrap();
    for (path, allow) in [("/get", "GET, HEAD, OPTIONS"), ("/post", "POST, OPTIONS")] {
        let answer = ask(server.addr(), "BREW", path, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow));
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_paths() {
    let server = Server::start().await.unwrap();
    for path in [
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/stand-in/../get",
        "/get/../json",
        "/get/..",
        "/..\\..\\get",
        "/stand-in/users/../../get",
        "/get%00",
    ] {
        assert_eq!(get(server.addr(), path).await.status, 404, "{path}");
    }
    // As a name it is one like any other.
    let key = get(server.addr(), "/stand-in/flaky/..?fail=0").await;
    assert_eq!(key.json()["key"], "..");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start().await.unwrap();
    let mut asked = String::new();
    // The first takes longest.
    for i in (0..10).rev() {
        asked += &request("GET", &format!("/delay/0.0{i}?n={i}"), "\r\n");
    }
    asked += &request("GET", "/get?n=last", "Connection: close\r\n\r\n");
    let mut answers = String::new();
    let mut client = send(server.addr(), &asked).await;
    client.read_to_string(&mut answers).await.unwrap();
    let order: Vec<&str> = answers
        .match_indices("\"n\": \"")
        .map(|(at, found)| answers[at + found.len()..].split('"').next().unwrap())
        .collect();
    assert_eq!(
        order,
        ["9", "8", "7", "6", "5", "4", "3", "2", "1", "0", "last"]
    );
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 11);
    assert_eq!(server.stats().peak_in_flight, 1);
}

#[tokio::test]
async fn a_thousand_idle_connections_leave_room_for_one_more() {
    let server = Server::on_thread().unwrap();
    let mut idle = Vec::new();
    for i in 0..a_thousand() {
        let mut client = TcpStream::connect(server.addr()).await.unwrap();
        if i % 2 == 0 {
            assert_eq!(again(&mut client, "/get").await.status, 200);
        }
        idle.push(client);
    }
    assert_eq!(get(server.addr(), "/get").await.status, 200);
    // And on one of them, after all the others.
    assert_eq!(again(&mut idle[1], "/get").await.status, 200);
}

#[tokio::test]
async fn a_client_that_resets_in_mid_answer_harms_nobody_else() {
    let server = Server::start().await.unwrap();
    let addr = server.addr();
    let path = "/drip?duration=0.3&numbytes=300";
    let other = tokio::spawn(async move { get(addr, path).await });
    for what in [
        "/drip?duration=100&numbytes=100000",
        "/stand-in/download/16777216",
    ] {
        let mut client = send(addr, &request("GET", what, "\r\n")).await;
        client.read_exact(&mut [0; 100]).await.unwrap();
        client.set_zero_linger().unwrap();
        drop(client);
    }
    let other: Answer = other.await.unwrap();
    assert_eq!((other.status, other.body.len()), (200, 300));
    until("all gone", || server.stats().in_flight == 0).await;
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    for server in [Server::start().await.unwrap(), Server::on_thread().unwrap()] {
        assert_eq!(server.addr().ip(), std::net::Ipv4Addr::LOCALHOST);
        // Another address of the loopback network, where one that listens everywhere would answer.
        let port = server.addr().port();
        assert!(TcpStream::connect(("127.0.0.2", port)).await.is_err());
    }
}

#[tokio::test]
async fn told_to_stop_at_once_it_stops_at_once() {
    for server in [Server::start().await.unwrap(), Server::on_thread().unwrap()] {
        let addr = server.addr();
        let mut clients = Vec::new();
        for _ in 0..100 {
            clients.push(TcpStream::connect(addr).await.unwrap());
            clients.push(send(addr, "GET /get HT").await);
            clients.push(send(addr, &request("GET", "/delay/10", "\r\n")).await);
            clients.push(send(addr, &request("POST", "/post", "Content-Length: 9\r\n\r\n")).await);
        }
        until("in flight", || server.stats().in_flight >= 100).await;
        let begun = Instant::now();
        drop(server);
        for mut client in clients {
            // What was answered already, then the end, be it an orderly one or a reset.
            let _ = client.read_to_end(&mut Vec::new()).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
