//! Which names are taken, which are refused, and what is written for them.

use std::path::PathBuf;

use lesson::Header;

use super::*;
use crate::workspace::Lesson;

fn a_chapter(package: &str, lessons: &[&str]) -> Chapter {
    let lessons = lessons.iter().map(|name| Lesson {
        name: (*name).to_owned(),
        file: PathBuf::new(),
        header: Header::default(),
    });
    Chapter {
        package: package.to_owned(),
        name: lesson::chapter_name(package).unwrap().to_owned(),
        about: String::new(),
        lessons: lessons.collect(),
    }
}

fn said(line: &str) -> String {
    let workspace = Workspace {
        root: PathBuf::new(),
        chapters: vec![
            a_chapter("ch01-basics", &["sleep"]),
            a_chapter("ch02-tasks", &["join", "join-errors"]),
        ],
    };
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    match named(&workspace, &words) {
        Ok((chapter, module)) => format!("{} {module}", chapter.package),
        Err(failure) => failure.to_string(),
    }
}

#[test]
fn a_name_is_taken_as_it_is_typed() {
    for line in [
        "tasks/my-lesson",
        "tasks/my_lesson",
        "tasks my_lesson",
        "ch02-tasks/my-lesson",
        "ch02_tasks my-lesson",
        "2/My-Lesson",
    ] {
        assert_eq!(said(line), "ch02-tasks my_lesson", "{line}");
    }
    assert_eq!(said("basics/step2"), "ch01-basics step2");
}

/// What follows `--new`, what is wrong with it, and what to type instead.
const REFUSED: &str = "\
| --new: which lesson? | --new tasks/my-lesson
mine | `mine` is not CHAPTER/LESSON | --new tasks/my-lesson
tasks/ | `tasks/` is not CHAPTER/LESSON | --new tasks/my-lesson
tasks/a/b | `tasks/a/b` is not CHAPTER/LESSON | --new tasks/my-lesson
tasks/a tasks/b | --new takes one lesson, not `tasks/a tasks/b` | --new tasks/my-lesson
tasks a b | --new takes one lesson, not `tasks a b` | --new tasks/my-lesson
tasks/a --check | --new takes one lesson, not `tasks/a --check` | --new tasks/my-lesson
--list | --new takes one lesson, not `--list` | --new tasks/my-lesson
taks/mine | no chapter is called `taks`; near: tasks | --new tasks/mine
xyzzy/mine | no chapter is called `xyzzy` | cargo demo lists the chapters
tasks/join | there is a lesson `tasks/join` | cargo demo tasks/join --source
basics/join_errors | there is a lesson `tasks/join-errors` | cargo demo tasks/join-errors --source
tasks/2fast | `2fast` is no module's name | --new tasks/my-2fast
tasks/größe | `größe` is no module's name | --new tasks/my-gr-e
tasks/a--b | `a--b` is no module's name | --new tasks/my-a-b
tasks a--b | `a--b` is no module's name | --new tasks/my-a-b
tasks/-a | `-a` is no module's name | --new tasks/my-a
tasks/a.rs | `a.rs` is no module's name | --new tasks/my-a-rs
tasks/.. | `..` is no module's name | --new tasks/my-lesson
tasks/async | `async` is a keyword of Rust | --new tasks/my-async
tasks/Self | `Self` is a keyword of Rust | --new tasks/my-self
tasks/chapter | `chapter` means something else in a chapter's main.rs | --new tasks/my-chapter";

#[test]
fn what_is_wrong_is_named_with_the_way_out() {
    for row in REFUSED.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [line, message, way_out] = cells[..] else {
            panic!("{row}");
        };
        let said = said(line);
        assert!(
            said.starts_with(&format!("error: {message}")),
            "{line}: {said}"
        );
        assert!(said.ends_with(way_out), "{line}: {said}");
    }
}

#[test]
fn the_flag_may_stand_anywhere_before_two_dashes() {
    let words = |line: &str| {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        words(&args).map(|words| words.join(" "))
    };
    for (line, found) in [
        ("--new tasks/a", Some("tasks/a")),
        ("--new=tasks/a b", Some("tasks/a b")),
        ("tasks --new a", Some("tasks a")),
        ("--release --new tasks/a", Some("--release tasks/a")),
        ("--new", Some("")),
        ("tasks a", None),
        ("tasks -- --new", None),
    ] {
        assert_eq!(words(line).as_deref(), found, "{line}");
    }
}

/// Both are compiled and run by a test of the crate `chapter`, which has what they use.
#[test]
fn the_two_templates_are_one_but_for_the_options() {
    let form = WITH_OPTIONS
        .replace("use crate::options::Options;\n\n", "")
        .replace(", _: &Options", "")
        .replace("of_default", "of");
    assert_ne!(form, WITH_OPTIONS);
    assert_eq!(form, PLAIN);
}
