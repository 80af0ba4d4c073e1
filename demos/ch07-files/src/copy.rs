//! # A copy in pieces, and what is left when it is cancelled
//!
//! 8 MiB are copied in pieces of 64 KiB, with a progress bar on a terminal. Then the same with a source that stops
//! answering in the middle, and a limit of 1 tick that cancels the copy. Written straight to its name, about half of
//! the file stands there and looks like a whole one. Written to a `.part` that is renamed at the end, nothing has the
//! final name, and 0 parts are left: `Drop` removes the part, after an error, too.
//!
//! asyncio: aiofiles, shutil.copyfileobj, tqdm, os.replace, wait_for
//!
//! real clock: real files
//!
//! ```python
//! try:
//!     async with aiofiles.open("file.part", "wb") as file:
//!         while piece := await source.read(65536): await file.write(piece); bar.update(len(piece))
//!     os.replace("file.part", "file")                  # not reached after an error or a cancellation
//! finally:
//!     pathlib.Path("file.part").unlink(missing_ok=True)
//! ```
//!
//! Not the same: a `finally` may await the removal. `Drop` may not, so it removes the file with `std::fs`, which
//! blocks the loop for a moment. A copy in a thread, by `shutil.copyfileobj` or within `spawn_blocking`, goes on when
//! its task is cancelled; this one awaits every piece, and ends where it waits. The rename is all or nothing for
//! those who open the file. Against a power cut it needs a `sync_all` before it: see `atomic_write`.

use std::{
    io::{self, IsTerminal, stderr, stdout},
    path::{Path, PathBuf},
};

use anyhow::Result;
use chapter::Folder;
use indicatif::{ProgressBar, ProgressStyle};
use timing::{
    Timings,
    law::{at_least, none},
    ticks,
};
use tokio::{
    fs::{self, File},
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, duplex},
    time::timeout,
};
use tracing::instrument;

use crate::options::Options;

const SIZE_KIB: usize = 8 * 1024;
const PIECE: usize = 64 * 1024;

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let folder = Folder::temporary()?;
    let source = &folder.path().join("source");
    fs::write(source, vec![b'.'; SIZE_KIB * 1024]).await?;

    let (name, bar) = (&folder.path().join("whole"), bar());
    let copies = copies_to_a_part(File::open(source).await?, name, &bar);
    t.time("to a part", none(), copies).await?;
    count(t, &bar, name).await?;

    // The second half of the source is one end of a pipe. Its other end is kept open, and nothing is ever sent there.
    let (_open, silent) = duplex(1);
    let half = File::open(source).await?.take(SIZE_KIB as u64 * 1024 / 2);
    let (name, bar) = (&folder.path().join("straight"), ProgressBar::hidden());
    let copies = timeout(ticks(1), copies_straight(half.chain(silent), name, &bar));
    let outcome = t.time("straight, cancelled", at_least(1), copies).await;
    count(t, &bar, name).await?;
    t.count("cancelled", usize::from(outcome.is_err()));

    let (_open, silent) = duplex(1);
    let half = File::open(source).await?.take(SIZE_KIB as u64 * 1024 / 2);
    let (name, bar) = (&folder.path().join("by part"), ProgressBar::hidden());
    let copies = timeout(ticks(1), copies_to_a_part(half.chain(silent), name, &bar));
    let outcome = t.time("to a part, cancelled", at_least(1), copies).await;
    count(t, &bar, name).await?;
    t.count("cancelled", usize::from(outcome.is_err()));
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn copies_straight(
    source: impl AsyncRead + Unpin,
    name: &Path,
    bar: &ProgressBar,
) -> io::Result<()> {
    copy(source, name, bar).await
}

#[instrument(ret, err, skip_all)]
async fn copies_to_a_part(
    source: impl AsyncRead + Unpin,
    name: &Path,
    bar: &ProgressBar,
) -> io::Result<()> {
    let part = Part(name.with_added_extension("part")); // <- the difference
    copy(source, &part.0, bar).await?;
    // Within one file system a rename is all or nothing. Cancelled here, it is done or not done, and never half done.
    fs::rename(&part.0, name).await
}

/// `tokio::io::copy` does the same without a bar.
async fn copy(mut source: impl AsyncRead + Unpin, to: &Path, bar: &ProgressBar) -> io::Result<()> {
    let mut file = File::create(to).await?;
    let mut piece = vec![0; PIECE];
    loop {
        let bytes = source.read(&mut piece).await?;
        if bytes == 0 {
            // Without it the last piece could still be on its way when the file gets its name.
            return file.flush().await;
        }
        file.write_all(&piece[..bytes]).await?;
        bar.inc(bytes as u64);
    }
}

/// A file that is not whole yet. It goes with this value, when the copy returns and when it is dropped.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // After the rename there is nothing to remove. Of any other error `Drop` can't tell anybody.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// On stderr, and only on a terminal: in a pipe its control characters would stand between the lines.
fn bar() -> ProgressBar {
    if !(stdout().is_terminal() && stderr().is_terminal()) {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("  [{bar:30}] {binary_bytes} of {binary_total_bytes}")
        .expect("these are names that indicatif has");
    ProgressBar::new(SIZE_KIB as u64 * 1024).with_style(style)
}

async fn count(t: &mut Timings, bar: &ProgressBar, name: &Path) -> Result<()> {
    t.count("KiB copied", bar.position() / 1024);
    bar.finish_and_clear();
    let under_its_name = match fs::metadata(name).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        found => found?.len(),
    };
    let part = fs::try_exists(name.with_added_extension("part")).await?;
    t.count("KiB under its name", under_its_name / 1024);
    t.count("parts left", usize::from(part));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended::Cancelled, Value};

    async fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t, &Options::default()).await.unwrap();
        t
    }

    #[tokio::test]
    async fn a_whole_copy_has_its_name_and_leaves_no_part() {
        let t = measured().await;
        let whole = &t["to a part"];
        assert_eq!(*whole.count("KiB copied"), SIZE_KIB);
        assert_eq!(*whole.count("KiB under its name"), SIZE_KIB);
        assert_eq!(*whole.count("parts left"), 0);
    }

    #[tokio::test]
    async fn cancelled_a_copy_straight_to_its_name_leaves_a_half_there() {
        let t = measured().await;
        let straight = &t["straight, cancelled"];
        assert_eq!(*straight.count("cancelled"), 1);
        assert_eq!(straight.lane("copies_straight").ended, Cancelled);
        let Value::Whole(left) = *straight.count("KiB under its name") else {
            panic!("it is a number")
        };
        // The write of the last piece need not be done when the copy is dropped.
        assert!(0 < left && left <= SIZE_KIB as i64 / 2, "{left}");
    }

    #[tokio::test]
    async fn cancelled_a_copy_to_a_part_leaves_nothing() {
        let t = measured().await;
        let part = &t["to a part, cancelled"];
        assert_eq!(*part.count("cancelled"), 1);
        assert_eq!(part.lane("copies_to_a_part").ended, Cancelled);
        assert!(*part.count("KiB copied") != Value::Whole(0), "it had begun");
        assert_eq!(*part.count("KiB under its name"), 0);
        assert_eq!(*part.count("parts left"), 0);
    }

    #[tokio::test]
    async fn after_an_error_no_part_is_left() {
        let folder = Folder::temporary().unwrap();
        let name = folder.path().join("copy");
        fs::create_dir(&name).await.unwrap(); // no file can be renamed to it
        let copied = copies_to_a_part(&[b'.'; PIECE][..], &name, &ProgressBar::hidden()).await;
        assert!(copied.is_err());
        assert!(!name.with_added_extension("part").exists());
    }

    #[tokio::test]
    async fn the_copy_is_the_same_to_the_byte() {
        let folder = Folder::temporary().unwrap();
        let name = folder.path().join("copy");
        let bytes: Vec<u8> = (0..PIECE * 2 + 1).map(|n| n as u8).collect();
        let copied = copies_to_a_part(&bytes[..], &name, &ProgressBar::hidden()).await;
        copied.unwrap();
        assert_eq!(fs::read(name).await.unwrap(), bytes);
    }
}
