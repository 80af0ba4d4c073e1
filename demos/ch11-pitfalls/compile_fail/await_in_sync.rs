use tokio::time::{Duration, sleep};

fn report() -> String {
    format!("{} left", stock().await) // <- the difference: a `fn`
}

async fn stock() -> u32 {
    sleep(Duration::from_millis(100)).await;
    12
}

fn main() {
    assert_eq!(report(), "12 left");
}
