//! What the executor did, from a run of the chapter's program, which also records the thread.

use std::{process::Command, sync::LazyLock};

use timing::{
    report::{Ended, Variant},
    ticks,
};

static RAN: LazyLock<Vec<Variant>> = LazyLock::new(|| {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch10-runtime"));
    chapter::measured(program.arg("mini-executor")).variants
});

fn ran(label: &str) -> &'static Variant {
    let variant = RAN.iter().find(|variant| variant.label == label);
    variant.unwrap_or_else(|| panic!("no variant is called {label:?}"))
}

/// How often each part's lane was polled.
fn polls(label: &str) -> [usize; 3] {
    ["door", "shelf", "knob"].map(|part| ran(label).lane(part).polls.len())
}

#[test]
fn it_has_at_most_120_lines_and_the_header_tells_how_many() {
    let lines = ran("three tasks").count("executor: lines of code").whole();
    assert!(lines <= 120, "{lines}");
    let source = include_str!("../../src/mini_executor.rs");
    assert!(source.contains(&format!("this file has {lines} lines")));
    assert!(!source.contains(concat!("unsafe", " {")));
}

#[test]
fn tasks_wait_together_and_are_polled_only_when_they_are_woken() {
    let tasks = ran("three tasks");
    assert_eq!(*tasks.count("parts"), "door, shelf, knob");
    assert!(tasks.elapsed >= ticks(3));
    let lanes = ["door", "shelf", "knob"].map(|part| tasks.lane(part));
    let first_end = lanes.iter().map(|lane| lane.end).min().unwrap();
    assert!(lanes.iter().all(|lane| lane.start < first_end));
    assert_eq!(polls("three tasks"), [2, 2, 2]);
}

#[test]
fn futures_of_futures_util_run_on_it() {
    assert_eq!(*ran("join_all").count("parts"), "door, shelf, knob");
    assert_eq!(*ran("FuturesUnordered").count("parts"), "knob, shelf, door");
}

#[test]
fn a_wake_of_one_polls_all_of_join_all_and_one_of_futures_unordered() {
    assert_eq!(polls("join_all"), [4, 3, 2]);
    assert_eq!(polls("FuturesUnordered"), [2, 2, 2]);
}

#[test]
fn a_thread_wakes_a_task_by_a_channel() {
    let pipeline = ran("a thread, then a task");
    assert_eq!(*pipeline.count("parts"), "door, shelf, knob");
    assert!(pipeline.elapsed >= ticks(4));
    let polishing = &pipeline.lane("polishes").polls;
    assert!(polishing[0].end < pipeline.elapsed / 2, "it doesn't block");
    assert!(!pipeline.lane("saws_in_a_thread").polls[0].on_loop);
}

#[test]
fn a_sleep_of_tokios_panics_here() {
    let refused = ran("a sleep of tokio's");
    assert_eq!(*refused.count("panics"), 1);
    assert_eq!(refused.lane("sleeps_by_tokio").ended, Ended::Panicked);
    assert!(refused.said[0].text.contains("there is no reactor running"));
}
