//! The conditions under which every chapter is started, and what has to come of it.

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{BufRead, BufReader},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    process::Stdio,
};

use launcher::Lesson;

use crate::{
    run::{Ended, Run},
    values,
};

/// A chapter's program.
pub struct Program {
    pub path: PathBuf,
    pub chapter: String,
    pub lessons: Vec<Lesson>,
    /// Whether options that all chapters share are tried with a lesson here.
    pub is_first: bool,
}

/// The exit code, or several of them; and what is not as it should be.
pub struct Came {
    pub codes: String,
    pub complaints: Vec<String>,
}

/// A condition.
pub struct Case {
    pub name: &'static str,
    /// What comes of it, with arguments that choose a lesson and its ticks, or the ticks of the whole chapter.
    pub of: fn(&Program, &[&str]) -> Came,
}

pub const CASES: &[Case] = &[
    Case {
        name: "SIGINT",
        of: |program, _| signalled(program, "INT", 130),
    },
    Case {
        name: "SIGTERM",
        of: |program, _| signalled(program, "TERM", 143),
    },
    Case {
        name: "| head -1",
        of: |program, _| head(program),
    },
    Case {
        name: ">/dev/full",
        of: |program, _| full(program),
    },
    Case {
        name: "2>&-",
        of: |program, args| closed(program, args, "2>&-"),
    },
    Case {
        name: "<&-",
        of: |program, args| closed(program, args, "<&-"),
    },
    Case {
        name: "env -i",
        of: empty_environment,
    },
    Case {
        name: "not UTF-8",
        of: |program, _| not_utf8(program),
    },
    Case {
        name: "TMPDIR",
        of: no_folder,
    },
    Case {
        name: "options",
        of: |program, _| values::refused(program),
    },
];

impl Program {
    pub fn run(&self) -> Run {
        Run::of(&self.path)
    }

    pub fn first(&self) -> &str {
        &self.lessons[0].name
    }
}

impl Came {
    pub fn of(
        ended: &Ended,
        codes: &[i32],
        more: impl IntoIterator<Item = (bool, &'static str)>,
    ) -> Self {
        let mut complaints = ended.complaints(codes);
        let broken = more.into_iter().filter(|(holds, _)| !holds);
        complaints.extend(broken.map(|(_, what)| format!("not so: {what}: {}", ended.err)));
        let codes = ended.code.map_or("signal".into(), |code| code.to_string());
        Self { codes, complaints }
    }
}

/// In the middle of the chapter's first lesson: its title has been printed.
fn signalled(program: &Program, signal: &str, code: i32) -> Came {
    let mut running = program.run().start();
    running.until_it_prints("\n");
    running.send(signal);
    stopped(&running.ended(), code)
}

/// A lesson that holds its thread is left, and that is said.
pub fn stopped(ended: &Ended, code: i32) -> Came {
    let quiet = ended
        .err
        .lines()
        .all(|line| line == "interrupted: the lesson holds its thread; ended without it");
    Came::of(ended, &[code], [(quiet, "nothing is said")])
}

fn head(program: &Program) -> Came {
    let mut run = program.run();
    run.command.stdout(Stdio::piped());
    let mut running = run.start();
    let mut line = String::new();
    let stdout = running.child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let ended = running.ended();
    let titled = line.starts_with(&program.chapter);
    let quiet = ended.err.is_empty();
    Came::of(&ended, &[0], [(titled, "a title"), (quiet, "a quiet end")])
}

fn full(program: &Program) -> Came {
    let mut run = program.run();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    run.command.stdout(full);
    let ended = run.ended();
    let why = ended
        .err
        .starts_with("error: cannot write to standard output: No space left");
    Came::of(&ended, &[1], [(why, "the reason")])
}

pub fn closed(program: &Program, args: &[&str], stream: &str) -> Came {
    let ended = Run::with_closed(stream, &program.path).args(args).ended();
    let printed = ended.out.starts_with(&program.chapter);
    let quiet = ended.err.is_empty();
    Came::of(
        &ended,
        &[0],
        [(printed, "a page"), (quiet, "nothing on stderr")],
    )
}

fn empty_environment(program: &Program, args: &[&str]) -> Came {
    let mut run = program.run().args(args);
    run.command.env_clear();
    let ended = run.ended();
    let printed = ended.out.starts_with(&program.chapter);
    let ascii = ended.out.is_ascii() && ended.err.is_ascii();
    let quiet = ended.err.is_empty();
    Came::of(
        &ended,
        &[0],
        [
            (printed, "a page"),
            (ascii, "plain ASCII"),
            (quiet, "nothing on stderr"),
        ],
    )
}

fn not_utf8(program: &Program) -> Came {
    let ended = program.run().args([OsStr::from_bytes(b"\xff")]).ended();
    let why = ended.err.contains("UTF-8") && ended.err.contains("--help");
    Came::of(&ended, &[2], [(why, "the reason and the way out")])
}

/// Below a file there can be no folder, also for root, whom no permission stops.
fn no_folder(program: &Program, args: &[&str]) -> Came {
    let needs = |lesson: &&Lesson| {
        let source = fs::read_to_string(&lesson.file).unwrap();
        let lesson = source.split("#[cfg(test)]").next().unwrap();
        lesson.contains("Folder::temporary()")
    };
    let mut needy: Vec<_> = program.lessons.iter().filter(needs).collect();
    let mut run = program.run();
    // The first of those that need a folder stands for them, if only one lesson is run.
    let is_whole = !args.contains(&program.first());
    if !is_whole && let Some(first) = needy.first().copied() {
        needy = vec![first];
        run = run.args(args.iter().map(|&arg| {
            if arg == program.first() {
                &first.name
            } else {
                arg
            }
        }));
    } else {
        run = run.args(args);
    }
    let file = run.here().join("file");
    fs::write(&file, "no folder").unwrap();
    run.command.env("TMPDIR", &file);
    let ended = run.ended();

    let place = file.to_str().unwrap();
    let mut lines = ended.err.lines();
    let told = lines.all(|line| line.contains(place) && line.contains("set TMPDIR to"));
    let all = needy.iter().all(|lesson| {
        let failed = format!("error: {}/{} failed: ", program.chapter, lesson.name);
        ended.err.contains(&failed)
    });
    let code = i32::from(!ended.err.is_empty());
    Came::of(
        &ended,
        &[code],
        [
            (told, "only what lacks a folder fails, and says so"),
            (all, "it fails"),
        ],
    )
}
