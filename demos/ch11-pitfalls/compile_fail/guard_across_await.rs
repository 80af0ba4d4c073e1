use std::sync::{Arc, Mutex};

use tokio::time::{Duration, sleep};

async fn sell(stock: Arc<Mutex<u32>>) -> u32 {
    let mut left = stock.lock().unwrap(); // <- the difference
    *left -= 1;
    print_receipt().await;
    *left
}

async fn print_receipt() {
    sleep(Duration::from_millis(100)).await;
}

#[tokio::main]
async fn main() {
    let stock = Arc::new(Mutex::new(12));
    assert_eq!(tokio::spawn(sell(stock)).await.unwrap(), 11);
}
