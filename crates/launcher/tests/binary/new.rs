//! `--new` that can't make a lesson: it says so, and writes nothing.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::fixture::{Fixture, Run};

/// Every file below the demos folder, with its text.
fn texts(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("own folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            texts.extend(self::texts(&path));
        } else {
            let text = fs::read_to_string(&path).expect("own file");
            texts.insert(path, text);
        }
    }
    texts
}

#[test]
fn what_is_refused_is_exit_2_and_writes_nothing() {
    let f = Fixture::new("new-refused");
    f.write("demos/ch02-bank/src/vault.rs", "not in the list");
    let before = texts(&f.root.join("demos"));
    for (line, message) in [
        (
            "--new",
            "error: --new: which lesson?\n       for instance: cargo demo --new",
        ),
        (
            "--new kitchen/fry-eggs",
            "error: there is a lesson `kitchen/fry-eggs`\n",
        ),
        (
            "--new=bank/fry_eggs",
            "error: there is a lesson `kitchen/fry-eggs`\n",
        ),
        (
            "--new bank/vault",
            "error: there is a file demos/ch02-bank/src/vault.rs\n",
        ),
        (
            "--new kitchn/peel",
            "error: no chapter is called `kitchn`; near: kitchen\n",
        ),
        ("--new kitchen/loop", "error: `loop` is a keyword of Rust\n"),
        (
            "--new kitchen/peel bank/count",
            "error: --new takes one lesson, not `kitchen/peel bank/count`\n",
        ),
    ] {
        let run = f.run(line);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{line}");
        assert!(run.stderr.starts_with(message), "{line}: {}", run.stderr);
    }
    assert_eq!(texts(&f.root.join("demos")), before);
}

#[test]
fn outside_the_workspace_it_makes_nothing() {
    let f = Fixture::new("new-outside");
    let before = texts(&f.root.join("demos"));
    let outside = f.root.parent().unwrap();
    let run = Run::of(
        f.launcher()
            .current_dir(outside)
            .args(["--new", "kitchen/peel"]),
    );
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    assert!(
        run.stderr
            .contains(" is outside the workspace\n       go there first: cd "),
        "{}",
        run.stderr
    );
    assert_eq!(texts(&f.root.join("demos")), before);
}

#[test]
fn without_a_place_for_it_nothing_is_made() {
    let f = Fixture::new("new-no-place");
    let before = texts(&f.root.join("demos"));
    // The list stands on one line.
    let run = f.run("--new kitchen/peel");
    let message = "error: demos/ch01-kitchen/src/main.rs has no place for a lesson of kitchen\n";
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), message));

    // The list has a place, and there is no map.
    let main = "mod boil;\nmod fry_eggs;\n\nchapter::lessons![\n    on_loop boil,\n    on_loop fry_eggs,\n];\n";
    f.write("demos/ch01-kitchen/src/main.rs", main);
    let run = f.run("--new kitchen/peel");
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr
            .starts_with("error: cannot read docs/asyncio-map.md: "),
        "{}",
        run.stderr
    );
    f.write(
        "demos/ch01-kitchen/src/main.rs",
        &before[&f.root.join("demos/ch01-kitchen/src/main.rs")],
    );
    assert_eq!(texts(&f.root.join("demos")), before);
}
