use unicode_width::UnicodeWidthStr;

use super::{DIM, Pen, RED, WIDTH, YELLOW, painted};
use crate::report::{Level, Said};

/// Draws narration a line at a time, as it comes. The column of the lanes grows with the longest label so far.
#[derive(Debug)]
pub struct Narrator {
    pen: Pen,
    label_width: usize,
}

impl Narrator {
    /// A narrator that hasn't said anything yet.
    pub fn new(pen: Pen) -> Self {
        Self {
            pen,
            label_width: 16,
        }
    }

    /// One line, with the time in seconds on the variant's own clock and the lane it was said in.
    ///
    /// ```
    /// use timing::{draw::{Narrator, Pen}, report::{Level, Said}, ticks};
    /// let mut narrator = Narrator::new(Pen { ascii: true, slow: ticks(1) });
    /// let said = Said {
    ///     at: ticks(2),
    ///     lane: Some("cook(\"tea\")".into()),
    ///     level: Level::Info,
    ///     text: "ready".into(),
    /// };
    /// assert!(narrator.line(&said).ends_with("cook(\"tea\")       ready"));
    /// ```
    pub fn line(&mut self, said: &Said) -> String {
        let label = said.lane.as_deref().unwrap_or_default();
        self.label_width = self.label_width.max(self.pen.text(label).width()).min(28);
        let label = self.pen.column(label, self.label_width);
        let at = format!("{:.3}", said.at.as_secs_f64());
        let left = format!("    {at}  {label}  ").width();
        let text = self.pen.text(&said.text);
        let lines = wrapped(&text, WIDTH - left);
        let lines = lines.iter().map(|line| match said.level {
            Level::Info => line.clone(),
            Level::Warn => painted(YELLOW, line),
            Level::Error => painted(RED, line),
        });
        let between = format!("\n{:left$}", "");
        format!(
            "    {}  {label}  {}",
            painted(DIM, &at),
            lines.collect::<Vec<_>>().join(&between)
        )
    }
}

/// The text in lines of at most `width` columns, broken between words. A word that is wider keeps a line to itself.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the start");
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_broken_between_words_and_loses_nothing() {
        let text = "attempted to block the current thread while it drives tasks";
        let lines = wrapped(text, 20);
        assert!(lines.iter().all(|line| line.width() <= 20), "{lines:?}");
        assert_eq!(lines.join(" "), text);
        assert_eq!(wrapped("unbreakable_as_it_is", 5), ["unbreakable_as_it_is"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
