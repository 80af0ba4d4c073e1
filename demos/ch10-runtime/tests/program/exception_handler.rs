//! The lesson's hook and the chapter's own, in a process that has both.

use std::process::Command;

#[test]
fn the_hook_before_is_called_too() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch10-runtime"));
    let lesson = chapter::measured(program.args(["exception-handler", "--virtual"]));
    for variant in &lesson.variants {
        assert_eq!(*variant.count("hook called"), 1);
        // What the chapter's hook makes of a panic.
        let said = variant.said.iter();
        let panics = said.filter(|line| line.text == "panicked: the drill breaks");
        assert_eq!(panics.count(), 1, "{}", variant.label);
    }
}
