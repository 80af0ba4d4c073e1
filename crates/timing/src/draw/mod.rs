//! What the reader sees in a terminal 80 columns wide: the table and the timeline of a lesson, and its narration line by
//! line. Colours are ANSI codes in the text; whoever prints it strips them where they aren't wanted.
//!
//! ```
//! use std::time::Duration;
//! use timing::{Timings, draw::{Pen, slow_polls, table, timeline}, law::none, report::{Lesson, Outcome}};
//!
//! #[tracing::instrument(ret, target = "ch01_basics")]
//! fn pour(cups: u32) {}
//!
//! let mut t = Timings::default();
//! t.time_blocking("tea", none(), || pour(2));
//! let lesson = Lesson {
//!     name: "basics/tea".into(),
//!     title: "Tea".into(),
//!     asyncio: vec![],
//!     outcome: Outcome::Ran,
//!     said: vec![],
//!     variants: t.finish().variants,
//! };
//! let pen = Pen { ascii: true, slow: Duration::from_millis(50) };
//! assert!(table(&lesson, pen).contains("measured"));
//! assert!(timeline(&lesson, pen).contains("pour(2)"));
//! assert!(slow_polls(&lesson, pen, true).is_empty());
//! ```

use std::{borrow::Cow, time::Duration};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

mod lanes;
mod narrator;
mod pick;
mod slow;
mod table;
mod timeline;

pub use narrator::{Narrator, wrapped};
pub use slow::slow_polls;
pub use table::table;
pub use timeline::timeline;

/// The width that every view keeps to, in columns.
pub const WIDTH: usize = 80;

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pen {
    /// Plain ASCII instead of `▌█─╳✗`.
    pub ascii: bool,
    /// A poll that keeps the loop for this long or longer is drawn and named as blocking.
    pub slow: Duration,
}

impl Pen {
    /// The text in the characters this pen may use: `⌈10/3⌉ × 2` becomes `ceil(10/3) x 2` in plain ASCII. A letter
    /// that has no such form becomes its number: `\u{1fad6}`. To be called before anything is padded, since it changes
    /// widths.
    ///
    /// ```
    /// use std::time::Duration;
    /// let plain = timing::draw::Pen { ascii: true, slow: Duration::MAX };
    /// assert_eq!(plain.text("≥ 3 · a → b …"), ">= 3 - a -> b ...");
    /// assert_eq!(plain.text("茶"), r"\u{8336}");
    /// ```
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.ascii || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut plain = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '⌈' => plain.push_str("ceil("),
                '⌉' => plain.push(')'),
                '×' => plain.push('x'),
                '≥' => plain.push_str(">="),
                '≤' => plain.push_str("<="),
                '…' => plain.push_str("..."),
                '→' => plain.push_str("->"),
                '·' | '–' | '—' => plain.push('-'),
                'µ' => plain.push('u'),
                '’' => plain.push('\''),
                '✓' => plain.push_str("ok"),
                '✗' => plain.push_str("BROKEN"),
                other if other.is_ascii() => plain.push(other),
                other => plain.extend(other.escape_unicode()),
            }
        }
        Cow::Owned(plain)
    }

    /// Cut to at most `width` columns, with a mark where something is missing.
    fn fit(&self, text: &str, width: usize) -> String {
        let text = self.text(text);
        if text.width() <= width {
            return text.into_owned();
        }
        let mark = self.text("…");
        let room = width.saturating_sub(mark.width());
        let mut used = 0;
        let kept = text.chars().take_while(|letter| {
            used += letter.width().unwrap_or(0);
            used <= room
        });
        kept.collect::<String>() + &mark
    }

    /// Cut or padded to exactly `width` columns.
    fn column(&self, text: &str, width: usize) -> String {
        let mut text = self.fit(text, width);
        text.extend(std::iter::repeat_n(' ', width.saturating_sub(text.width())));
        text
    }
}

/// The columns of the longest of these texts.
fn widest<'t>(texts: impl Iterator<Item = &'t str>) -> usize {
    texts.map(UnicodeWidthStr::width).max().unwrap_or(0)
}

fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Pen = Pen {
        ascii: true,
        slow: Duration::MAX,
    };
    const FULL: Pen = Pen {
        ascii: false,
        slow: Duration::MAX,
    };

    #[test]
    fn a_column_has_its_width_whatever_the_letters() {
        for text in [
            "",
            "tea",
            "煮茶",
            "a long label that does not fit",
            "一二三四五六七八九十",
        ] {
            assert_eq!(FULL.column(text, 11).width(), 11, "{text}");
            assert_eq!(PLAIN.column(text, 11).width(), 11, "{text}");
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(FULL.fit("cook(\"stew\")", 8), "cook(\"s…");
        assert_eq!(PLAIN.fit("cook(\"stew\")", 8), "cook(...");
    }

    #[test]
    fn a_letter_without_an_ascii_form_is_its_number() {
        assert_eq!(PLAIN.text("tea: 茶 🫖"), r"tea: \u{8336} \u{1fad6}");
        assert_eq!(FULL.text("茶"), "茶");
    }

    #[test]
    fn ascii_text_of_a_law_is_ascii() {
        let law = crate::law::waves(10, 3, 2);
        assert!(PLAIN.text(&law.text).is_ascii());
    }
}
