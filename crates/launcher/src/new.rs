//! `cargo demo --new CHAPTER/LESSON`: a lesson from the template, and every line elsewhere that leads to it.

use std::{env, fs};

use lesson::{kebab, near, snake};

use crate::{
    find::chapter,
    insert::{Table, in_main, in_table},
    print::{Failure, out},
    replace::{Change, replace_all},
    workspace::{Chapter, Workspace},
};

/// What every blank of a new lesson begins with; the rest says what belongs there, up to a `>`.
pub const BLANK: &str = "<blank: ";

const PLAIN: &str = include_str!("template/plain.rs");
const WITH_OPTIONS: &str = include_str!("template/with_options.rs");

/// Words that Rust keeps for itself, today or in time to come.
const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false \
    final fn for gen if impl in let loop macro match mod move mut override priv pub ref return self static struct \
    super trait true try type typeof unsafe unsized use virtual where while yield";

/// Modules that a chapter has besides its lessons, and the library that its `main.rs` calls by name.
const TAKEN: [&str; 3] = ["main", "options", "chapter"];

/// What stands beside `--new`, its own value included; `None` for a command line that makes no lesson.
pub fn words(args: &[String]) -> Option<Vec<&str>> {
    let only_words = args.iter().position(|arg| arg == "--");
    let mut flags = args[..only_words.unwrap_or(args.len())].iter();
    let flag = flags.position(|arg| arg == "--new" || arg.starts_with("--new="))?;
    let words = args.iter().enumerate().filter_map(|(i, arg)| {
        if i == flag {
            arg.strip_prefix("--new=")
        } else {
            Some(arg.as_str())
        }
    });
    Some(words.collect())
}

/// Makes the lesson that the words name: its file, its place in the chapter's `main.rs`, and its rows in the documents.
pub fn new(workspace: &Workspace, words: &[&str]) -> Result<u8, Failure> {
    refuse_another_folder(workspace)?;
    let (chapter, module) = named(workspace, words)?;
    let changes = changes(workspace, chapter, &module)?;
    replace_all(&changes).map_err(|error| Failure::world(format!("nothing is made: {error}")))?;
    out(&made(workspace, chapter, &module, &changes))
}

/// A launcher that is started by its path finds the workspace that it was built in, wherever its reader stands.
fn refuse_another_folder(workspace: &Workspace) -> Result<(), Failure> {
    let root = workspace.root.canonicalize();
    let here = env::current_dir().and_then(|here| here.canonicalize());
    match (here, root) {
        (Ok(here), Ok(root)) if !here.starts_with(&root) => {
            let message = format!("{} is outside the workspace", here.display());
            Err(Failure::usage(message).way_out(&format!("go there first: cd {}", root.display())))
        }
        _ => Ok(()),
    }
}

/// The chapter, and the name of the module that it doesn't have yet.
fn named<'w>(workspace: &'w Workspace, words: &[&str]) -> Result<(&'w Chapter, String), Failure> {
    let line = words.join(" ");
    let is_flag = |word: &&str| word.starts_with('-');
    let for_instance = |message: String| for_instance(&message, "tasks/my-lesson");
    let (before, name) = match words {
        [] => return Err(for_instance("--new: which lesson?".to_owned())),
        [word] if !is_flag(word) => match word.split_once('/') {
            Some((before, name)) if !name.is_empty() && !name.contains('/') => (before, name),
            _ => return Err(for_instance(format!("`{word}` is not CHAPTER/LESSON"))),
        },
        [before, name] if !line.contains('/') && !words.iter().any(is_flag) => (*before, *name),
        _ => {
            return Err(for_instance(format!(
                "--new takes one lesson, not `{line}`"
            )));
        }
    };
    let chapter =
        chapter(workspace, before).ok_or_else(|| no_such_chapter(workspace, before, name))?;
    let module = module(chapter, name)?;
    refuse_a_second(workspace, chapter, &module)?;
    Ok((chapter, module))
}

fn for_instance(message: &str, name: &str) -> Failure {
    Failure::usage(message.to_owned()).way_out(&format!("for instance: cargo demo --new {name}"))
}

fn no_such_chapter(workspace: &Workspace, word: &str, name: &str) -> Failure {
    let names = workspace
        .chapters
        .iter()
        .map(|chapter| chapter.name.as_str());
    let near = near(word, names);
    match near.first() {
        Some(best) => for_instance(
            &format!("no chapter is called `{word}`; near: {}", near.join(", ")),
            &format!("{best}/{name}"),
        ),
        None => Failure::usage(format!("no chapter is called `{word}`"))
            .way_out("cargo demo lists the chapters"),
    }
}

/// The name as a module has it, if a module can have it.
fn module(chapter: &Chapter, name: &str) -> Result<String, Failure> {
    let module = snake(&name.to_lowercase());
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let another = |why: &str| {
        let message = format!("`{name}` {why}");
        for_instance(
            &message,
            &format!("{}/{}", chapter.name, another_name(&module)),
        )
    };
    if !module.starts_with(|c: char| c.is_ascii_lowercase()) || !module.split('_').all(is_part) {
        return Err(another(
            "is no module's name: letters a to z, digits, single dashes; a letter first",
        ));
    }
    if KEYWORDS.split_whitespace().any(|word| word == module) {
        return Err(another("is a keyword of Rust"));
    }
    if TAKEN.contains(&module.as_str()) {
        return Err(another("means something else in a chapter's main.rs"));
    }
    Ok(module)
}

/// A name that a lesson can have, made of one that it can't.
fn another_name(module: &str) -> String {
    let words = module.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    match words.collect::<Vec<&str>>().join("-") {
        words if words.is_empty() => "my-lesson".to_owned(),
        words => format!("my-{words}"),
    }
}

fn refuse_a_second(workspace: &Workspace, chapter: &Chapter, module: &str) -> Result<(), Failure> {
    let name = kebab(module);
    let mut lessons = workspace.lessons();
    if let Some((chapter, _)) = lessons.find(|(_, lesson)| lesson.name == name) {
        let path = format!("{}/{name}", chapter.name);
        return Err(
            Failure::usage(format!("there is a lesson `{path}`")).way_out(&format!(
                "choose another name; to read that one: cargo demo {path} --source"
            )),
        );
    }
    let file = chapter.source(module);
    match workspace.root.join(&file).exists() {
        true => Err(Failure::usage(format!("there is a file {file}"))
            .way_out("choose another name, or list that one in the chapter's main.rs")),
        false => Ok(()),
    }
}

/// Every file as it will be, computed before one of them is touched.
fn changes(workspace: &Workspace, chapter: &Chapter, module: &str) -> Result<Vec<Change>, Failure> {
    let root = &workspace.root;
    let has_options = root.join(chapter.source("options")).exists();
    let mut changes = vec![Change {
        path: root.join(chapter.source(module)),
        before: None,
        after: if has_options { WITH_OPTIONS } else { PLAIN }.to_owned(),
    }];
    let mut change = |file: &str, edit: &dyn Fn(&str) -> Option<String>| {
        let path = root.join(file);
        let before = fs::read_to_string(&path)
            .map_err(|error| Failure::world(format!("cannot read {file}: {error}")))?;
        let after = edit(&before).ok_or_else(|| {
            Failure::world(format!(
                "{file} has no place for a lesson of {}",
                chapter.name
            ))
        })?;
        let before = Some(before);
        changes.push(Change {
            path,
            before,
            after,
        });
        Ok::<(), Failure>(())
    };
    change(&chapter.source("main"), &|text| in_main(text, module))?;
    for table in tables(chapter, module) {
        change(table.file, &|text| in_table(text, chapter, &table))?;
    }
    Ok(changes)
}

/// The tables that lead to a lesson, with its row in them.
fn tables(chapter: &Chapter, module: &str) -> Vec<Table> {
    let path = format!("{}/{}", chapter.name, kebab(module));
    let mut tables = vec![
        Table {
            file: "docs/asyncio-map.md",
            heading: format!("## {}", chapter.name),
            row: format!("| {BLANK}names of asyncio> | {BLANK}in Rust and tokio> | `{path}` |"),
        },
        Table {
            file: "README.md",
            heading: "## Index by concept".to_owned(),
            row: format!("| {BLANK}concept> | `{path}` |"),
        },
    ];
    if chapter.name == "pitfalls" {
        let source = chapter.source(module);
        tables.push(Table {
            file: "docs/pitfalls.md",
            heading: "## Seen at run time".to_owned(),
            row: format!(
                "| {BLANK}mistake> | {BLANK}damage, with its number> | {BLANK}how to see it> | {BLANK}cure> | \
                 [`{path}`](../{source}) |"
            ),
        });
    }
    tables
}

fn made(workspace: &Workspace, chapter: &Chapter, module: &str, changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        let what = if change.before.is_none() {
            "made"
        } else {
            "added to"
        };
        let file = change
            .path
            .strip_prefix(&workspace.root)
            .unwrap_or(&change.path);
        text += &format!("{what:<8}  {}\n", file.display());
    }
    text += &format!(
        "\nIt runs as it stands, and it says nothing yet. Next:\n  \
         1. fill the blanks, marked `{BLANK}…>`, in these files\n  \
         2. cargo test -p launcher --test shape   # says what is missing\n  \
         3. cargo demo {}/{}\n",
        chapter.name,
        kebab(module)
    );
    text
}

#[cfg(test)]
#[path = "new_tests.rs"]
mod tests;
