//! What another program of a chapter has measured.

use std::process::{Command, Output};

use anyhow::{Context, Result};
use timing::report::{Lesson, Outcome, Report};

/// The report of a chapter's program that was started with `--json -`.
///
/// # Errors
///
/// When its standard output is no report: with what stands on its standard error.
pub fn report(output: &Output) -> Result<Report> {
    serde_json::from_slice(&output.stdout).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("the program left no report; it said: {}", said.trim())
    })
}

/// Runs a chapter's program, which is told the name of one lesson, with `--json -` and returns what the lesson has
/// measured: for tests.
///
/// ```no_run
/// # use std::process::Command;
/// let lesson = chapter::measured(Command::new("target/debug/ch01-basics").arg("sleep"));
/// assert_eq!(lesson.name, "basics/sleep");
/// ```
///
/// # Panics
///
/// When the program can't be started, when it leaves no report of one lesson, and when the lesson failed or was
/// skipped: with what stands on its standard error.
#[track_caller]
pub fn measured(program: &mut Command) -> Lesson {
    let output = program.args(["--json", "-"]).output();
    let output = output.expect("the program can be started");
    let report = report(&output).unwrap_or_else(|error| panic!("{error:#}"));
    let said = String::from_utf8_lossy(&output.stderr);
    let lessons = <[Lesson; 1]>::try_from(report.lessons);
    let [lesson] = lessons.unwrap_or_else(|lessons| panic!("{} lessons: {said}", lessons.len()));
    assert_eq!(lesson.outcome, Outcome::Ran, "{said}");
    lesson
}
