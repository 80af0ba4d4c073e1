//! The map from asyncio: every lesson has a row, and every name stands in its first column.

use launcher::Workspace;

use crate::{
    assert_none,
    docs::lessons,
    markdown::{codes, rows},
    read, root, workspace,
};

/// What the map has to have: a name a line, in groups.
const NAMES: &str = include_str!("names.txt");

/// Lessons that no row leads to. A row that has a lesson as the nearest one isn't about it.
fn without_a_row(map: &str, lessons: &[String]) -> Vec<String> {
    let led_to: Vec<&str> = rows(map)
        .iter()
        .flat_map(|row| &row.cells)
        .filter(|(head, _)| *head == "lesson")
        .flat_map(|(_, cell)| codes(cell))
        .collect();
    let is_missing = |lesson: &&String| !led_to.contains(&lesson.as_str());
    let complaint = |lesson| format!("`{lesson}` has no row on the map");
    lessons.iter().filter(is_missing).map(complaint).collect()
}

/// What stands left in each row: the side of asyncio.
fn left(map: &str) -> Vec<&str> {
    let rows = rows(map);
    let first = rows.iter().filter_map(|row| row.cells.first());
    first.map(|(_, cell)| *cell).collect()
}

/// Names of the list that aren't code in the first column of any row.
fn names_without_a_row(map: &str, list: &str) -> Vec<String> {
    let codes: Vec<&str> = left(map).into_iter().flat_map(codes).collect();
    let is_missing = |name: &&str| !codes.iter().any(|code| has_word(code, name));
    let is_name = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let missing = list.lines().filter(is_name).filter(is_missing);
    let complaint = |name| format!("`{name}` has no row on the map");
    missing.map(complaint).collect()
}

/// Names on `asyncio:` lines that the first column doesn't have. A name may be a phrase, may have a class before it
/// and arguments behind it: each of its words counts by its last part.
fn names_of_lessons_without_a_row(map: &str, workspace: &Workspace) -> Vec<String> {
    let left = left(map).join("\n").replace('`', "").to_lowercase();
    let mut complaints = Vec::new();
    for (chapter, lesson) in workspace.lessons() {
        for name in &lesson.header.asyncio {
            let plain = name.replace('`', "").to_lowercase();
            let is_there = |word: &str| {
                let word = word.split('(').next().unwrap_or(word);
                has_word(&left, word.rsplit('.').next().unwrap_or(word))
            };
            if !plain.split_whitespace().all(is_there) {
                let of = format!("{}/{}", chapter.name, lesson.name);
                complaints.push(format!("`{name}` of {of} is not on the map"));
            }
        }
    }
    complaints
}

/// Whether `word` stands in `text` and isn't a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + word.len()..].chars().next();
        !before.is_some_and(goes_on) && !behind.is_some_and(goes_on)
    })
}

#[cfg(test)]
mod seeded {
    use super::*;

    const MAP: &str = "|asyncio|tokio|lesson|\n|---|---|---|\n\
                       | `asyncio.gather` | `join!`, `shield` | [`tasks/join-errors`](x) |\n\n\
                       |asyncio|tokio|nearest lesson|\n|---|---|---|\n\
                       | `loop.add_reader`, a timeout | `AsyncFd` | `tasks/join` |\n";

    #[test]
    fn finds_a_lesson_that_has_no_row() {
        let known = ["tasks/join", "tasks/join-errors"].map(str::to_owned);
        // Named as the nearest lesson and in a paragraph, and in no row of its own.
        let map = format!("{MAP}\n`tasks/join`\n");
        assert_eq!(
            without_a_row(&map, &known),
            ["`tasks/join` has no row on the map"]
        );
        assert_none(&without_a_row(&map.replace("nearest ", ""), &known));
    }

    #[test]
    fn finds_a_name_that_has_no_row() {
        assert_none(&names_without_a_row(
            MAP,
            "# asyncio\n\ngather\nadd_reader\n",
        ));
        // In the second column, as a part of a longer name, without backticks.
        for name in ["shield", "gath", "reader", "timeout"] {
            assert_eq!(
                names_without_a_row(MAP, name),
                [format!("`{name}` has no row on the map")]
            );
        }
    }

    #[test]
    fn finds_a_name_of_a_lesson_that_has_no_row() {
        let found = names_of_lessons_without_a_row(MAP, &workspace());
        assert!(found.contains(&"`shield` of tasks/shield is not on the map".to_owned()));
        assert!(
            !found
                .iter()
                .any(|complaint| complaint.starts_with("`gather`"))
        );
    }
}

fn map() -> String {
    read(&root().join("docs/asyncio-map.md"))
}

#[test]
fn every_lesson_has_a_row_on_the_map() {
    assert_none(&without_a_row(&map(), &lessons(&workspace())));
}

#[test]
fn every_name_of_the_list_has_a_row_on_the_map() {
    assert_none(&names_without_a_row(&map(), NAMES));
}

#[test]
fn every_name_that_finds_a_lesson_is_on_the_map() {
    assert_none(&names_of_lessons_without_a_row(&map(), &workspace()));
}
