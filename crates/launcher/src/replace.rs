//! Several files written as one: all of them, or none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A file and the text that it is to have.
pub struct Change {
    pub path: PathBuf,
    /// What it holds now; `None` for a file that is made.
    pub before: Option<String>,
    pub after: String,
}

/// Every new text is on the disk, beside its file, before the first file is replaced: a disk that is full changes
/// nothing. When a file can't be replaced, those before it get their old text back.
pub fn replace_all(changes: &[Change]) -> Result<(), String> {
    let result = prepare(changes).and_then(|()| commit(changes));
    for change in changes {
        let _ = fs::remove_file(beside(&change.path)); // those that were renamed are not there any more
    }
    result
}

fn prepare(changes: &[Change]) -> Result<(), String> {
    changes
        .iter()
        .try_for_each(|change| write_beside(&change.path, &change.after))
}

fn commit(changes: &[Change]) -> Result<(), String> {
    for (done, change) in changes.iter().enumerate() {
        let Err(error) = rename(&change.path) else {
            continue;
        };
        let stuck = changes[..done].iter().filter_map(|change| {
            let error = take_back(change).err()?;
            Some(format!("; and cannot take back {error}"))
        });
        return Err(error + &stuck.collect::<String>());
    }
    Ok(())
}

fn take_back(change: &Change) -> Result<(), String> {
    match &change.before {
        Some(text) => write_beside(&change.path, text).and_then(|()| rename(&change.path)),
        None => fs::remove_file(&change.path).map_err(|error| named(&change.path, &error)),
    }
}

fn write_beside(path: &Path, text: &str) -> Result<(), String> {
    let file = beside(path);
    fs::write(&file, text).map_err(|error| named(&file, &error))
}

fn rename(path: &Path) -> Result<(), String> {
    fs::rename(beside(path), path).map_err(|error| named(path, &error))
}

/// In the same folder, since a rename across file systems is a copy.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn named(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("waitwise-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn change(path: PathBuf) -> Change {
        let before = fs::read_to_string(&path).ok();
        let after = "new".to_owned();
        Change {
            path,
            before,
            after,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn writes_every_file() {
        let folder = folder("all");
        let (a, b) = (folder.join("a"), folder.join("b"));
        fs::write(&b, "old").unwrap();
        replace_all(&[change(a.clone()), change(b.clone())]).unwrap();
        for path in [&a, &b] {
            assert_eq!(fs::read_to_string(path).unwrap(), "new");
        }
        assert_eq!(names(&folder), ["a", "b"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_all_as_they_were() {
        let folder = folder("rename");
        let (a, b, c) = (folder.join("a"), folder.join("b"), folder.join("c"));
        fs::write(&b, "old").unwrap();
        fs::create_dir(&c).unwrap(); // no file takes a folder's place, whoever asks
        let error = replace_all(&[change(a), change(b.clone()), change(c.clone())]).unwrap_err();
        assert!(error.starts_with(&c.display().to_string()), "{error}");
        assert_eq!(names(&folder), ["b", "c"]);
        assert_eq!(fs::read_to_string(&b).unwrap(), "old");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_text_that_cannot_be_written_changes_nothing() {
        let folder = folder("write");
        let (b, gone) = (folder.join("b"), folder.join("gone/c"));
        fs::write(&b, "old").unwrap();
        replace_all(&[change(b.clone()), change(gone)]).unwrap_err();
        assert_eq!(names(&folder), ["b"]);
        assert_eq!(fs::read_to_string(&b).unwrap(), "old");
        fs::remove_dir_all(folder).unwrap();
    }
}
