use tokio::time::{Duration, sleep};

async fn ship(label: String) -> usize {
    let packed = tokio::spawn(pack(&label)); // <- the difference: `&`
    packed.await.unwrap()
}

async fn pack(label: &str) -> usize {
    sleep(Duration::from_millis(100)).await;
    label.len()
}

#[tokio::main]
async fn main() {
    assert_eq!(ship("fragile".to_owned()).await, 7);
}
