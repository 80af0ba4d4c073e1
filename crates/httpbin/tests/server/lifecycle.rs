use std::{
    io::{Read, Write},
    net::TcpListener,
    time::Duration,
};

use httpbin::Server;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::client::{again, get, read_to_end, request, send, until};

#[tokio::test]
async fn shutdown_lets_a_request_in_flight_finish() {
    for server in [Server::start().await.unwrap(), Server::on_thread().unwrap()] {
        let addr = server.addr();
        let asked = request("GET", "/delay/0.2", "\r\n");
        // Without `Connection: close`: it is the shutdown that ends this connection.
        let client = tokio::spawn(async move { read_to_end(send(addr, &asked).await).await });
        until("in flight", || server.stats().in_flight == 1).await;
        server.shutdown().await;
        assert_eq!(client.await.unwrap().status, 200);
        assert!(TcpStream::connect(addr).await.is_err());
    }
}

#[tokio::test]
async fn shutdown_finishes_a_body_that_has_begun() {
    let server = Server::start().await.unwrap();
    let path = "/drip?duration=0.3&numbytes=30";
    let mut client = send(server.addr(), &request("GET", path, "\r\n")).await;
    // The first bytes are here, so the answer has begun.
    let mut start = [0; 1];
    client.read_exact(&mut start).await.unwrap();
    let rest = tokio::spawn(async move {
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        rest
    });
    server.shutdown().await;
    assert!(rest.await.unwrap().ends_with(&[b'*'; 30]));
}

#[tokio::test]
async fn shutdown_ends_idle_connections() {
    let server = Server::start().await.unwrap();
    let mut used = TcpStream::connect(server.addr()).await.unwrap();
    assert_eq!(again(&mut used, "/get").await.status, 200);
    let mut silent = TcpStream::connect(server.addr()).await.unwrap();
    // Connections are accepted in order: when this one is answered the silent one has been.
    get(server.addr(), "/get").await;
    let start = Instant::now();
    server.shutdown().await;
    // Far from the ten seconds that a request in flight would be waited for.
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(used.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_cuts_what_takes_more_than_ten_seconds() {
    let server = Server::start().await.unwrap();
    let path = "/drip?duration=1000&numbytes=1000";
    let mut client = send(server.addr(), &request("GET", path, "\r\n")).await;
    client.read_exact(&mut [0]).await.unwrap();
    let start = Instant::now();
    server.shutdown().await;
    assert!(start.elapsed() >= Duration::from_secs(10));
    assert!(start.elapsed() < Duration::from_secs(20));
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(&[b'*'; 1000]));
}

#[tokio::test]
async fn a_shutdown_that_is_given_up_cuts() {
    let server = Server::start().await.unwrap();
    let mut client = send(server.addr(), &request("GET", "/delay/10", "\r\n")).await;
    until("in flight", || server.stats().in_flight == 1).await;
    let given_up = timeout(Duration::from_millis(50), server.shutdown()).await;
    assert!(given_up.is_err());
    let start = Instant::now();
    assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn dropped_it_cuts_its_connections_and_frees_its_port() {
    let server = Server::start().await.unwrap();
    let addr = server.addr();
    let mut client = send(addr, &request("GET", "/delay/10", "\r\n")).await;
    until("in flight", || server.stats().in_flight == 1).await;
    drop(server);
    assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    // The runtime's own tasks let go of it, so it is free when they have had their turn.
    let mut again = Server::start_on(addr).await;
    while again.is_err() {
        tokio::task::yield_now().await;
        again = Server::start_on(addr).await;
    }
    assert_eq!(get(addr, "/get").await.status, 200);
}

#[tokio::test]
async fn dropped_with_its_thread_it_is_gone_at_once() {
    let server = Server::on_thread().unwrap();
    let addr = server.addr();
    let mut client = send(addr, &request("GET", "/delay/10", "\r\n")).await;
    until("in flight", || server.stats().in_flight == 1).await;
    drop(server);
    Server::start_on(addr).await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
}

#[test]
fn on_a_thread_it_needs_no_runtime() {
    let server = Server::on_thread().unwrap();
    let addr = server.addr();
    // Connections are accepted in order: when the second is answered the first is known. Nobody reads from it
    // meanwhile, since this thread is blocked.
    let mut idle = std::net::TcpStream::connect(addr).unwrap();
    let mut client = std::net::TcpStream::connect(addr).unwrap();
    client
        .write_all(request("GET", "/delay/0.1", "Connection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(server.stats().requests, 1);
    server.shutdown_blocking();
    // Over, be it by an orderly end or by a reset.
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    // The port is free again, unless another test has got it meanwhile, which has it for a short time.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(until("the port is free", || {
        TcpListener::bind(addr).is_ok()
    }));
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let first = Server::start().await.unwrap();
    let error = Server::start_on(first.addr()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn it_also_listens_on_ipv6() {
    let loopback = (std::net::Ipv6Addr::LOCALHOST, 0).into();
    let Ok(server) = Server::start_on(loopback).await else {
        return; // a machine without it
    };
    assert!(server.url().starts_with("http://[::1]:"));
    assert_eq!(get(server.addr(), "/get").await.json()["origin"], "::1");
}
