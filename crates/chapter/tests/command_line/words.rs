//! What is asked for, and what is typed wrong.

use chapter::report;
use timing::report::{Outcome, Verdict};

use crate::{chapter, run, stderr, stdout};

#[test]
fn what_is_typed_wrong_is_named_with_the_way_out_and_exits_2() {
    for (arguments, value, way_out) in [
        (&["keps"][..], "keps", "did you mean keeps?"),
        (&["--virtul"], "--virtul", "did you mean --virtual?"),
        (&["--repeat", "0"], "--repeat 0", "--repeat 5"),
        (&["-n", "-1"], "--repeat -1", "--repeat 5"),
        (&["--tick", "-1s"], "--tick -1s", "--tick 100ms"),
        (&["--tick", "15ms"], "--tick 15ms", "--tick 100ms"),
        (&["--tick"], "--tick", "a value is missing"),
        (&["--slow", "0ms"], "--slow 0ms", "--slow 10ms"),
        (&["--color", "pink"], "--color pink", "auto, always, never"),
        (
            &["--json", "no/such/x.json"],
            "--json no/such/x.json",
            "mkdir -p no/such",
        ),
        (&["--trace", "."], "--trace .", "name a file"),
        (
            &["--json", "-", "--trace", "-"],
            "--json -",
            "--trace trace.json",
        ),
        (&["--virtual", "--virtual"], "--virtual", "--help"),
    ] {
        let output = run(arguments);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(
            told.starts_with("error: ") && told.contains(value),
            "{arguments:?}: {told}"
        );
        assert!(told.contains(way_out), "{arguments:?}: {told}");
        assert_eq!(stdout(&output), "");
    }
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let output = chapter(&[])
        .arg(std::ffi::OsStr::from_bytes(b"\xff"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("UTF-8"));
}

#[test]
fn help_fits_eighty_columns() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let help = stdout(&output);
    let too_wide: Vec<&str> = help
        .lines()
        .filter(|line| line.chars().count() > 80)
        .collect();
    assert!(
        too_wide.is_empty() && help.contains("--virtual"),
        "{too_wide:?}"
    );
}

#[test]
fn lists_name_title_and_asyncio_names_and_prints_sources() {
    let list = stdout(&run(&["--list"]));
    assert!(
        list.contains("breaks-a-law") && list.contains("Breaks its law"),
        "{list}"
    );
    assert!(list.contains("asyncio: sleep"));
    let source = stdout(&run(&["keeps", "--source"]));
    assert_eq!(source, "//! # Keeps its law\n//!\n//! asyncio: sleep\n");
}

#[test]
fn lessons_run_in_the_order_they_are_named_by_any_spelling() {
    let output = run(&[
        "misbehaving/talks",
        "BREAKS_A_LAW",
        "--virtual",
        "--timeline",
        "never",
    ]);
    let text = stdout(&output);
    let place = |what| {
        text.find(what)
            .unwrap_or_else(|| panic!("{what} in {text}"))
    };
    assert!(place("misbehaving/talks") < place("misbehaving/breaks-a-law"));
    assert_eq!(
        output.status.code(),
        Some(0),
        "a broken law is shown, and judged with --check only"
    );
}

#[test]
fn check_exits_1_and_names_the_law_that_broke() {
    let output = run(&["keeps", "breaks-a-law", "--virtual", "--check"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("misbehaving/breaks-a-law") && told.contains("took 200ms"),
        "{told}"
    );
    assert!(stdout(&output).contains('✗'));
    assert_eq!(
        run(&["keeps", "--virtual", "--check"]).status.code(),
        Some(0)
    );
}

#[test]
fn on_the_real_clock_a_law_is_broken_when_three_runs_broke_it() {
    let output = run(&["breaks-a-law", "--check", "--json", "-"]);
    assert_eq!(output.status.code(), Some(1));
    let report = report(&output).unwrap();
    assert_eq!(report.lessons[0].variants[0].runs.len(), 3);
}

#[test]
fn json_on_stdout_stands_alone() {
    let output = run(&["keeps", "breaks-a-law", "real", "--virtual", "--json", "-"]);
    let report = report(&output).unwrap();
    let verdicts: Vec<_> = report
        .lessons
        .iter()
        .flat_map(|lesson| &lesson.variants)
        .map(|one| one.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Kept, Verdict::Broken]);
    assert!(matches!(&report.lessons[2].outcome, Outcome::Skipped(why) if why.contains("sockets")));
    assert!(
        stderr(&output).contains("one tick"),
        "the rest goes to stderr"
    );
}

#[test]
fn repeating_shows_three_figures_and_one_narration() {
    let text = stdout(&run(&["keeps", "--virtual", "-n", "3"]));
    assert!(
        text.contains("min") && text.contains("median") && text.contains("max"),
        "{text}"
    );
    assert_eq!(text.matches("on the stove").count(), 1);
    assert!(!text.contains('▌'), "no picture of one run for three");
}

#[test]
fn narration_stops_after_twenty_lines_and_says_how_much_it_left_out() {
    let text = stdout(&run(&["talks", "--virtual"]));
    assert_eq!(text.matches("  line ").count(), 20);
    assert!(text.contains("… 30 more lines"), "{text}");
}

#[test]
fn slow_names_polls_or_says_there_were_none() {
    let text = stdout(&run(&["keeps", "--slow", "1h"]));
    assert!(text.contains("no poll took 1h or longer"), "{text}");
    let text = stdout(&run(&["holds", "--slow", "50ms"]));
    for named in [
        "a spawned task: naps(1) held the loop for ",
        "a future in join!: naps(2) held the loop for ",
        "a function it calls: dozes(3) held the loop for ",
        "a blocking thread: dozes(4) kept another thread for ",
    ] {
        assert!(text.contains(named), "{named}\n{text}");
    }
    // The lane that polls a slow one is not to blame.
    let named = |text: &str| text.lines().filter(|line| line.ends_with(" ms")).count();
    assert_eq!(named(&text), 4, "{text}");
    // Unasked they are those that hold the loop.
    let text = stdout(&run(&["holds"]));
    assert_eq!(named(&text), 3, "{text}");
}

#[test]
fn slow_names_the_tasks_of_worker_threads_too() {
    let text = stdout(&run(&["holds-a-worker", "--slow", "50ms"]));
    let named = "on a worker: naps(5) kept another thread for ";
    assert!(text.contains(named), "{text}");
}

#[test]
fn slow_names_twenty_and_says_how_many_more_there_are() {
    let text = stdout(&run(&["holds-again-and-again", "--slow", "1ms"]));
    assert_eq!(text.matches(" held the loop for ").count(), 20, "{text}");
    assert!(text.contains("… 5 more: see --json"), "{text}");
}

#[test]
fn slow_says_that_the_virtual_clock_shows_nothing() {
    let text = stdout(&run(&[
        "holds-again-and-again",
        "--virtual",
        "--slow",
        "1ms",
    ]));
    assert!(
        text.contains("no poll is slow on the virtual clock"),
        "{text}"
    );
}

#[test]
fn without_a_utf8_locale_everything_is_ascii() {
    let output = chapter(&["keeps", "breaks-a-law", "--virtual"])
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(stdout(&output).is_ascii(), "{}", stdout(&output));
}

#[test]
fn colour_is_for_those_who_want_it() {
    let coloured =
        |command: &mut std::process::Command| command.output().unwrap().stdout.contains(&b'\x1b');
    assert!(!coloured(&mut chapter(&["keeps", "--virtual"])));
    assert!(coloured(&mut chapter(&[
        "keeps",
        "--virtual",
        "--color",
        "always"
    ])));
    assert!(coloured(
        chapter(&["keeps", "--virtual"]).env("CLICOLOR_FORCE", "1")
    ));
    let refused = &["keeps", "--virtual", "--color", "never"];
    assert!(!coloured(chapter(refused).env("CLICOLOR_FORCE", "1")));
}
