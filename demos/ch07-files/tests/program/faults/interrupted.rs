//! A batch of `faults --folder` that is ended in the middle: each result is whole or isn't there, and nothing
//! temporary stays, or not for long.

use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
};

use chapter::Folder;

use super::program;

const RECORDS: usize = 1_000;

fn text(record: usize) -> String {
    format!("stra\u{df}e {record}\n").repeat(2_500)
}

fn with_records() -> Folder {
    let folder = Folder::temporary().unwrap();
    for record in 0..RECORDS {
        fs::write(folder.path().join(format!("{record}.txt")), text(record)).unwrap();
    }
    folder
}

/// Sends the signal when the first result is there. The other records take a hundred times as long, at least.
fn ended_by(signal: &str, folder: &Path) -> ExitStatus {
    let mut program = program(folder).stdout(Stdio::null()).spawn().unwrap();
    let first = folder.join("0.upper");
    while !first.exists() {
        assert!(program.try_wait().unwrap().is_none(), "it ended by itself");
        thread::yield_now();
    }
    let process = program.id().to_string();
    let sent = Command::new("kill").args([signal, &process]).status();
    assert!(sent.unwrap().success());
    program.wait().unwrap()
}

/// How many results there are, each of them whole; and how many temporary folders.
fn results(folder: &Path) -> (usize, usize) {
    let whole = |record: &usize| {
        let result = fs::read_to_string(folder.join(format!("{record}.upper")));
        result.is_ok_and(|result| {
            assert!(result == text(*record).to_uppercase(), "{record}");
            true
        })
    };
    let whole = (0..RECORDS).filter(whole).count();
    let others = fs::read_dir(folder).unwrap().count() - RECORDS - whole;
    (whole, others)
}

#[test]
fn a_signal_in_the_middle_leaves_whole_results_and_nothing_temporary() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let folder = with_records();
        let status = ended_by(signal, folder.path());
        assert_eq!(status.code(), Some(code), "{signal}");
        let (whole, others) = results(folder.path());
        assert!((1..RECORDS).contains(&whole), "{signal}: {whole}");
        assert_eq!(others, 0, "{signal}");
    }
}

#[test]
fn after_a_kill_in_the_middle_the_next_run_removes_what_was_left_and_ends_the_work() {
    let folder = with_records();
    let status = ended_by("-KILL", folder.path());
    assert_eq!(status.code(), None);
    let (whole, others) = results(folder.path());
    assert!((1..RECORDS).contains(&whole), "{whole}");
    assert_eq!(others, 1, "the folder for what isn't complete");

    assert!(program(folder.path()).output().unwrap().status.success());
    assert_eq!(results(folder.path()), (RECORDS, 0));
}
