//! Compiles every case of a folder with trybuild: it fails when one of them compiles, or when the compiler's text isn't
//! the one beside it. With `TRYBUILD=overwrite` it writes the texts instead.
//!
//! ```sh
//! TRYBUILD=overwrite cargo run -p compile-fail demos/ch11-pitfalls/compile_fail
//! rustc --version | cut -d' ' -f2 > demos/ch11-pitfalls/compile_fail/RUSTC
//! ```

use std::{path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let Some(folder) = folder.and_then(|folder| folder.canonicalize().ok()) else {
        eprintln!("name a folder that holds cases: demos/ch11-pitfalls/compile_fail");
        return ExitCode::from(2);
    };
    // Compiled and compared when it is dropped; it panics when one of them isn't as it should be.
    trybuild::TestCases::new().compile_fail(folder.join("*.rs"));
    ExitCode::SUCCESS
}
