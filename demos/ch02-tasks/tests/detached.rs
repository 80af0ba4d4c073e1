//! What is printed, as the chapter's own program prints it: a unit test has the panic hook of the test harness.

use std::process::Command;

use timing::report::{Level, Variant};

fn lesson() -> Vec<Variant> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch02-tasks"));
    chapter::measured(program.args(["detached", "--virtual"])).variants
}

#[test]
fn a_panic_is_printed_once_in_its_lane_when_it_happens() {
    let lesson = lesson();
    let panicked = &lesson[0];
    assert_eq!(panicked.label, "panic, detached");
    assert_eq!(*panicked.count("printed"), 1);
    let [line] = &panicked.said[..] else {
        panic!("one line: {:?}", panicked.said);
    };
    assert_eq!(line.level, Level::Error);
    assert_eq!(line.text, "panicked: the pot fell");
    assert_eq!(line.lane.as_deref(), Some("drops_the_pot()"));
    assert_eq!(line.at, panicked.lane("drops_the_pot").end);
}

#[test]
fn it_is_printed_also_when_somebody_awaits_the_task() {
    let lesson = lesson();
    let kept = &lesson[3];
    assert_eq!(kept.label, "kept in a JoinSet");
    assert_eq!(*kept.count("printed"), 1);
    assert_eq!(*kept.count("fetched"), 2);
}

#[test]
fn an_err_that_nobody_awaits_is_printed_nowhere() {
    let lesson = lesson();
    let vanished = &lesson[1];
    assert_eq!(vanished.label, "`Err`, detached");
    assert_eq!(*vanished.count("failed"), 1);
    assert_eq!(*vanished.count("printed"), 0);
}
