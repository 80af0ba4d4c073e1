#![deny(unused_must_use)]

use tokio::time::{Duration, sleep};

async fn order() -> &'static str {
    reserve("lamp"); // <- the difference: no `.await`
    "ordered"
}

async fn reserve(item: &str) {
    sleep(Duration::from_millis(100)).await;
    assert_eq!(item, "lamp");
}

#[tokio::main]
async fn main() {
    assert_eq!(order().await, "ordered");
}
