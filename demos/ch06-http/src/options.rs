//! The chapter's own flags.

use reqwest::Url;

/// What the reader may change about the requests.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// An httpbin to use instead of the local stand-in
    #[arg(long, value_name = "URL", value_parser = web::named)]
    pub server: Option<Url>,
}
