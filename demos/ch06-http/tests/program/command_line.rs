//! The chapter's lessons, sent to another server.

use std::process::Command;

use timing::report::{Outcome, Verdict};

#[test]
fn another_server_is_used_unchanged_and_its_time_is_not_judged() {
    let server = httpbin::Server::on_thread().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ch06-http"))
        .args(["get", "together", "post", "statuses", "check-all"])
        .args(["--check", "--server", server.url(), "--json", "-"])
        .output()
        .unwrap();
    let report = chapter::report(&output).unwrap();
    for lesson in &report.lessons {
        assert_eq!(lesson.outcome, Outcome::Ran, "{}", lesson.name);
        let mut variants = lesson.variants.iter();
        assert!(variants.all(|variant| variant.verdict == Verdict::NotJudged));
    }
    // 6 of get, 2 × 3 of together, 4 of post, 3 × 3 of statuses, 3 × 3 of check-all.
    assert_eq!(server.stats().requests, 34);
}

#[test]
fn a_lesson_that_needs_the_stand_ins_counts_is_skipped_with_another_server() {
    let server = httpbin::Server::on_thread().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ch06-http"))
        .args(["reuse-client", "--server", server.url(), "--json", "-"])
        .output()
        .unwrap();
    let report = chapter::report(&output).unwrap();
    let outcome = &report.lessons[0].outcome;
    assert!(matches!(outcome, Outcome::Skipped(why) if why.contains("without --server")));
    assert_eq!(server.stats().requests, 0);
}
