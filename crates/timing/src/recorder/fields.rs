//! What a span or an event carries, as text.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};

/// The values of a span's fields as a call's arguments: `"tea", 1`.
#[derive(Default)]
pub(super) struct Arguments(pub String);

impl Visit for Arguments {
    fn record_debug(&mut self, _field: &Field, value: &dyn Debug) {
        let between = if self.0.is_empty() { "" } else { ", " };
        // Writing to a String can't fail; a Debug that fails leaves what it had written.
        let _ = write!(self.0, "{between}{value:?}");
    }
}

/// An event: its message and fields as one line, or the ending that `#[instrument(ret, err)]` reports.
#[derive(Default)]
pub(super) struct Line {
    pub text: String,
    pub fields: usize,
    pub ending: Option<Ending>,
}

/// The two endings that an instrumented function reports by an event of a single field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Return,
    Error,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields += 1;
        let between = if self.text.is_empty() { "" } else { " " };
        let _ = match field.name() {
            "message" => write!(self.text, "{between}{value:?}"),
            "return" => {
                self.ending = Some(Ending::Return);
                Ok(())
            }
            "error" => {
                self.ending = Some(Ending::Error);
                write!(self.text, "{between}error={value:?}")
            }
            name => write!(self.text, "{between}{name}={value:?}"),
        };
    }
}

impl Line {
    /// The ending, if that is all the event says.
    pub(super) fn only_ending(&self) -> Option<Ending> {
        self.ending.filter(|_| self.fields == 1)
    }
}
