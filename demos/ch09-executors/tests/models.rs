//! Tasks, threads and processes that wait: all of them do at once, and none of them stays behind.

#![cfg(target_os = "linux")]

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use timing::{
    report::{Outcome, Report, Value},
    ticks,
};
use tokio::time::{Instant, sleep};

fn models() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ch09-executors"));
    command.args(["models", "--json", "-"]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn whole(value: &Value) -> i64 {
    match value {
        Value::Whole(number) => *number,
        other => panic!("{other:?} is no whole number"),
    }
}

#[test]
fn all_that_is_started_waits_and_ends() {
    let output = models().output().unwrap();
    let report: Report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let lesson = &report.lessons[0];
    assert_eq!(lesson.outcome, Outcome::Ran);
    assert_eq!(lesson.variants.len(), 8);
    for variant in &lesson.variants {
        let asked_for: i64 = variant.label.split(' ').next().unwrap().parse().unwrap();
        let waited = whole(variant.count("waited"));
        assert!(variant.elapsed >= ticks(1), "{}", variant.label);
        // Less than asked for only where the machine has no room, and then it is said.
        assert!(
            waited == asked_for || !variant.said.is_empty(),
            "{}: {waited}",
            variant.label
        );
        assert!(waited > 0, "{}", variant.label);
    }
    let resident = lesson
        .variants
        .iter()
        .filter(|variant| variant.label.starts_with("1000 "));
    let resident: Vec<i64> = resident
        .map(|variant| whole(variant.count("resident each")))
        .collect();
    assert!(
        resident.is_sorted(),
        "a task, a thread, a process: {resident:?}"
    );
}

#[tokio::test]
async fn ctrl_c_leaves_no_process_behind() {
    let mut lesson = models().spawn().unwrap();
    let late = Instant::now() + Duration::from_secs(60);
    let mut waiting = Vec::new();
    while waiting.is_empty() {
        assert!(Instant::now() < late, "no process was started");
        sleep(Duration::from_millis(5)).await;
        waiting = children(lesson.id());
    }
    let id = Pid::from_raw(lesson.id().cast_signed()).unwrap();
    kill_process(id, Signal::INT).unwrap();
    assert_eq!(lesson.wait().unwrap().code(), Some(130));
    while waiting.iter().any(|process| waits(process)) {
        assert!(Instant::now() < late, "a process is left");
        sleep(Duration::from_millis(5)).await;
    }
}

fn children(process: u32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().map(str::to_owned);
    children.filter(|process| waits(process)).collect()
}

/// A process that has ended has no command line, even if nobody has collected it yet.
fn waits(process: &str) -> bool {
    let line = fs::read_to_string(format!("/proc/{process}/cmdline"));
    line.is_ok_and(|line| line.contains("models::waits"))
}

#[test]
fn in_switch_cost_a_part_comes_back_each_time_whoever_the_partner_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_ch09-executors"))
        .args(["switch-cost", "--json", "-"])
        .output()
        .unwrap();
    let report: Report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let lesson = &report.lessons[0];
    assert_eq!(lesson.outcome, Outcome::Ran);
    assert_eq!(lesson.variants.len(), 3);
    for variant in &lesson.variants {
        assert_eq!(variant.runs.len(), 5, "{}", variant.label);
        assert_eq!(*variant.count("handed over"), 2_000, "{}", variant.label);
    }
}
