//! Behind `cargo demo`: the contents page, a lesson found by whatever its reader calls it, its chapter built and run; and
//! a new lesson made from the template.
//!
//! It knows the workspace by its layout alone and depends on nothing but std, so that it is up in two seconds
//! in a workspace that was never built. What a chapter can do with its flags is the chapter's business: all that
//! isn't the launcher's own is handed on unchanged.

mod args;
mod find;
mod fresh;
mod insert;
mod new;
mod page;
mod print;
mod replace;
mod run;
mod workspace;

use std::{ffi::OsString, process::ExitCode};

pub use args::{SHARED_SWITCHES, SHARED_VALUED};
pub use new::BLANK;
pub use workspace::{Chapter, Lesson, Workspace, listed};

use args::{Arg, Line};
use find::Hit;
use print::{Failure, out};

/// Does what the command line says and returns the exit code: 0, 1, 2, or the chapter's own.
///
/// On Unix it doesn't return where one chapter is run: cargo, and then the chapter, take this process over, so
/// that signals reach them without being handed on.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    match decode(args).and_then(|args| answer(&args)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => ExitCode::from(failure.report()),
    }
}

/// Everything behind this point is text: a name that isn't UTF-8 names no lesson.
fn decode(args: impl Iterator<Item = OsString>) -> Result<Vec<String>, Failure> {
    args.enumerate()
        .map(|(i, arg)| {
            arg.into_string().map_err(|arg| {
                Failure::usage(format!("argument {} is not UTF-8: {arg:?}", i + 1))
                    .way_out("arguments, file names among them, have to be UTF-8")
            })
        })
        .collect()
}

fn answer(args: &[String]) -> Result<u8, Failure> {
    let line = Line::split(args);
    if line.word().is_none() {
        if line.has(&["-h", "--help"]) {
            return out(page::HELP);
        }
        if line.has(&["-V", "--version"]) {
            return out(concat!("waitwise ", env!("CARGO_PKG_VERSION"), "\n"));
        }
    }
    let workspace = Workspace::of_this_process()?;
    if args.is_empty() {
        return out(&page::contents(&workspace));
    }
    if let Some(words) = new::words(args) {
        return new::new(&workspace, &words);
    }
    if line.all {
        refuse_what_all_cannot_do(&line)?;
        let flags: Vec<String> = line.args.iter().map(|arg| arg.text().to_owned()).collect();
        return run::all(&workspace, &flags, line.release);
    }
    let Some(word) = line.word() else {
        return Err(which_chapter(&workspace, args));
    };
    let (chapter, lesson) = match find::find(&workspace, word)? {
        Hit::Chapter(chapter) => (chapter, None),
        Hit::Lessons(hits) => match hits[..] {
            [(chapter, lesson)] => (chapter, Some(lesson.name.as_str())),
            _ => {
                out(&page::several(word, &hits))?;
                return Ok(2);
            }
        },
    };
    let args = hand_on(&workspace, chapter, lesson, &line.args)?;
    run::one(&workspace, chapter, &args, line.release)
}

/// What the chapter's binary is given: everything in its order, the word replaced by the lesson it stands for.
fn hand_on(
    workspace: &Workspace,
    chapter: &Chapter,
    lesson: Option<&str>,
    args: &[Arg],
) -> Result<Vec<String>, Failure> {
    let mut handed = Vec::new();
    for arg in args {
        match arg {
            Arg::Word(_) => handed.extend(lesson.map(str::to_owned)),
            Arg::Lesson(word) => handed.push(find::lesson_of(workspace, chapter, word)?),
            Arg::Flag(text) | Arg::Value(text) | Arg::Perhaps(text) => handed.push(text.clone()),
        }
    }
    Ok(handed)
}

fn refuse_what_all_cannot_do(line: &Line) -> Result<(), Failure> {
    if let Some(word) = line.word() {
        return Err(
            Failure::usage(format!("--all is every chapter, and `{word}` is a part"))
                .way_out("leave out one of them"),
        );
    }
    for flag in ["--json", "--trace"] {
        let with_value = format!("{flag}=");
        let is_it = |arg: &Arg| arg.text() == flag || arg.text().starts_with(&with_value);
        if line.args.iter().any(|arg| arg.is_flag() && is_it(arg)) {
            // Every chapter would write over what the one before it wrote.
            return Err(Failure::usage(format!(
                "--all {flag}: one file can't hold every chapter's report"
            ))
            .way_out(&format!("name one chapter: cargo demo CHAPTER {flag} FILE")));
        }
    }
    Ok(())
}

fn which_chapter(workspace: &Workspace, args: &[String]) -> Failure {
    let flags = args.join(" ");
    let failure = Failure::usage(format!("{flags}: which chapter?"));
    match workspace.chapters.first() {
        Some(Chapter { name, .. }) => failure.way_out(&format!(
            "name a chapter (cargo demo {name} {flags}) or say --all"
        )),
        None => failure.way_out("name a chapter or say --all"),
    }
}
