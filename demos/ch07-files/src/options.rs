//! The chapter's own flags.

use std::path::PathBuf;

/// What the reader may change about the files.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many files batch works on
    #[arg(
        long,
        value_name = "N",
        default_value_t = Options::default().files,
        value_parser = chapter::number(1..=100_000, "batch works on 1 to 100000 files\nfor instance: --files 2000"),
        allow_hyphen_values = true
    )]
    pub files: u32,

    /// How large each of them is, in KiB
    #[arg(
        long,
        value_name = "KIB",
        default_value_t = Options::default().size,
        value_parser = chapter::number(0..=65_536, "a file has 0 to 65536 KiB\nfor instance: --size 4"),
        allow_hyphen_values = true
    )]
    pub size: u32,

    /// How large the files of lines are, in MiB
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = Options::default().lines_mib,
        value_parser = chapter::number(1..=65_536, "lines reads 1 to 65536 MiB\nfor instance: --lines-mib 64"),
        allow_hyphen_values = true
    )]
    pub lines_mib: u32,

    /// Where faults writes NAME.upper for each NAME.txt
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            files: 2_000,
            size: 4,
            lines_mib: 64,
            folder: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_range_and_say_so() {
        let read = |flag, text| chapter::options::<Options>(&[flag, text]);
        assert_eq!(read("--files", "50").unwrap().files, 50);
        for (flag, text, example) in [
            ("--files", "0", "--files 2000"),
            ("--files", "-1", "--files 2000"),
            ("--files", "", "--files 2000"),
            ("--files", "many", "--files 2000"),
            ("--files", "99999999999", "--files 2000"),
            ("--size", "65537", "--size 4"),
            ("--lines-mib", "0", "--lines-mib 64"),
        ] {
            let refused = read(flag, text).unwrap_err();
            assert!(refused.contains(example), "{flag} {text}: {refused}");
        }
    }
}
