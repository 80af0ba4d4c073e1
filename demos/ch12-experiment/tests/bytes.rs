//! What a task costs in the lesson is what it costs anywhere: nothing of the workspace stands around it.

use std::process::Command;

use timing::{
    memory::Usage,
    report::{Report, Value},
};
use tokio::{task::yield_now, time::sleep};

const TASKS: usize = 10_000;

/// Bare tokio: a sleep, the task around it, and its handle. Alone in this process, so that nobody else allocates.
#[tokio::test]
async fn bytes_a_task_are_within_five_percent_of_bare_tokio() {
    let before = Usage::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| tokio::spawn(sleep(timing::ticks(1))))
        .collect();
    yield_now().await;
    let bare = (before.growth().asked / TASKS) as f64;
    drop(tasks);

    let output = Command::new(env!("CARGO_BIN_EXE_ch12-experiment"))
        .args(["scale", "--tasks", &TASKS.to_string(), "--json", "-"])
        .output()
        .unwrap();
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    let variant = report.lessons[0]
        .variants
        .iter()
        .find(|variant| variant.label == "10000 tasks");
    let Value::Whole(bytes) = *variant.unwrap().count("bytes each") else {
        panic!("no bytes")
    };
    let ratio = bytes as f64 / bare;
    assert!(
        (0.95..1.05).contains(&ratio),
        "{bytes} bytes in the lesson, {bare} bare"
    );
}
