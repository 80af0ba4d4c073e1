//! The lesson starts the chapter's program once more, so it runs as that program.

use std::process::Command;

use timing::ticks;

#[test]
fn stds_guard_across_a_wait_freezes_its_runtime_and_the_other_forms_write_both_receipts() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch04-sync"));
    let lesson = chapter::measured(program.arg("held-guard"));
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
    assert!(in_turn.elapsed >= ticks(2));
    assert!(together.elapsed >= ticks(1));
}
