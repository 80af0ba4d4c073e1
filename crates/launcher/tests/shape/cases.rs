//! Code that must not compile: each file has a lesson that shows it, marks its difference and fits a terminal. That it
//! doesn't compile, and has its text, is the test of the package `compile-fail`.

use crate::{assert_none, at, entries, files, read, root, short};

/// What rustc puts in front of a line, and a page in front of that, leaves so many columns of 80.
const WIDEST: usize = 72;

fn complaints(case: &str, lesson: &str, name: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if case.matches("// <- the difference").count() != 1 {
        complaints.push("not one line is marked `// <- the difference`".to_owned());
    }
    for line in case.lines().filter(|line| line.chars().count() > WIDEST) {
        complaints.push(format!("wider than {WIDEST} columns: {line}"));
    }
    if !lesson.contains(&format!("case!(\"{name}\")")) {
        complaints.push("no lesson of its name shows it".to_owned());
    }
    complaints
}

#[test]
fn finds_what_a_case_lacks() {
    let good = "fn main() {\n    soup(); // <- the difference\n}\n";
    let lesson = "const CASE: Case = chapter::case!(\"soup\");";
    assert_none(&complaints(good, lesson, "soup"));
    assert_eq!(complaints(good, lesson, "stew").len(), 1);
    assert_eq!(complaints("fn main() {}", lesson, "soup").len(), 1);
    let wide = format!("{good}// {}", "x".repeat(70));
    assert_eq!(complaints(&wide, lesson, "soup").len(), 1);
}

#[test]
fn every_case_is_shown_by_a_lesson() {
    let mut found = Vec::new();
    let mut cases = 0;
    for chapter in entries(&root().join("demos")) {
        for file in files(&chapter.join("compile_fail"), "rs") {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let lesson = chapter.join("src").join(format!("{name}.rs"));
            let lesson = if lesson.exists() {
                read(&lesson)
            } else {
                String::new()
            };
            found.extend(at(&short(&file), complaints(&read(&file), &lesson, &name)));
            cases += 1;
        }
    }
    assert_none(&found);
    assert!(cases > 0, "no case is looked at");
}
