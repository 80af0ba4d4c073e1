//! The errata: each row says where what is true can be seen, and what it says of Python is tried.

use std::process::Command;

use crate::{
    assert_none, at,
    docs::lessons,
    markdown::{codes, rows},
    read, root, workspace,
};

const DOCUMENT: &str = "docs/errata.md";

/// Rows that name no lesson in the column that says where to look.
fn not_to_be_seen(text: &str, lessons: &[String]) -> Vec<String> {
    let mut complaints = Vec::new();
    for row in rows(text) {
        let see = row.cells.iter().find(|(head, _)| *head == "see");
        let named = see.map_or(Vec::new(), |(_, cell)| codes(cell));
        if !named.iter().any(|name| lessons.iter().any(|l| l == name)) {
            complaints.push(format!("{}: no lesson shows it", row.line));
        }
    }
    complaints
}

/// Each `` `python3 -c '…'` says `…` `` of the text: the line's number, the code and what it says.
fn commands(text: &str) -> Vec<(usize, &str, &str)> {
    let mut found = Vec::new();
    for row in rows(text) {
        let spans: Vec<&str> = row.cells.iter().flat_map(|(_, cell)| codes(cell)).collect();
        for pair in spans.windows(2) {
            let code = pair[0].strip_prefix("python3 -c '");
            if let Some(code) = code.and_then(|code| code.strip_suffix('\'')) {
                found.push((row.line, code, pair[1]));
            }
        }
    }
    found
}

/// Commands that don't say what the text says they do; `None` without a Python that has what asyncio has today.
fn broken(text: &str) -> Option<Vec<String>> {
    let python = |code: &str| Command::new("python3").args(["-c", code]).output().ok();
    python("import asyncio; asyncio.TaskGroup").filter(|output| output.status.success())?;
    let mut complaints = Vec::new();
    for (line, code, says) in commands(text) {
        let output = python(code)?;
        let said = [output.stdout, output.stderr].concat();
        if !String::from_utf8_lossy(&said).contains(says) {
            complaints.push(format!("{line}: python3 doesn't say {says}"));
        }
    }
    Some(complaints)
}

#[test]
fn finds_a_row_that_cannot_be_seen() {
    let known = ["tasks/join".to_owned()];
    let good = "|told|true|see|\n|---|---|---|\n| a | b | `tasks/join` |\n";
    assert_none(&not_to_be_seen(good, &known));
    for bad in [
        good.replace("tasks/join", "tasks/jion"),
        good.replace("| a | b | `tasks/join` |", "| a | `tasks/join` | |"),
    ] {
        assert_eq!(not_to_be_seen(&bad, &known), ["3: no lesson shows it"]);
    }
}

#[test]
fn finds_a_command_that_says_something_else() {
    let text = "|told|true|see|\n|---|---|---|\n\
                | a | b | `tasks/join`; `python3 -c 'print(1 + 1)'` says `2` |\n";
    assert_eq!(commands(text), [(3, "print(1 + 1)", "2")]);
    if let Some(found) = broken(text) {
        assert_none(&found);
        let found = broken(&text.replace("says `2`", "says `3`"));
        assert_eq!(found.unwrap(), ["3: python3 doesn't say 3"]);
    }
}

#[test]
fn every_erratum_can_be_seen() {
    let text = read(&root().join(DOCUMENT));
    assert_none(&at(DOCUMENT, not_to_be_seen(&text, &lessons(&workspace()))));
}

#[test]
fn every_python_command_says_what_is_told_of_it() {
    let text = read(&root().join(DOCUMENT));
    assert!(!commands(&text).is_empty(), "{DOCUMENT} has no command");
    match broken(&text) {
        Some(found) => assert_none(&at(DOCUMENT, found)),
        None => crate::python::skipped("no Python 3.11 or newer"),
    }
}
