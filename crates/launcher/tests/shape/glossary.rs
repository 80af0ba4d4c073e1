//! The glossary: sorted, no term twice, both languages, and a lesson that uses the word.

use std::fs;

use crate::{
    assert_none, at,
    markdown::{Row, codes, rows},
    read, root, workspace,
};

const DOCUMENT: &str = "docs/glossary.md";

/// What is wrong with the table; `lesson` gives the text of a lesson, or `None` where there is no such lesson.
fn complaints(text: &str, lesson: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut before = String::new();
    for row in rows(text) {
        let line = row.line;
        let mut say = |what: &str| complaints.push(format!("{line}: {what}"));
        let term = cell(&row, "English").trim_end_matches('★').trim();
        if [term, cell(&row, "here it means")].contains(&"") {
            say("a cell is empty");
        }
        if !cell(&row, "中文").chars().any(is_chinese) {
            say("no Chinese word");
        }
        let term = term.to_lowercase();
        if term == before {
            say("this term stands above, too");
        } else if term < before {
            say("not in the order of the alphabet");
        }
        match lesson(codes(cell(&row, "lesson")).first().unwrap_or(&"")) {
            None => say("names no lesson"),
            Some(text) if !one_line(&text).contains(&term) => {
                say("its lesson doesn't use the term")
            }
            Some(_) => {}
        }
        before = term;
    }
    complaints
}

fn cell<'a>(row: &Row<'a>, head: &str) -> &'a str {
    let cell = row.cells.iter().find(|(name, _)| *name == head);
    cell.map_or("", |(_, text)| text)
}

/// One of the unified ideographs, of which the words of everyday Chinese are made.
fn is_chinese(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

/// A term may be broken over two lines of a comment.
fn one_line(source: &str) -> String {
    let words = source.lines().flat_map(|line| {
        let line = line.trim_start().trim_start_matches(['/', '!']);
        line.split_whitespace()
    });
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

#[test]
fn finds_what_a_row_lacks() {
    let lesson = |name: &str| {
        let text = "//! A waker wakes. Its event\n//! loop runs a Task.\n";
        (name == "runtime/waker").then(|| text.to_owned())
    };
    let good = "| English | 中文 | here it means | lesson |\n|---|---|---|---|\n\
                | event loop | 事件循环 | what runs | `runtime/waker` |\n\
                | task ★ | 任务 | what is run | `runtime/waker` |\n";
    assert_none(&complaints(good, lesson));
    for (with, without, complaint) in [
        ("| 任务 |", "| ren |", "4: no Chinese word"),
        ("| 任务 |", "| |", "4: no Chinese word"),
        ("| what is run |", "| |", "4: a cell is empty"),
        ("event loop", "waker", "4: not in the order of the alphabet"),
        ("event loop", "Task", "4: this term stands above, too"),
        ("task ★", "tusk", "4: its lesson doesn't use the term"),
        (
            "what is run | `runtime/waker`",
            "what is run | `runtime/wake`",
            "4: names no lesson",
        ),
    ] {
        assert_eq!(
            complaints(&good.replace(with, without), lesson),
            [complaint]
        );
    }
}

#[test]
fn every_row_of_the_glossary_is_complete() {
    let workspace = workspace();
    let source = |name: &str| {
        let (_, lesson) = workspace
            .lessons()
            .find(|(chapter, lesson)| format!("{}/{}", chapter.name, lesson.name) == name)?;
        fs::read_to_string(&lesson.file).ok()
    };
    let text = read(&root().join(DOCUMENT));
    assert!(rows(&text).len() >= 70, "{DOCUMENT} has lost its terms");
    assert_none(&at(DOCUMENT, complaints(&text, source)));
}
