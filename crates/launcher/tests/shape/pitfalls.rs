//! The checklist of pitfalls: each of the chapter's lessons has a row in it.

use crate::{
    assert_none,
    docs::lessons,
    markdown::{codes, rows},
    read, root, workspace,
};

/// Pitfalls that stand in no row's column for the pitfall's own lesson; what explains a cure is another column.
fn without_a_row(text: &str, lessons: &[String]) -> Vec<String> {
    let own: Vec<&str> = rows(text)
        .iter()
        .flat_map(|row| &row.cells)
        .filter(|(head, _)| *head == "the pitfall's lesson")
        .flat_map(|(_, cell)| codes(cell))
        .collect();
    let pitfalls = lessons.iter().filter(|name| name.starts_with("pitfalls/"));
    pitfalls
        .filter(|name| !own.contains(&name.as_str()))
        .map(|name| format!("`{name}` has no row"))
        .collect()
}

#[test]
fn finds_a_pitfall_without_a_row() {
    let known = ["pitfalls/hog", "pitfalls/stall", "tasks/join"].map(str::to_owned);
    let good = "| mistake | the cure, and a lesson | the pitfall's lesson |\n|---|---|---|\n\
                | hogs | `tasks/join` | [`pitfalls/hog`](x) |\n\
                | stalls | `tasks/join` | [`pitfalls/stall`](y) |\n";
    assert_none(&without_a_row(good, &known));
    // Named beside the cure, and in the text below the table, but in no row of its own.
    let bad = good.replace(
        "| `tasks/join` | [`pitfalls/hog`](x) |",
        "| `pitfalls/hog` | |",
    );
    assert_eq!(
        without_a_row(&format!("{bad}\n`pitfalls/hog`\n"), &known),
        ["`pitfalls/hog` has no row"]
    );
}

#[test]
fn every_pitfall_has_a_row_in_the_checklist() {
    let text = read(&root().join("docs/pitfalls.md"));
    assert_none(&without_a_row(&text, &lessons(&workspace())));
}
