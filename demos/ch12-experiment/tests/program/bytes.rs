//! What a task costs in the lesson is what it costs anywhere: nothing of the workspace stands around it.

use std::process::Command;

use timing::memory::Usage;
use tokio::{
    task::yield_now,
    time::{Sleep, sleep},
};

const TASKS: usize = 10_000;

/// Bare tokio: a sleep, the task around it, and its handle. Alone in this process, so that nobody else allocates.
#[tokio::test]
async fn bytes_a_task_are_those_of_bare_tokio_within_five_percent_and_fewer_in_one_task() {
    let before = Usage::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| tokio::spawn(sleep(timing::ticks(1))))
        .collect();
    yield_now().await;
    let bare = (before.growth().asked / TASKS) as f64;
    drop(tasks);

    let mut program = Command::new(env!("CARGO_BIN_EXE_ch12-experiment"));
    let program = program.args(["scale", "--tasks", &TASKS.to_string()]);
    let lesson = chapter::measured(program);
    let count = |label: &str, what| {
        let mut variants = lesson.variants.iter();
        let variant = variants.find(|variant| variant.label == label).unwrap();
        variant.count(what).whole()
    };
    let bytes = count("10000 tasks", "bytes each");
    let ratio = bytes as f64 / bare;
    assert!(
        (0.95..1.05).contains(&ratio),
        "{bytes} bytes in the lesson, {bare} bare"
    );

    // In one task each has no more than its future and the place for it.
    assert!(count("10000 in one task", "bytes each") < bytes);
    let sleep = i64::try_from(size_of::<Sleep>()).unwrap();
    assert_eq!(count("10000 tasks", "of which Sleep"), sleep);
}
