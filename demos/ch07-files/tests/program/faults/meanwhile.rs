//! Records that somebody writes while they are read.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use super::{assert_faults, program, with_a_good_record};

/// A thread writes to a large record without pause, while the program runs again and again. It has at least 4 MiB
/// to read each time, so that no write comes in between is unlikely once, and next to impossible in all runs.
#[track_caller]
fn assert_seen(write: fn(&mut File, u64) -> io::Result<()>) {
    const RUNS: u32 = 50;
    let folder = with_a_good_record();
    let record = folder.path().join("x.txt");
    fs::write(&record, "a".repeat(4 << 20)).unwrap();
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = File::options().write(true).open(&record).unwrap();
            // Bounded, so that the record isn't too long one day.
            for n in 0..8 << 20 {
                if done.load(Relaxed) {
                    break;
                }
                write(&mut file, n).unwrap();
            }
        });
        let is_seen = |_: &u32| {
            let output = program(folder.path()).output().unwrap();
            let seen = output.status.code() == Some(1);
            let faults = [("x.txt", "changed while it was read")];
            assert_faults(folder.path(), &output, &faults[..usize::from(seen)]);
            seen
        };
        let seen = (0..RUNS).find(is_seen);
        done.store(true, Relaxed);
        seen
    });
    assert!(seen.is_some(), "not in {RUNS} runs");
}

#[test]
fn a_record_that_grows_while_it_is_read_is_named() {
    assert_seen(|file, n| file.write_all_at(b"a", (4 << 20) + n));
}

#[test]
fn a_record_that_is_overwritten_while_it_is_read_is_named() {
    assert_seen(|file, n| file.write_all_at(b"b", n % (4 << 20)));
}
