//! Links: each leads to something that is there.

use std::path::Path;

use crate::{
    assert_none,
    docs::documents,
    markdown::{Piece, anchors, pieces, prose},
    read, short,
};

/// Dead relative links in the document that stands at `path`.
fn complaints(path: &Path, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let folder = path.parent().unwrap_or(path);
    for (number, line) in prose(text) {
        let inline = pieces(line).into_iter().filter_map(|piece| match piece {
            Piece::Link { target, .. } => Some(target),
            Piece::Code(_) => None,
        });
        for target in inline.chain(definition(line)) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let place = folder.join(file);
            let is_here = file.is_empty();
            if !is_here && !place.exists() {
                complaints.push(format!("{}:{number}: dead link {target}", short(path)));
                continue;
            }
            // Only a document has headings; a source's lines are not checked.
            if anchor.is_empty() || !(is_here || file.ends_with(".md")) {
                continue;
            }
            let known = if is_here {
                anchors(text)
            } else {
                anchors(&read(&place))
            };
            if !known.iter().any(|known| known == anchor) {
                complaints.push(format!("{}:{number}: no heading for {target}", short(path)));
            }
        }
    }
    complaints
}

/// The target of a line like `[name]: target`.
fn definition(line: &str) -> Option<&str> {
    let (name, target) = line.trim().strip_prefix('[')?.split_once("]: ")?;
    let is_note = name.starts_with('^');
    target.split_whitespace().next().filter(|_| !is_note)
}

#[test]
fn finds_dead_links_and_missing_headings() {
    let folder = format!("links-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("other.md"), "# There it is\n").unwrap();
    let text = "# Here\n[a](other.md) [b](other.md#there-it-is) [c](#here) [d](https://x.y/z)\n\
                ```\n[e](gone.md)\n```\n`[f](gone.md)`\n[g]: other.md\n";
    let path = folder.join("this.md");
    assert_none(&complaints(&path, text));
    for (bad, complaint) in [
        ("[a](gone.md)", "1: dead link gone.md"),
        ("[`a`](../gone/x.rs)", "1: dead link ../gone/x.rs"),
        ("[a]: gone.md", "1: dead link gone.md"),
        ("[a](#gone)", "1: no heading for #gone"),
        ("[a](other.md#gone)", "1: no heading for other.md#gone"),
    ] {
        let found = complaints(&path, bad);
        assert_eq!(found.len(), 1, "{bad}");
        assert!(found[0].ends_with(complaint), "{found:?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn every_link_leads_somewhere() {
    let mut found = Vec::new();
    for path in documents() {
        found.extend(complaints(&path, &read(&path)));
    }
    assert_none(&found);
}
