//! Code that the compiler refuses: the wrong form of a lesson whose mistake never runs.

use std::fmt::{Display, Formatter, Result};

/// A file of a chapter's `compile_fail` folder and what the compiler says of it. Made by [`case!`](crate::case). That
/// it says so is the test of the package `compile-fail`.
///
/// As text it is both, for the lesson to say before its first variant.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its file, without the ending.
    pub name: &'static str,
    /// The code.
    pub source: &'static str,
    /// The version of the compiler.
    pub rustc: &'static str,
    /// What that compiler says. Line numbers and the paths of this machine are left out.
    pub says: &'static str,
}

impl Case {
    /// The line that names the error: `error[E0728]: …`.
    pub fn error(&self) -> &'static str {
        self.says.lines().next().unwrap_or_default()
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self {
            name,
            source,
            rustc,
            says,
        } = self;
        writeln!(f, "compile_fail/{name}.rs:\n\n{}\n", source.trim())?;
        write!(f, "rustc {}:\n\n{}", rustc.trim(), says.trim())
    }
}

/// A [`Case`] of this chapter, by the name of its file.
///
/// ```text
/// const CASE: Case = chapter::case!("await_in_sync");
/// ```
#[macro_export]
macro_rules! case {
    ($name:literal) => {
        $crate::Case {
            name: $name,
            source: $crate::case!(@file $name, ".rs"),
            rustc: $crate::case!(@file "RUSTC"),
            says: $crate::case!(@file $name, ".stderr"),
        }
    };
    (@file $($part:literal),+) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/compile_fail/", $($part),+))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_code_and_what_is_said_of_it() {
        let case = Case {
            name: "soup",
            source: "fn main() {}\n",
            rustc: "1.95.0\n",
            says: "error[E0]: no\n --> here\n",
        };
        assert_eq!(case.error(), "error[E0]: no");
        assert_eq!(
            case.to_string(),
            "compile_fail/soup.rs:\n\nfn main() {}\n\nrustc 1.95.0:\n\nerror[E0]: no\n --> here"
        );
    }
}
