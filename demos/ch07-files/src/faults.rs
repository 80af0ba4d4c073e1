//! # Faults: what goes wrong with a file ends no other
//!
//! Eight records are put into upper case. Two can be; the other six are a folder, a file of 1 TiB, bytes that aren't
//! UTF-8, and three links: to nothing, to themselves, out of the folder. Each fault is a value beside its path, so the
//! batch ends with 2 written and 6 failed, and no temporary file is left. Where the first fault ends the batch, 1 has
//! failed, and what became of the other 7 isn't known. With `--folder DIR` it works on your files and writes
//! NAME.upper beside each NAME.txt; any fault makes the exit code 1.
//!
//! asyncio: gather, return_exceptions, OSError, FileNotFoundError
//!
//! real clock: real files
//!
//! ```python
//! outcomes = await asyncio.gather(*map(upper, records), return_exceptions=True)
//! for record, outcome in zip(records, outcomes):
//!     if isinstance(outcome, (OSError, UnicodeError)):
//!         print(record, outcome)
//! ```
//!
//! Not the same: `return_exceptions` makes a value of every exception, of a bug's too; here a fault is of one `enum`,
//! a panic on the thread among its values. UnicodeError is no OSError, so `except OSError` lets it through. `open` of
//! a pipe waits for a writer in both: what isn't a file is refused before it is opened.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    str::Utf8Error,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use chapter::Folder;
use futures_util::{StreamExt, TryStreamExt, stream};
use timing::{
    Timings,
    law::{at_most, none},
};
use tokio::task::{JoinError, spawn_blocking};
use tracing::instrument;

use crate::options::Options;

const AT_ONCE: usize = 10;

/// In bytes. A text is in memory as a whole, so there has to be a bound.
const LONGEST: u64 = 16 * 1024 * 1024;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    if let Some(folder) = &options.folder {
        let batch = Batch::of(folder).await?;
        let outcomes = t.time("your records", none(), batch.all()).await;
        count(t, &batch, &outcomes)?;
        return batch.verdict(&outcomes);
    }
    let folder = leave_records()?;
    let batch = Batch::of(folder.path()).await?;

    // One after another, to see what becomes of each.
    for record in &batch.records {
        let name = record.to_string_lossy();
        let outcome = t.time(name, at_most(20), batch.upper(record)).await;
        let fault = outcome.err().map(|fault| fault.to_string());
        t.count("outcome", fault.unwrap_or("written".into()));
    }

    let outcomes = t.time("all at once", at_most(20), batch.all()).await;
    count(t, &batch, &outcomes)?;

    // `try_collect` hands over the first fault, and drops what was written before it and what comes after it.
    let work = stream::iter(&batch.records).then(|record| batch.upper(record));
    let work = work.try_collect::<Vec<_>>();
    let first = t.time("until the first fault", at_most(20), work).await;
    t.count("failed", u32::from(first.is_err()));
    t.count("unknown", batch.records.len() - 1);
    Ok(())
}

/// What can become of a record instead of its text in upper case.
#[derive(Debug)]
enum Fault {
    /// Another record has the same name for its result: `a.txt` and `a.TXT` would both be `a.upper`.
    SharedName,
    LeadsOut,
    NotAFile,
    TooLong,
    NotText(Utf8Error),
    Read(io::Error),
    Write(io::Error),
    Panicked(JoinError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharedName => write!(f, "its result's name is another's too"),
            Self::LeadsOut => write!(f, "leads out"),
            Self::NotAFile => write!(f, "not a file"),
            Self::TooLong => write!(f, "too long"),
            Self::NotText(error) => write!(f, "not text: {error}"),
            Self::Read(error) => write!(f, "not read: {error}"),
            Self::Write(error) => write!(f, "not written: {error}"),
            Self::Panicked(error) => write!(f, "a bug: {error}"),
        }
    }
}

/// As many files are open as may be. std has no `ErrorKind` for it; every Unix has these numbers, ENFILE and EMFILE.
fn lacks_descriptors(outcome: &Result<(), Fault>) -> bool {
    matches!(outcome, Err(Fault::Read(e) | Fault::Write(e)) if matches!(e.raw_os_error(), Some(23 | 24)))
}

/// One outcome for each record, in the same order.
type Outcomes = Vec<Result<(), Fault>>;

struct Batch {
    /// Without links, so that a record can be compared with it.
    folder: PathBuf,
    /// Their names in it.
    records: Vec<OsString>,
    /// How many records have this name for their result.
    results: HashMap<PathBuf, u32>,
    /// A folder in the folder, hence on the same file system, for what isn't complete yet. No file of the reader is in
    /// it. A thread that goes on after Ctrl-C keeps it until it is done.
    parts: Arc<Folder>,
}

impl Batch {
    async fn of(folder: &Path) -> Result<Self> {
        let path = folder.to_owned();
        let opened = spawn_blocking(move || Self::open(&path));
        opened.await?.with_context(|| format!("{folder:?}"))
    }

    /// The faults of the folder itself: without it there is no batch.
    fn open(folder: &Path) -> io::Result<Self> {
        let folder = fs::canonicalize(folder)?;
        let mut records = Vec::new();
        for entry in fs::read_dir(&folder)? {
            records.push(entry?.file_name());
        }
        records.retain(|name| {
            let extension = Path::new(name).extension().unwrap_or_default();
            extension.eq_ignore_ascii_case("txt")
        });
        records.sort(); // the order of `read_dir` is the file system's
        let mut results = HashMap::new();
        for record in &records {
            *results.entry(result_of(record)).or_default() += 1;
        }
        Ok(Self {
            parts: Arc::new(Folder::within(&folder)?),
            folder,
            records,
            results,
        })
    }

    async fn all(&self) -> Outcomes {
        let work = stream::iter(&self.records).map(|record| self.upper(record));
        // No `try_`: to `collect` a `Result` is a value, whichever it is.
        let mut outcomes: Outcomes = work.buffered(AT_ONCE).collect().await;
        // Where there aren't enough descriptors for ten at once there may be for one.
        for (record, outcome) in self.records.iter().zip(&mut outcomes) {
            if lacks_descriptors(outcome) {
                *outcome = self.upper(record).await;
            }
        }
        outcomes
    }

    /// One job for a thread, from the first look at the record to the last name.
    #[instrument(ret, err, skip(self))]
    async fn upper(&self, record: &OsStr) -> Result<(), Fault> {
        let result = result_of(record);
        if self.results.get(&result) > Some(&1) {
            return Err(Fault::SharedName); // neither of them has more right to it
        }
        let (folder, result) = (self.folder.clone(), self.folder.join(result));
        let path = folder.join(record);
        let part = self.parts.path().join(record); // an addition could make its name too long
        let parts = Arc::clone(&self.parts);
        let work = spawn_blocking(move || {
            let _parts = parts; // until this ends, whoever waits for it
            let text = read(&folder, &path)?.to_uppercase();
            replace(&part, &result, &text).map_err(Fault::Write)
        });
        // A panic on the thread is the fault of this record, too.
        work.await.unwrap_or_else(|e| Err(Fault::Panicked(e)))
    }

    /// Names every failure: the one who started the batch has to know which records to look after.
    fn verdict(&self, outcomes: &Outcomes) -> Result<()> {
        let mut failed = String::new();
        for (record, outcome) in self.records.iter().zip(outcomes) {
            if let Err(fault) = outcome {
                // `{:?}` shows what isn't UTF-8 in a name, and a line break in it, as escapes.
                failed += &format!("\n  {:?}: {fault}", self.folder.join(record));
            }
        }
        ensure!(failed.is_empty(), "not every record is written{failed}");
        Ok(())
    }
}

fn result_of(record: &OsStr) -> PathBuf {
    Path::new(record).with_extension("upper")
}

fn read(folder: &Path, record: &Path) -> Result<String, Fault> {
    let path = fs::canonicalize(record).map_err(Fault::Read)?;
    if !path.starts_with(folder) {
        return Err(Fault::LeadsOut);
    }
    if !fs::metadata(&path).map_err(Fault::Read)?.is_file() {
        return Err(Fault::NotAFile);
    }
    let mut bytes = Vec::new();
    // Counted as it is read, since a length that was asked for may have changed by now.
    let mut file = File::open(path).map_err(Fault::Read)?.take(LONGEST + 1);
    file.read_to_end(&mut bytes).map_err(Fault::Read)?;
    if bytes.len() as u64 > LONGEST {
        return Err(Fault::TooLong);
    }
    String::from_utf8(bytes).map_err(|error| Fault::NotText(error.utf8_error()))
}

/// As in the lesson `atomic_write`: the whole result under its name, or what was there before.
fn replace(part: &Path, result: &Path, text: &str) -> io::Result<()> {
    let written = File::create(part).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(part, result)
    });
    if written.is_err() {
        // At once, because on a full disk the others need the room. What was never made can't be removed.
        let _ = fs::remove_file(part);
    }
    written
}

fn count(t: &mut Timings, batch: &Batch, outcomes: &Outcomes) -> Result<()> {
    let written = outcomes.iter().flatten().count();
    t.count("written", written);
    t.count("failed", outcomes.len() - written);
    t.count("parts left", fs::read_dir(batch.parts.path())?.count());
    Ok(())
}

fn leave_records() -> Result<Folder> {
    let own = Folder::temporary()?;
    let folder = own.path();
    fs::write(folder.join("births.txt"), "1912: three\n")?;
    fs::create_dir(folder.join("folder.txt"))?;
    File::create(folder.join("huge.txt"))?.set_len(1 << 40)?; // a hole: it takes no room
    fs::write(folder.join("latin-1.txt"), b"Andr\xe9\n")?;
    fs::write(folder.join("nobody.txt"), "")?;
    #[cfg(unix)] // elsewhere a link needs a right that few have, so there are five records
    {
        use std::os::unix::fs::symlink;
        symlink("gone", folder.join("to-nothing.txt"))?;
        symlink("loop.txt", folder.join("loop.txt"))?;
        symlink("..", folder.join("out.txt"))?;
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn no_fault_ends_the_others_and_no_part_is_left() {
        let t = Timings::of(async |t| run(t, &Options::default()).await).await;
        let all = &t["all at once"];
        assert_eq!(*all.count("written"), 2);
        assert_eq!(*all.count("failed"), 6);
        assert_eq!(*all.count("parts left"), 0);
        assert_eq!(*t["until the first fault"].count("unknown"), 7);
        assert_eq!(*t["out.txt"].count("outcome"), "leads out");
    }

    #[tokio::test]
    async fn a_record_that_is_removed_after_it_was_listed_fails_alone() {
        let folder = Folder::temporary().unwrap();
        let a = folder.path().join("a.txt");
        fs::write(&a, "text").unwrap();
        fs::write(a.with_file_name("b.txt"), "text").unwrap();
        let batch = Batch::of(folder.path()).await.unwrap();
        fs::remove_file(a).unwrap();
        let outcomes = batch.all().await;
        assert!(matches!(outcomes[..], [Err(Fault::Read(_)), Ok(())]));
    }
}
