//! Writing, to streams that may be closed or full.

use std::io::{self, ErrorKind, Write};

/// The columns of a terminal.
pub const WIDTH: usize = 80;

/// Why the launcher can't do as it was told, and the way out.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    code: u8,
    message: String,
    way_out: Option<String>,
}

impl Failure {
    /// The command line is wrong: exit code 2.
    pub fn usage(message: String) -> Failure {
        Failure {
            code: 2,
            message,
            way_out: None,
        }
    }

    /// The command line is right, the world isn't: exit code 1.
    pub fn world(message: String) -> Failure {
        Failure {
            code: 1,
            ..Failure::usage(message)
        }
    }

    /// Adds a line that says what works instead.
    pub fn way_out(mut self, text: &str) -> Failure {
        self.way_out = Some(text.to_owned());
        self
    }

    /// Says it on stderr and returns the exit code.
    pub fn report(&self) -> u8 {
        say(&self.to_string());
        self.code
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.way_out {
            Some(text) => write!(f, "\n       {text}"),
            None => Ok(()),
        }
    }
}

/// A line on stderr. If nobody listens there, there is nobody left to tell.
pub fn say(text: &str) {
    let text = in_locale(text);
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether anybody still reads stdout.
#[derive(Debug, PartialEq, Eq)]
pub enum Reader {
    Listens,
    Left,
}

/// Writes `text` to stdout, all of it or an error: a full disk must not look like success.
pub fn write(text: &str) -> Result<Reader, Failure> {
    let mut stdout = io::stdout().lock();
    let text = in_locale(text);
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(Reader::Listens),
        // `| head` has what it wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Left),
        Err(error) => Err(Failure::world(format!("cannot write to stdout: {error}"))),
    }
}

/// [`write`] as the last thing that is done: the exit code is 0 whether or not the reader left early.
pub fn out(text: &str) -> Result<u8, Failure> {
    write(text).map(|_| 0)
}

fn in_locale(text: &str) -> String {
    if lesson::is_utf8() {
        text.to_owned()
    } else {
        ascii(text)
    }
}

/// The same text for a terminal that knows ASCII only.
fn ascii(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '·' | '–' | '—' => plain.push('-'),
            '→' => plain.push_str("->"),
            '…' => plain.push_str("..."),
            '×' => plain.push('x'),
            '‘' | '’' => plain.push('\''),
            '“' | '”' => plain.push('"'),
            c if c.is_ascii() => plain.push(c),
            _ => plain.push('?'),
        }
    }
    plain
}

/// `text` cut to end at the page's edge when it starts at column `from`.
pub fn fit(text: &str, from: usize) -> String {
    let room = WIDTH.saturating_sub(from);
    if text.chars().count() <= room {
        return text.to_owned();
    }
    // Room for three: that is how long the mark is in plain ASCII.
    let kept: String = text.chars().take(room.saturating_sub(3)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_ascii_says_the_same() {
        assert_eq!(ascii("a · b → c …"), "a - b -> c ...");
        assert!(ascii("任务 – “x”").is_ascii());
    }

    #[test]
    fn what_fits_is_left_alone_and_the_rest_ends_at_the_edge() {
        assert_eq!(fit("short", 20), "short");
        let cut = fit(&"x".repeat(100), 20);
        assert!(cut.ends_with('…'));
        assert!(ascii(&cut).len() <= WIDTH - 20);
    }

    #[test]
    fn an_error_is_one_line_and_a_way_out() {
        let failure = Failure::usage("no".to_owned()).way_out("yes");
        assert_eq!(failure.to_string(), "error: no\n       yes");
        assert_eq!(Failure::world("no".to_owned()).to_string(), "error: no");
    }
}
