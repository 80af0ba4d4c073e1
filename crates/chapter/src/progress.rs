//! How far a long variant is: one line on a terminal's stderr that overwrites itself.

use std::{io::Write, time::Duration};

use timing::law::Law;
use tokio::time::Instant;

/// A variant that takes longer than this tells how far it is.
const LONG: Duration = Duration::from_secs(2);

/// Columns of the bar.
const BAR: u32 = 30;

pub struct Progress {
    label: String,
    start: Instant,
    law: Duration,
    drawn: bool,
}

impl Progress {
    /// For a variant that is long by its law.
    pub fn of(label: &str, law: Option<&Law>) -> Option<Self> {
        let law = law.map(|law| law.bound).filter(|&bound| bound > LONG)?;
        Some(Self {
            label: label.into(),
            start: Instant::now(),
            law,
            drawn: false,
        })
    }

    pub fn draw(&mut self) {
        let elapsed = self.start.elapsed();
        let done = (elapsed.as_secs_f64() / self.law.as_secs_f64()).min(1.0);
        let full = (done * f64::from(BAR)) as usize;
        let bar: String = "#".repeat(full) + &".".repeat(BAR as usize - full);
        let (now, law) = (elapsed.as_secs_f64(), self.law.as_secs_f64());
        self.drawn = true;
        say(&format!(
            "\r  [{bar}] {now:.1} of {law:.1} s  {}\x1b[K",
            self.label
        ));
    }

    pub fn wipe(&mut self) {
        if std::mem::take(&mut self.drawn) {
            say("\r\x1b[K");
        }
    }
}

fn say(text: &str) {
    // A progress line that can't be shown is no reason to end.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
