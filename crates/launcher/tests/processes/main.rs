//! Every chapter's program as a process: the signals it gets, the streams it is given, what is typed wrong. It ends with
//! the exit code that says so, without a panic, and leaves no process and no file.

#![cfg(target_os = "linux")] // it looks into /proc
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use cases::{CASES, Came, Program};
use launcher::Workspace;

mod cases;
mod run;
mod seeded;
mod values;
mod whole;

/// The runs wait most of their time.
const AT_ONCE: usize = 6;

/// Builds all chapters, as cargo has built this test; where it has built them too, that is soon done.
fn programs() -> Vec<Program> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    // target/debug/deps/processes-…
    let this = env::current_exe().unwrap();
    let folder = this.ancestors().nth(2).unwrap();
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .current_dir(root)
        .args(["build", "--quiet", "--workspace", "--bins", "--target-dir"])
        .arg(folder.parent().unwrap());
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success());
    let chapters = Workspace::read(root).chapters.into_iter().enumerate();
    let programs = chapters.map(|(place, chapter)| Program {
        path: PathBuf::from(folder).join(&chapter.package),
        chapter: chapter.name,
        lessons: chapter.lessons,
        is_first: place == 0,
    });
    programs.collect()
}

/// Does all of it, so many at a time, and returns what came of it in the same order.
fn side_by_side<J: Sync, R: Send>(
    jobs: &[J],
    at_once: usize,
    work: impl Fn(&J) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some((place, job)) = {
                    let place = next.fetch_add(1, Relaxed);
                    jobs.get(place).map(|job| (place, job))
                } {
                    let result = work(job);
                    done.lock().unwrap().push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Prints a row for each chapter, a column for each case; and fails when there is a complaint.
fn report(programs: &[Program], heads: &[&str], came: Vec<Came>) {
    let mut table = format!("{:12}", "");
    for head in heads {
        table += &format!(" {head:>12}");
    }
    let mut complaints = Vec::new();
    let mut came = came.into_iter();
    for program in programs {
        table += &format!("\n{:12}", program.chapter);
        for (head, came) in heads.iter().zip(&mut came) {
            table += &format!(" {:>12}", came.codes);
            let found = came.complaints.into_iter();
            complaints.extend(found.map(|one| format!("{}, {head}: {one}", program.chapter)));
        }
    }
    println!("{table}");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_chapter_ends_as_designed_and_leaves_nothing() {
    let programs = programs();
    assert!(programs.len() >= 12);
    let jobs: Vec<_> = programs
        .iter()
        .flat_map(|program| CASES.iter().map(move |case| (program, case)))
        .collect();
    let came = side_by_side(&jobs, AT_ONCE, |(program, case)| {
        (case.of)(program, &[program.first(), "--tick", "10ms"])
    });
    let heads: Vec<_> = CASES.iter().map(|case| case.name).collect();
    report(&programs, &heads, came);
}
