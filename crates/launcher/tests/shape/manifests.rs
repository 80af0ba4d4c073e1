//! Manifests: what every member inherits, and that a deviation says why.

use crate::{assert_none, at, entries, read, root, short};

const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

fn complaints(manifest: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let has = |section: &str, wanted: &str| {
        let mut now = "";
        manifest.lines().map(bare).any(|line| {
            if line.starts_with('[') {
                now = line;
            }
            now == section && line.replace(' ', "") == wanted
        })
    };
    for key in INHERITED {
        if !has("[package]", &format!("{key}.workspace=true")) {
            complaints.push(format!("doesn't inherit `{key}`"));
        }
    }
    if !has("[lints]", "workspace=true") {
        complaints.push("doesn't inherit the lints".to_owned());
    }
    complaints.extend(without_reason(manifest));
    complaints
}

/// Dependencies that aren't simply the workspace's and don't say why, on their line or on the one above.
fn without_reason(manifest: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut in_dependencies = false;
    let mut depth = 0; // of brackets: a wrapped list is one dependency
    let mut above = "";
    for line in manifest.lines().map(str::trim) {
        let text = bare(line);
        let reason = line.len() > text.len() || (above.starts_with('#') && above.len() > 2);
        if depth == 0 && text.starts_with('[') {
            let section = text.trim_matches(['[', ']']);
            let is_list = |section: &str| section.ends_with("dependencies");
            in_dependencies = is_list(section);
            // `[dependencies.tokio]` is one dependency, spread over lines.
            let one = section.rsplit_once('.').filter(|(list, _)| is_list(list));
            if let Some((_, name)) = one
                && !reason
            {
                complaints.push(format!("`{name}` deviates without a reason"));
            }
        } else if in_dependencies {
            let inherited = text.replace(' ', "").ends_with(".workspace=true");
            if depth == 0 && !text.is_empty() && !inherited && !reason {
                let name = text.split(['=', '.']).next().unwrap_or(text).trim();
                complaints.push(format!("`{name}` deviates without a reason"));
            }
            for c in text.chars() {
                match c {
                    '[' | '{' => depth += 1,
                    ']' | '}' => depth -= 1,
                    _ => {}
                }
            }
        }
        above = line;
    }
    complaints
}

/// The line without its comment; a `#` between quotes is none.
fn bare(line: &str) -> &str {
    let mut quoted = false;
    for (i, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return line[..i].trim(),
            _ => {}
        }
    }
    line.trim()
}

const GOOD: &str = r#"
[package]
name = "x"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[dependencies]
tokio.workspace = true
# No TLS: loopback needs none.
reqwest = { version = "0.13", features = [
    "json",
] }
ureq = "3" # a client that blocks

[dev-dependencies]
chapter = { workspace = true } # the same, longer

[lints]
workspace = true
"#;

#[test]
fn a_good_manifest_is_left_alone() {
    assert_none(&complaints(GOOD));
}

#[test]
fn finds_what_is_not_inherited() {
    for key in INHERITED {
        let bad = GOOD.replace(
            &format!("\n{key}.workspace = true"),
            &format!("\n{key} = \"1\""),
        );
        assert_eq!(complaints(&bad), [format!("doesn't inherit `{key}`")]);
    }
    let bad = GOOD.replace("[lints]\nworkspace = true", "# [lints]\n# workspace = true");
    assert_eq!(complaints(&bad), ["doesn't inherit the lints"]);
    // The right line under the wrong heading is no inheritance.
    let bad = GOOD.replace("[lints]", "[lints.rust]");
    assert_eq!(complaints(&bad), ["doesn't inherit the lints"]);
}

#[test]
fn finds_a_dependency_without_a_reason() {
    for (with, without, name) in [
        ("# No TLS: loopback needs none.\n", "", "reqwest"),
        (" # a client that blocks", "", "ureq"),
        (" # the same, longer", "", "chapter"),
        ("tokio.workspace = true", "tokio = \"1#\"", "tokio"),
        (
            "[dev-dependencies]",
            "[dependencies.serde]\n[dev-dependencies]",
            "serde",
        ),
        (
            "[dev-dependencies]",
            "[target.'cfg(unix)'.dependencies]\nlibc = \"1\"",
            "libc",
        ),
    ] {
        let found = complaints(&GOOD.replace(with, without));
        assert_eq!(
            found,
            [format!("`{name}` deviates without a reason")],
            "{with}"
        );
    }
}

#[test]
fn every_member_inherits_and_gives_its_reasons() {
    let mut found = Vec::new();
    for folder in ["crates", "demos"] {
        for member in entries(&root().join(folder)) {
            let manifest = member.join("Cargo.toml");
            found.extend(at(&short(&manifest), complaints(&read(&manifest))));
        }
    }
    assert_none(&found);
}
