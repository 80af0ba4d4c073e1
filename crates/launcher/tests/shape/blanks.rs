//! Blanks of the template: a lesson that has one left, or a row that leads to it, isn't finished.

use launcher::BLANK;

use crate::{assert_none, at, docs::documents, files, read, root, short};

fn blanks(text: &str) -> Vec<String> {
    let in_line = |(i, line)| {
        let rests = str::split(line, BLANK).skip(1);
        rests.map(move |rest| {
            let what = rest.split('>').next().unwrap_or(rest);
            format!("{}: a blank is left: {what}", i + 1)
        })
    };
    text.lines().enumerate().flat_map(in_line).collect()
}

#[test]
fn finds_a_blank() {
    assert_none(&blanks("a: Vec<u8>, and a blank: `<blank:`\n"));
    let row = format!("//! title\n//! {BLANK}claim>\n| {BLANK}in asyncio> | {BLANK}in Rust> |\n");
    assert_eq!(
        blanks(&row),
        [
            "2: a blank is left: claim",
            "3: a blank is left: in asyncio",
            "3: a blank is left: in Rust",
        ]
    );
}

#[test]
fn no_blank_is_left() {
    let mut paths = documents();
    paths.extend(files(&root().join("demos"), "rs"));
    let mut found = Vec::new();
    for path in paths {
        found.extend(at(&short(&path), blanks(&read(&path))));
    }
    assert_none(&found);
}
