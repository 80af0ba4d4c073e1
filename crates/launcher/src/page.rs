//! What the launcher itself shows: the contents page, several hits, its help.

use crate::{
    print::{WIDTH, fit},
    workspace::{Chapter, Lesson, Workspace},
};

/// What `cargo demo --help` says; a chapter's own flags are in the chapter's help.
pub const HELP: &str = "\
waitwise · async Rust for people who know asyncio

  cargo demo                           the contents page
  cargo demo CHAPTER [LESSON]...       these lessons; none = the whole chapter
  cargo demo CHAPTER/LESSON            the same for one lesson
  cargo demo WORD                      a lesson by its name, by an asyncio name
                                       (asyncio.Lock), by part of its title
  cargo demo --all                     every chapter, one after another
  cargo demo CHAPTER --help            the flags that chapters take
  cargo demo --new CHAPTER/LESSON      make a lesson, from the template

  --release      build optimised: lessons about throughput ask for it
  -h, --help     this page             -V, --version   the version

All other flags go to the chapter unchanged, before or behind the word:
  cargo demo --virtual tasks join
A flag that one chapter has of its own stands behind the chapter's name.

Exit codes: 0 all ran · 1 a lesson failed or a law broke · 2 usage ·
130 after Ctrl-C, 143 after SIGTERM.
";

/// The contents page: what there is, and where to start.
pub fn contents(workspace: &Workspace) -> String {
    let chapters = &workspace.chapters;
    let names = width(chapters.iter().map(|chapter| chapter.name.as_str())).max(10);
    let counts = chapters
        .iter()
        .map(|chapter| chapter.lessons.len().to_string());
    let counts: Vec<String> = counts.collect();
    let digits = width(counts.iter().map(String::as_str));
    let (margin, unit) = (2, " lessons");
    let about_at = margin + names + 3;
    // What is right of the texts takes its room first; `fit` measures up to the page's edge.
    let right = 2 + digits + unit.len();
    let abouts: Vec<String> = chapters
        .iter()
        .map(|chapter| fit(&chapter.about, about_at + right))
        .collect();
    let about_width = width(abouts.iter().map(String::as_str));

    let mut page = String::from("waitwise · async Rust for people who know asyncio\n\n");
    for (i, chapter) in chapters.iter().enumerate() {
        let (name, about, count) = (&chapter.name, &abouts[i], &counts[i]);
        let unit = match i {
            0 if chapter.lessons.len() == 1 => " lesson",
            0 => unit,
            _ => "",
        };
        page += &format!("  {name:<names$}   {about:<about_width$}  {count:>digits$}{unit}\n");
    }
    page.push('\n');
    let ways = ways_in(workspace);
    let commands = width(ways.iter().map(|(command, _)| command.as_str()));
    for (command, what) in &ways {
        page += &format!("  {command:<commands$}   {what}\n");
    }
    page
}

/// Commands to begin with. Each names what exists: a page that sends its reader into an error teaches that.
fn ways_in(workspace: &Workspace) -> Vec<(String, &'static str)> {
    let mut ways = Vec::new();
    let mut way = |words: String, what| ways.push((format!("cargo demo {words}"), what));
    if let Some((chapter, lesson)) = prefer(workspace, "experiment", "ten-urls", |_| true) {
        let what = match lesson.name.as_str() {
            "ten-urls" => "start here: 10 : 1 : 2",
            _ => "start here",
        };
        way(format!("{} {}", chapter.name, lesson.name), what);
    }
    if let Some((chapter, lesson)) = prefer(workspace, "tasks", "join", |_| true) {
        way(chapter.name.clone(), "a whole chapter");
        if let Some(name) = asyncio_name(workspace) {
            way(name.to_owned(), "find a lesson by its asyncio name");
        }
        way(
            format!("{} {} --source", chapter.name, lesson.name),
            "read it",
        );
    }
    let timers_only = |lesson: &Lesson| lesson.header.real_clock.is_none();
    if let Some((chapter, lesson)) = prefer(workspace, "tasks", "join", timers_only) {
        way(
            format!("{} {} --virtual", chapter.name, lesson.name),
            "exact and instant",
        );
    }
    way("--help".to_owned(), "more");
    ways
}

/// The lesson of these names, or the first that there is.
fn prefer<'w>(
    workspace: &'w Workspace,
    chapter: &str,
    lesson: &str,
    is_right: impl Fn(&Lesson) -> bool,
) -> Option<(&'w Chapter, &'w Lesson)> {
    let right = || workspace.lessons().filter(|(_, lesson)| is_right(lesson));
    right()
        .find(|(c, l)| c.name == chapter && l.name == lesson)
        .or_else(|| right().next())
}

/// `gather`, or the first name that is one word and, unlike `sleep`, not a lesson's as well.
fn asyncio_name(workspace: &Workspace) -> Option<&str> {
    let names = || {
        let lessons = workspace.lessons();
        lessons.flat_map(|(_, lesson)| lesson.header.asyncio.iter().map(String::as_str))
    };
    let is_taken = |name: &str| workspace.lessons().any(|(_, lesson)| lesson.name == name);
    names()
        .find(|name| *name == "gather")
        .or_else(|| names().find(|name| name.chars().all(char::is_alphanumeric) && !is_taken(name)))
}

/// Several lessons answer to `word`: a line each, and what to type.
pub fn several(word: &str, hits: &[(&Chapter, &Lesson)]) -> String {
    let paths: Vec<String> = hits
        .iter()
        .map(|(chapter, lesson)| format!("{}/{}", chapter.name, lesson.name))
        .collect();
    let mut head = format!("{word} → {}", paths.join(", "));
    if head.chars().count() >= WIDTH {
        head = fit(&format!("{word} → {} lessons", hits.len()), 0);
    }
    let column = width(paths.iter().map(String::as_str));
    let mut page = format!("{head}\n\n");
    for (path, (_, lesson)) in paths.iter().zip(hits) {
        let title = fit(&lesson.header.title, 2 + column + 3);
        page += format!("  {path:<column$}   {title}").trim_end();
        page.push('\n');
    }
    if let Some(first) = paths.first() {
        page += &format!("\nwhich one? for instance: cargo demo {first}\n");
    }
    page
}

fn width<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use lesson::Header;

    use super::*;

    fn lesson(name: &str, header: &str) -> Lesson {
        Lesson {
            name: name.to_owned(),
            file: PathBuf::new(),
            header: Header::parse(header),
        }
    }

    fn workspace(chapters: Vec<(&str, &str, Vec<Lesson>)>) -> Workspace {
        let chapters = chapters
            .into_iter()
            .map(|(name, about, lessons)| Chapter {
                package: format!("ch01-{name}"),
                name: name.to_owned(),
                about: about.to_owned(),
                lessons,
            })
            .collect();
        Workspace {
            root: PathBuf::new(),
            chapters,
        }
    }

    fn assert_fits(page: &str) {
        for line in page.lines() {
            assert!(line.replace('→', "->").chars().count() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn the_contents_page_fits_and_counts_the_lessons() {
        let sleep = "//! # t\n//!\n//! asyncio: sleep, gather\n//!\n//! real clock: it blocks\n";
        let nine = (0..9).map(|i| lesson(&format!("l{i}"), sleep)).collect();
        let more = (0..12).map(|_| lesson("join", "//! # t")).collect();
        let long = "a text that is far too long for the room between name and number ".repeat(2);
        let page = contents(&workspace(vec![
            ("basics", "what waiting means", nine),
            ("tasks", &long, more),
        ]));
        assert_fits(&page);
        assert!(page.contains("  basics       what waiting means"), "{page}");
        assert!(page.contains("   9 lessons\n"), "{page}");
        assert!(page.contains("…  12\n"), "{page}");
        assert!(page.contains("cargo demo gather "), "{page}");
        assert!(
            page.contains("cargo demo basics l0 "),
            "no ten-urls here: {page}"
        );
        assert!(page.contains("cargo demo tasks join --virtual "), "{page}");
    }

    #[test]
    fn an_empty_workspace_names_no_lesson() {
        let page = contents(&workspace(vec![("basics", "soon", vec![])]));
        assert!(
            page.contains("0 lessons\n\n  cargo demo --help   more\n"),
            "{page}"
        );
    }

    #[test]
    fn several_hits_have_a_line_each_within_the_page() {
        let header = format!("//! # {}\n", "many words ".repeat(20));
        let workspace = workspace(vec![(
            "tasks",
            "",
            vec![
                lesson("join", &header),
                lesson("join-errors", "//! # one fails"),
            ],
        )]);
        let hits: Vec<_> = workspace.lessons().collect();
        let page = several("gather", &hits);
        assert_fits(&page);
        assert!(page.starts_with("gather → tasks/join, tasks/join-errors\n\n  tasks/join   "));
        assert!(page.contains("  tasks/join-errors   one fails\n"), "{page}");
        assert!(page.ends_with("which one? for instance: cargo demo tasks/join\n"));
        assert_fits(&several(&"gather".repeat(20), &hits));
    }

    #[test]
    fn the_help_fits() {
        assert_fits(HELP);
    }
}
