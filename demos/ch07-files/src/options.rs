//! The chapter's own flags.

use std::path::PathBuf;

/// What the reader may change about the files.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many files batch works on
    #[arg(long, value_name = "N", default_value = "2000", value_parser = files, allow_hyphen_values = true)]
    pub files: u32,

    /// How large each of them is, in KiB
    #[arg(long, value_name = "KIB", default_value = "4", value_parser = size, allow_hyphen_values = true)]
    pub size: u32,

    /// How large the files of lines are, in MiB
    #[arg(long, value_name = "MIB", default_value = "64", value_parser = lines_mib, allow_hyphen_values = true)]
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

fn files(text: &str) -> Result<u32, String> {
    chapter::number(
        text,
        1..=100_000,
        "batch works on 1 to 100000 files\nfor instance: --files 2000",
    )
}

fn size(text: &str) -> Result<u32, String> {
    chapter::number(
        text,
        0..=65_536,
        "a file has 0 to 65536 KiB\nfor instance: --size 4",
    )
}

fn lines_mib(text: &str) -> Result<u32, String> {
    chapter::number(
        text,
        1..=65_536,
        "lines reads 1 to 65536 MiB\nfor instance: --lines-mib 64",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_range_and_say_so() {
        assert_eq!(files("50"), Ok(50));
        for text in ["0", "-1", "", "many", "99999999999"] {
            assert!(files(text).unwrap_err().contains("--files 2000"), "{text}");
        }
        assert!(size("65537").unwrap_err().contains("--size 4"));
        assert!(lines_mib("0").unwrap_err().contains("--lines-mib 64"));
    }
}
