use httpbin::{Server, Stats};
use serde_json::json;
use tokio::{net::TcpStream, task::JoinSet};

use crate::client::{again, ask, get, request, send, until};

#[tokio::test]
async fn twenty_at_once_are_a_peak_of_twenty() {
    let server = Server::start().await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(send(server.addr(), &request("GET", "/delay/10", "\r\n")).await);
    }
    until("all in flight", || server.stats().in_flight == 20).await;

    // The clients go away: nobody waits for these answers, and the server knows it long before the ten seconds are up.
    drop(clients);
    until("none in flight", || server.stats().in_flight == 0).await;
    let counted = Stats {
        connections: 20,
        requests: 20,
        in_flight: 0,
        peak_in_flight: 20,
    };
    assert_eq!(server.stats(), counted);
}

#[tokio::test]
async fn twenty_answered_leave_none_in_flight() {
    let server = Server::start().await.unwrap();
    let addr = server.addr();
    let mut clients: JoinSet<u16> = (0..20)
        .map(|_| async move { get(addr, "/delay/0.05").await.status })
        .collect();
    while let Some(status) = clients.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    // Counted down before the last byte leaves, so whoever has read it finds it so.
    assert_eq!(server.stats().in_flight, 0);
    assert_eq!(server.stats().requests, 20);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_an_answer_is_not_in_flight() {
    let server = Server::start().await.unwrap();
    let path = "/drip?duration=1000&numbytes=100000";
    let client = send(server.addr(), &request("GET", path, "\r\n")).await;
    until("in flight", || server.stats().in_flight == 1).await;
    drop(client);
    until("gone", || server.stats().in_flight == 0).await;
}

#[tokio::test]
async fn a_connection_is_counted_once_however_often_it_asks() {
    let server = Server::start().await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    for _ in 0..5 {
        assert_eq!(again(&mut stream, "/get").await.status, 200);
    }
    let counted = Stats {
        connections: 1,
        requests: 5,
        in_flight: 0,
        peak_in_flight: 1,
    };
    assert_eq!(server.stats(), counted);

    server.reset_stats();
    assert_eq!(again(&mut stream, "/get").await.status, 200);
    let counted = Stats {
        requests: 1,
        peak_in_flight: 1,
        ..Stats::default()
    };
    assert_eq!(server.stats(), counted);
}

#[tokio::test]
async fn asking_for_the_figures_changes_none_of_them() {
    let server = Server::start().await.unwrap();
    let path = "/stand-in/stats";
    get(server.addr(), "/get").await;
    let counted = json!({"connections": 1, "requests": 1, "in_flight": 0, "peak_in_flight": 1});
    for _ in 0..3 {
        assert_eq!(get(server.addr(), path).await.json(), counted);
    }
    assert_eq!(serde_json::to_value(server.stats()).unwrap(), counted);

    let zero = json!({"connections": 0, "requests": 0, "in_flight": 0, "peak_in_flight": 0});
    assert_eq!(ask(server.addr(), "DELETE", path, "").await.json(), zero);
    assert_eq!(server.stats(), Stats::default());
}

#[tokio::test]
async fn a_reset_leaves_in_flight_what_is_in_flight() {
    let server = Server::start().await.unwrap();
    let client = send(server.addr(), &request("GET", "/delay/10", "\r\n")).await;
    until("in flight", || server.stats().in_flight == 1).await;
    server.reset_stats();
    let counted = Stats {
        in_flight: 1,
        peak_in_flight: 1,
        ..Stats::default()
    };
    assert_eq!(server.stats(), counted);
    drop(client);
    until("gone", || server.stats().in_flight == 0).await;
}

#[tokio::test]
async fn hundreds_connect_at_once() {
    let server = Server::on_thread().unwrap();
    let addr = server.addr();
    let mut clients: JoinSet<u16> = (0..300)
        .map(|_| async move { get(addr, "/get").await.status })
        .collect();
    while let Some(status) = clients.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(server.stats().connections, 300);
}
