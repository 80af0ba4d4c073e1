//! # A file is replaced at once, or stays as it was
//!
//! A program that writes a ledger of 1 MiB again and again is killed, five times for each way of writing. Written in
//! place, the ledger is half written after most kills: `File::create` empties it, and the kill comes before all of
//! the text is back. Written to a temporary file that is then renamed over it, the ledger is whole after each of the
//! five, 0 half written: it has the old text or a new one. A kill can leave that temporary file behind. The next
//! write uses the same name, so it begins that file afresh and renames it: 1 file in the folder.
//!
//! asyncio: os.replace, os.fsync
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
//! Not the same: nothing but the names. Both replace a file by a file on every system, and both refuse to go from one
//! file system to another, so the temporary file is in the folder of its target. The price is the same, too: the
//! result has the permissions of a new file, and a link under its name is replaced, not followed. No part of it is
//! asynchronous: in a program with other tasks all of it is one `spawn_blocking`. `sync_all` is for a power cut,
//! which no run shows: it keeps the new name from reaching the disk before the text does.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    time::Duration,
};

use anyhow::{Result, ensure};
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
    let kills_in_place = t.time("in place", none(), killed).await?;
    count(t, &kills_in_place);

    let folder = Folder::temporary()?;
    let killed = kills(folder.path(), "atomic_write::replaces");
    let kills_of_replace = t.time("temporary file, rename", none(), killed).await?;
    count(t, &kills_of_replace);
    // One more write, after whatever the last kill has left.
    let ledger = folder.path().join(LEDGER);
    replace(&ledger.with_extension("part"), &ledger, &ledger_of(b'z'))?;
    t.count("files in the folder", number_of_files(folder.path())?);
    Ok(())
}

/// What is in the ledger after a kill.
#[derive(Debug, PartialEq)]
enum Left {
    OldText,
    NewText,
    Half,
}

async fn kills(folder: &Path, worker: &str) -> Result<Vec<Left>> {
    let mut left = Vec::new();
    for kill in 1..=KILLS {
        left.push(left_by(kill, folder, worker).await?);
    }
    Ok(left)
}

#[instrument(ret, err, skip(folder, worker))]
async fn left_by(kill: u32, folder: &Path, worker: &str) -> Result<Left> {
    let ledger = folder.join(LEDGER);
    let old = ledger_of(b'0');
    fs::write(&ledger, &old)?;
    // Each time a little later, so that the kills don't all come at the same place of a write.
    let limit = Duration::from_millis(250 + 7 * u64::from(kill));
    // This program again, in a process of its own that does nothing but call the function of this name.
    let worker = apart_in(folder, worker, limit).await?;
    ensure!(worker.killed, "it ended by itself");
    let text = fs::read(&ledger)?;
    Ok(match text.len() {
        SIZE if text == old => Left::OldText,
        SIZE => Left::NewText,
        _ => Left::Half,
    })
}

/// A worker: it runs in a process of its own, in the folder of the ledger, until it is killed.
pub fn writes_in_place() -> Result<()> {
    for letter in (b'a'..=b'z').cycle() {
        write_in_place(Path::new(LEDGER), &ledger_of(letter))?;
    }
    Ok(())
}

/// The same with the other way of writing.
pub fn replaces() -> Result<()> {
    for letter in (b'a'..=b'z').cycle() {
        let ledger = Path::new(LEDGER);
        replace(&ledger.with_extension("part"), ledger, &ledger_of(letter))?;
    }
    Ok(())
}

/// Anyone who reads the file meanwhile gets a part of it. `sync_all` at the end would not help: the old text is gone
/// before the new one is there.
fn write_in_place(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?; // <- the difference: this empties the file that the others read
    write_pieces(&mut file, text)
}

/// For one writer at a time: two would write to the same part.
pub fn replace(part: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let replaced = File::create(part).and_then(|mut file| {
        write_pieces(&mut file, text)?; // what a kill has left in the part is gone since `create`
        file.sync_all()?;
        fs::rename(part, path) // at once, for every reader
    });
    if replaced.is_err() {
        // The old text is still there, and nothing stays beside it. A part that was never made can't be removed.
        let _ = fs::remove_file(part);
    }
    replaced?;
    sync_folder(path)
}

/// The name is kept by the folder, so the folder has to reach the disk too.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    // A bare name has no folder in it, and is one in the current folder.
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Other systems can't open a folder as a file.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Page by page, as a program that computes its text would.
fn write_pieces(file: &mut File, text: &[u8]) -> io::Result<()> {
    for piece in text.chunks(4096) {
        file.write_all(piece)?;
    }
    Ok(())
}

/// A text that is told from every other one by its letter.
fn ledger_of(letter: u8) -> Vec<u8> {
    vec![letter; SIZE]
}

fn count(t: &mut Timings, kills: &[Left]) {
    let number = |wanted| kills.iter().filter(|left| **left == wanted).count();
    t.count("kills", kills.len());
    t.count("half written", number(Left::Half));
    t.count("a new text", number(Left::NewText));
}

fn number_of_files(folder: &Path) -> Result<usize> {
    Ok(fs::read_dir(folder)?.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> (Folder, std::path::PathBuf, std::path::PathBuf) {
        let folder = Folder::temporary().unwrap();
        let ledger = folder.path().join(LEDGER);
        let part = ledger.with_extension("part");
        (folder, part, ledger)
    }

    #[test]
    fn the_new_text_takes_the_place_of_the_old_and_of_what_a_kill_has_left() {
        let (folder, part, ledger) = ledger();
        for text in ["longer than what follows", "new", ""] {
            fs::write(&part, "left by a program that was killed").unwrap();
            replace(&part, &ledger, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&ledger).unwrap(), text);
            assert_eq!(number_of_files(folder.path()).unwrap(), 1);
        }
    }

    #[test]
    fn a_reader_that_has_opened_the_old_file_reads_all_of_it() {
        let (_folder, part, ledger) = ledger();
        for (in_place, expected) in [(false, "old"), (true, "n")] {
            fs::write(&ledger, "old").unwrap();
            let reader = File::open(&ledger).unwrap();
            match in_place {
                true => write_in_place(&ledger, b"n").unwrap(),
                false => replace(&part, &ledger, b"n").unwrap(),
            }
            assert_eq!(std::io::read_to_string(reader).unwrap(), expected);
        }
    }

    #[test]
    fn when_it_cannot_be_renamed_what_is_there_stays_and_the_part_goes() {
        let (folder, part, ledger) = ledger();
        fs::create_dir(&ledger).unwrap(); // no file can take its place
        assert!(replace(&part, &ledger, b"new").is_err());
        assert!(ledger.is_dir());
        assert_eq!(number_of_files(folder.path()).unwrap(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_and_the_permissions_of_the_old_file_are_lost() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let (folder, part, ledger) = ledger();
        let behind = folder.path().join("behind");
        fs::write(&behind, "old").unwrap();
        symlink(&behind, &ledger).unwrap();
        replace(&part, &ledger, b"new").unwrap();
        assert!(!ledger.is_symlink());
        assert_eq!(fs::read(behind).unwrap(), b"old");

        fs::set_permissions(&ledger, fs::Permissions::from_mode(0o700)).unwrap();
        replace(&part, &ledger, b"newer").unwrap();
        let mode = fs::metadata(&ledger).unwrap().permissions().mode();
        assert_eq!(mode & 0o100, 0, "nobody may execute a new file");
    }
}
