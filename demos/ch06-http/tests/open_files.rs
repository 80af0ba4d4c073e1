//! The chapter's program where the system sets the limit.
#![cfg(unix)]

use std::process::Command;

use timing::report::{Outcome, Report};

#[test]
fn with_fewer_open_files_there_are_fewer_connections_and_the_lesson_says_so() {
    // Lowers both limits of the shell, so the program that takes its place can't raise its own.
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -n 300; exec "$0" connections --json -"#])
        .arg(env!("CARGO_BIN_EXE_ch06-http"))
        .output()
        .unwrap();
    let report: Report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let lesson = &report.lessons[0];
    assert_eq!(lesson.outcome, Outcome::Ran);
    assert!(lesson.said[0].text.contains("open files end at 300"));
    let all = &lesson.variants[1];
    assert_eq!(*all.count("connections"), 125);
    assert_eq!(*all.count("lines back"), 125);
}
