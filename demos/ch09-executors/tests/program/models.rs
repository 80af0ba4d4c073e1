//! Tasks, threads and processes that wait: all of them do at once, and none of them stays behind.

#![cfg(target_os = "linux")]

use std::{
    fs,
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use timing::{
    report::{Lesson, Variant},
    ticks,
};
use tokio::time::{Instant, sleep};

fn models() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ch09-executors"));
    command.arg("models").stdin(Stdio::null());
    command
}

/// Run once for all tests.
fn lesson() -> &'static Lesson {
    static LESSON: OnceLock<Lesson> = OnceLock::new();
    LESSON.get_or_init(|| chapter::measured(&mut models()))
}

fn number(variant: &Variant, what: &str) -> f64 {
    variant.count(what).number()
}

#[test]
fn all_that_is_started_waits_side_by_side_and_ends() {
    let lesson = lesson();
    assert_eq!(lesson.variants.len(), 5);
    for variant in &lesson.variants {
        let label = &variant.label;
        let digits: String = label.chars().filter(char::is_ascii_digit).collect();
        let asked_for: u32 = digits.parse().unwrap();
        let waited = number(variant, "waited");
        assert!(variant.elapsed >= ticks(1), "{label}");
        // One after another would take as many ticks as there are.
        assert!(variant.elapsed < ticks(asked_for), "{label}");
        // Less than asked for only where the machine has no room, and then it is said.
        assert!(
            waited == f64::from(asked_for) || !variant.said.is_empty(),
            "{label}: {waited}"
        );
        assert!(waited > 0.0, "{label}");
    }
    let thousand = |variant: &&Variant| number(variant, "waited") == 1e3;
    let thousand: Vec<_> = lesson.variants.iter().filter(thousand).collect();
    let kib = thousand.iter().map(|variant| number(variant, "KiB each"));
    let kib: Vec<f64> = kib.collect();
    assert!(kib.is_sorted(), "a task, a thread, a process: {kib:?}");
}

#[test]
fn a_thread_reserves_a_stack_of_2_mib_and_holds_a_small_part_of_it() {
    let variants = lesson().variants.iter();
    let threads = variants.filter(|variant| variant.label == "10 000 threads");
    for threads in threads.filter(|threads| number(threads, "waited") >= 1e3) {
        // Less than the whole: the stacks of threads that have ended are used again.
        assert!(number(threads, "KiB reserved each") > 1024.0 * 1.9);
        assert!(number(threads, "KiB each") < 64.0);
    }
}

#[tokio::test]
async fn ctrl_c_leaves_no_process_behind() {
    let mut lesson = models()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
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
fn in_switch_cost_two_tasks_need_no_sleep_and_two_processes_do() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch09-executors"));
    let lesson = chapter::measured(program.arg("switch-cost"));
    let [tasks, threads, processes] = &lesson.variants[..] else {
        panic!("three partners");
    };
    for variant in [tasks, threads, processes] {
        assert_eq!(variant.runs.len(), 5, "{}", variant.label);
    }
    let sleeps = |variant| number(variant, "sleeps in 1 000 exchanges");
    // Now and then something else makes the thread wait.
    assert!(sleeps(tasks) < 10.0, "{}", sleeps(tasks));
    for variant in [threads, processes] {
        assert!(sleeps(variant) > 10.0, "{}", variant.label);
    }
}
