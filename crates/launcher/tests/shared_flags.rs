//! The launcher knows which flags of a chapter take a value; a chapter's own `--help` says whether it is right.

use std::{collections::BTreeSet, path::Path, process::Command};

use launcher::{SHARED_SWITCHES, SHARED_VALUED};

/// Flags that take a value and flags that don't, from the options that a help shows before a heading of the
/// chapter's own.
fn flags(help: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut valued, mut switches) = (BTreeSet::new(), BTreeSet::new());
    let mut shared = false;
    for line in help.lines() {
        if line.ends_with(':') && !line.starts_with(' ') {
            shared = line == "Options:";
        }
        let text = line.trim_start();
        // An option is indented a little, the text beneath it a lot.
        let is_option = text.starts_with('-') && line.len() - text.len() <= 6;
        if !shared || !is_option {
            continue;
        }
        // The description stands two blanks away.
        let spelling = text.split("  ").next().unwrap_or(text);
        let takes_value = spelling.contains('<');
        let names = spelling
            .split([' ', ',', '=', '[', '<'])
            .filter(|word| word.starts_with('-'));
        let set = if takes_value {
            &mut valued
        } else {
            &mut switches
        };
        set.extend(names.map(str::to_owned));
    }
    (valued, switches)
}

fn set(flags: &[&str]) -> BTreeSet<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

#[test]
fn a_help_is_read_up_to_the_chapters_own_heading() {
    let help = "A chapter\n\nUsage: x [OPTIONS] [LESSON]...\n\nArguments:\n  [LESSON]...  -no flag\n\nOptions:\n  \
                -l, --list             Lists, with --own <X>\n  -n, --repeat <N>       Repeats\n      \
                --tick <DURATION>\n          How long\n          --not <A> flag\n\nThis chapter's own:\n      \
                --urls <N>   How many\n";
    let (valued, switches) = flags(help);
    assert_eq!(valued, set(&["-n", "--repeat", "--tick"]));
    assert_eq!(switches, set(&["-l", "--list"]));
}

#[test]
fn the_launcher_knows_the_flags_that_a_chapter_shows() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package
        .parent()
        .and_then(Path::parent)
        .expect("a member stands below the root");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["run", "-q", "-p", "ch01-basics", "--", "--help"])
        .output()
        .expect("cargo starts: it has just built this test");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let (valued, switches) = flags(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(valued, set(&SHARED_VALUED));
    assert_eq!(switches, set(&SHARED_SWITCHES));
}
