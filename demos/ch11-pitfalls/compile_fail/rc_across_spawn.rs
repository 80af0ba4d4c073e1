use std::rc::Rc;

use tokio::time::{Duration, sleep};

async fn pack(label: Rc<str>) -> usize {
    sleep(Duration::from_millis(100)).await;
    label.len()
}

#[tokio::main]
async fn main() {
    let label: Rc<str> = "fragile".into(); // <- the difference: `Rc`
    let packed = tokio::spawn(pack(label.clone()));
    assert_eq!(packed.await.unwrap(), label.len());
}
