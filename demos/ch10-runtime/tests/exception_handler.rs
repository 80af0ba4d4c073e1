//! The lesson's hook and the chapter's own, in a process that has both.

use std::process::Command;

use timing::report::Report;

#[test]
fn the_hook_before_is_called_too() {
    let output = Command::new(env!("CARGO_BIN_EXE_ch10-runtime"))
        .args(["exception-handler", "--virtual", "--json", "-"])
        .output()
        .unwrap();
    let report: Report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    for variant in &report.lessons[0].variants {
        assert_eq!(*variant.count("hook called"), 1);
        // What the chapter's hook makes of a panic.
        let said = variant.said.iter();
        let panics = said.filter(|line| line.text == "panicked: the drill breaks");
        assert_eq!(panics.count(), 1, "{}", variant.label);
    }
}
