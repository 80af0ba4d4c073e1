//! The chapter's own flags.

use std::path::PathBuf;

use reqwest::Url;

/// What the reader may change about the requests.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// An httpbin to use instead of the local stand-in
    #[arg(long, value_name = "URL", value_parser = web::named)]
    pub server: Option<Url>,

    /// One more page that outcomes fetches; may be given several times
    #[arg(long, value_name = "URL", value_parser = page)]
    pub page: Vec<Url>,

    /// How many requests limit makes
    #[arg(
        long,
        value_name = "N",
        default_value_t = Options::default().requests,
        value_parser = chapter::number(1..=1_000_000, "limit makes 1 to 1000000 requests\nfor instance: --requests 100"),
        allow_hyphen_values = true
    )]
    pub requests: u32,

    /// How many of them at once
    #[arg(
        long,
        value_name = "N",
        default_value_t = Options::default().limit,
        value_parser = chapter::number(1..=10_000, "at least one request is in flight, at most 10000\nfor instance: --limit 10"),
        allow_hyphen_values = true
    )]
    pub limit: u32,

    /// Where download writes its page, and keeps what it has of it in FILE.part
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server: None,
            page: Vec::new(),
            requests: 100,
            limit: 10,
            output: None,
        }
    }
}

fn page(text: &str) -> Result<Url, String> {
    web::named(text).map_err(|error| error.replace("--server", "--page"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_range_and_say_so() {
        let read = |flag, text| chapter::options::<Options>(&[flag, text]);
        assert_eq!(read("--requests", "50").unwrap().requests, 50);
        for text in ["0", "-1", "", "many", "99999999999"] {
            let refused = read("--requests", text).unwrap_err();
            assert!(refused.contains("1 to 1000000"), "{text}");
            let refused = read("--limit", text).unwrap_err();
            assert!(refused.contains("--limit 10"), "{text}");
        }
    }

    #[test]
    fn a_page_is_an_http_url() {
        assert!(page("http://127.0.0.1:8080/get").is_ok());
        assert!(page("/get").unwrap_err().contains("--page http://"));
    }
}
