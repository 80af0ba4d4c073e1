//! A lesson made by `cargo demo --new` in a copy of this workspace: its shape lacks what its blanks say, and nothing else.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use launcher::BLANK;

use crate::{OTHER_ROOT, entries, read, root};

/// One in each kind of chapter: without options, with options, with a checklist of its own.
const MADE: [&str; 3] = [
    "tasks/my-lesson",
    "http my_page",
    "ch11-pitfalls/My-Pitfall",
];

/// A copy of all that the rules look at, removed when the test ends.
struct Copy(PathBuf);

impl Copy {
    fn new() -> Copy {
        let copy = format!("new-lesson-{}", process::id());
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(copy);
        fs::create_dir_all(&copy).expect("own folder");
        for name in [
            "Cargo.toml",
            "LICENSE-APACHE",
            "LICENSE-MIT",
            "deny.toml",
            "README.md",
            "crates",
            "demos",
            "docs",
        ] {
            copy_all(&root().join(name), &copy.join(name));
        }
        Copy(copy)
    }

    fn make(&self, name: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_launcher"))
            .current_dir(&self.0)
            .env("CARGO_MANIFEST_DIR", self.0.join("crates/launcher"))
            .env("LC_ALL", "C.UTF-8")
            .arg("--new")
            .args(name.split(' '))
            .output()
            .expect("cargo has built it");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {stderr}");
        String::from_utf8(output.stdout).expect("the launcher writes UTF-8")
    }

    /// The complaints that weren't there before; lines may have moved meanwhile.
    fn complaints_beside(&self, before: &[String]) -> Vec<String> {
        let without_numbers = |line: &String| line.replace(|c: char| c.is_ascii_digit(), "");
        let before: Vec<String> = before.iter().map(without_numbers).collect();
        let mut complaints = self.complaints();
        complaints.retain(|line| !before.contains(&without_numbers(line)));
        complaints
    }

    /// The complaints of every rule, held against the copy by this program in a process of its own.
    fn complaints(&self) -> Vec<String> {
        let output = Command::new(env::current_exe().expect("this program runs"))
            .env(OTHER_ROOT, &self.0)
            // A backtrace would be taken for complaints.
            .env("RUST_BACKTRACE", "0")
            // The seeded defects are found already, and one of them writes a file; this test would start itself; and
            // the errata, which start Python again and again, have nothing of a new lesson.
            .args(["finds_", "new_lesson::", "errata::"].map(|rule| format!("--skip={rule}")))
            .output()
            .expect("this program starts");
        let stdout = String::from_utf8_lossy(&output.stdout);
        // What `assert_none` says: a head, the complaints, and then the hint about backtraces.
        let panics = stdout.split(" complaints:\n").skip(1);
        let lines = panics.flat_map(|rest| {
            rest.lines()
                .take_while(|line| !line.starts_with("note: ") && !line.is_empty())
        });
        let complaints: Vec<String> = lines.map(str::to_owned).collect();
        assert_eq!(output.status.success(), complaints.is_empty(), "{stdout}");
        complaints
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("own folder");
        for path in entries(from) {
            copy_all(
                &path,
                &to.join(path.file_name().expect("an entry has a name")),
            );
        }
    } else {
        fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}

/// The text with something in the place of each blank.
fn filled(text: &str) -> String {
    let mut parts = text.split(BLANK);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once('>').expect("a blank has an end");
        filled += &format!("something to read{rest}");
    }
    filled
}

#[test]
fn a_new_lesson_lacks_what_its_blanks_say_and_nothing_else() {
    let copy = Copy::new();
    // What this workspace lacks is for other tests to say.
    let before = copy.complaints();
    let made = MADE.map(|name| copy.make(name));
    assert_eq!(
        made[0],
        "made      demos/ch02-tasks/src/my_lesson.rs\n\
         added to  demos/ch02-tasks/src/main.rs\n\
         added to  docs/asyncio-map.md\n\
         added to  README.md\n\n\
         It runs as it stands, and it says nothing yet. Next:\n  \
         1. fill the blanks, marked `<blank: …>`, in these files\n  \
         2. cargo test -p launcher --test shape   # says what is missing\n  \
         3. cargo demo tasks/my-lesson\n"
    );
    assert!(
        made[2].contains("added to  docs/pitfalls.md\n"),
        "{}",
        made[2]
    );

    let complaints = copy.complaints_beside(&before);
    let of = |place: &str, blank: &str| {
        let is_it = |line: &&String| line.starts_with(place) && line.ends_with(blank);
        complaints.iter().filter(is_it).count()
    };
    for blank in [
        "title",
        "names of asyncio",
        "a test for each claim, named after it",
    ] {
        assert_eq!(
            of("demos/ch02-tasks/src/my_lesson.rs:", blank),
            1,
            "{complaints:#?}"
        );
    }
    assert_eq!(of("docs/asyncio-map.md:", "left: names of asyncio"), 3);
    assert_eq!(of("README.md:", "left: concept"), 3);
    assert_eq!(of("docs/pitfalls.md:", "left: mistake"), 1);
    // A lesson has seven blanks, its row on the map two, its line in the index one; the row of a pitfall has four.
    assert_eq!(of("", ""), 3 * (7 + 2 + 1) + 4, "{complaints:#?}");
    assert!(
        complaints
            .iter()
            .all(|line| line.contains(": a blank is left: "))
    );

    for file in [
        "README.md",
        "docs/asyncio-map.md",
        "docs/pitfalls.md",
        "demos/ch02-tasks/src/my_lesson.rs",
        "demos/ch06-http/src/my_page.rs",
        "demos/ch11-pitfalls/src/my_pitfall.rs",
    ] {
        let path = copy.0.join(file);
        fs::write(&path, filled(&read(&path))).expect("own folder");
    }
    assert_eq!(copy.complaints_beside(&before), [""; 0]);
}
