//! # A file is replaced, or it isn't: never half written
//!
//! A program that writes a ledger of 1 MiB again and again is killed, five times for each way of writing. Written in
//! place, the ledger is half written after most kills: `File::create` empties it, and the kill comes before all
//! of the text is back. Written to a temporary file that is then renamed over it, it is whole after each of the five:
//! the old text or the new one. What the last kill has left of the temporary file is gone with the next write, because
//! that has the same name: there is one file in the folder.
//!
//! asyncio: os.replace, NamedTemporaryFile
//!
//! real clock: real files, and processes that are killed
//!
//! ```python
//! with open(path + ".part", "wb") as part:
//!     part.write(text)
//!     part.flush()
//!     os.fsync(part.fileno())
//! os.replace(path + ".part", path)
//! ```
//!
//! Not the same: nothing but the names. `fs::rename` replaces the target on every system, as `os.replace` does, and
//! both refuse to go from one file system to another, so the temporary file stands in the folder of its target. No
//! part of it is asynchronous: in a program with other tasks all of it is one `spawn_blocking`. `sync_all` is for a
//! power cut, which no run shows: it keeps the new name from reaching the disk before the text does.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chapter::{Folder, apart_in};
use timing::{Timings, law::none};
use tracing::instrument;

use crate::options::Options;

const SIZE: usize = 1024 * 1024;
const KILLS: u32 = 5;
const LEDGER: &str = "ledger";

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let folder = Folder::temporary()?;
    let killed = kills(folder.path(), "atomic_write::writes_in_place");
    let halves = t.time("in place", none(), killed).await?;
    t.count("kills", KILLS);
    t.count("half written", halves);
    t.count("files in the folder", number_of_files(folder.path())?);

    let folder = Folder::temporary()?;
    let killed = kills(folder.path(), "atomic_write::replaces");
    let halves = t.time("temporary file, rename", none(), killed).await?;
    t.count("kills", KILLS);
    t.count("half written", halves);
    // The next write takes over what the last kill has left.
    replace(&folder.path().join(LEDGER), &year(b'z'))?;
    t.count("files in the folder", number_of_files(folder.path())?);
    Ok(())
}

async fn kills(folder: &Path, worker: &str) -> Result<u32> {
    let mut halves = 0;
    for kill in 1..=KILLS {
        halves += u32::from(!is_whole_after(kill, folder, worker).await?);
    }
    Ok(halves)
}

/// The worker is in the middle of some write when its time is over: it does nothing else.
#[instrument(ret, err, skip(folder, worker))]
async fn is_whole_after(kill: u32, folder: &Path, worker: &str) -> Result<bool> {
    let ledger = folder.join(LEDGER);
    fs::write(&ledger, year(b'0'))?;
    // Each time a little later, so that the kills don't all come at the same place of a write.
    let limit = Duration::from_millis(250 + 7 * u64::from(kill));
    let worker = apart_in(folder, worker, limit).await?;
    ensure!(worker.killed, "it ended by itself");
    let text = fs::read(&ledger)?;
    // Every year is 1 MiB of one letter: two letters are two years in one file.
    Ok(text.len() == SIZE && text.iter().all(|letter| *letter == text[0]))
}

/// A worker: it runs in a process of its own, in the folder of the ledger, until it is killed.
pub fn writes_in_place() -> Result<()> {
    for letter in (b'a'..=b'z').cycle() {
        write_in_place(Path::new(LEDGER), &year(letter))?;
    }
    Ok(())
}

/// The same with the other way of writing.
pub fn replaces() -> Result<()> {
    for letter in (b'a'..=b'z').cycle() {
        replace(Path::new(LEDGER), &year(letter))?;
    }
    Ok(())
}

/// Who reads the file meanwhile gets a part of it. `sync_all` at the end would not help: the old text is gone
/// before the new one is there.
fn write_in_place(path: &Path, text: &[u8]) -> Result<()> {
    let mut file = File::create(path)?; // <- the difference: this empties the file itself
    Ok(write_pieces(&mut file, text)?)
}

/// For one writer at a time: two would write to the same temporary file.
fn replace(path: &Path, text: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?; // what a kill has left there is emptied
    let replaced = write_pieces(&mut file, text)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&part, path)); // from one moment to the next, for every reader
    if let Err(error) = replaced {
        fs::remove_file(&part)?; // the old text is still there, and nothing stays beside it
        return Err(error.into());
    }
    sync_folder(path)
}

/// The name is kept by the folder, so the folder has to reach the disk too.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    // The parent of a bare name is the empty path, which can't be opened.
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    Ok(File::open(folder)?.sync_all()?)
}

/// Other systems can't open a folder as a file.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> Result<()> {
    Ok(())
}

/// Page by page, as a program that computes its text would.
fn write_pieces(file: &mut File, text: &[u8]) -> io::Result<()> {
    for piece in text.chunks(4096) {
        file.write_all(piece)?;
    }
    Ok(())
}

fn year(letter: u8) -> Vec<u8> {
    vec![letter; SIZE]
}

fn number_of_files(folder: &Path) -> Result<usize> {
    Ok(fs::read_dir(folder)?.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_text_takes_the_place_of_the_old_and_of_what_a_kill_has_left() {
        let folder = Folder::temporary().unwrap();
        let ledger = folder.path().join(LEDGER);
        for text in ["longer than what follows", "new", ""] {
            fs::write(
                ledger.with_extension("part"),
                "left by a program that was killed",
            )
            .unwrap();
            replace(&ledger, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&ledger).unwrap(), text);
            assert_eq!(number_of_files(folder.path()).unwrap(), 1);
        }
    }

    #[test]
    fn a_reader_that_has_opened_the_old_file_reads_all_of_it() {
        let folder = Folder::temporary().unwrap();
        let ledger = folder.path().join(LEDGER);
        for (write, expected) in [
            (replace as fn(&Path, &[u8]) -> _, "old"),
            (write_in_place, "n"),
        ] {
            fs::write(&ledger, "old").unwrap();
            let reader = File::open(&ledger).unwrap();
            write(&ledger, b"n").unwrap();
            assert_eq!(std::io::read_to_string(reader).unwrap(), expected);
        }
    }

    #[test]
    fn when_it_can_not_be_renamed_the_target_stays_as_it_is() {
        let folder = Folder::temporary().unwrap();
        let ledger = folder.path().join(LEDGER);
        fs::create_dir(&ledger).unwrap(); // no file can take its place
        assert!(replace(&ledger, b"new").is_err());
        assert!(ledger.is_dir());
        assert_eq!(number_of_files(folder.path()).unwrap(), 1);
    }
}
