//! What was typed wrong: one clear line on stderr that names the value, one that says the way out, exit code 2.

use std::{fmt::Display, io::Write, process::ExitCode};

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Why nothing ran.
#[derive(Debug)]
pub enum Usage {
    /// A mistake, in one line, and below it what to type instead.
    Wrong { what: String, way_out: String },
    /// No mistake: `--help`, as rendered.
    Help(String),
}

impl Usage {
    /// The part of the command line, what is wrong with it, and the way out.
    pub fn wrong(part: impl Display, reason: impl Display, way_out: impl Into<String>) -> Self {
        Self::Wrong {
            what: format!("{part}: {reason}"),
            way_out: way_out.into(),
        }
    }

    /// Clap's findings in this workspace's form.
    pub fn from_clap(error: &clap::Error, command: &str) -> Self {
        if error.kind() == ErrorKind::DisplayHelp {
            return Self::Help(error.render().ansi().to_string());
        }
        let text = |kind| error.get(kind).map(ContextValue::to_string);
        let flag = text(ContextKind::InvalidArg).unwrap_or_default();
        // Clap says `--tick <DURATION>` where the reader typed `--tick`.
        let flag = flag.split(" <").next().unwrap_or_default();
        let value = text(ContextKind::InvalidValue).unwrap_or_default();
        let value = without_password(&value);
        let all = format!("all options: {command} --help");
        match error.kind() {
            ErrorKind::UnknownArgument => {
                let near =
                    text(ContextKind::SuggestedArg).map(|near| format!("; did you mean {near}?"));
                Self::wrong(
                    flag,
                    format!("no such option{}", near.unwrap_or_default()),
                    all,
                )
            }
            ErrorKind::InvalidValue if value.is_empty() => {
                Self::wrong(flag, "a value is missing", all)
            }
            ErrorKind::InvalidValue => {
                let valid = text(ContextKind::ValidValue).unwrap_or_default();
                Self::wrong(
                    format!("{flag} {value}"),
                    format!("not one of {valid}"),
                    all,
                )
            }
            ErrorKind::ValueValidation => {
                let reason = std::error::Error::source(error).map(ToString::to_string);
                let reason = reason.unwrap_or_else(|| "not a valid value".into());
                let (reason, way_out) = reason.split_once('\n').unwrap_or((&reason, &all));
                Self::wrong(format!("{flag} {value}"), reason, way_out)
            }
            ErrorKind::ArgumentConflict => {
                let other = text(ContextKind::PriorArg).unwrap_or_default();
                Self::wrong(flag, format!("not together with {other}"), all)
            }
            ErrorKind::InvalidUtf8 => {
                Self::wrong("arguments", "one of them isn't valid UTF-8", all)
            }
            _ => {
                let rendered = error.to_string();
                let first = rendered.lines().next().unwrap_or_default();
                Self::Wrong {
                    what: first.trim_start_matches("error: ").into(),
                    way_out: all,
                }
            }
        }
    }

    /// Prints it; the exit code to end with.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Wrong { what, way_out } => {
                // With stderr closed there is nobody to tell.
                let _ = write!(std::io::stderr(), "error: {what}\n       {way_out}\n");
                ExitCode::from(2)
            }
            Self::Help(text) => match write!(anstream::stdout(), "{text}") {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
                _ => ExitCode::SUCCESS,
            },
        }
    }
}

/// A URL's user and password end with the last `@`; what a terminal shows may be read by others.
fn without_password(value: &str) -> String {
    match (value.split_once("://"), value.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
        (_, None) => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (value, shown) in [
            ("mysql://ann:s@cret@host/db", "mysql://…@host/db"),
            ("ann:secret@host", "…@host"),
            ("http://host", "http://host"),
            ("many", "many"),
        ] {
            assert_eq!(without_password(value), shown);
        }
    }
}
