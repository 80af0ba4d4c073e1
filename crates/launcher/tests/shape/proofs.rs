//! Proofs: what a document claims of Rust is held by the test that it names.

use std::fs;

use crate::{
    assert_none, at,
    markdown::{Piece, codes, pieces, prose, rows},
    read, root,
};

/// A source and the function in it that a line points to: `` `demos/…/x.rs` `a_test` `` or `` [`a_test`](../demos/…/x.rs) ``.
fn proofs(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut source: Option<String> = None;
    for piece in pieces(line) {
        let (text, target) = match piece {
            Piece::Code(text) => (text, None),
            Piece::Link { text, target } => {
                (codes(text).first().copied().unwrap_or(text), Some(target))
            }
        };
        let here = target.and_then(demo_source).or_else(|| demo_source(text));
        if here.is_some() {
            source = here;
        }
        if is_function(text)
            && let Some(source) = &source
        {
            found.push((source.clone(), text.to_owned()));
        }
    }
    found
}

fn demo_source(path: &str) -> Option<String> {
    let path = path.split('#').next()?;
    let path = &path[path.find("demos/ch")?..];
    path.ends_with(".rs").then(|| path.to_owned())
}

/// A test's name is a sentence, so it has a `_`; a word without one may be any name.
fn is_function(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.contains('_') && !text.starts_with('_') && text.chars().all(is_part)
}

/// Claims in a table without a proof, proofs that aren't where they are said to be, and proofs of two rows.
fn unproven(text: &str, source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    for row in rows(text) {
        let line = text.lines().nth(row.line - 1).unwrap_or_default();
        if proofs(line).is_empty() {
            complaints.push(format!("{}: names no test that proves it", row.line));
        }
    }
    let mut used = Vec::new();
    for (number, line) in prose(text) {
        for (path, function) in proofs(line) {
            // What one test shows is one thing: two rows with it are two wordings of the same.
            if used.contains(&(path.clone(), function.clone())) {
                complaints.push(format!("{number}: `{function}` proves a row above, too"));
            }
            used.push((path.clone(), function.clone()));
            match source(&path) {
                None => complaints.push(format!("{number}: there is no {path}")),
                Some(text) if !text.contains(&format!("fn {function}(")) => {
                    complaints.push(format!("{number}: no `{function}` in {path}"));
                }
                Some(_) => {}
            }
        }
    }
    complaints
}

#[test]
fn finds_a_proof_that_is_not_there() {
    let source = |path: &str| {
        let tests = "fn keeps_the_order() {} fn waits_for_all() {}";
        (path == "demos/ch02-tasks/src/join.rs").then(|| tests.to_owned())
    };
    let good = "| word | proof |\n|---|---|\n| gather | `demos/ch02-tasks/src/join.rs` `keeps_the_order` |\n\
                | wait | [`waits_for_all`](../demos/ch02-tasks/src/join.rs#L3) |\n";
    assert_none(&unproven(good, source));
    for (with, without, complaint) in [
        (
            "src/join.rs` `keeps_the_order`",
            "src/join.rs` `keeps_the_peace`",
            "3: no `keeps_the_peace` in demos/ch02-tasks/src/join.rs",
        ),
        (
            "[`waits_for_all`]",
            "[`waits_for`]",
            "4: no `waits_for` in demos/ch02-tasks/src/join.rs",
        ),
        (
            "[`waits_for_all`]",
            "[`keeps_the_order`]",
            "4: `keeps_the_order` proves a row above, too",
        ),
        (
            "src/join.rs#L3",
            "src/gone.rs",
            "4: there is no demos/ch02-tasks/src/gone.rs",
        ),
        (
            " `keeps_the_order` |",
            " |",
            "3: names no test that proves it",
        ),
    ] {
        assert_eq!(unproven(&good.replace(with, without), source), [complaint]);
    }
}

#[test]
fn every_false_friend_is_proven_by_a_test() {
    let text = read(&root().join("docs/false-friends.md"));
    let source = |path: &str| fs::read_to_string(root().join(path)).ok();
    assert_none(&at("docs/false-friends.md", unproven(&text, source)));
}
