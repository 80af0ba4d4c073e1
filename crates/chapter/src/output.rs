//! The files a run leaves behind: whole, or not at all.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use crate::usage::Usage;

/// Where a document goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// `-`.
    Stdout,
    /// A file, or something that can be written like one.
    File(PathBuf),
}

impl Target {
    /// Checks a path before anything runs, so that no run is lost to a slip of the fingers.
    pub fn new(flag: &str, path: &Path) -> Result<Self, Usage> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let shown = format!("{flag} {}", path.display());
        if path.is_dir() || path.file_name().is_none() {
            let way_out = format!(
                "name a file in it: {flag} {}",
                path.join("report.json").display()
            );
            return Err(Usage::wrong(shown, "that is a folder", way_out));
        }
        let folder = folder(path);
        if !folder.is_dir() {
            let way_out = format!("make it first: mkdir -p {}", folder.display());
            return Err(Usage::wrong(
                shown,
                format!("there is no folder {}", folder.display()),
                way_out,
            ));
        }
        Ok(Self::File(path.to_owned()))
    }

    /// Writes the document: a file is replaced in one step, so a reader sees the old one or the new one.
    pub fn write(&self, document: &str) -> Result<(), String> {
        match self {
            Self::Stdout => write_to(&mut io::stdout().lock(), document)
                .map_err(|error| format!("cannot write to standard output: {error}")),
            Self::File(path) => replace(path, document)
                .map_err(|error| format!("cannot write {}: {error}", path.display())),
        }
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write_to(to: &mut impl Write, document: &str) -> io::Result<()> {
    match to.write_all(document.as_bytes()).and_then(|()| to.flush()) {
        // The reader has gone, and knows.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn replace(path: &Path, document: &str) -> io::Result<()> {
    // A pipe or a device is written as it is: a file in its place would not be the same.
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return write_to(
            &mut fs::OpenOptions::new().write(true).open(path)?,
            document,
        );
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder(path).join(format!(".{name}.{}.draft", std::process::id()));
    let written = fs::write(&draft, document).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("waitwise-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_folder_that_is_missing_is_found_before_anything_runs() {
        let error = Target::new("--json", Path::new("no/such/folder/x.json")).unwrap_err();
        let Usage::Wrong { what, way_out } = error else {
            panic!("{error:?}")
        };
        assert!(what.starts_with("--json no/such/folder/x.json: ") && way_out.contains("mkdir -p"));
        assert!(Target::new("--json", &std::env::temp_dir()).is_err());
        assert_eq!(
            Target::new("--json", Path::new("-")).unwrap(),
            Target::Stdout
        );
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = scratch("whole");
        let path = folder.join("report.json");
        for document in ["{}", "{\"schema\": 1}"] {
            Target::File(path.clone()).write(document).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), document);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_failed_write_leaves_no_draft() {
        let folder = scratch("draft");
        fs::create_dir(folder.join("taken")).unwrap();
        assert!(replace(&folder.join("taken/../taken"), "{}").is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
