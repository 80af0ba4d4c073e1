//! The lessons with a thousand connections, where the system allows fewer; and their memory, which counts for a whole
//! process and so needs one of its own.

#![cfg(unix)]

use std::process::Command;

use timing::report::{Lesson, Outcome, Variant};

/// What `connections` and `websocket` have measured, with that command of the shell before the program.
fn measured(first: &str) -> [Lesson; 2] {
    // With a number `ulimit -n` lowers the hard limit too, so the program can't raise its own again.
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            r#"{first}; exec "$0" connections websocket --json -"#
        ))
        .arg(env!("CARGO_BIN_EXE_ch06-http"))
        .output()
        .expect("there is a shell");
    let report = chapter::report(&output).expect("the program leaves a report");
    report.lessons.try_into().expect("two lessons")
}

fn bytes_each(variant: &Variant) -> i64 {
    variant.count("bytes each").whole()
}

#[test]
fn with_fewer_open_files_there_are_fewer_connections_and_the_lessons_say_so() {
    let [connections, websocket] = measured("ulimit -n 300");
    for lesson in [&connections, &websocket] {
        assert_eq!(lesson.outcome, Outcome::Ran);
        assert!(lesson.said[0].text.contains("open files end at 300"));
    }
    assert_eq!(*connections.variants[1].count("connections"), 125);
    assert_eq!(*connections.variants[1].count("lines back"), 125);
    assert_eq!(*websocket.variants[0].count("members"), 125);
    assert_eq!(*websocket.variants[0].count("heard"), 1_250);
}

#[test]
fn a_connection_takes_less_than_a_default_buffer_would() {
    let [connections, websocket] = measured("true");
    let bytes = bytes_each(&connections.variants[1]);
    assert!((500..8 << 10).contains(&bytes), "{bytes}");
    let bytes = bytes_each(&websocket.variants[0]);
    assert!((8_000..128 << 10).contains(&bytes), "{bytes}");
}
