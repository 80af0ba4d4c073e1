//! The memory of rows, in a process of its own: other tests beside it would be counted with it.

#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::process::Command;

use timing::report::Lesson;

fn lesson() -> Lesson {
    chapter::measured(Command::new(env!("CARGO_BIN_EXE_ch08-databases")).arg("sqlite-rows"))
}

fn kib(lesson: &Lesson, label: &str) -> i64 {
    let variant = lesson
        .variants
        .iter()
        .find(|variant| variant.label == label);
    variant.unwrap().count("memory KiB").whole()
}

#[test]
fn a_stream_holds_the_same_however_many_rows_there_are_and_a_list_holds_all() {
    let lesson = lesson();
    for stream in ["fetch", "fetch, ten times as many"] {
        assert!(kib(&lesson, stream) < 64, "{stream}");
    }
    let few = kib(&lesson, "fetch_all");
    let many = kib(&lesson, "fetch_all, ten times as many");
    assert!(few > 512 && many > 7 * few, "{few} KiB, {many} KiB");
}
