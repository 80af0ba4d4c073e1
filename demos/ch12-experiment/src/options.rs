//! The chapter's own flags.

use reqwest::Url;

/// What the reader may change about the experiment.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many URLs ten-urls fetches
    #[arg(long, value_name = "N", default_value = "10", value_parser = urls, allow_hyphen_values = true)]
    pub urls: u32,

    /// How many of them at once in the last variant
    #[arg(long, value_name = "N", default_value = "5", value_parser = limit, allow_hyphen_values = true)]
    pub limit: u32,

    /// An httpbin to use instead of the local stand-in
    #[arg(long, value_name = "URL", value_parser = web::named)]
    pub server: Option<Url>,

    /// How many tasks scale goes up to
    #[arg(long, value_name = "N", default_value = "100000", value_parser = tasks, allow_hyphen_values = true)]
    pub tasks: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            urls: 10,
            limit: 5,
            server: None,
            tasks: 100_000,
        }
    }
}

fn urls(text: &str) -> Result<u32, String> {
    chapter::number(
        text,
        1..=10_000,
        "the experiment fetches 1 to 10000 URLs\nfor instance: --urls 10",
    )
}

fn limit(text: &str) -> Result<u32, String> {
    chapter::number(
        text,
        1..=10_000,
        "at least one request is in flight, at most 10000\nfor instance: --limit 5",
    )
}

fn tasks(text: &str) -> Result<u32, String> {
    chapter::number(
        text,
        10..=10_000_000,
        "scale goes up to 10 to 10000000 tasks\nfor instance: --tasks 1000000",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_range_and_say_so() {
        assert_eq!(urls("50"), Ok(50));
        for text in ["0", "-1", "", "many", "10001", "99999999999"] {
            assert!(urls(text).unwrap_err().contains("1 to 10000"), "{text}");
            assert!(limit(text).is_err(), "{text}");
        }
    }
}
