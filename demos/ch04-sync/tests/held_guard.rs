//! The lesson starts the chapter's program once more, so it runs as that program.

use std::process::Command;

use timing::report::{Outcome, Report};

#[test]
fn stds_guard_across_a_wait_freezes_its_runtime_and_the_other_forms_write_both_receipts() {
    let output = Command::new(env!("CARGO_BIN_EXE_ch04-sync"))
        .args(["held-guard", "--json", "-"])
        .output()
        .expect("cargo has built it");
    let told = String::from_utf8_lossy(&output.stderr);
    let report: Report =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
    let lesson = &report.lessons[0];
    assert_eq!(lesson.outcome, Outcome::Ran);
    let [frozen, in_turn, together] = &lesson.variants[..] else {
        panic!("three variants: {:?}", lesson.variants);
    };

    assert_eq!(frozen.label, "std, across the wait");
    assert_eq!(*frozen.count("receipts"), 0);
    assert_eq!(*frozen.count("killed"), "yes");
    assert_eq!(*frozen.count("Send"), "no");
    for finished in [in_turn, together] {
        assert_eq!(*finished.count("receipts"), 2, "{}", finished.label);
        assert_eq!(*finished.count("Send"), "yes", "{}", finished.label);
    }
    assert!(in_turn.elapsed >= report.tick * 2);
    assert!(together.elapsed >= report.tick);
}
