//! The flags, as the reader types them.

use std::{path::PathBuf, time::Duration};

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::usage::Usage;

/// What every chapter understands, and the chapter's own options behind it.
#[derive(Parser)]
#[command(disable_version_flag = true)]
pub struct Args<O: clap::Args> {
    /// Run these lessons, in this order; none = the whole chapter
    #[arg(value_name = "LESSON")]
    pub lessons: Vec<String>,

    /// The chapter's lessons: name, title, asyncio names
    #[arg(short, long)]
    pub list: bool,

    /// Print the lessons' annotated source instead
    #[arg(long)]
    pub source: bool,

    /// Run on Tokio's paused clock: exact, instant
    #[arg(long = "virtual")]
    pub on_virtual_clock: bool,

    /// Exit 1 when a law is broken
    #[arg(long)]
    pub check: bool,

    /// Run each N times: min, median, max
    #[arg(short = 'n', long, value_name = "N", default_value = "1", value_parser = repeat, allow_hyphen_values = true)]
    pub repeat: u32,

    /// How long one tick lasts
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = tick, allow_hyphen_values = true)]
    pub tick: Duration,

    /// Name each poll that took so long; not with --virtual
    #[arg(long, value_name = "DURATION", value_parser = slow, allow_hyphen_values = true)]
    pub slow: Option<Duration>,

    /// Write the report as JSON; "-" leaves stdout to it
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write a Chrome trace, for Perfetto or speedscope
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,

    /// Draw the lanes: auto (not with --repeat), always, never
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub timeline: When,

    /// Colours: auto (obeys NO_COLOR), always, never
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub color: When,

    #[command(flatten, next_help_heading = "This chapter's own")]
    pub options: O,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// Reads the process's arguments.
pub fn parse<O: clap::Args>(package: &str, about: &str) -> Result<Args<O>, Usage> {
    let chapter = lesson::chapter_name(package).unwrap_or(package).to_owned();
    let name = format!("cargo demo {chapter}");
    let command = Args::<O>::command()
        .bin_name(&name)
        .about(format!("{chapter}: {about}"))
        .override_usage(format!("{name} [LESSON]... [OPTIONS]"));
    let matches = command
        .try_get_matches()
        .map_err(|error| Usage::from_clap(&error, &name))?;
    Args::from_arg_matches(&matches).map_err(|error| Usage::from_clap(&error, &name))
}

fn repeat(text: &str) -> Result<u32, String> {
    let rule = "a lesson is run 1 to 1000 times\nfor instance: --repeat 5";
    crate::number(1..=1000, rule)(text)
}

fn tick(text: &str) -> Result<Duration, String> {
    let rule = |reason: &dyn std::fmt::Display| format!("{reason}\nfor instance: --tick 100ms");
    let length = duration(text).ok_or_else(|| rule(&timing::TickError::Length))?;
    timing::check_tick(length).map_err(|error| rule(&error))?;
    Ok(length)
}

fn slow(text: &str) -> Result<Duration, String> {
    duration(text)
        .filter(|length| !length.is_zero())
        .ok_or_else(|| {
            "a poll is slow from some time above zero on\nfor instance: --slow 10ms".into()
        })
}

fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::<crate::NoOptions>::command().debug_assert();
    }

    #[test]
    fn a_tick_is_whole_tens_of_milliseconds() {
        assert_eq!(tick("1s"), Ok(Duration::from_secs(1)));
        for text in ["15ms", "0", "-1s", "61s", "soon", "", "1"] {
            assert!(tick(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_is_repeated_zero_times() {
        assert_eq!(repeat("5"), Ok(5));
        for text in ["0", "-1", "1001", "many", ""] {
            assert!(repeat(text).is_err(), "{text}");
        }
    }
}
