//! What keeps the workspace in its shape: each rule is a function that returns complaints, tried on a seeded defect
//! and then held against the real files.

mod blanks;
mod cases;
mod docs;
mod errata;
mod folders;
mod glossary;
mod lessons;
mod links;
mod manifests;
mod map;
mod markdown;
mod new_lesson;
mod pitfalls;
mod proofs;
mod python;
mod rust;
mod see;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use launcher::Workspace;

const OTHER_ROOT: &str = "SHAPE_ROOT";

/// The workspace whose shape is asked for. The variable lets a test ask for that of a copy.
fn root() -> PathBuf {
    if let Some(root) = env::var_os(OTHER_ROOT) {
        return PathBuf::from(root);
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().and_then(Path::parent);
    root.expect("a member stands two folders below the root")
        .to_owned()
}

fn workspace() -> Workspace {
    Workspace::read(&root())
}

/// The text of a file that has to be there.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// All files below `folder` with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found
}

/// The path as a reader of the workspace would write it.
fn short(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.display().to_string()
}

/// Puts the place in front of each complaint.
fn at(place: &str, complaints: Vec<String>) -> Vec<String> {
    let with_place = |complaint| format!("{place}: {complaint}");
    complaints.into_iter().map(with_place).collect()
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
