//! A lesson's lines in files that are there already, each behind the lesson that is the chapter's last so far.

use lesson::kebab;

use crate::workspace::{Chapter, listed};

/// A table that names lessons in its last column.
pub struct Table {
    pub file: &'static str,
    /// The heading that it stands under.
    pub heading: String,
    /// The new lesson's row.
    pub row: String,
}

/// A chapter's `main.rs` with the lesson's `mod` line, where rustfmt wants it, and its word at the end of the list.
pub fn in_main(main: &str, module: &str) -> Option<String> {
    let mut lines: Vec<String> = main.lines().map(str::to_owned).collect();
    let list = lines.iter().position(|line| line.contains("lessons!"))?;
    let end = list + lines[list..].iter().position(|line| line == "];")?;
    lines.insert(end, format!("    on_loop {module},"));
    let mods = lines.iter().enumerate().filter_map(|(i, line)| {
        let name = line.strip_prefix("mod ")?.strip_suffix(';')?;
        Some((i, name))
    });
    let mods: Vec<(usize, &str)> = mods.collect();
    let behind = mods.iter().find(|(_, name)| order(name) > order(module));
    let at = match behind {
        Some((at, _)) => *at,
        None => mods.last()?.0 + 1,
    };
    lines.insert(at, format!("mod {module};"));
    let after = lines.join("\n") + "\n";

    // A list that is written in another way is not guessed at.
    let mut expected = listed(main);
    expected.push(module.to_owned());
    (listed(&after) == expected).then_some(after)
}

/// rustfmt sorts an underscore before any letter or digit.
fn order(module: &str) -> String {
    module.replace('_', " ")
}

/// The document with the table's new row, behind that of the chapter's last lesson which has one; a chapter whose
/// lessons have none gets it at the end of the table.
pub fn in_table(text: &str, chapter: &Chapter, table: &Table) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().position(|line| *line == table.heading)?;
    let length = lines[start + 1..]
        .iter()
        .position(|line| line.starts_with('#'));
    let end = length.map_or(lines.len(), |length| start + 1 + length);
    let row_of = |name: &str| {
        let path = format!("`{}/{name}`", chapter.name);
        let is_its_row = |line: &&str| {
            let cells = line.trim_end_matches([' ', '|']).rsplit_once('|');
            cells.is_some_and(|(_, cell)| cell.trim_start_matches([' ', '[']).starts_with(&path))
        };
        lines[start..end].iter().rposition(is_its_row)
    };
    let mut names = chapter
        .lessons
        .iter()
        .rev()
        .map(|lesson| kebab(&lesson.name));
    let last_row = || {
        lines[start..end]
            .iter()
            .rposition(|line| line.starts_with('|'))
    };
    let behind = names.find_map(|name| row_of(&name)).or_else(last_row)?;
    lines.insert(start + behind + 1, &table.row);
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Lesson;

    const MAIN: &str = "//! Pots.\n\nmod boil;\nmod boil_over;\nmod options;\n\nchapter::lessons![\n    \
                        workers [boil::spills];\n    options::Options;\n    on_loop boil,\n    off_loop boil_over,\n];\n";

    #[test]
    fn a_module_stands_where_rustfmt_wants_it_and_last_in_the_list() {
        for (module, before) in [
            ("aerate", "mod boil;"),
            ("boil_dry", "mod boil_over;"),
            ("boils", "mod options;"),
            ("peel", ""),
        ] {
            let main = in_main(MAIN, module).unwrap();
            let line = format!("mod {module};\n{before}\n");
            assert!(main.contains(&line), "{main}");
            let end = format!("    off_loop boil_over,\n    on_loop {module},\n];\n");
            assert!(main.ends_with(&end), "{main}");
            assert_eq!(listed(&main), ["boil", "boil_over", module]);
        }
    }

    #[test]
    fn a_list_in_another_form_is_left_alone() {
        assert_eq!(in_main("fn main() {}\n", "peel"), None);
        assert_eq!(
            in_main("mod a;\n\nchapter::lessons![on_loop a];\n", "peel"),
            None
        );
        // Without its comma the last lesson would be lost.
        assert_eq!(
            in_main(&MAIN.replace("boil_over,\n", "boil_over\n"), "peel"),
            None
        );
    }

    const TEXT: &str = "# Map\n\n| pot | lesson |\n|---|---|\n| a | `pots/fry`, `pans/fry` |\n| b | `pots/boil` |\n\
                        | c | `pans/fry` |\n| d | `pans/stir`, `pots/boil` |\n\n## Later\n\n| x | lesson |\n|---|---|\n\
                        | e | [`pots/boil`](x) |\n";

    fn added(lessons: &[&str], heading: &str) -> String {
        let lessons = lessons.iter().map(|name| Lesson {
            name: (*name).to_owned(),
            file: "x.rs".into(),
            header: lesson::Header::default(),
        });
        let chapter = Chapter {
            package: "ch01-pots".to_owned(),
            name: "pots".to_owned(),
            about: String::new(),
            lessons: lessons.collect(),
        };
        let row = "| new | `pots/peel` |".to_owned();
        let table = Table {
            file: "map.md",
            heading: heading.to_owned(),
            row,
        };
        let text = in_table(TEXT, &chapter, &table).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| *line == table.row).unwrap();
        assert_eq!(text.replace("| new | `pots/peel` |\n", ""), TEXT);
        lines[at - 1].to_owned()
    }

    #[test]
    fn a_row_stands_behind_that_of_the_last_lesson() {
        assert_eq!(added(&["fry", "boil"], "# Map"), "| b | `pots/boil` |");
        assert_eq!(
            added(&["boil", "fry"], "# Map"),
            "| a | `pots/fry`, `pans/fry` |"
        );
        assert_eq!(added(&["boil", "gone"], "# Map"), "| b | `pots/boil` |");
        assert_eq!(added(&["boil"], "## Later"), "| e | [`pots/boil`](x) |");
    }

    #[test]
    fn the_first_lesson_of_a_chapter_stands_at_the_end_of_the_table() {
        assert_eq!(added(&[], "## Later"), "| e | [`pots/boil`](x) |");
    }
}
