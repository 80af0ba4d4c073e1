//! The chapter's own flags.

use reqwest::Url;

/// What the reader may change about the experiment.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many URLs ten-urls fetches
    #[arg(
        long,
        value_name = "N",
        default_value_t = Options::default().urls,
        value_parser = chapter::number(1..=10_000, "the experiment fetches 1 to 10000 URLs\nfor instance: --urls 10"),
        allow_hyphen_values = true
    )]
    pub urls: u32,

    /// How many of them at once in the last variant
    #[arg(
        long,
        value_name = "N",
        default_value_t = Options::default().limit,
        value_parser = chapter::number(1..=10_000, "at least one request is in flight, at most 10000\nfor instance: --limit 5"),
        allow_hyphen_values = true
    )]
    pub limit: u32,

    /// An httpbin to use instead of the local stand-in
    #[arg(long, value_name = "URL", value_parser = web::named)]
    pub server: Option<Url>,

    /// How many tasks scale goes up to
    #[arg(
        long,
        value_name = "N",
        default_value_t = Options::default().tasks,
        value_parser = chapter::number(10..=10_000_000, "scale goes up to 10 to 10000000 tasks\nfor instance: --tasks 1000000"),
        allow_hyphen_values = true
    )]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_range_and_say_so() {
        let read = |flag, text| chapter::options::<Options>(&[flag, text]);
        assert_eq!(read("--urls", "50").unwrap().urls, 50);
        for text in ["0", "-1", "", "many", "10001", "99999999999"] {
            let refused = read("--urls", text).unwrap_err();
            assert!(refused.contains("1 to 10000"), "{text}");
            assert!(read("--limit", text).is_err(), "{text}");
        }
    }
}
