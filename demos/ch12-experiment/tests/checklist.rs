//! The checklist, run as a reader runs it: it builds and starts the lessons that its rows name.

use std::process::Command;

use timing::report::{Outcome, Report};

#[test]
fn every_practice_is_kept() {
    let output = Command::new(env!("CARGO_BIN_EXE_ch12-experiment"))
        .args(["checklist", "--json", "-"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let report: Report =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
    let checklist = &report.lessons[0];
    assert_eq!(checklist.outcome, Outcome::Ran, "{told}");
    assert!(checklist.variants.len() >= 15);
    for row in &checklist.variants {
        assert_eq!(*row.count("practice"), "kept", "{}", row.label);
    }
}
