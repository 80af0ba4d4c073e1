//! Markdown, read as far as the rules about documents need it: lines, code, links, tables, headings.

/// The lines outside fenced code, with their numbers from 1.
pub fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((i + 1, line));
        }
    }
    lines
}

/// A stretch of a line: `code`, or `[text](target)`.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Code(&'a str),
    Link { text: &'a str, target: &'a str },
}

/// Code and links in their order. Code inside a link's text belongs to the link.
pub fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find(['`', '[']) {
        rest = &rest[at..];
        let end = if rest.starts_with('`') {
            code(rest).map(|(text, end)| (Piece::Code(text), end))
        } else {
            link(rest).map(|(text, target, end)| (Piece::Link { text, target }, end))
        };
        rest = match end {
            Some((piece, end)) => {
                found.push(piece);
                &rest[end..]
            }
            None => &rest[1..],
        };
    }
    found
}

/// The code that `text` begins with, and where it ends.
fn code(text: &str) -> Option<(&str, usize)> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let fence = &text[..ticks];
    let length = text[ticks..].find(fence)?;
    Some((text[ticks..ticks + length].trim(), ticks + length + ticks))
}

fn link(text: &str) -> Option<(&str, &str, usize)> {
    let mut close = 1;
    loop {
        let next = close + text[close..].find([']', '`'])?;
        if text[next..].starts_with(']') {
            close = next;
            break;
        }
        close = next + code(&text[next..])?.1;
    }
    let target = text[close..].strip_prefix("](")?;
    let end = target.find(')')?;
    // A title may follow the target.
    let path = target[..end].split_whitespace().next().unwrap_or_default();
    Some((
        &text[1..close],
        path.trim_matches(['<', '>']),
        close + 2 + end + 1,
    ))
}

/// The code spans of a line, those in links' texts among them.
pub fn codes(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for piece in pieces(line) {
        match piece {
            Piece::Code(text) => found.push(text),
            Piece::Link { text, .. } => found.extend(codes(text)),
        }
    }
    found
}

/// A body row of a table: the number of its line, and each cell with its column's heading.
pub struct Row<'a> {
    pub line: usize,
    pub cells: Vec<(&'a str, &'a str)>,
}

pub fn rows(text: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut heads: Vec<&str> = Vec::new();
    for (line, text) in prose(text) {
        let text = text.trim();
        if !text.starts_with('|') {
            heads.clear();
        } else if heads.is_empty() {
            heads = cells(text);
        } else if !text.chars().all(|c| "|-: ".contains(c)) {
            let cells = heads.iter().copied().zip(cells(text)).collect();
            rows.push(Row { line, cells });
        }
    }
    rows
}

/// What stands between the bars; a bar after a backslash or in code is part of its cell.
fn cells(row: &str) -> Vec<&str> {
    let mut cells = Vec::new();
    let (mut start, mut in_code, mut escaped) = (1, false, false);
    for (i, c) in row.char_indices().skip(1) {
        match c {
            '`' => in_code = !in_code,
            '|' if !in_code && !escaped => {
                cells.push(row[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
        escaped = c == '\\';
    }
    cells
}

/// The anchors that the headings of a document have on the web.
pub fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() < line.len() && title.starts_with(' ') {
            let anchor = anchor(title.trim());
            let same = |a: &&String| {
                **a == anchor
                    || a.strip_prefix(&format!("{anchor}-"))
                        .is_some_and(|n| n.parse::<u32>().is_ok())
            };
            match found.iter().filter(same).count() {
                0 => found.push(anchor),
                n => found.push(format!("{anchor}-{n}")),
            }
        }
    }
    found
}

fn anchor(title: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let text: String = title.to_lowercase().chars().filter(kept).collect();
    text.replace(' ', "-")
}

#[test]
fn reads_code_and_links_in_their_order() {
    let line = "a `x` [the `y]` z](p.md#q \"title\") ``b`c`` [no link] `[not](a link)`";
    let link = Piece::Link {
        text: "the `y]` z",
        target: "p.md#q",
    };
    assert_eq!(
        pieces(line),
        [
            Piece::Code("x"),
            link,
            Piece::Code("b`c"),
            Piece::Code("[not](a link)")
        ]
    );
    assert_eq!(codes(line), ["x", "y]", "b`c", "[not](a link)"]);
}

#[test]
fn reads_tables_by_their_headings() {
    let text = "| a | lesson |\n|---|:--|\n| 1 | `x|y` \\| z |\n\n| b |\n|---|\n| 2 |\n";
    let rows = rows(text);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].cells, [("a", "1"), ("lesson", "`x|y` \\| z")]);
    assert_eq!((rows[1].line, &rows[1].cells[..]), (7, &[("b", "2")][..]));
}

#[test]
fn anchors_are_made_as_the_web_makes_them() {
    let text = "# What you'll see\n## `join!`, and more\n```\n# no heading\n```\n# 任务\n# 任务\n";
    assert_eq!(
        anchors(text),
        ["what-youll-see", "join-and-more", "任务", "任务-1"]
    );
}
