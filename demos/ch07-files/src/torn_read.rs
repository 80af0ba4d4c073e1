//! # A torn read: half of the old text, half of the new
//!
//! A record of 1 MiB is read. After its first half a clerk writes a new text into the file, then the second half is
//! read. There is no error, and the record never had this text: 1 torn. If the length and the time of the last write
//! are compared before and after, the read is refused: 0 torn, 1 refused. A clerk who writes a new file and renames
//! it over the record disturbs no reader: one that has opened the old file reads all of it, 0 torn and 0 refused. The
//! function that compares also refuses what isn't a file, or is too long (see `files/faults`).
//!
//! asyncio: aiofiles.open, os.fstat
//!
//! real clock: real files
//!
//! ```python
//! with open(path, "rb") as record:
//!     before = os.fstat(record.fileno())
//!     text = record.read()
//!     after = os.fstat(record.fileno())
//! if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
//!     raise OSError("changed while it was read")
//! ```
//!
//! Not the same: nothing but the names. Unix keeps nobody from writing a file that is read, and a lock keeps out only
//! those who ask for one (on Windows it binds everybody). Comparing isn't proof either: a text of the same length that
//! is written within one step of the file system's clock, some milliseconds, isn't noticed. Where the writer is yours,
//! let it rename (see `files/atomic-write`).

use std::{
    error::Error,
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use anyhow::Result;
use chapter::Folder;
use timing::{Timings, law::none};
use tokio::task::spawn_blocking;
use tracing::info;

use crate::options::Options;

const SIZE: usize = 1024 * 1024;

/// In bytes. A text is in memory as a whole, so there has to be a bound.
const LONGEST: u64 = 16 * 1024 * 1024;

/// How the clerk puts a new text into the record.
type Write = fn(&Path) -> io::Result<()>;

/// Reads a record; the clerk writes when its first half is read.
type Way = fn(&Path, Write) -> Result<Vec<u8>, Unread>;

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let in_place: Write = |path| fs::write(path, new_text());
    let by_rename: Write = |path| {
        let part = path.with_extension("part");
        fs::write(&part, new_text())?;
        fs::rename(part, path) // <- the difference, at the writer's end
    };
    let read: Way = |path, clerk| Ok(in_two_halves(&File::open(path)?, path, clerk)?);
    // <- the difference, at the reader's end
    let compare: Way = |path, clerk| unchanged(path, |file| in_two_halves(file, path, clerk));

    for (label, way, clerk) in [
        ("read, written in place", read, in_place),
        ("compared, written in place", compare, in_place),
        ("read, renamed", read, by_rename),
        ("compared, renamed", compare, by_rename),
    ] {
        let folder = Folder::temporary()?;
        let record = folder.path().join("births");
        fs::write(&record, vec![b'o'; SIZE])?;
        let work = async move { spawn_blocking(move || way(&record, clerk)).await };
        let text = t.time(label, none(), work).await?;
        if let Err(fault) = &text {
            info!("{fault}");
        }
        let torn = text.as_ref().is_ok_and(|text| is_torn(text));
        t.count("torn", u32::from(torn));
        t.count("refused", u32::from(text.is_err()));
    }
    Ok(())
}

/// Why a file isn't read.
#[derive(Debug)]
pub enum Unread {
    /// A folder, or a pipe: to open that would wait for a writer.
    NotAFile,
    TooLong,
    Changed,
    Failed(io::Error),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFile => write!(f, "not a file"),
            Self::TooLong => write!(f, "too long"),
            Self::Changed => write!(f, "changed while it was read"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Error for Unread {}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// What `read` reads, if the file is the same before and after. A look at it and opening it are two steps: if a pipe
/// takes its place in between, opening waits.
pub fn unchanged(
    path: &Path,
    read: impl FnOnce(&File) -> io::Result<Vec<u8>>,
) -> Result<Vec<u8>, Unread> {
    if !fs::metadata(path)?.is_file() {
        return Err(Unread::NotAFile);
    }
    let file = File::open(path)?;
    let before = file.metadata()?; // of the file that is open, whatever its name means by now
    if before.len() > LONGEST {
        return Err(Unread::TooLong);
    }
    let bytes = read(&file)?;
    let after = file.metadata()?;
    let written = before.modified()? != after.modified()?;
    if written || before.len() != after.len() || bytes.len() as u64 != before.len() {
        return Err(Unread::Changed);
    }
    Ok(bytes)
}

/// With a bound of its own, since a file that somebody appends to may have no end.
pub fn to_its_end(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Between two reads somebody else can write; here the clerk always does.
fn in_two_halves(mut file: &File, path: &Path, clerk: Write) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SIZE / 2];
    file.read_exact(&mut bytes)?;
    clerk(path)?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Longer than the old one, so that the length alone tells, on every file system.
fn new_text() -> Vec<u8> {
    vec![b'n'; SIZE + 1]
}

fn is_torn(text: &[u8]) -> bool {
    text.first() != text.last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_can_return_half_of_the_old_text_and_half_of_the_new() {
        let t = Timings::of_default(run).await;
        let read = &t["read, written in place"];
        assert_eq!(*read.count("torn"), 1);
        let compared = &t["compared, written in place"];
        assert_eq!(*compared.count("torn"), 0);
        assert_eq!(*compared.count("refused"), 1);
    }

    #[tokio::test]
    async fn a_rename_hurts_no_reader() {
        let t = Timings::of_default(run).await;
        for label in ["read, renamed", "compared, renamed"] {
            assert_eq!(*t[label].count("torn"), 0, "{label}");
            assert_eq!(*t[label].count("refused"), 0, "{label}");
        }
    }

    #[test]
    fn what_is_cut_while_it_is_read_has_changed() {
        let folder = Folder::temporary().unwrap();
        let record = folder.path().join("births");
        fs::write(&record, "1912: three births\n").unwrap();
        let cut = |file: &File| {
            fs::write(&record, "")?;
            to_its_end(file)
        };
        let read = unchanged(&record, cut);
        assert!(matches!(read, Err(Unread::Changed)));
    }
}
