//! Code that must not compile still doesn't, and for the reason that its lesson gives.
//!
//! What the compiler says changes from version to version. With the one that made the texts all of each text counts,
//! with any other its first line, which holds the error.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// Beside the cases: the version of the compiler that made their texts.
const RUSTC: &str = "RUSTC";

/// What is wrong with the cases of a folder, for a compiler of version `running`.
fn complaints(folder: &Path, running: &str) -> Result<Vec<String>> {
    let texts = texts(folder)?;
    let made_with = fs::read_to_string(folder.join(RUSTC))?;
    if made_with.trim() == running {
        let complaint = compile(folder, false)?;
        return Ok(complaint.into_iter().collect());
    }
    let anew = copy_of(folder)?;
    let mut complaints: Vec<String> = compile(&anew, true)?.into_iter().collect();
    for text in texts {
        let now = anew.join(text.file_name().context("a file has a name")?);
        // Where there is none the case has compiled, and that is said already.
        if let Ok(now) = fs::read_to_string(now) {
            let was = fs::read_to_string(&text)?;
            let (was, now) = (was.lines().next(), now.lines().next());
            if was != now {
                complaints.push(format!("{}: {was:?} is now {now:?}", text.display()));
            }
        }
    }
    fs::remove_dir_all(anew)?;
    Ok(complaints)
}

/// Compiles the cases, each of which must be refused. `overwrite` makes the texts; otherwise they are compared.
fn compile(folder: &Path, overwrite: bool) -> Result<Option<String>> {
    let mut trybuild = Command::new(env!("CARGO_BIN_EXE_compile-fail"));
    // Whatever a developer has set: a test changes no text but its own.
    trybuild.env_remove("TRYBUILD");
    if overwrite {
        trybuild.env("TRYBUILD", "overwrite");
    }
    let output = trybuild.arg(folder).output()?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Ok((!output.status.success()).then(|| said.into_owned()))
}

/// The cases without their texts.
fn copy_of(folder: &Path) -> Result<PathBuf> {
    let copy = scratch("anew")?;
    for case in with_ending(folder, "rs")? {
        fs::copy(
            &case,
            copy.join(case.file_name().context("a file has a name")?),
        )?;
    }
    Ok(copy)
}

/// The texts of the cases: one for each.
fn texts(folder: &Path) -> Result<Vec<PathBuf>> {
    let cases = with_ending(folder, "rs")?;
    ensure!(!cases.is_empty(), "{} holds no cases", folder.display());
    let texts: Vec<PathBuf> = cases
        .iter()
        .map(|case| case.with_extension("stderr"))
        .collect();
    ensure!(
        texts == with_ending(folder, "stderr")?,
        "not a text for each case: {cases:?}"
    );
    Ok(texts)
}

fn with_ending(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|its| its == ending));
    paths.sort();
    Ok(paths)
}

/// An empty folder of this name, for the test that runs in this thread.
fn scratch(name: &str) -> Result<PathBuf> {
    let test = std::thread::current();
    let test = test.name().context("libtest names its threads")?.to_owned();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{name}"));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// `1.95.0`, or with a suffix where it isn't a release.
fn running() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output()?;
    let version = String::from_utf8(output.stdout)?;
    let version = version.split(' ').nth(1);
    Ok(version.context("rustc 1.95.0 (…)")?.to_owned())
}

/// The cases that a chapter's lessons show.
fn the_pitfalls() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demos/ch11-pitfalls/compile_fail")
}

/// A folder with one case, and the text that `change` makes of what the compiler says about it.
fn seeded(case: &str, change: impl Fn(&str) -> String) -> Result<PathBuf> {
    let folder = scratch("seeded")?;
    fs::write(folder.join("case.rs"), case)?;
    fs::write(folder.join(RUSTC), running()?)?;
    let text = folder.join("case.stderr");
    let made = compile(&folder, true)?;
    let says = if made.is_none() {
        fs::read_to_string(&text)?
    } else {
        String::new()
    };
    fs::write(text, change(&says))?;
    Ok(folder)
}

const REFUSED: &str = "fn main() {\n    soup();\n}\n";
const OTHER: &str = "1.0.0";

#[test]
fn every_case_is_refused_with_its_text() {
    let found = complaints(&the_pitfalls(), &running().unwrap()).unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_first_line_is_found_as_with_another_compiler() {
    let found = complaints(&the_pitfalls(), OTHER).unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_case_that_compiles_is_found_with_any_compiler() {
    let folder = seeded("fn main() {}\n", |_| "error[E0425]: soup\n".to_owned()).unwrap();
    for version in [&running().unwrap(), OTHER] {
        let found = complaints(&folder, version).unwrap();
        assert!(
            found.concat().contains("but it succeeded"),
            "{version}: {found:?}"
        );
    }
}

#[test]
fn another_error_is_found_with_any_compiler() {
    let folder = seeded(REFUSED, |_| "error: the soup is cold\n".to_owned()).unwrap();
    for version in [&running().unwrap(), OTHER] {
        let found = complaints(&folder, version).unwrap();
        assert!(
            found.concat().contains("soup is cold"),
            "{version}: {found:?}"
        );
    }
}

#[test]
fn another_remark_is_found_with_the_compiler_that_made_the_texts() {
    let folder = seeded(REFUSED, |says| format!("{says}note: it is cold\n")).unwrap();
    assert_eq!(complaints(&folder, &running().unwrap()).unwrap().len(), 1);
    assert!(complaints(&folder, OTHER).unwrap().is_empty());
}

#[test]
fn a_case_without_a_text_is_found() {
    let folder = seeded(REFUSED, str::to_owned).unwrap();
    fs::remove_file(folder.join("case.stderr")).unwrap();
    assert!(complaints(&folder, OTHER).is_err());
    assert!(complaints(&folder, &running().unwrap()).is_err());
}
