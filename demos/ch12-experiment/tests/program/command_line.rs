//! The chapter's own flags, typed right and wrong.

#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::process::{Command, Output};

use timing::report::{Outcome, Verdict};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ch12-experiment"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

#[test]
fn what_is_typed_wrong_is_named_with_the_way_out_and_exits_2() {
    for (arguments, value, way_out) in [
        (&["--urls", "0"], "--urls 0", "--urls 10"),
        (&["--urls", "-3"], "--urls -3", "--urls 10"),
        (&["--limit", "0"], "--limit 0", "--limit 5"),
        (&["--tasks", "9"], "--tasks 9", "--tasks 1000000"),
        (
            &["--server", "nonsense"],
            "--server nonsense",
            "--server http://",
        ),
        (
            &["--server", "https://httpbin.org"],
            "without TLS",
            "cargo run -p ch12-experiment --features tls",
        ),
    ] {
        let output = run(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(value) && told.contains(way_out), "{told}");
        assert_eq!(told.lines().count(), 2, "{told}");
    }
}

#[test]
fn a_server_that_is_not_there_fails_with_its_name_and_how_to_start_one() {
    let (_taken, url) = web::nobody_listens().unwrap();
    let output = run(&["ten-urls", "--server", &url]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told.contains(&url) && told.contains("cargo run -p httpbin"),
        "{told}"
    );
}

#[test]
fn another_server_is_used_unchanged_and_its_time_is_not_judged() {
    let server = httpbin::Server::on_thread().unwrap();
    let flags = ["--urls", "3", "--server", server.url(), "--json", "-"];
    let output = run(&[&["ten-urls", "fifty-urls", "--check"][..], &flags].concat());
    let report = chapter::report(&output).unwrap();
    let [ten, fifty] = report.lessons.as_slice() else {
        panic!("two lessons")
    };
    assert_eq!(ten.outcome, Outcome::Ran);
    assert!(
        ten.variants
            .iter()
            .all(|variant| variant.verdict == Verdict::NotJudged)
    );
    assert_eq!(server.stats().requests, 9);
    assert!(matches!(&fifty.outcome, Outcome::Skipped(why) if why.contains("without --server")));
}

#[test]
fn a_proxy_in_the_environment_is_not_asked_for_the_stand_in() {
    let mut program = program(&["ten-urls", "--urls", "2"]);
    let nobody = "http://127.0.0.1:9";
    let program = program.envs([("HTTP_PROXY", nobody), ("http_proxy", nobody)]);
    assert_eq!(chapter::measured(program).variants.len(), 3);
}

#[test]
fn a_tick_longer_than_httpbin_delays_is_refused() {
    let output = run(&["ten-urls", "--tick", "60s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("use --tick 10s or less"));
}
