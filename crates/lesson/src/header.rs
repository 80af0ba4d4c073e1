//! The `//!` block on top of a lesson, taken apart.

/// What stands in a lesson's header. A part that is missing is empty or `None`: whether it may be is for the
/// reader of the header to say.
///
/// Wrapped lines are put together again; paragraphs are separated by an empty line.
///
/// ```
/// let header = lesson::Header::parse(
///     "//! # `join!`: wait for several
/// //!
/// //! Watched together they take
/// //! as long as the slowest.
/// //!
/// //! asyncio: gather, asyncio.TaskGroup
/// //!
/// //! real clock: it blocks the thread on purpose
/// //!
/// //! ```python
/// //! await asyncio.gather(tea(), stew())
/// //! ```
/// //!
/// //! Not the same: `join!` makes no task.
///
/// fn run() {}
/// ",
/// );
/// assert_eq!(header.title, "`join!`: wait for several");
/// assert_eq!(header.claim, "Watched together they take as long as the slowest.");
/// assert_eq!(header.asyncio, ["gather", "asyncio.TaskGroup"]);
/// assert_eq!(header.real_clock.as_deref(), Some("it blocks the thread on purpose"));
/// assert_eq!(header.python.as_deref(), Some("await asyncio.gather(tea(), stew())"));
/// assert_eq!(header.not_the_same.as_deref(), Some("`join!` makes no task."));
/// assert_eq!(header.release_build, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The `# ` line, its backticks kept.
    pub title: String,
    /// What stands between the title and the first of the parts below.
    pub claim: String,
    /// The names of the line `asyncio: a, b.c`, by which the lesson is found.
    pub asyncio: Vec<String>,
    /// The code of the ```` ```python ```` block, without its fences.
    pub python: Option<String>,
    /// What follows `Not the same:`.
    pub not_the_same: Option<String>,
    /// Why the lesson runs on the real clock only: what follows `real clock:`.
    pub real_clock: Option<String>,
    /// Why its figures count in an optimised build only: what follows `release build:`.
    pub release_build: Option<String>,
    /// How many lines the block has.
    pub lines: usize,
}

/// The part that a line of prose belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Claim,
    Asyncio,
    RealClock,
    ReleaseBuild,
    NotTheSame,
    Other,
}

const KEYS: [(&str, Part); 4] = [
    ("asyncio:", Part::Asyncio),
    ("real clock:", Part::RealClock),
    ("release build:", Part::ReleaseBuild),
    ("Not the same:", Part::NotTheSame),
];

impl Part {
    /// A part of one paragraph ends with it; claim and difference may have several.
    fn is_one_paragraph(self) -> bool {
        matches!(self, Part::Asyncio | Part::RealClock | Part::ReleaseBuild)
    }
}

impl Header {
    /// Reads the `//!` block that `source` begins with.
    pub fn parse(source: &str) -> Header {
        let mut header = Header::default();
        let mut part = Part::Claim;
        let mut asyncio = String::new();
        let mut starts_paragraph = true;
        let mut lines = block(source);
        while let Some(line) = lines.next() {
            header.lines += 1;
            let text = line.trim();
            if let Some(language) = text.strip_prefix("```") {
                let code = fenced(&mut lines, &mut header.lines);
                if language == "python" && header.python.is_none() {
                    header.python = Some(code);
                }
                // A drawing may stand in the middle of the claim; the idiom ends it.
                if part.is_one_paragraph() || (part == Part::Claim && language == "python") {
                    part = Part::Other;
                }
                starts_paragraph = true;
            } else if text.is_empty() {
                if part.is_one_paragraph() {
                    part = Part::Other;
                }
                starts_paragraph = true;
            } else if let Some(title) = text.strip_prefix("# ")
                && header.title.is_empty()
            {
                header.title = title.trim().to_owned();
            } else {
                let mut text = text;
                // In the middle of prose such a beginning is an accident of wrapping.
                if (starts_paragraph || part.is_one_paragraph())
                    && let Some((rest, new)) = key(text)
                {
                    (text, part) = (rest, new);
                    starts_paragraph = true;
                }
                let field = match part {
                    Part::Claim => &mut header.claim,
                    Part::Asyncio => &mut asyncio,
                    Part::RealClock => header.real_clock.get_or_insert_default(),
                    Part::ReleaseBuild => header.release_build.get_or_insert_default(),
                    Part::NotTheSame => header.not_the_same.get_or_insert_default(),
                    Part::Other => continue,
                };
                append(field, text, starts_paragraph);
                starts_paragraph = false;
            }
        }
        header.asyncio = names(&asyncio);
        header
    }
}

/// The lines of the leading `//!` block, without the marks but with the code's indentation.
fn block(source: &str) -> impl Iterator<Item = &str> {
    source
        .trim_start_matches('\u{feff}')
        .lines()
        .skip_while(|line| line.trim().is_empty())
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
}

/// The lines up to the closing fence, which is consumed.
fn fenced<'a>(lines: &mut impl Iterator<Item = &'a str>, count: &mut usize) -> String {
    let code: Vec<&str> = lines
        .inspect(|_| *count += 1)
        .take_while(|line| line.trim() != "```")
        .collect();
    code.join("\n")
}

fn key(text: &str) -> Option<(&str, Part)> {
    KEYS.iter()
        .find_map(|(key, part)| Some((text.strip_prefix(key)?.trim_start(), *part)))
}

fn append(field: &mut String, text: &str, starts_paragraph: bool) {
    if !field.is_empty() && !text.is_empty() {
        field.push_str(if starts_paragraph { "\n\n" } else { " " });
    }
    field.push_str(text);
}

/// `a, b.c` taken apart. A dash that stands for "none" is no name.
fn names(list: &str) -> Vec<String> {
    list.split(',')
        .map(|name| name.trim().trim_matches('`').trim().to_owned())
        .filter(|name| name.contains(char::is_alphanumeric))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of these lines, with something below it that is none of it.
    fn parse(lines: &str) -> Header {
        let mut source = String::new();
        for line in lines.lines() {
            source.push_str("//! ");
            source.push_str(line);
            source.push('\n');
        }
        source.push_str("\nuse std::fmt;\n//! # not the header\n");
        Header::parse(&source)
    }

    #[test]
    fn takes_several_paragraphs_of_claim_and_difference() {
        let header =
            parse("# T\n\none\nand a half\n\ntwo\n\nasyncio: a\n\nNot the same: x\ny\n\nz");
        assert_eq!(header.claim, "one and a half\n\ntwo");
        assert_eq!(header.not_the_same.as_deref(), Some("x y\n\nz"));
        assert_eq!(header.lines, 13);
    }

    #[test]
    fn keeps_the_indentation_of_python_and_its_empty_lines() {
        let header = parse(
            "# T\n\n```python\nasync with lock:\n    x += 1\n\nprint(x)\n```\n\nNot the same: y",
        );
        assert_eq!(
            header.python.as_deref(),
            Some("async with lock:\n    x += 1\n\nprint(x)")
        );
        assert_eq!(header.not_the_same.as_deref(), Some("y"));
    }

    #[test]
    fn the_lines_beside_asyncio_may_wrap_and_may_stand_close() {
        let header = parse(
            "# T\n\nasyncio: a,\n`b.c`, –\nreal clock: real\nsockets\nrelease build: the rate\n\nloose",
        );
        assert_eq!(header.asyncio, ["a", "b.c"]);
        assert_eq!(header.real_clock.as_deref(), Some("real sockets"));
        assert_eq!(header.release_build.as_deref(), Some("the rate"));
        assert_eq!(header.claim, "");
    }

    #[test]
    fn a_key_in_the_middle_of_prose_is_prose() {
        let header = parse("# T\n\nthis is about\nasyncio: the loop\n\nasyncio: run");
        assert_eq!(header.claim, "this is about asyncio: the loop");
        assert_eq!(header.asyncio, ["run"]);
    }

    #[test]
    fn other_code_is_not_the_idiom_and_an_open_fence_ends_with_the_block() {
        let header =
            parse("# T\n\nclaim\n\n```text\n# no title\n```\n\nmore\n\n```python\nawait x");
        assert_eq!(header.title, "T");
        assert_eq!(header.claim, "claim\n\nmore");
        assert_eq!(header.python.as_deref(), Some("await x"));
    }

    #[test]
    fn a_file_without_a_header_has_nothing_to_say() {
        assert_eq!(
            Header::parse("fn main() {}\n//! # late\n"),
            Header::default()
        );
        assert_eq!(Header::parse(""), Header::default());
        assert_eq!(Header::parse("\r\n//! # T\r\n//!\r\n//! c\r\n").title, "T");
    }
}
