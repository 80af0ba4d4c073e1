//! The checks themselves: each finds what it is there for, in a program that does it.

use std::time::Duration;

use crate::{
    run::{Ended, Run},
    values::{Valued, judged, valued},
};

fn shell(script: &str) -> Ended {
    let run = Run::of("sh").args(["-c", script]);
    run.vanishing_within(Duration::from_millis(200)).ended()
}

fn assert_finds(script: &str, expected: &str) {
    let found = shell(script).complaints(&[0]);
    let [one] = &found[..] else {
        panic!("{script}: {found:?}")
    };
    assert!(one.contains(expected), "{script}: {one}");
}

#[test]
fn a_program_that_leaves_nothing_is_not_complained_of() {
    let ended =
        shell("echo said; echo told >&2; touch $TMPDIR/page; rm $TMPDIR/page; sleep 0.01 &");
    assert_eq!(ended.complaints(&[0]), [""; 0]);
    assert_eq!(
        (ended.out.as_str(), ended.err.as_str()),
        ("said\n", "told\n")
    );
}

#[test]
fn a_panic_is_found() {
    assert_finds(
        "echo \"thread 'main' panicked at src/main.rs:1\" >&2",
        "a panic: thread 'main'",
    );
    assert_finds("exit 101", "exit code Some(101)");
}

#[test]
fn another_exit_code_is_found() {
    assert_finds("exit 3", "exit code Some(3), not [0]");
    assert_finds("kill -KILL $$", "exit code None");
}

#[test]
fn a_process_that_is_left_is_found() {
    assert_finds("sleep 1000 &", "left: process");
}

#[test]
fn a_process_that_has_left_the_session_is_found() {
    assert_finds("setsid sleep 1000 &", "left: process");
}

#[test]
fn a_file_that_is_left_is_found() {
    assert_finds("touch $TMPDIR/page", "/tmp/page");
    assert_finds("mkdir -p $TMPDIR/shelf/empty", "/tmp/shelf");
}

#[test]
fn an_answer_that_does_not_name_value_and_way_out_is_found() {
    let refuses = |what: &str, way_out: &str, code: i32| {
        let ended = shell(&format!(
            "echo '{what}' >&2; [ -z '{way_out}' ] || echo '       {way_out}' >&2; exit {code}"
        ));
        judged(&ended, "--tick", "many", &[1, 2]).len()
    };
    let (what, way_out) = ("error: --tick many: no time", "all options: --help");
    assert_eq!(refuses(what, way_out, 2), 0);
    assert_eq!(refuses("error: --tick: no time", way_out, 2), 1);
    assert_eq!(refuses("error: many: no time", way_out, 2), 1);
    assert_eq!(refuses(what, "", 2), 1);
    assert_eq!(refuses(what, "", 1), 0);
    assert_eq!(refuses("error: no time", "", 1), 1);
    assert_eq!(refuses(what, way_out, 0), 1);
}

#[test]
fn the_options_of_a_help_are_found_with_all_that_is_said_of_them() {
    let help = "A chapter\n\nUsage: x [OPTIONS] [LESSON]...\n\nArguments:\n  [LESSON]...  -no <FLAG>\n\nOptions:\n  \
                -l, --list             Lists, with --own <X>\n  -n, --repeat <N>       Repeats\n      \
                --tick <DURATION>\n          How long\n\nThis chapter's own:\n      --urls <NUMBER>   How many\n";
    let option =
        |flag: &str, value: &str, is_shared| (flag.to_owned(), value.to_owned(), is_shared);
    let found = valued(help);
    let told = |Valued {
                    flag,
                    value,
                    is_shared,
                    ..
                }: &Valued| option(flag, value, *is_shared);
    assert_eq!(
        found.iter().map(told).collect::<Vec<_>>(),
        [
            option("--repeat", "N", true),
            option("--tick", "DURATION", true),
            option("--urls", "NUMBER", false)
        ]
    );
    assert!(found[1].about.contains("How long"));
    assert!(!found[1].about.contains("How many"));
}
