//! # Faults: one bad file doesn't stop the others
//!
//! Eight records are converted to upper case, four at a time. `births.txt` and the empty `nobody.txt` can be. The
//! others are a folder, a file of 1 TiB, bytes that aren't UTF-8, and three links: to nothing, to itself, out of the
//! folder. `collect` keeps a `Result` for each: 8 outcomes, 6 failed, no temporary file left. `try_collect` returns one
//! fault alone, that of the first bad record: 1 outcome. `cargo demo files/faults --folder DIR` makes NAME.upper of
//! each NAME.txt of yours, and replaces one that is there; any fault makes the exit code 1.
//!
//! asyncio: gather, return_exceptions, OSError, UnicodeError
//!
//! real clock: real files
//!
//! ```python
//! outcomes = await asyncio.gather(*map(upper, records), return_exceptions=True)   # all at once
//! for record, outcome in zip(records, outcomes):
//!     match outcome:
//!         case OSError() | UnicodeError(): print(record, outcome)
//!         case BaseException(): raise outcome                        # a bug
//! ```
//!
//! Not the same: every fault is a variant of one `enum` (see `http/outcomes`), and a `match` that forgets one doesn't
//! compile; UnicodeError is no OSError, so `except OSError` lets it through. A panic on a thread comes back as a
//! value and is the fault of its record. Without `return_exceptions` gather raises the exception that comes first in
//! time, and the others go on. `try_collect` begins no more records. What a thread has begun it finishes here, too,
//! and nobody hears of it.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    str::Utf8Error,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use chapter::Folder;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use timing::{Timings, law::none};
use tokio::task::{JoinError, spawn_blocking};
use tracing::instrument;

use crate::{
    atomic_write::replace,
    names::{Results, inside},
    options::Options,
    torn_read::{Unread, to_its_end, unchanged},
};

/// Each has one file open, reads it as a whole, and waits for the disk.
const AT_ONCE: usize = 4;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    if let Some(folder) = &options.folder {
        let batch = Batch::of(folder).with_context(|| format!("{folder:?}"))?;
        let outcomes: Vec<_> = t.time("your records", none(), batch.work().collect()).await;
        count(t, &batch, &outcomes)?;
        return batch.verdict(&outcomes);
    }
    let folder = leave_records()?;
    let batch = Batch::of(folder.path())?;
    let outcomes: Vec<_> = t.time("collect", none(), batch.work().collect()).await;
    count(t, &batch, &outcomes)?;

    // What has been written stays written, what a thread has begun is still written, and nobody is told.
    let first = batch.work().try_collect::<Vec<()>>(); // <- the difference
    let first = t.time("try_collect", none(), first).await;
    t.count("outcomes", first.as_ref().map_or(1, Vec::len));
    Ok(())
}

/// Why a record isn't written in upper case.
#[derive(Debug)]
enum Fault {
    /// `a.txt` and `a.TXT` would both become `a.upper`.
    SharedName,
    LeadsOut,
    Read(Unread),
    NotText(Utf8Error),
    Write(io::Error),
    Panicked(JoinError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharedName => write!(f, "another record has the same result name"),
            Self::LeadsOut => write!(f, "leads out of the folder"),
            Self::Read(error) => write!(f, "not read: {error}"),
            Self::NotText(error) => write!(f, "not text: {error}"),
            Self::Write(error) => write!(f, "not written: {error}"),
            Self::Panicked(error) => write!(f, "a bug: {error}"),
        }
    }
}

struct Batch {
    /// Without links: the real path of a record has to begin with it.
    folder: PathBuf,
    records: Vec<OsString>,
    results: Results,
    /// For results that aren't complete yet: a folder in the folder, hence on the same file system. A thread that is
    /// still at work when its future has been dropped shares it, so it is removed when that thread is done.
    parts: Arc<Folder>,
    /// `str::to_uppercase`; what a test puts in its place has a bug.
    convert: fn(&str) -> String,
}

impl Batch {
    /// Blocks, before anything else has begun. An error here is the folder's own, and there is no batch.
    fn of(folder: &Path) -> io::Result<Self> {
        let folder = fs::canonicalize(folder)?;
        let mut records = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            let extension = Path::new(&name).extension().unwrap_or_default();
            if extension.eq_ignore_ascii_case("txt") {
                records.push(name);
            }
        }
        records.sort(); // the order of `read_dir` is the file system's
        Ok(Self {
            parts: Arc::new(Folder::within(&folder)?),
            folder,
            results: Results::of(&records),
            records,
            convert: str::to_uppercase,
        })
    }

    /// In the order of the records.
    fn work(&self) -> impl Stream<Item = Result<(), Fault>> {
        let work = stream::iter(&self.records).map(|record| self.upper(record));
        work.buffered(AT_ONCE)
    }

    #[instrument(ret, err, skip(self))]
    async fn upper(&self, record: &OsStr) -> Result<(), Fault> {
        if self.results.is_shared(record) {
            return Err(Fault::SharedName);
        }
        let result = self.folder.join(Results::name(record));
        let part = self.parts.path().join(record);
        let (folder, record, convert) = (self.folder.clone(), record.to_owned(), self.convert);
        let parts = Arc::clone(&self.parts);
        // One job for a thread, from the first look at the record to the rename.
        let work = spawn_blocking(move || {
            let _parts = parts; // held until the part has its name
            let text = convert(&read(&folder, &record)?);
            replace(&part, &result, text.as_bytes()).map_err(Fault::Write)
        });
        work.await.unwrap_or_else(|e| Err(Fault::Panicked(e)))
    }

    /// Names every record that isn't written, since somebody has to look into each.
    fn verdict(&self, outcomes: &[Result<(), Fault>]) -> Result<()> {
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

fn read(folder: &Path, record: &OsStr) -> Result<String, Fault> {
    let path = inside(folder, record).map_err(|error| Fault::Read(error.into()))?;
    let path = path.ok_or(Fault::LeadsOut)?;
    let bytes = unchanged(&path, to_its_end).map_err(Fault::Read)?;
    String::from_utf8(bytes).map_err(|error| Fault::NotText(error.utf8_error()))
}

fn count(t: &mut Timings, batch: &Batch, outcomes: &[Result<(), Fault>]) -> Result<()> {
    t.count("outcomes", outcomes.len());
    t.count("failed", outcomes.iter().filter(|o| o.is_err()).count());
    t.count("parts left", fs::read_dir(batch.parts.path())?.count());
    Ok(())
}

fn leave_records() -> Result<Folder> {
    let own = Folder::temporary()?;
    let folder = own.path();
    fs::write(folder.join("births.txt"), "1912: three\n")?;
    fs::create_dir(folder.join("folder.txt"))?;
    fs::write(folder.join("latin-1.txt"), b"Andr\xe9\n")?;
    fs::write(folder.join("nobody.txt"), "")?;
    // Elsewhere a hole takes room, and a link needs a right that few have. So there are four records.
    #[cfg(unix)]
    File::create(folder.join("huge.txt"))?.set_len(1 << 40)?; // a hole
    #[cfg(unix)]
    for (link, target) in [("to-nothing", "gone"), ("loop", "loop.txt"), ("out", "..")] {
        std::os::unix::fs::symlink(target, folder.join(link).with_extension("txt"))?;
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn no_fault_ends_the_others_and_no_part_is_left() {
        let t = Timings::of_default(run).await;
        let all = &t["collect"];
        assert_eq!(*all.count("outcomes"), 8);
        assert_eq!(*all.count("failed"), 6);
        assert_eq!(*all.count("parts left"), 0);
        assert_eq!(*t["try_collect"].count("outcomes"), 1);
    }

    /// Two records, of which the first fails and the second is written.
    async fn fault(spoil: impl FnOnce(&mut Batch)) -> Fault {
        let folder = Folder::temporary().unwrap();
        for name in ["a", "b"] {
            fs::write(folder.path().join(name).with_extension("txt"), name).unwrap();
        }
        let mut batch = Batch::of(folder.path()).unwrap();
        spoil(&mut batch);
        let mut outcomes: Vec<_> = batch.work().collect().await;
        assert!(matches!(outcomes[..], [Err(_), Ok(())]));
        assert_eq!(fs::read_dir(batch.parts.path()).unwrap().count(), 0);
        outcomes.swap_remove(0).unwrap_err()
    }

    #[tokio::test]
    async fn a_record_that_is_removed_after_it_was_listed_fails_alone() {
        let removed = |batch: &mut Batch| fs::remove_file(batch.folder.join("a.txt")).unwrap();
        assert!(matches!(fault(removed).await, Fault::Read(_)));
    }

    #[tokio::test]
    async fn a_panic_is_the_fault_of_its_record_alone() {
        let bug = |text: &str| text.strip_prefix("b").expect("only of a").to_owned();
        let fault = fault(|batch| batch.convert = bug).await;
        assert!(matches!(fault, Fault::Panicked(_)));
    }
}
