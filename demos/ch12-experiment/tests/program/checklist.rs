//! The checklist, run as a reader runs it: it builds and starts the lessons that its rows name.

use std::process::Command;

#[test]
#[ignore = "it has cargo build the chapters one by one; CI has a step for it"]
fn every_practice_is_kept() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch12-experiment"));
    let checklist = chapter::measured(program.arg("checklist"));
    assert!(checklist.variants.len() >= 15);
    for row in &checklist.variants {
        assert_eq!(*row.count("practice"), "kept", "{}", row.label);
    }
}
