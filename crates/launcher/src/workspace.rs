//! The workspace as its folders and files show it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use lesson::{Header, chapter_name, kebab, snake};

use crate::print::Failure;

/// The chapters and lessons that exist, read from the demos folder when the launcher starts: nothing has to be
/// registered, and nothing has to be built to be found.
#[derive(Debug)]
pub struct Workspace {
    /// The folder that holds `Cargo.toml`, `crates` and `demos`.
    pub root: PathBuf,
    /// In reading order, which is the order of their folders' numbers.
    pub chapters: Vec<Chapter>,
}

/// One folder under `demos`.
#[derive(Debug, PartialEq, Eq)]
pub struct Chapter {
    /// Folder, package and binary: `ch01-basics`.
    pub package: String,
    /// What the reader types: `basics`.
    pub name: String,
    /// The manifest's description.
    pub about: String,
    /// In the order of the chapter's own list.
    pub lessons: Vec<Lesson>,
}

/// One lesson of a chapter.
#[derive(Debug, PartialEq, Eq)]
pub struct Lesson {
    /// What the reader types: `one-cook`.
    pub name: String,
    /// Its source.
    pub file: PathBuf,
    /// What the source says of itself; empty when there is no such file.
    pub header: Header,
}

impl Workspace {
    /// The workspace that the running launcher was started in.
    pub(crate) fn of_this_process() -> Result<Workspace, Failure> {
        // Cargo says where the package stands; a launcher that is started by hand remembers where it was built.
        let packages = [
            env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
            Some(PathBuf::from(env!("CARGO_MANIFEST_DIR"))),
        ];
        let root = packages
            .iter()
            .flatten()
            .filter_map(|package| package.parent()?.parent())
            .find(|root| root.join("demos").is_dir())
            .ok_or_else(|| {
                Failure::world("cannot find the workspace: no demos folder".to_owned())
                    .way_out("start it as `cargo demo` in the workspace's folder")
            })?;
        Ok(Workspace::read(root))
    }

    /// Reads the folders under `root/demos`. What can't be read is left out: cargo will say why when it builds.
    pub fn read(root: &Path) -> Workspace {
        let mut packages: Vec<String> = fs::read_dir(root.join("demos"))
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().join("Cargo.toml").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        packages.sort();
        let chapters = packages
            .into_iter()
            .filter_map(|package| Chapter::read(root, package))
            .collect();
        Workspace {
            root: root.to_owned(),
            chapters,
        }
    }

    /// Every lesson with its chapter, in reading order.
    pub fn lessons(&self) -> impl Iterator<Item = (&Chapter, &Lesson)> {
        self.chapters
            .iter()
            .flat_map(|chapter| chapter.lessons.iter().map(move |lesson| (chapter, lesson)))
    }
}

impl Chapter {
    fn read(root: &Path, package: String) -> Option<Chapter> {
        let name = chapter_name(&package)?.to_owned();
        let folder = root.join("demos").join(&package);
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        let main = fs::read_to_string(folder.join("src/main.rs")).unwrap_or_default();
        let lessons = listed(&main)
            .into_iter()
            .map(|module| Lesson::read(&folder, &module))
            .collect();
        Some(Chapter {
            package,
            name,
            about: description(&manifest).unwrap_or_default(),
            lessons,
        })
    }

    /// Where a module of this chapter has its source, from the workspace's folder.
    pub(crate) fn source(&self, module: &str) -> String {
        format!("demos/{}/src/{module}.rs", self.package)
    }
}

impl Lesson {
    fn read(chapter: &Path, module: &str) -> Lesson {
        let file = chapter.join("src").join(format!("{}.rs", snake(module)));
        let source = fs::read_to_string(&file).unwrap_or_default();
        Lesson {
            name: kebab(module),
            header: Header::parse(&source),
            file,
        }
    }
}

/// The module names in a chapter's `chapter::lessons![…]`, in its order.
///
/// ```
/// let main = "chapter::lessons![options::Options; on_loop ten_urls, off_loop threads,];";
/// assert_eq!(launcher::listed(main), ["ten_urls", "threads"]);
/// ```
pub fn listed(main: &str) -> Vec<String> {
    let code: Vec<&str> = main
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line))
        .collect();
    let code = code.join("\n");
    let Some((_, list)) = code.split_once("lessons!") else {
        return Vec::new();
    };
    let list = list.trim_start_matches(|c: char| c.is_whitespace() || "[({".contains(c));
    // A chapter that starts processes says first what they do, in brackets of its own.
    let workers = list
        .strip_prefix("workers")
        .and_then(|list| list.split_once(';'));
    let list = workers.map_or(list, |(_, list)| list);
    let list = list.split([']', ')', '}']).next().unwrap_or(list);
    // What stands before a semicolon is the type of the chapter's options.
    let list = list.rsplit(';').next().unwrap_or(list);
    // The words before the last one say what the lesson runs on.
    list.split(',')
        .filter_map(|entry| entry.split_whitespace().last())
        .map(str::to_owned)
        .collect()
}

fn description(manifest: &str) -> Option<String> {
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("description"))?;
    let value = line.trim_start().strip_prefix('=')?.trim();
    let text = value.strip_prefix('"')?.rsplit_once('"')?.0;
    Some(text.replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_may_be_wrapped_commented_and_led_by_options() {
        let main = "//! uses lessons![no]\nmod a;\n\nchapter::lessons![\n    options::Options;\n    on_loop a, // lessons\n    multi_thread b_c,\n    off_loop d,\n];\n";
        assert_eq!(listed(main), ["a", "b_c", "d"]);
        let main = "chapter::lessons![\n    workers [a::hangs, a::dies];\n    Options;\n    on_loop a,\n];";
        assert_eq!(listed(main), ["a"]);
        assert_eq!(listed("chapter::lessons! { on_loop a, b }"), ["a", "b"]);
        assert_eq!(listed("chapter::lessons![];"), [""; 0]);
        assert_eq!(listed("fn main() {}"), [""; 0]);
    }

    #[test]
    fn the_description_is_the_text_between_its_quotes() {
        assert_eq!(
            description("[package]\nname = \"x\"\ndescription = \"a \\\"b\\\" c\" # why\n")
                .as_deref(),
            Some("a \"b\" c")
        );
        assert_eq!(description("[package]\n"), None);
    }

    #[test]
    fn this_workspace_is_read_in_the_order_of_its_numbers() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let workspace = Workspace::read(&root);
        assert_eq!(workspace.chapters[0].package, "ch01-basics");
        assert_eq!(workspace.chapters[0].name, "basics");
        assert!(!workspace.chapters[0].about.is_empty());
        assert!(
            workspace
                .chapters
                .is_sorted_by_key(|chapter| &chapter.package)
        );
    }
}
