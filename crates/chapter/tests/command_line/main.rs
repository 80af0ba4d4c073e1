//! The command line as a process: what it prints where, and how it ends.

#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::process::{Command, Output, Stdio};

mod apart;
mod endings;
#[cfg(unix)]
mod folders;
mod reports;
mod words;

/// The misbehaving chapter, ready to run with these arguments.
fn chapter(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ch00-misbehaving"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env("LANG", "C.UTF-8")
        .env_remove("LC_ALL");
    command
}

fn run(arguments: &[&str]) -> Output {
    chapter(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
