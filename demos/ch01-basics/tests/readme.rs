//! The output that README.md shows is the one that its lesson has.

use std::process::Command;

#[test]
fn the_output_in_the_readme_is_the_lessons_but_for_the_times() {
    let readme = include_str!("../../../README.md");
    let block = readme.split("```text\n").nth(1).unwrap();
    let shown = block.split("```").next().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ch01-basics"))
        .args(["sleep", "--color", "never", "--timeline", "always"])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(without_times(shown), without_times(&printed));
}

/// What a busy machine changes is left out: figures, whether a law held, how long a bar is, and which poll was longest.
fn without_times(text: &str) -> Vec<String> {
    let times = |c: char| c.is_ascii_digit() || " .✓✗─█▌┄┬".contains(c);
    let mut lines: Vec<String> = text.lines().map(|line| line.replace(times, "")).collect();
    let first_slow = lines.iter().position(|line| line.contains("heldtheloop"));
    if let Some(first) = first_slow {
        lines[first..].sort();
    }
    lines
}
