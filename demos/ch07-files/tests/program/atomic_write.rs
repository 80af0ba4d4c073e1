//! A ledger that is being written, and a kill at any moment: a hundred for each way of writing.

#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use chapter::Folder;
use timing::report::Ended;
use tokio::time::sleep;

const KILLS: usize = 100;
const SIZE: usize = 1024 * 1024;

/// Kills a worker up to 20 ms after its ledger is there, and says whether the ledger is one whole year.
async fn whole_after_a_kill(folder: &Path, worker: &str) -> bool {
    let ledger = folder.join("ledger");
    let mut worker = Command::new(env!("CARGO_BIN_EXE_ch07-files"))
        .args(["worker-of-a-lesson", worker])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    while !ledger.exists() {
        assert!(worker.try_wait().unwrap().is_none(), "it ended by itself");
        sleep(Duration::from_millis(1)).await;
    }
    let random = RandomState::new().hash_one(0) % 20_000;
    sleep(Duration::from_micros(random)).await;
    worker.kill().unwrap();
    worker.wait().unwrap();
    let text = fs::read(&ledger).unwrap();
    text.len() == SIZE && text.iter().all(|letter| *letter == text[0])
}

#[tokio::test]
async fn a_hundred_kills_leave_the_old_ledger_or_the_new_one_and_at_most_one_temporary_file() {
    let folder = Folder::temporary().unwrap();
    for kill in 0..KILLS {
        let whole = whole_after_a_kill(folder.path(), "atomic_write::replaces").await;
        assert!(whole, "kill {kill}");
        // The ledger and, at most, what the next write takes over.
        assert!(fs::read_dir(folder.path()).unwrap().count() <= 2);
    }
}

#[tokio::test]
async fn a_ledger_written_in_place_is_half_a_ledger_after_some_kill() {
    let folder = Folder::temporary().unwrap();
    let mut halves = 0;
    for _ in 0..KILLS {
        let whole = whole_after_a_kill(folder.path(), "atomic_write::writes_in_place").await;
        halves += usize::from(!whole);
    }
    assert_ne!(halves, 0);
}

#[test]
fn the_table_counts_what_the_kills_leave() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch07-files"));
    let lesson = chapter::measured(program.arg("atomic-write"));
    let [in_place, renamed] = lesson.variants.as_slice() else {
        panic!("two ways of writing")
    };
    assert_eq!(*renamed.count("half written"), 0);
    assert_eq!(*renamed.count("files in the folder"), 1);
    for variant in [in_place, renamed] {
        assert_eq!(*variant.count("kills"), 5);
        assert_eq!(variant.lanes.len(), 5);
        assert!(
            variant
                .lanes
                .iter()
                .all(|lane| lane.ended == Ended::Returned)
        );
    }
}
