//! How a run ends: well, badly, or because somebody wants it to.

#![cfg(unix)]

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
};

use chapter::Folder;

use crate::{chapter, run, stderr, stdout};

#[test]
fn a_lesson_that_fails_exits_1_and_the_others_still_run() {
    let output = run(&["fails", "keeps", "--virtual"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("misbehaving/fails failed: the stove is cold"));
    assert!(stdout(&output).contains("one tick"));
}

#[test]
fn a_panic_is_a_line_in_its_lane_and_exit_1() {
    let output = run(&["panics", "--virtual"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("spill()           panicked: milk"),
        "{}",
        stdout(&output)
    );
    assert_eq!(
        stderr(&output),
        "error: misbehaving/panics failed: it panicked: milk\n"
    );
}

#[test]
fn a_lesson_that_lacks_something_is_skipped_and_says_what() {
    let output = run(&["skips", "real", "--virtual", "--check"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(
        text.contains("skipped: it needs a server; name one"),
        "{text}"
    );
    assert!(
        text.contains("skipped: it reads sockets; run it without --virtual"),
        "{text}"
    );
}

#[test]
fn a_reader_who_has_seen_enough_ends_it_quietly() {
    // More than a pipe holds, so that the child is still printing when the reader goes; then an hour of waiting.
    let lessons = [vec!["talks"; 200], vec!["waits"]].concat();
    let mut child = piped(chapter(&lessons));
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_stdout_exits_1_with_its_reason() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [
        &["keeps", "--virtual"][..],
        &["--list"],
        &["keeps", "--virtual", "--json", "-"],
    ] {
        let output = chapter(arguments).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            stderr(&output).contains("No space left"),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    let output = chapter(&["keeps", "--virtual", "--json", "/dev/full"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot write /dev/full"));
}

#[test]
fn closed_streams_change_no_exit_code() {
    for closed in ["<&-", ">&-", "2>&-"] {
        let binary = env!("CARGO_BIN_EXE_ch00-misbehaving");
        let script = format!("exec {binary} keeps --virtual {closed}");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{closed}");
    }
}

#[test]
fn signals_cancel_the_lesson_which_cleans_up_and_nothing_is_written() {
    let json = std::env::temp_dir().join(format!("waitwise-signal-{}.json", std::process::id()));
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = piped(chapter(&["waits", "--json", json.to_str().unwrap()]));
        let mut out = until(&mut child, "on the stove");
        send(&child, signal);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(rest.contains("cleaned up"), "{rest}");
        assert!(!json.exists());
    }
}

#[test]
fn a_blocked_loop_swallows_no_signal_and_leaves_no_folder() {
    let place = Folder::temporary().unwrap();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut blocks = chapter(&["blocks"]);
        blocks.env("TMPDIR", place.path());
        let mut child = piped(blocks);
        let _out = until(&mut child, "waitwise-");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        send(&child, signal);
        assert_eq!(
            child.wait().unwrap().code(),
            Some(code),
            "and not after a minute"
        );
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_second_signal_ends_what_takes_too_long_to_clean_up() {
    let mut child = piped(chapter(&["cleans-up-slowly"]));
    let mut out = until(&mut child, "on the stove");
    send(&child, "INT");
    let mut line = String::new();
    while !line.contains("cleaned up") {
        line.clear();
        assert!(
            out.read_line(&mut line).unwrap() > 0,
            "ended without cleaning up"
        );
    }
    send(&child, "INT");
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
}

fn piped(mut command: Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what the child prints until it has said this.
fn until(child: &mut Child, said: &str) -> BufReader<std::process::ChildStdout> {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(said) {
        line.clear();
        assert!(
            out.read_line(&mut line).unwrap() > 0,
            "it never said {said:?}"
        );
    }
    out
}

fn send(child: &Child, signal: &str) {
    let kill = Command::new("kill")
        .args([&format!("-{signal}"), &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
}
