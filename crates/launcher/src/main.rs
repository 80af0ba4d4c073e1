//! Behind `cargo demo`: find a lesson, build its chapter, run it.

use std::process::ExitCode;

fn main() -> ExitCode {
    launcher::main(std::env::args_os().skip(1))
}
