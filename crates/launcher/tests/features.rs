//! One build of everything that chapters share: cargo compiles a library once for each set of features it is asked for,
//! so a chapter that asks for one more has tokio, and all that stands on it, built a second time.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use launcher::Workspace;

/// Library and version, and the feature sets that one chapter builds it with.
type Builds = BTreeMap<String, BTreeSet<String>>;

/// Reads `cargo tree --prefix none -f "{p} {f}"`.
fn builds(tree: &str) -> Builds {
    let mut builds = Builds::new();
    for line in tree.lines() {
        let line = line.trim_end().trim_end_matches("(*)").trim_end();
        let mut words = line.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            continue;
        };
        // Folder and kind stand in brackets between version and features; a crate of the workspace is no library.
        if line.contains("(/") {
            continue;
        }
        let features = words
            .filter(|word| !word.starts_with('('))
            .collect::<Vec<_>>();
        builds
            .entry(format!("{name} {version}"))
            .or_default()
            .insert(features.join(" "));
    }
    builds
}

/// Libraries that two chapters build differently, with what each of them has beyond the other.
fn complaints(chapters: &[(String, Builds)]) -> Vec<String> {
    let mut complaints = Vec::new();
    let libraries: BTreeSet<&String> = chapters
        .iter()
        .flat_map(|(_, builds)| builds.keys())
        .collect();
    for library in libraries {
        let mut with: Vec<(&BTreeSet<String>, Vec<&str>)> = Vec::new();
        for (chapter, builds) in chapters {
            if let Some(features) = builds.get(library) {
                match with.iter_mut().find(|(known, _)| *known == features) {
                    Some((_, chapters)) => chapters.push(chapter),
                    None => with.push((features, vec![chapter])),
                }
            }
        }
        if with.len() > 1 {
            let each = with.iter().map(|(features, chapters)| {
                let sets: Vec<&str> = features.iter().map(String::as_str).collect();
                format!("\n    {} [{}]", chapters.join(", "), sets.join("] and ["))
            });
            complaints.push(format!(
                "{library} is built in {} ways:{}",
                with.len(),
                each.collect::<String>()
            ));
        }
    }
    complaints
}

fn tree(root: &Path, package: &str) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args([
            "tree",
            "-e",
            "normal,build",
            "-f",
            "{p} {f}",
            "--prefix",
            "none",
            "-p",
            package,
        ])
        .output()
        .expect("cargo starts: it has just built this test");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree -p {package}: {stderr}");
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

const TREE: &str = "\
ch01-a v0.1.0 (/w/demos/ch01-a)
chapter v0.1.0 (/w/crates/chapter)
clap v4.5.0 derive,std
clap_derive v4.5.0 (proc-macro) default
tokio v1.54.0 fs,time
tokio v1.54.0 fs,time (*)
log v0.4.0
";

#[test]
fn the_tree_is_read_without_its_marks() {
    let builds = builds(TREE);
    let names: Vec<&str> = builds.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "clap v4.5.0",
            "clap_derive v4.5.0",
            "log v0.4.0",
            "tokio v1.54.0"
        ]
    );
    assert_eq!(
        builds["tokio v1.54.0"],
        BTreeSet::from(["fs,time".to_owned()])
    );
    assert_eq!(
        builds["clap_derive v4.5.0"],
        BTreeSet::from(["default".to_owned()])
    );
}

#[test]
fn finds_a_feature_that_one_chapter_adds() {
    let chapter = |name: &str, tree: &str| (name.to_owned(), builds(tree));
    let more = TREE.replace("fs,time", "fs,net,time");
    // What only one chapter has, and another version, is no second build.
    let alone = "reqwest v0.13.0 json\ntokio v0.9.0 full\n";
    let found = complaints(&[
        chapter("ch01-a", TREE),
        chapter("ch02-b", &more),
        chapter("ch03-c", alone),
    ]);
    assert_eq!(
        found,
        ["tokio v1.54.0 is built in 2 ways:\n    ch01-a [fs,time]\n    ch02-b [fs,net,time]"]
    );
    assert!(complaints(&[chapter("ch01-a", TREE), chapter("ch02-b", TREE)]).is_empty());
}

/// Built in a second or less, and nothing that chapters share stands on them: what sqlx asks of them is its own business.
const SMALL: [&str; 9] = [
    "crossbeam-utils",
    "digest",
    "either",
    "event-listener",
    "futures-channel",
    "sha1",
    "smallvec",
    "thiserror",
    "tokio-stream",
];

#[test]
fn every_chapter_builds_what_it_shares_in_the_same_way() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package
        .parent()
        .and_then(Path::parent)
        .expect("a member stands below the root");
    let chapters: Vec<(String, Builds)> = Workspace::read(root)
        .chapters
        .into_iter()
        .map(|chapter| {
            let mut builds = builds(&tree(root, &chapter.package));
            builds.retain(|library, _| {
                !SMALL
                    .iter()
                    .any(|&small| library.split(' ').next() == Some(small))
            });
            (chapter.package, builds)
        })
        .collect();
    let found = complaints(&chapters);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
