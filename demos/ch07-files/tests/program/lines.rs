//! What `lines` takes of memory. Each run has a process of its own: memory is counted for all threads together, and
//! tests beside it would be counted too.

#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::process::Command;

use timing::report::Variant;

const TEXT: [&str; 3] = ["as a whole", "lines()", "with a cap"];
const LINES_ALONE: &str = "lines(), no line break";
const CAPPED: &str = "with a cap, no line break";

fn measured(mib: &str) -> Vec<Variant> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch07-files"));
    chapter::measured(program.args(["lines", "--lines-mib", mib])).variants
}

fn row<'a>(variants: &'a [Variant], label: &str) -> &'a Variant {
    variants.iter().find(|row| row.label == label).unwrap()
}

fn kib(variants: &[Variant], label: &str) -> i64 {
    row(variants, label).count("memory KiB").whole()
}

#[test]
fn memory_grows_with_the_longest_line_and_not_with_the_file() {
    for mib in [2, 16] {
        let variants = measured(&mib.to_string());
        for label in ["as a whole", LINES_ALONE] {
            assert!(kib(&variants, label) >= mib * 1024, "{label}, {mib} MiB");
        }
        for label in ["lines()", "with a cap", CAPPED] {
            let kib = kib(&variants, label);
            assert!((1..512).contains(&kib), "{label}, {mib} MiB: {kib} KiB");
        }
    }
}

#[test]
fn every_way_sees_the_same_lines() {
    let variants = measured("1");
    let lines = TEXT.map(|label| row(&variants, label).count("lines"));
    assert_ne!(*lines[0], 0);
    assert!(lines.iter().all(|number| *number == lines[0]));
    assert_eq!(*row(&variants, LINES_ALONE).count("lines"), 1);
}

#[test]
fn a_line_past_the_cap_is_a_clear_error() {
    let variants = measured("1");
    let capped = row(&variants, CAPPED);
    assert_eq!(*capped.count("lines"), "refused");
    let told = &capped.said.last().unwrap().text;
    assert!(told.contains("line 1 has more than 65536 bytes"), "{told}");
}
