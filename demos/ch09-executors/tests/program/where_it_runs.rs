//! A unit test records its own thread only. Here the chapter's program runs, which records them all.

use std::{process::Command, time::Duration};

use timing::report::{Lesson, Variant};

fn ran(lesson: &str) -> Lesson {
    chapter::measured(Command::new(env!("CARGO_BIN_EXE_ch09-executors")).arg(lesson))
}

/// For each lane of this function, whether it ran on the loop's thread.
fn on_loop(variant: &Variant, function: &str) -> Vec<bool> {
    let lanes = variant.lanes.iter();
    let lanes = lanes.filter(|lane| lane.label.starts_with(function));
    lanes.map(|lane| lane.polls[0].on_loop).collect()
}

#[test]
fn inline_work_keeps_the_loops_thread_and_other_work_never_has_it() {
    for (lesson, function, jobs) in [
        ("blocking-io", "measure(", 3),
        ("cpu", "cool(", 8),
        ("hybrid", "parse(", 5),
    ] {
        let variants = ran(lesson).variants;
        assert_eq!(on_loop(&variants[0], function), vec![true; jobs]);
        for elsewhere in &variants[1..] {
            let label = &elsewhere.label;
            assert_eq!(on_loop(elsewhere, function), vec![false; jobs], "{label}");
        }
    }
}

#[test]
fn a_download_begins_while_a_list_is_parsed_on_rayon_and_after_it_inline() {
    let lesson = ran("hybrid");
    let [inline, rayon] = &lesson.variants[..] else {
        panic!("two ways of parsing");
    };
    // Its first poll asks for a permit, the second one has it.
    let begins = |variant: &Variant| variant.lane("download(3)").polls[1].start;
    let parsed =
        |variant: &Variant, number| -> Duration { variant.lane(&format!("parse({number})")).end };
    assert!(begins(inline) >= parsed(inline, 1));
    assert!(begins(rayon) < parsed(rayon, 1).max(parsed(rayon, 2)));
}
