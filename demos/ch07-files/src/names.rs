//! # Names: a record's name can lead out of its folder
//!
//! Seven records are asked for by name. Three names lead to `births` in the folder `archive`; four lead out: by `..`,
//! by `..` into `archive-private`, by an absolute path, by a link. If each name is joined to the folder as it is, all
//! 4 are read. If a `..` or a root is refused, 1 is still read, by the link. If links are followed and the texts of
//! the paths compared, 1 is read too: the path of `archive-private` begins with `archive`. If the paths are compared
//! part by part, 0 are. A name also says where the result goes: those of `births.txt` and `births.TXT` are one file.
//! So of 3 results that are written 2 are left; if both of these records are refused, 1 is written and 1 is left.
//!
//! asyncio: Path.resolve, is_relative_to, os.path.join
//!
//! real clock: real files
//!
//! ```python
//! archive = pathlib.Path("archive").resolve()
//! record = (archive / name).resolve(strict=True)       # follows links and `..`; an absolute name replaces archive
//! if not record.is_relative_to(archive):               # by its parts; str(record).startswith() compares characters
//!     raise ValueError(f"{name} leads out of the archive")
//! ```
//!
//! Not the same: `canonicalize` is `resolve(strict=True)`: what isn't there is an error, so the name of a file that
//! is still to be made is checked by its folder, and the file made with `create_new`: `create` would follow a link
//! that leads out to nothing. `Path::starts_with` compares parts, like `is_relative_to`; the method of `str` with the
//! same name compares characters. Both languages look first and open later: against somebody who swaps a link in
//! between, only the system helps (`openat2` with RESOLVE_BENEATH, or the crate cap-std).

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Component, Path, PathBuf},
};

use anyhow::Result;
use chapter::Folder;
use timing::{Timings, law::none};
use tokio::task::spawn_blocking;
use tracing::info;

use crate::options::Options;

const INSIDE: &str = "1912: three births\n";
const OUTSIDE: &str = "nobody's business\n";

/// From the folder and a name to the file that is read, or `None` if it is refused.
type Check = fn(&Path, &OsStr) -> io::Result<Option<PathBuf>>;

const CHECKS: [(&str, Check); 4] = [
    ("joined", |folder, name| Ok(Some(folder.join(name)))),
    ("no .. and no root", without_dots),
    ("prefix of the text", prefix_of_the_text),
    ("prefix of the path", inside),
];

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let place = Folder::temporary()?;
    let names = leave_records(place.path())?;
    // Without links in it, so that the path of a record can be compared with it.
    let archive = fs::canonicalize(place.path())?.join("archive");
    for (label, check) in CHECKS {
        let work = read_all(archive.clone(), names.clone(), check);
        let texts = t.time(label, none(), work).await?;
        let number =
            |wanted: Option<&str>| texts.iter().filter(|it| it.as_deref() == wanted).count();
        t.count("from inside", number(Some(INSIDE)));
        t.count("from outside", number(Some(OUTSIDE)));
        t.count("refused", number(None));
    }

    let records = ["births.txt", "births.TXT", "deaths.txt"].map(OsString::from);
    for (label, refuse) in [("results", false), ("results, none shared", true)] {
        let folder = Folder::temporary()?;
        let work = write_results(folder.path(), &records, refuse);
        let written = t.time(label, none(), work).await?;
        t.count("written", written);
        t.count("files", fs::read_dir(folder.path())?.count());
    }
    Ok(())
}

/// One job for a thread: every check but the first two asks the disk.
async fn read_all(
    archive: PathBuf,
    names: Vec<OsString>,
    check: Check,
) -> Result<Vec<Option<String>>> {
    let read = move || {
        let mut texts = Vec::new();
        for name in names {
            let path = check(&archive, &name)?;
            let what = if path.is_some() { "reads" } else { "refuses" };
            info!("{what} {name:?}");
            texts.push(path.map(fs::read_to_string).transpose()?);
        }
        Ok(texts)
    };
    spawn_blocking(read).await?
}

/// Looks at the name alone. So it sees no link, and it refuses a `..` that leads back into the folder.
fn without_dots(folder: &Path, name: &OsStr) -> io::Result<Option<PathBuf>> {
    let stays = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    let name = Path::new(name);
    Ok(name.components().all(stays).then(|| folder.join(name)))
}

fn prefix_of_the_text(folder: &Path, name: &OsStr) -> io::Result<Option<PathBuf>> {
    let path = fs::canonicalize(folder.join(name))?;
    let (path_text, folder_text) = (path.to_string_lossy(), folder.to_string_lossy());
    let is_in = path_text.starts_with(&*folder_text); // `/archive-private` begins with `/archive`
    Ok(is_in.then_some(path))
}

/// The file that a name leads to, all links followed, or `None` if it isn't in the folder. The folder's own path
/// must be free of links.
pub fn inside(folder: &Path, name: &OsStr) -> io::Result<Option<PathBuf>> {
    let path = fs::canonicalize(folder.join(name))?;
    let is_in = path.starts_with(folder); // <- the difference: of a `Path`, so whole parts are compared
    Ok(is_in.then_some(path))
}

/// How many results are written: for each record one, or for none that would share its own with another.
async fn write_results(folder: &Path, records: &[OsString], refuse: bool) -> io::Result<u32> {
    let results = Results::of(records);
    let mut written = 0;
    for record in records {
        if refuse && results.is_shared(record) {
            continue; // neither of the two has more right to it
        }
        tokio::fs::write(folder.join(Results::name(record)), "").await?;
        written += 1;
    }
    Ok(written)
}

/// The names that the results of some records have, and how many records have each of them.
pub struct Results(HashMap<PathBuf, u32>);

impl Results {
    pub fn of(records: &[OsString]) -> Self {
        let mut numbers = HashMap::new();
        for record in records {
            *numbers.entry(Self::name(record)).or_default() += 1;
        }
        Self(numbers)
    }

    pub fn name(record: &OsStr) -> PathBuf {
        Path::new(record).with_extension("upper")
    }

    /// Known before anything is written, so it doesn't depend on which of them comes first.
    pub fn is_shared(&self, record: &OsStr) -> bool {
        self.0.get(&Self::name(record)) > Some(&1)
    }
}

/// The archive, what is around it, and the names by which somebody asks.
fn leave_records(place: &Path) -> io::Result<Vec<OsString>> {
    let archive = place.join("archive");
    fs::create_dir_all(archive.join("1912"))?;
    fs::create_dir(place.join("archive-private"))?;
    fs::write(archive.join("births"), INSIDE)?;
    for outside in ["letters", "archive-private/births"] {
        fs::write(place.join(outside), OUTSIDE)?;
    }
    let mut names: Vec<OsString> = vec!["births".into(), "1912/../births".into()];
    names.extend(["../letters".into(), "../archive-private/births".into()]);
    names.push(place.join("letters").into()); // joined to any folder, an absolute path replaces it
    #[cfg(unix)] // elsewhere a link needs a right that few have
    for (link, target) in [("link-inside", "births"), ("link-outside", "../letters")] {
        std::os::unix::fs::symlink(target, archive.join(link))?;
        names.push(link.into());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_read(t: &Timings, label: &str, [inside, outside, refused]: [usize; 3]) {
        assert_eq!(*t[label].count("from inside"), inside);
        assert_eq!(*t[label].count("from outside"), outside);
        assert_eq!(*t[label].count("refused"), refused);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_parts_of_the_path_without_links_tell_what_is_outside() {
        let t = Timings::of_default(run).await;
        assert_read(&t, "joined", [3, 4, 0]);
        assert_read(&t, "no .. and no root", [2, 1, 4]);
        assert_read(&t, "prefix of the text", [3, 1, 3]);
        assert_read(&t, "prefix of the path", [3, 0, 4]);
    }

    #[tokio::test]
    async fn two_records_that_share_a_result_are_both_refused() {
        let t = Timings::of_default(run).await;
        for (label, written, files) in [("results", 3, 2), ("results, none shared", 1, 1)] {
            assert_eq!(*t[label].count("written"), written);
            assert_eq!(*t[label].count("files"), files);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_no_path_but_an_error() {
        let folder = Folder::temporary().unwrap();
        let error = inside(folder.path(), "gone".as_ref()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
