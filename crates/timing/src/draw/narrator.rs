use unicode_width::UnicodeWidthStr;

use super::{DIM, Pen, RED, WIDTH, YELLOW, painted};
use crate::report::{Level, Said};

/// Left of a block of lines.
const INDENT: &str = "    ";

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

    /// One line, with the time in seconds on the variant's own clock and the lane it was said in. Several lines that
    /// no lane said, as of code or of a compiler, are a block of their own, as wide as the page and without a time.
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
        let is_quoted = said.level == Level::Info && said.lane.is_none();
        if is_quoted && said.text.trim_end().contains('\n') {
            return block(&self.pen.text(&said.text));
        }
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

/// The lines as they are, indented; none is wider than the page.
fn block(text: &str) -> String {
    let lines = text.trim_end().lines();
    let lines = lines.flat_map(|line| broken(line, WIDTH - INDENT.len()));
    let lines: Vec<String> = lines
        .map(|line| format!("{INDENT}{line}").trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// The line, or where it is too wide several. What is carried over begins below the first word, behind the bar that a
/// compiler draws at the left.
fn broken(line: &str, width: usize) -> Vec<String> {
    if line.width() <= width {
        return vec![line.to_owned()];
    }
    let start = line.find(|c: char| c.is_alphanumeric() || c == '`');
    let (before, text) = line.split_at(start.unwrap_or(0));
    let left = before.width();
    let bar = before
        .find('|')
        .filter(|at| before[..*at].trim().is_empty());
    let carried = match bar {
        Some(at) => format!("{}{:rest$}", &before[..=at], "", rest = left - at - 1),
        None => format!("{:left$}", ""),
    };
    let parts = wrapped(text, width.saturating_sub(left));
    let margins = std::iter::once(before).chain(std::iter::repeat(carried.as_str()));
    margins
        .zip(parts)
        .map(|(margin, part)| format!("{margin}{part}"))
        .collect()
}

/// The text in lines of at most `width` columns, broken between words. A word that is wider keeps a line to itself.
///
/// ```
/// assert_eq!(timing::draw::wrapped("tea and eggs", 8), ["tea and", "eggs"]);
/// ```
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
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

    #[test]
    fn a_compilers_lines_keep_their_shape_and_the_width_of_the_page() {
        let text = "error: no\n  |\n  |     let a = b;\n  |             ^ `b` is of a type that is moved by \
                    what stands to the left of it, and not copied\n  = help: within `impl Future<Output = ()>`, \
                    the trait `Send` is not implemented for `Rc<str>`\n";
        assert_eq!(
            block(text),
            "    error: no
      |
      |     let a = b;
      |             ^ `b` is of a type that is moved by what stands to the left
      |               of it, and not copied
      = help: within `impl Future<Output = ()>`, the trait `Send` is not
        implemented for `Rc<str>`"
        );
    }
}
