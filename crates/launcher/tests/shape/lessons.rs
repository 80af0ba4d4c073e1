//! Lessons: the parts each of them has, and what none of them does.

use std::path::Path;

use launcher::{Chapter, Lesson, listed};
use lesson::{Header, kebab, snake};

use crate::{
    assert_none, at, files, read, root,
    rust::{attributes, code, code_outside_tests, has_word, is_name},
    short, workspace,
};

/// The files of a chapter that are no lessons.
const NOT_LESSONS: [&str; 2] = ["main", "options"];

/// What a lesson says goes through `tracing`, and its clock is tokio's.
const FORBIDDEN: [&str; 6] = [
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
    "Instant::now",
];

/// The width of a comment, so that two files stand side by side.
const WIDTH: usize = 120;

/// Lessons that need a clock of their own: one is about measuring, and the figures of its table are what its guard
/// measured; the other is an executor with its timers.
const CLOCKS: [[&str; 2]; 2] = [["streams", "timer"], ["runtime", "mini-executor"]];

fn complaints(source: &str, tested_elsewhere: bool) -> Vec<String> {
    let mut complaints = header_complaints(&Header::parse(source));
    let mut complain = |text: String| complaints.push(text);
    let everything = code(source);
    if !tested_elsewhere && !everything.contains("#[cfg(test)]") {
        complain("no test of its claims".to_owned());
    }
    if !attributes(&everything, "ignore").is_empty() {
        complain("an ignored test proves nothing".to_owned());
    }
    for mark in ["TODO", "FIXME"] {
        if has_word(source, mark) {
            complain(format!("{mark} left behind"));
        }
    }
    // What rustfmt doesn't break.
    if source.lines().any(|line| line.chars().count() > WIDTH) {
        complain(format!("a line of more than {WIDTH} columns"));
    }
    // A deadline is no stopwatch.
    let outside = code_outside_tests(source).replace("Instant::now() + ", "");
    for forbidden in FORBIDDEN {
        let mut places = outside.match_indices(forbidden);
        if places.any(|(at, _)| !outside[..at].ends_with(is_name)) {
            complain(format!("`{forbidden}` in a lesson"));
        }
    }
    for attribute in attributes(&outside, "instrument") {
        if !has_word(attribute, "ret") {
            complain(format!(
                "#[{attribute}] without `ret`: a lane that can't show how it ended"
            ));
        }
    }
    complaints
}

fn header_complaints(header: &Header) -> Vec<String> {
    let mut complaints = Vec::new();
    let python = header.python.as_deref().unwrap_or_default();
    let difference = header.not_the_same.as_deref().unwrap_or_default();
    for (is_missing, what) in [
        (header.title.is_empty(), "no title"),
        (header.claim.is_empty(), "no claim"),
        (header.asyncio.is_empty(), "no asyncio names"),
        (python.trim().is_empty(), "no Python idiom"),
        (python.lines().count() > 6, "more than six lines of Python"),
        (difference.is_empty(), "no \"Not the same:\""),
        (
            !(12..=25).contains(&header.lines),
            "a header of less than 12 or more than 25 lines",
        ),
    ] {
        if is_missing {
            complaints.push(what.to_owned());
        }
    }
    complaints
}

/// The chapter's list against its `mod` lines and its files (by the names of their modules).
fn list_complaints(main: &str, modules: &[String]) -> Vec<String> {
    let list = listed(main);
    let main = code(main);
    let mut complaints = Vec::new();
    if list.is_empty() {
        complaints.push("no list of lessons".to_owned());
    }
    for (i, module) in list.iter().enumerate() {
        if list[..i].contains(module) {
            complaints.push(format!("{module} is listed twice"));
        }
        if !main
            .lines()
            .any(|line| line.trim().ends_with(&format!("mod {module};")))
        {
            complaints.push(format!("{module} is listed and has no `mod`"));
        }
        if !modules.contains(module) {
            complaints.push(format!("{module} is listed and has no file"));
        }
    }
    for module in modules {
        if !list.contains(module) && !NOT_LESSONS.contains(&module.as_str()) {
            complaints.push(format!(
                "{module}.rs is an orphan: not in the list of lessons"
            ));
        }
    }
    complaints
}

fn folder(chapter: &Chapter) -> std::path::PathBuf {
    root().join("demos").join(&chapter.package)
}

/// The names of the files below `src`, with their folders where they stand deeper.
fn modules(src: &Path) -> Vec<String> {
    let name = |path: &Path| {
        let path = path.strip_prefix(src).unwrap_or(path).with_extension("");
        path.display().to_string()
    };
    files(src, "rs").iter().map(|path| name(path)).collect()
}

fn tested_elsewhere(tests: &str, lesson: &Lesson) -> bool {
    has_word(tests, &snake(&lesson.name)) || tests.contains(&format!("\"{}\"", kebab(&lesson.name)))
}

const GOOD: &str = "//! # `join!`: wait\n//!\n//! It waits.\n//!\n//! asyncio: gather\n//!\n\
//! ```python\n//! await x\n//! ```\n//!\n//! Not the same: no `println!` here.\n//! And one more line.\n\n\
#[instrument(ret)]\nasync fn a() { info!(\"println!\"); }\n\n\
#[cfg(test)]\nmod tests {\n    fn b() { println!(); Instant::now(); }\n}\n";

#[test]
fn a_good_lesson_is_left_alone() {
    let with_deadline = format!("{GOOD}\nlet deadline = Instant::now() + tick;\n");
    assert_none(&complaints(&with_deadline, false));
    assert_none(&complaints(GOOD, false));
}

#[test]
fn finds_every_missing_part() {
    for (with, without, complaint) in [
        ("//! # `join!`: wait", "//!", "no title"),
        ("//! It waits.", "//!", "no claim"),
        ("asyncio: gather", "asyncio: –", "no asyncio names"),
        ("```python", "```text", "no Python idiom"),
        (
            "//! await x\n",
            "//! x\n//! x\n//! x\n//! x\n//! x\n//! x\n//! x\n",
            "more than six lines of Python",
        ),
        ("Not the same: no", "The same: no", "no \"Not the same:\""),
        (
            "//! And one more line.\n",
            "",
            "a header of less than 12 or more than 25 lines",
        ),
        (
            "//! And one more line.\n",
            &"//! And one more line.\n".repeat(15),
            "a header of less than 12 or more than 25 lines",
        ),
        ("#[cfg(test)]", "", "no test of its claims"),
        (
            "//! It waits.",
            &format!("//! It waits {}.", "and waits ".repeat(11)),
            "a line of more than 120 columns",
        ),
    ] {
        let bad = GOOD.replace(with, without);
        assert!(
            complaints(&bad, false).contains(&complaint.to_owned()),
            "{complaint}"
        );
    }
    assert_none(&complaints(
        &GOOD.replace(
            "#[cfg(test)]\nmod tests {\n    fn b() { println!(); Instant::now(); }\n}\n",
            "",
        ),
        true,
    ));
}

#[test]
fn finds_what_a_lesson_does_not_do() {
    for (bad, complaint) in [
        ("println!(\"x\");", "`println!` in a lesson"),
        ("eprint!(\"x\");", "`eprint!` in a lesson"),
        ("dbg!(x);", "`dbg!` in a lesson"),
        ("tokio::time::Instant::now();", "`Instant::now` in a lesson"),
        ("// TODO: more", "TODO left behind"),
        ("#[ignore = \"slow\"]", "an ignored test proves nothing"),
        (
            "let begun = Instant::now();\nlet deadline = Instant::now() + tick;",
            "`Instant::now` in a lesson",
        ),
        (
            "#[instrument(\n    skip(a)\n)]",
            "#[instrument(\n    skip(a)\n)] without `ret`: a lane that can't show how it ended",
        ),
    ] {
        assert_eq!(complaints(&format!("{GOOD}\n{bad}\n"), false), [complaint]);
    }
}

#[test]
fn finds_orphans_and_holes_in_a_list() {
    let main = "mod a;\n// mod b;\nmod options;\nchapter::lessons![options::Options; on_loop a, on_loop b, off_loop c, a];\n";
    let files = ["a", "b", "main", "options", "deep/d"].map(str::to_owned);
    assert_eq!(
        list_complaints(main, &files),
        [
            "b is listed and has no `mod`",
            "c is listed and has no `mod`",
            "c is listed and has no file",
            "a is listed twice",
            "deep/d.rs is an orphan: not in the list of lessons",
        ]
    );
    assert_eq!(list_complaints("fn main() {}", &[]), ["no list of lessons"]);
}

/// What stands above a lesson when it runs has one line.
fn wide_heading(chapter: &str, lesson: &str, title: &str) -> Option<String> {
    let width = format!("{chapter}/{lesson} · {title}").chars().count();
    (width > 80).then(|| format!("its heading is {width} columns wide"))
}

#[test]
fn finds_a_heading_that_does_not_fit() {
    assert_eq!(wide_heading("tasks", "join", &"x".repeat(67)), None);
    let wide = wide_heading("tasks", "join", &"x".repeat(68));
    assert_eq!(wide.as_deref(), Some("its heading is 81 columns wide"));
}

#[test]
fn every_lesson_has_its_parts() {
    let mut found = Vec::new();
    for chapter in &workspace().chapters {
        let tests = files(&folder(chapter).join("tests"), "rs");
        let tests: String = tests.iter().map(|path| read(path)).collect();
        for lesson in chapter.lessons.iter().filter(|lesson| lesson.file.exists()) {
            let mut here = complaints(&read(&lesson.file), tested_elsewhere(&tests, lesson));
            if CLOCKS.contains(&[chapter.name.as_str(), lesson.name.as_str()]) {
                here.retain(|text| text != "`Instant::now` in a lesson");
            }
            here.extend(wide_heading(
                &chapter.name,
                &lesson.name,
                &lesson.header.title,
            ));
            found.extend(at(&short(&lesson.file), here));
        }
    }
    assert_none(&found);
}

#[test]
fn every_list_has_its_files_and_every_file_its_list() {
    let mut found = Vec::new();
    for chapter in &workspace().chapters {
        let src = folder(chapter).join("src");
        let here = list_complaints(&read(&src.join("main.rs")), &modules(&src));
        found.extend(at(&chapter.package, here));
    }
    assert_none(&found);
}
