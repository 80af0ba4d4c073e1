use tokio::time::{Duration, sleep};

async fn bill() -> String {
    let price = look_up();
    let offer = format!("costs {}", price.await);
    format!("{offer}, pay {}", price.await) // <- the difference: again
}

async fn look_up() -> u32 {
    sleep(Duration::from_millis(100)).await;
    40
}

#[tokio::main]
async fn main() {
    assert_eq!(bill().await, "costs 40, pay 40");
}
