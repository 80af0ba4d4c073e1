//! Without its feature the lesson is skipped, and says how to build it.

#![cfg(not(all(feature = "console", tokio_unstable)))]

use std::process::Command;

#[test]
fn a_build_without_the_console_is_skipped_with_the_command_that_has_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_ch10-runtime"))
        .arg("console")
        .output()
        .unwrap();
    assert!(output.status.success());
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("skipped: this build lacks"), "{page}");
    // As the shell reads it: a line that ends in a backslash goes on in the next.
    let joined = page.replace("\\\n", " ");
    let words = joined.split_whitespace().collect::<Vec<_>>().join(" ");
    let command = "RUSTFLAGS=\"--cfg tokio_unstable\" cargo run -p ch10-runtime --features console \
                   --target-dir target/console -- console";
    assert!(words.contains(command), "{page}");
    assert!(
        page.lines().all(|line| line.chars().count() <= 80),
        "{page}"
    );
}
