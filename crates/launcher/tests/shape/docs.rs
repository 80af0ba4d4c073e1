//! Documents: the lessons that they and the sources name exist, the index leads to every lesson, and no row stands
//! twice.

use std::path::PathBuf;

use launcher::Workspace;

use crate::{
    assert_none, at, files,
    markdown::{Row, codes, prose, rows},
    read, root, short, workspace,
};

/// The documents that a reader is sent to; without them the rules below would hold of nothing.
const REQUIRED: [&str; 7] = [
    "README.md",
    "docs/asyncio-map.md",
    "docs/choosing.md",
    "docs/errata.md",
    "docs/false-friends.md",
    "docs/glossary.md",
    "docs/pitfalls.md",
];

/// README and everything in docs; panics when one of the required ones is missing.
pub fn documents() -> Vec<PathBuf> {
    let root = root();
    let missing = |name: &&str| !root.join(name).is_file();
    let missing: Vec<&str> = REQUIRED.into_iter().filter(missing).collect();
    assert!(missing.is_empty(), "missing: {}", missing.join(", "));
    let mut paths = vec![root.join("README.md")];
    paths.extend(files(&root.join("docs"), "md"));
    paths
}

pub fn lessons(workspace: &Workspace) -> Vec<String> {
    let path = |(chapter, lesson): (&launcher::Chapter, &launcher::Lesson)| {
        format!("{}/{}", chapter.name, lesson.name)
    };
    workspace.lessons().map(path).collect()
}

/// Lessons that no line of the index leads to.
fn not_in_the_index(readme: &str, lessons: &[String]) -> Vec<String> {
    let section = readme.split("## Index by concept\n").nth(1);
    let index = section.and_then(|text| text.split("\n## ").next());
    let index = index.unwrap_or_default();
    let named: Vec<&str> = rows(index)
        .iter()
        .flat_map(|row| &row.cells)
        .flat_map(|(_, cell)| codes(cell))
        .collect();
    let is_missing = |lesson: &&String| !named.contains(&lesson.as_str());
    let complaint = |lesson| format!("`{lesson}` is not in the index by concept");
    lessons.iter().filter(is_missing).map(complaint).collect()
}

/// `chapter/lesson` in a document or a source where no such lesson is. In a column of lessons everything with a slash
/// has to be one; elsewhere only what begins with a chapter's name is taken for a lesson.
fn unknown_lessons(text: &str, lessons: &[String]) -> Vec<String> {
    let mut complaints = Vec::new();
    let is_lesson = |name: &str| lessons.iter().any(|lesson| lesson == name);
    let chapters: Vec<&str> = lessons.iter().filter_map(|l| l.split('/').next()).collect();
    for (number, line) in prose(text) {
        for name in codes(line)
            .into_iter()
            .filter(|name| looks_like_a_lesson(name))
        {
            let chapter = name.split('/').next().unwrap_or(name);
            if chapters.contains(&chapter) && !is_lesson(name) {
                complaints.push(format!("{number}: there is no lesson `{name}`"));
            }
        }
    }
    for row in rows(text) {
        let number = row.line;
        let in_column = row
            .cells
            .iter()
            .filter(|(head, _)| *head == "see" || head.to_lowercase().contains("lesson"));
        for name in in_column.flat_map(|(_, cell)| codes(cell)) {
            let complaint = format!("{number}: there is no lesson `{name}`");
            // A command may have a slash in it.
            let is_path = name.contains('/') && !name.contains(' ');
            if is_path && !is_lesson(name) && !complaints.contains(&complaint) {
                complaints.push(complaint);
            }
        }
    }
    complaints
}

fn looks_like_a_lesson(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    text.split_once('/')
        .is_some_and(|(chapter, lesson)| is_name(chapter) && is_name(lesson))
}

/// Rows that a document has twice: two that were added at once, in two places, or one that was changed in one place
/// and kept in another. Headings may be alike.
fn doubled(text: &str) -> Vec<String> {
    let rows = rows(text);
    let mut complaints = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let says_the_same = |other: &&Row<'_>| {
            let pairs = row.cells.iter().zip(&other.cells);
            let alike = pairs.filter(|(a, b)| a == b).count();
            let same_lesson = row.cells.last() == other.cells.last();
            // In a table of two columns two rows may share their lesson.
            let but_one = same_lesson && row.cells.len() > 2 && alike == row.cells.len() - 1;
            alike == row.cells.len() || but_one
        };
        if let Some(other) = rows[..index].iter().find(says_the_same) {
            complaints.push(format!(
                "{}: this row stands in line {}, too",
                row.line, other.line
            ));
        }
    }
    complaints
}

/// Rows under the heading of another chapter than that of their lesson, or of the test that proves them.
fn misplaced(text: &str, chapters: &[launcher::Chapter]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut here = "";
    for (number, line) in prose(text) {
        if let Some(heading) = line.strip_prefix("## ") {
            here = heading;
        }
        let is_row = line.starts_with("| ") && chapters.iter().any(|c| c.name == here);
        let places = chapters.iter().filter_map(|chapter| {
            let lesson = line.find(&format!("`{}/", chapter.name));
            let source = line.find(&format!("demos/{}/", chapter.package));
            let first = lesson.into_iter().chain(source).min()?;
            Some((first, chapter.name.as_str()))
        });
        if let Some((_, chapter)) = places.min().filter(|(_, name)| is_row && *name != here) {
            complaints.push(format!("{number}: belongs under {chapter}"));
        }
    }
    complaints
}

#[cfg(test)]
mod seeded {
    use super::*;

    fn known() -> Vec<String> {
        ["tasks/join", "tasks/join-errors"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn finds_a_lesson_that_is_not_in_the_index() {
        let good = "# x\n\n## Index by concept\n\n| concept | lesson |\n|---|---|\n| first | `tasks/join` |\n\
                    | all | `tasks/spawn`, `tasks/join-errors` |\n\n## Later\n\n`tasks/join`\n";
        assert_none(&not_in_the_index(good, &known()));
        let bad = good.replace("| first | `tasks/join` |\n", "");
        let complaint = "`tasks/join` is not in the index by concept";
        assert_eq!(not_in_the_index(&bad, &known()), [complaint]);
    }

    #[test]
    fn finds_a_lesson_that_does_not_exist() {
        let good = "`tokio/sync` `tasks/join` `src/main.rs`\n\n| lesson | x |\n|---|---|\n| `tasks/join` `join` | `a/b` |\n";
        assert_none(&unknown_lessons(good, &known()));
        assert_eq!(
            unknown_lessons("see [`tasks/jion`](x)", &known()),
            ["1: there is no lesson `tasks/jion`"]
        );
        let see = "| see |\n|---|\n| `tasks/join`, `taks/join`; `echo a/b` |\n";
        assert_eq!(
            unknown_lessons(see, &known()),
            ["3: there is no lesson `taks/join`"]
        );
        let column = "| Lessons |\n|---|\n| `http/get` |\n| `tasks/jion` |\n";
        assert_eq!(
            unknown_lessons(column, &known()),
            [
                "4: there is no lesson `tasks/jion`",
                "3: there is no lesson `http/get`"
            ]
        );
    }

    #[test]
    fn finds_a_row_under_another_chapter() {
        let chapters = workspace().chapters;
        let good = "# x\n| a | `sync/event` |\n## tasks\n| a | `tasks/join`, `sync/event` |\n\
                    ## sync\n| b | [`x_y`](../demos/ch04-sync/src/event.rs) |\n## Later\n| c | `tasks/join` |\n";
        assert_none(&misplaced(good, &chapters));
        let bad = good.replace("## sync", "## queues");
        assert_eq!(misplaced(&bad, &chapters), ["6: belongs under sync"]);
        let bad = good.replace("`tasks/join`, ", "");
        assert_eq!(misplaced(&bad, &chapters), ["4: belongs under sync"]);
    }

    #[test]
    fn finds_a_row_that_stands_twice() {
        let good = "| word | lesson |\n|---|---|\n| gather | join |\n| wait | join |\n";
        assert_none(&doubled(good));
        let other = good.replace("gather", "shield").replace("wait", "sleep");
        assert_none(&doubled(&format!("{good}\n{other}")));
        assert_eq!(
            doubled(&format!("{good}| gather | join |\n")),
            ["5: this row stands in line 3, too"]
        );
        let wide = "| word | rust | lesson |\n|---|---|---|\n| gather | join! | join |\n";
        assert_none(&doubled(&format!("{wide}| wait | select! | join |\n")));
        assert_eq!(
            doubled(&format!("{wide}| `gather` | join! | join |\n")),
            ["4: this row stands in line 3, too"]
        );
    }
}

#[test]
fn every_lesson_is_in_the_index() {
    let readme = read(&root().join("README.md"));
    assert_none(&not_in_the_index(&readme, &lessons(&workspace())));
}

#[test]
fn every_lesson_that_is_named_exists() {
    let lessons = lessons(&workspace());
    let mut paths = documents();
    paths.extend(files(&root().join("demos"), "rs"));
    let mut found = Vec::new();
    for path in paths {
        found.extend(at(&short(&path), unknown_lessons(&read(&path), &lessons)));
    }
    assert_none(&found);
}

#[test]
fn every_row_stands_under_the_chapter_of_its_lesson() {
    let chapters = workspace().chapters;
    for path in documents() {
        assert_none(&at(&short(&path), misplaced(&read(&path), &chapters)));
    }
}

#[test]
fn no_row_stands_twice() {
    for path in documents() {
        assert_none(&at(&short(&path), doubled(&read(&path))));
    }
}
