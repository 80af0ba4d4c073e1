//! The command line, taken apart as far as the launcher has to: which word names the lesson, and what is a value?

/// The flags of every chapter that take a value. The launcher has to know them to tell `1s` from a lesson in
/// `--tick 1s basics`; a test compares them with what a chapter's `--help` shows.
pub const SHARED_VALUED: [&str; 8] = [
    "-n",
    "--repeat",
    "--tick",
    "--slow",
    "--json",
    "--trace",
    "--timeline",
    "--color",
];

/// The flags of every chapter that take none.
pub const SHARED_SWITCHES: [&str; 7] = [
    "-l",
    "--list",
    "--source",
    "--virtual",
    "--check",
    "-h",
    "--help",
];

/// One argument and what it is.
#[derive(Debug, PartialEq, Eq)]
pub enum Arg {
    /// It begins with a dash.
    Flag(String),
    /// It belongs to the flag before it.
    Value(String),
    /// The first word: it says what to run.
    Word(String),
    /// A further word, which has to be a lesson of the same chapter.
    Lesson(String),
    /// It follows a flag that the launcher doesn't know: a lesson, or that flag's value.
    Perhaps(String),
}

impl Arg {
    pub fn text(&self) -> &str {
        let (Arg::Flag(text)
        | Arg::Value(text)
        | Arg::Word(text)
        | Arg::Lesson(text)
        | Arg::Perhaps(text)) = self;
        text
    }

    pub fn is_flag(&self) -> bool {
        matches!(self, Arg::Flag(_))
    }
}

/// A command line without the two flags that are the launcher's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub args: Vec<Arg>,
    pub release: bool,
    pub all: bool,
}

/// What a flag makes of the word behind it.
enum Next {
    Free,
    Value,
    Unknown,
}

impl Line {
    pub fn split(args: &[String]) -> Line {
        let mut line = Line::default();
        let mut next = Next::Free;
        let mut only_words = false; // after `--`
        for arg in args {
            let text = arg.clone();
            let is_flag = !only_words && arg.starts_with('-') && arg != "-";
            if !is_flag {
                let has_word = line.word().is_some();
                line.args.push(match next {
                    Next::Value => Arg::Value(text),
                    // Before the chapter is known its flags aren't either: the first word is the word.
                    _ if !has_word => Arg::Word(text),
                    Next::Unknown => Arg::Perhaps(text),
                    Next::Free => Arg::Lesson(text),
                });
                next = Next::Free;
                continue;
            }
            next = Next::Free;
            match arg.as_str() {
                "--release" => line.release = true,
                "--all" => line.all = true,
                "--" => {
                    only_words = true;
                    line.args.push(Arg::Flag(text));
                }
                _ => {
                    next = after(arg);
                    line.args.push(Arg::Flag(text));
                }
            }
        }
        line
    }

    pub fn word(&self) -> Option<&str> {
        self.args.iter().find_map(|arg| match arg {
            Arg::Word(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub fn has(&self, flags: &[&str]) -> bool {
        let mut args = self.args.iter();
        args.any(|arg| arg.is_flag() && flags.contains(&arg.text()))
    }
}

fn after(flag: &str) -> Next {
    if flag.starts_with("--") {
        return match flag {
            _ if flag.contains('=') || SHARED_SWITCHES.contains(&flag) => Next::Free,
            _ if SHARED_VALUED.contains(&flag) => Next::Value,
            _ => Next::Unknown,
        };
    }
    // Letters can stand together, and a value can stand close to its letter: `-ln3`.
    let mut letters = flag.chars().skip(1).peekable();
    while let Some(letter) = letters.next() {
        let one = format!("-{letter}");
        if SHARED_VALUED.contains(&one.as_str()) {
            return match letters.peek() {
                Some(_) => Next::Free,
                None => Next::Value,
            };
        }
        if !SHARED_SWITCHES.contains(&one.as_str()) {
            return Next::Unknown;
        }
    }
    Next::Free
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each argument with the letter of its kind.
    fn kinds(line: &str) -> String {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let line = Line::split(&args);
        let mut kinds: Vec<&str> = line
            .args
            .iter()
            .map(|arg| match arg {
                Arg::Flag(_) => "flag",
                Arg::Value(_) => "value",
                Arg::Word(_) => "word",
                Arg::Lesson(_) => "lesson",
                Arg::Perhaps(_) => "perhaps",
            })
            .collect();
        kinds.extend(line.release.then_some("RELEASE"));
        kinds.extend(line.all.then_some("ALL"));
        kinds.join(" ")
    }

    #[test]
    fn the_word_need_not_come_first() {
        assert_eq!(kinds("basics one-cook"), "word lesson");
        assert_eq!(kinds("--virtual basics"), "flag word");
        assert_eq!(kinds("--tick 1s basics one-cook"), "flag value word lesson");
        assert_eq!(kinds("--tick=1s basics"), "flag word");
        assert_eq!(kinds("-n 3 basics"), "flag value word");
        assert_eq!(kinds("-n3 basics"), "flag word");
        assert_eq!(kinds("-ln 3 basics"), "flag value word");
    }

    #[test]
    fn every_shared_flag_is_known_for_what_it_takes() {
        for flag in SHARED_VALUED {
            assert_eq!(kinds(&format!("{flag} x basics")), "flag value word");
        }
        for flag in SHARED_SWITCHES {
            assert_eq!(kinds(&format!("{flag} basics x")), "flag word lesson");
        }
    }

    #[test]
    fn what_follows_a_chapters_own_flag_may_be_its_value() {
        assert_eq!(kinds("http --urls 50 get"), "word flag perhaps lesson");
        assert_eq!(kinds("http --urls=50 get"), "word flag lesson");
        assert_eq!(kinds("http -u 50"), "word flag perhaps");
    }

    #[test]
    fn a_flag_is_no_value_but_a_dash_is() {
        assert_eq!(kinds("basics --json --check one"), "word flag flag lesson");
        assert_eq!(kinds("basics --json - one"), "word flag value lesson");
    }

    #[test]
    fn the_launchers_own_flags_are_taken_out_wherever_they_stand() {
        assert_eq!(kinds("basics --release --check"), "word flag RELEASE");
        assert_eq!(kinds("--all --virtual"), "flag ALL");
        assert_eq!(kinds("basics -- --release"), "word flag lesson");
    }
}
