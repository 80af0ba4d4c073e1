//! On the paused clock, which server and client share: what takes seconds takes none, and is asserted as "at least".

use std::time::Duration;

use httpbin::Server;
use serde_json::json;
use tokio::time::Instant;

use crate::client::{get, post};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn a_delay_lasts_as_long_as_asked_and_ten_seconds_at_most() {
    let server = Server::start().await.unwrap();
    for (asked, at_least, below) in [
        ("0", 0, 1_000),
        ("0.25", 250, 1_000),
        ("3", 3_000, 4_000),
        ("10", 10_000, 11_000),
    ] {
        let start = Instant::now();
        let answer = get(server.addr(), &format!("/delay/{asked}?a=1")).await;
        assert!(
            (millis(at_least)..millis(below)).contains(&start.elapsed()),
            "{asked}"
        );
        assert_eq!(answer.json()["args"], json!({"a": "1"}));
        assert!(answer.json().get("json").is_none());
        assert_eq!(answer.json().as_object().unwrap().len(), 7);
    }
    for asked in ["10.1", "inf"] {
        let answer = get(server.addr(), &format!("/delay/{asked}")).await;
        assert_eq!(answer.status, 400, "{asked}");
    }
    let told = post(server.addr(), "/delay/1", "text/plain", b"tea")
        .await
        .json();
    assert_eq!(told["data"], "tea");
}

#[tokio::test(start_paused = true)]
async fn bytes_drip_over_the_duration_after_the_delay() {
    let server = Server::start().await.unwrap();
    for (query, at_least, status, bytes) in [
        // The last byte of ten comes nine pauses after the first.
        ("", 1_800, 200, 10),
        ("?duration=0", 0, 200, 10),
        ("?numbytes=1&duration=5&delay=2", 2_000, 200, 1),
        ("?numbytes=5&duration=5&delay=2&code=503", 6_000, 503, 5),
        ("?NumBytes=3000&duration=1", 990, 200, 3_000),
    ] {
        let start = Instant::now();
        let answer = get(server.addr(), &format!("/drip{query}")).await;
        assert!(
            start.elapsed() >= millis(at_least),
            "{query}: {:?}",
            start.elapsed()
        );
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("content-length"), bytes.to_string());
        assert_eq!(answer.body, vec![b'*'; bytes]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_range_may_take_its_time() {
    let server = Server::start().await.unwrap();
    for chunk_size in [1, 7, 26, 1000] {
        let start = Instant::now();
        let path = format!("/range/26?duration=4&chunk_size={chunk_size}");
        let answer = get(server.addr(), &path).await;
        assert!(start.elapsed() >= millis(4_000), "{chunk_size}");
        assert_eq!(answer.text(), "abcdefghijklmnopqrstuvwxyz");
    }
}
