//! Every level, and that an earlier one hides the later.

use std::path::PathBuf;

use lesson::Header;

use super::*;

fn a_lesson(name: &str, title: &str, asyncio: &str) -> Lesson {
    Lesson {
        name: name.to_owned(),
        file: PathBuf::new(),
        header: Header::parse(&format!("//! # {title}\n//!\n//! asyncio: {asyncio}\n")),
    }
}

fn a_chapter(package: &str, lessons: Vec<Lesson>) -> Chapter {
    Chapter {
        package: package.to_owned(),
        name: lesson::chapter_name(package).unwrap().to_owned(),
        about: String::new(),
        lessons,
    }
}

fn workspace() -> Workspace {
    let basics = vec![
        a_lesson("sleep", "sleeping without blocking", "sleep, time.sleep"),
        a_lesson("one-cook", "one cook, `three` pots", "await, gather"),
    ];
    let tasks = vec![
        a_lesson("join", "`join!`: wait for several futures", "gather"),
        a_lesson("cancel", "ending a task", "Task.cancel, CancelledError"),
        a_lesson("retry", "try again", "backoff, tasks, asyncio.sleep"),
    ];
    let sync = vec![
        a_lesson("lost-update", "read, wait, write", "Lock"),
        a_lesson("std-or-tokio", "which Mutex", "threading.Lock"),
        a_lesson("retry", "again, with a lock", "sleep"),
    ];
    Workspace {
        root: PathBuf::new(),
        chapters: vec![
            a_chapter("ch01-basics", basics),
            a_chapter("ch02-tasks", tasks),
            a_chapter("ch04-sync", sync),
        ],
    }
}

fn found(word: &str) -> String {
    let workspace = workspace();
    match find(&workspace, word) {
        Ok(Hit::Chapter(chapter)) => chapter.name.clone(),
        Ok(Hit::Lessons(hits)) => {
            let paths: Vec<String> = hits
                .iter()
                .map(|(chapter, lesson)| format!("{}/{}", chapter.name, lesson.name))
                .collect();
            paths.join(" ")
        }
        Err(failure) => failure.to_string(),
    }
}

#[test]
fn a_chapter_has_a_name_a_folder_and_a_number() {
    for word in [
        "basics",
        "Basics",
        "ch01-basics",
        "ch01",
        "01",
        "1",
        "basics/",
    ] {
        assert_eq!(found(word), "basics", "{word}");
    }
    assert_eq!(found("4"), "sync"); // the number on the folder, not the place in the list
    assert!(found("3").starts_with("error: "));
}

#[test]
fn a_chapter_comes_before_an_asyncio_name() {
    assert_eq!(found("tasks"), "tasks");
}

#[test]
fn a_path_is_one_lesson() {
    assert_eq!(found("tasks/retry"), "tasks/retry");
    assert_eq!(found("4/lost_update"), "sync/lost-update");
}

#[test]
fn a_lesson_comes_before_an_asyncio_name_and_may_be_in_two_chapters() {
    assert_eq!(found("sleep"), "basics/sleep");
    assert_eq!(found("retry"), "tasks/retry sync/retry");
    assert_eq!(found("one_cook"), "basics/one-cook");
}

#[test]
fn an_asyncio_name_is_found_in_any_case_and_without_its_module() {
    assert_eq!(found("gather"), "basics/one-cook tasks/join");
    assert_eq!(found("asyncio.gather()"), "basics/one-cook tasks/join");
    assert_eq!(found("asyncio.lock"), "sync/lost-update");
    assert_eq!(found("LOCK"), "sync/lost-update sync/std-or-tokio");
    assert_eq!(found("Threading.Lock"), "sync/std-or-tokio");
    assert_eq!(found("asyncio.Task.cancel"), "tasks/cancel");
    assert_eq!(found("time.sleep"), "basics/sleep");
    // With and without its module on the lessons' lines.
    assert_eq!(
        found("asyncio.sleep"),
        "basics/sleep tasks/retry sync/retry"
    );
}

#[test]
fn every_name_on_an_asyncio_line_leads_to_its_lesson() {
    let workspace = Workspace::read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let mut lost = Vec::new();
    for (chapter, lesson) in workspace.lessons() {
        for name in &lesson.header.asyncio {
            // A lesson or a chapter of that name would come first.
            let word = match name.contains('.') {
                true => name.replace('`', ""),
                false => format!("asyncio.{}", name.replace('`', "")),
            };
            let is_found = match find(&workspace, &word) {
                Ok(Hit::Lessons(hits)) => hits.contains(&(chapter, lesson)),
                _ => false,
            };
            if !is_found {
                lost.push(format!("{word}: {}/{}", chapter.name, lesson.name));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn part_of_a_title_comes_last_and_its_backticks_do_not_count() {
    assert_eq!(found("Three Pots"), "basics/one-cook");
    assert_eq!(found("wait"), "tasks/join sync/lost-update");
    assert_eq!(found("await"), "basics/one-cook");
}

#[test]
fn a_miss_says_what_is_near() {
    assert_eq!(
        found("gahter"),
        "error: nothing here is called `gahter`; near: gather\n       for instance: cargo demo gather"
    );
    assert_eq!(
        found("xyzzy"),
        "error: nothing here is called `xyzzy`\n       cargo demo lists the chapters"
    );
    assert!(found("basisc").contains("near: basics"));
    assert!(found("").starts_with("error: "));
    assert!(found("``").starts_with("error: "));
}

#[test]
fn a_miss_within_a_chapter_stays_there() {
    assert_eq!(
        found("tasks/jion"),
        "error: tasks has no lesson `jion`; near: join\n       for instance: cargo demo tasks join"
    );
    assert_eq!(
        found("tasks/lost-update"),
        "error: tasks has no lesson `lost-update`\n       it is in another chapter: cargo demo sync lost-update"
    );
    assert!(found("tasks/xyzzy").ends_with("cargo demo tasks --list shows them"));
}

#[test]
fn further_words_are_lessons_of_the_same_chapter() {
    let workspace = workspace();
    let tasks = &workspace.chapters[1];
    let of = |word| lesson_of(&workspace, tasks, word);
    assert_eq!(of("join").unwrap(), "join");
    assert_eq!(of("tasks/cancel").unwrap(), "cancel");
    let other = of("sync/retry").unwrap_err().to_string();
    assert!(other.contains("one chapter a run"), "{other}");
    assert!(of("basics").unwrap_err().to_string().contains("--all"));
}
