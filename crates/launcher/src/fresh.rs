//! Whether a chapter's binary is what its sources say, told before cargo is asked.
//!
//! Cargo knows it better and decides what is built. This decides whether to announce a build that may take half a
//! minute, so an error here costs a line too much or too little.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// How a chapter's binary stands to what it is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Fresh,
    /// There is none yet.
    Missing,
    /// A source or a manifest is newer.
    Stale,
}

/// The binary of one chapter, in the folder of one profile.
pub struct Binary<'a> {
    pub root: &'a Path,
    pub folder: &'a Path,
    pub package: &'a str,
}

impl Binary<'_> {
    pub fn path(&self) -> PathBuf {
        let name = format!("{}{}", self.package, std::env::consts::EXE_SUFFIX);
        self.folder.join(name)
    }

    pub fn state(&self) -> State {
        let Ok(built) = modified(&self.path()) else {
            return State::Missing;
        };
        let checked = modified(&self.stamp()).unwrap_or(built).max(built);
        // What can't be read has been moved or deleted: that is a change.
        let newer = |path: &PathBuf, than| modified(path).map_or(true, |time| time > than);
        let stale = self.sources().iter().any(|path| newer(path, built))
            || self.manifests().iter().any(|path| newer(path, checked));
        if stale { State::Stale } else { State::Fresh }
    }

    /// Notes that cargo has just found the binary to be up to date.
    ///
    /// A manifest is read by every chapter, and a change for one of them leaves the others' binaries as old as they
    /// were. Without the note they would be announced as stale for ever.
    pub fn note_checked(&self) {
        // Without it the next run announces once more, no harm done.
        let _ = fs::write(self.stamp(), "");
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join(format!(".checked-{}", self.package))
    }

    /// The files that cargo says it built the binary from, or, where its list is lost, all that could be among them.
    fn sources(&self) -> Vec<PathBuf> {
        let list = self.folder.join(format!("{}.d", self.package));
        if let Ok(list) = fs::read_to_string(list) {
            return listed(&list)
                .into_iter()
                .map(|path| self.root.join(path))
                .collect();
        }
        let mut sources = Vec::new();
        collect(
            &self.root.join("demos").join(self.package).join("src"),
            &mut sources,
        );
        for library in self.libraries() {
            collect(&library.join("src"), &mut sources);
        }
        sources
    }

    fn manifests(&self) -> Vec<PathBuf> {
        let mut manifests = vec![
            self.root.join("Cargo.toml"),
            self.root.join("Cargo.lock"),
            self.root
                .join("demos")
                .join(self.package)
                .join("Cargo.toml"),
        ];
        manifests.extend(
            self.libraries()
                .iter()
                .map(|library| library.join("Cargo.toml")),
        );
        manifests.retain(|path| path.exists());
        manifests
    }

    fn libraries(&self) -> Vec<PathBuf> {
        let mut libraries = entries(&self.root.join("crates"));
        // No chapter is built from this crate.
        libraries.retain(|library| !library.ends_with("launcher"));
        libraries
    }
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The paths in a line of make's language, `binary: source source`, where blanks in a path follow a backslash.
fn listed(rule: &str) -> Vec<String> {
    let line = rule.lines().next().unwrap_or_default();
    let Some((_, sources)) = line.split_once(": ") else {
        return Vec::new();
    };
    let blank = '\u{0}'; // no path holds it
    let sources = sources.replace("\\ ", &blank.to_string());
    sources
        .split_whitespace()
        .map(|path| path.replace(blank, " "))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn blanks_in_a_path_are_part_of_it() {
        let rule = "/t/debug/ch01-a: /w/my\\ work/a.rs /w/b.rs\n\n/w/b.rs:\n";
        assert_eq!(listed(rule), ["/w/my work/a.rs", "/w/b.rs"]);
        assert_eq!(listed(""), [""; 0]);
    }

    /// A workspace with one built chapter; everything in it is as old as `age` says.
    struct Fixture(PathBuf);

    impl Fixture {
        fn new(name: &str) -> Fixture {
            let unique = format!("launcher-fresh-{name}-{}", std::process::id());
            let fixture = Fixture(std::env::temp_dir().join(unique));
            for file in [
                "Cargo.toml",
                "Cargo.lock",
                "crates/timing/Cargo.toml",
                "crates/timing/src/lib.rs",
                "crates/launcher/src/main.rs",
                "demos/ch01-a/Cargo.toml",
                "demos/ch01-a/src/deep/one.rs",
                "demos/ch02-b/src/main.rs",
            ] {
                fixture.age(file, 100);
            }
            fixture.age(&format!("out/ch01-a{}", std::env::consts::EXE_SUFFIX), 50);
            fixture
        }

        /// Makes the file look as if it was written `seconds` ago.
        fn age(&self, file: &str, seconds: u64) {
            let path = self.0.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = fs::File::create(path).unwrap();
            let time = SystemTime::now() - Duration::from_secs(seconds);
            file.set_modified(time).unwrap();
        }

        fn state_of(&self, package: &str) -> State {
            let folder = self.0.join("out");
            let binary = Binary {
                root: &self.0,
                folder: &folder,
                package,
            };
            binary.state()
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn older_sources_are_fresh_and_no_binary_is_missing() {
        let fixture = Fixture::new("missing");
        assert_eq!(fixture.state_of("ch01-a"), State::Fresh);
        assert_eq!(fixture.state_of("ch02-b"), State::Missing);
    }

    #[test]
    fn a_newer_source_or_manifest_makes_stale_unless_it_is_of_no_concern() {
        let fixture = Fixture::new("stale");
        for other in ["crates/launcher/src/main.rs", "demos/ch02-b/src/main.rs"] {
            fixture.age(other, 10);
            assert_eq!(fixture.state_of("ch01-a"), State::Fresh, "{other}");
        }
        for part in [
            "Cargo.toml",
            "Cargo.lock",
            "crates/timing/Cargo.toml",
            "crates/timing/src/lib.rs",
            "demos/ch01-a/Cargo.toml",
            "demos/ch01-a/src/deep/one.rs",
        ] {
            fixture.age(part, 10);
            assert_eq!(fixture.state_of("ch01-a"), State::Stale, "{part}");
            fixture.age(part, 100);
            assert_eq!(fixture.state_of("ch01-a"), State::Fresh, "{part}");
        }
    }

    #[test]
    fn cargos_own_list_decides_where_there_is_one() {
        let fixture = Fixture::new("list");
        fs::write(
            fixture.0.join("out/ch01-a.d"),
            "ch01-a: demos/ch01-a/src/deep/one.rs\n",
        )
        .unwrap();
        fixture.age("crates/timing/src/lib.rs", 10);
        assert_eq!(fixture.state_of("ch01-a"), State::Fresh);
        fixture.age("demos/ch01-a/src/deep/one.rs", 10);
        assert_eq!(fixture.state_of("ch01-a"), State::Stale);
        fs::remove_file(fixture.0.join("demos/ch01-a/src/deep/one.rs")).unwrap();
        assert_eq!(fixture.state_of("ch01-a"), State::Stale);
    }

    #[test]
    fn what_cargo_has_checked_is_not_announced_again() {
        let fixture = Fixture::new("checked");
        fixture.age("Cargo.lock", 10);
        assert_eq!(fixture.state_of("ch01-a"), State::Stale);
        fixture.age("out/.checked-ch01-a", 5);
        assert_eq!(fixture.state_of("ch01-a"), State::Fresh);
        fixture.age("crates/timing/src/lib.rs", 8); // a source is not excused: cargo would have built
        assert_eq!(fixture.state_of("ch01-a"), State::Stale);
    }
}
