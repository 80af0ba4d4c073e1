//! The flags that are a chapter's own.

use std::ops::RangeInclusive;

use clap::Command;

/// Reads the value of such a flag: a number within a range. `rule` says what the range is, and an example.
///
/// ```
/// let urls = chapter::number(1..=50, "1 to 50 URLs\nfor instance: --urls 10");
/// assert_eq!(urls("50"), Ok(50));
/// assert!(urls("0").unwrap_err().contains("--urls 10"));
/// ```
pub fn number(
    range: RangeInclusive<u32>,
    rule: &'static str,
) -> impl Fn(&str) -> Result<u32, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| rule.to_owned())
    }
}

/// A chapter's own options, as its command line makes them of these arguments: for tests.
///
/// ```
/// #[derive(clap::Args)]
/// struct Options {
///     #[arg(long, value_parser = chapter::number(1..=9, "1 to 9\nfor instance: --cups 2"))]
///     cups: u32,
/// }
///
/// let options = chapter::options::<Options>(&["--cups", "3"]);
/// assert!(options.is_ok_and(|options| options.cups == 3));
/// let told = chapter::options::<Options>(&["--cups", "0"]);
/// assert!(told.is_err_and(|told| told.contains("--cups 2")));
/// ```
///
/// # Errors
///
/// What is wrong with them.
pub fn options<O: clap::Args>(arguments: &[&str]) -> Result<O, String> {
    let command = O::augment_args(Command::new("chapter")).no_binary_name(true);
    let matches = command.try_get_matches_from(arguments);
    let options = matches.and_then(|matches| O::from_arg_matches(&matches));
    options.map_err(|error| error.to_string())
}
