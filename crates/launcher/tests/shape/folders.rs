//! Files: nothing at the root that doesn't belong there, and none too long to be read at once.

use std::path::Path;

use crate::{assert_none, entries, files, read, root, short};

const AT_THE_ROOT: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "crates",
    "demos",
    "deny.toml",
    "docs",
    "justfile",
    "README.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "target",
];

const TOO_LONG: usize = 300;

fn strangers(names: &[String]) -> Vec<String> {
    names
        .iter()
        .filter(|name| !name.starts_with('.') && !AT_THE_ROOT.contains(&name.as_str()))
        .map(|name| format!("{name} doesn't belong at the root"))
        .collect()
}

fn too_long(place: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let is_long = lines >= TOO_LONG;
    let complaint = || format!("{place}: {lines} lines, and {TOO_LONG} are too many");
    is_long.then(complaint).into_iter().collect()
}

#[test]
fn finds_a_stranger_at_the_root() {
    let names = [".gitignore", "Cargo.toml", "notes.txt"].map(str::to_owned);
    assert_eq!(strangers(&names), ["notes.txt doesn't belong at the root"]);
}

#[test]
fn finds_a_file_that_is_too_long() {
    assert_none(&too_long("a.rs", &"\n".repeat(299)));
    assert_eq!(too_long("a.rs", &"\n".repeat(300)).len(), 1);
}

#[test]
fn the_root_holds_what_belongs_there() {
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let names: Vec<String> = entries(&root())
        .iter()
        .filter_map(|path| name(path))
        .collect();
    assert_none(&strangers(&names));
}

#[test]
fn no_source_is_too_long() {
    let mut found = Vec::new();
    for folder in ["crates", "demos"] {
        for file in files(&root().join(folder), "rs") {
            found.extend(too_long(&short(&file), &read(&file)));
        }
    }
    assert_none(&found);
}
