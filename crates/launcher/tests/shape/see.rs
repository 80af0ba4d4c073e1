//! The way from one lesson to another: a comment that sends its reader to a lesson names it with its chapter.

use lesson::kebab;

use crate::{assert_none, at, docs::lessons, read, short, workspace};

/// The comments of a file as one text, so that a name may stand behind a line break.
fn comments(source: &str) -> String {
    let text = source.lines().filter_map(|line| {
        let (_, comment) = line.split_once("//")?;
        Some(comment.trim_start_matches(['/', '!']).trim())
    });
    text.collect::<Vec<_>>().join(" ")
}

/// Lessons that a file's comments name without their chapter. A name with a hyphen is no Rust; one without may be a
/// function, and is taken for a lesson where the reader is sent there.
fn without_chapter(source: &str, lessons: &[String]) -> Vec<String> {
    let comments = comments(source);
    let spans: Vec<&str> = comments.split('`').collect();
    let mut complaints = Vec::new();
    for (before, name) in spans.iter().zip(&spans[1..]).step_by(2) {
        let before = before.trim_end().to_lowercase();
        let sent_there = ["see", "lesson"].iter().any(|word| before.ends_with(word));
        if sent_there || name.contains('-') {
            let ending = format!("/{}", kebab(name));
            let lesson = lessons.iter().find(|lesson| lesson.ends_with(&ending));
            complaints.extend(lesson.map(|lesson| format!("`{name}` is `{lesson}`")));
        }
    }
    complaints
}

#[test]
fn finds_a_lesson_that_is_named_without_its_chapter() {
    let known = ["tasks/shield", "tasks/join", "files/atomic-write"].map(str::to_owned);
    let complaints = |source: &str| without_chapter(source, &known);
    assert_none(&complaints("//! `join` waits (see\n//! `tasks/shield`)."));
    for (source, name) in [
        (
            "//! It goes on (see\n//! `shield`).",
            "`shield` is `tasks/shield`",
        ),
        ("/// The lesson `join`.", "`join` is `tasks/join`"),
        (
            "f(); // as in `atomic-write`",
            "`atomic-write` is `files/atomic-write`",
        ),
    ] {
        assert_eq!(complaints(source), [name]);
    }
}

#[test]
fn every_lesson_is_named_with_its_chapter() {
    let workspace = workspace();
    let lessons = lessons(&workspace);
    let mut complaints = Vec::new();
    for (_, lesson) in workspace.lessons() {
        let text = read(&lesson.file);
        complaints.extend(at(&short(&lesson.file), without_chapter(&text, &lessons)));
    }
    assert_none(&complaints);
}
