//! # A copy in pieces, and what is left when it is cancelled
//!
//! 8 MiB are copied in pieces of 64 KiB, with a progress bar on a terminal. Then the same with a source that stops
//! answering halfway, and a timeout of 1 tick that cancels the copy. Written straight to its final name, about half
//! of the file is there and looks like a whole one. Written to a `.part` that is renamed at the end, nothing has the
//! final name, and 0 parts are left: a `Drop` removes the part, after a cancellation and after an error.
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
//! Not the same: a `finally` could await the removal. `Drop` can't await, so it removes the file with `std::fs`, and
//! blocks the loop meanwhile. A copy that is one job in a thread, by `shutil.copyfileobj` or within `spawn_blocking`,
//! goes on to its end when its task is cancelled. Here only the job in hand goes on. A job that makes the part could
//! make it after the `Drop`, so the part is made without an `.await`. After a kill no `Drop` runs and the part stays.
//! Against a power cut the rename needs a `sync_all` before it (see `files/atomic-write`).

use std::{
    io::{self, IsTerminal, stderr, stdout},
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
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
    let copied = t.time("straight, cancelled", at_least(1), copies).await;
    ensure!(copied.is_err(), "nothing was cancelled");
    count(t, &bar, name).await?;

    let (_open, silent) = duplex(1);
    let half = File::open(source).await?.take(SIZE_KIB as u64 * 1024 / 2);
    let (name, bar) = (&folder.path().join("by part"), ProgressBar::hidden());
    let copies = timeout(ticks(1), copies_to_a_part(half.chain(silent), name, &bar));
    let copied = t.time("to a part, cancelled", at_least(1), copies).await;
    ensure!(copied.is_err(), "nothing was cancelled");
    count(t, &bar, name).await?;
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn copies_straight(
    source: impl AsyncRead + Unpin,
    name: &Path,
    bar: &ProgressBar,
) -> io::Result<()> {
    copy(source, File::create(name).await?, bar).await
}

#[instrument(ret, err, skip_all)]
async fn copies_to_a_part(
    source: impl AsyncRead + Unpin,
    name: &Path,
    bar: &ProgressBar,
) -> io::Result<()> {
    let part = Part(name.with_added_extension("part")); // <- the difference
    let file = std::fs::File::create(&part.0)?;
    copy(source, File::from_std(file), bar).await?;
    // Cancelled here, the rename is done or it isn't, and never half done: within one file system it is all or
    // nothing.
    fs::rename(&part.0, name).await
}

/// `tokio::io::copy` does the same without a bar, in pieces of 8 KiB.
async fn copy(
    mut source: impl AsyncRead + Unpin,
    mut file: File,
    bar: &ProgressBar,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let bytes = source.read(&mut piece).await?;
        if bytes == 0 {
            // `write_all` has handed the last piece to a thread; its error comes from here.
            return file.flush().await;
        }
        file.write_all(&piece[..bytes]).await?;
        bar.inc(bytes as u64);
    }
}

/// A file that is not whole yet. It is removed with this value: when the copy returns, and when it is cancelled.
/// For one copy to a name at a time: of two, the first to end would rename the other's half to the final name.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // After the rename nothing is left to remove, so this fails. `Drop` can't return any other error either.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// On stderr, and only on a terminal: in a pipe its control characters would stand between the lines.
fn bar() -> ProgressBar {
    if !(stdout().is_terminal() && stderr().is_terminal()) {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("  [{bar:30}] {binary_bytes} of {binary_total_bytes}")
        .expect("these placeholders are valid");
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
    use futures_util::poll;
    use std::sync::mpsc;
    use timing::report::{Ended::Cancelled, Value};
    use tokio::{runtime::Builder, task::spawn_blocking};

    #[tokio::test]
    async fn a_whole_copy_has_its_name_and_leaves_no_part() {
        let t = Timings::of_default(run).await;
        let whole = &t["to a part"];
        assert_eq!(*whole.count("KiB copied"), SIZE_KIB);
        assert_eq!(*whole.count("KiB under its name"), SIZE_KIB);
        assert_eq!(*whole.count("parts left"), 0);
    }

    #[tokio::test]
    async fn cancelled_a_copy_straight_to_its_name_leaves_a_half_there() {
        let t = Timings::of_default(run).await;
        let straight = &t["straight, cancelled"];
        assert_eq!(straight.lane("copies_straight").ended, Cancelled);
        let left = straight.count("KiB under its name").whole();
        // The write of the last piece need not be done when the copy is dropped.
        assert!(0 < left && left <= SIZE_KIB as i64 / 2, "{left}");
    }

    #[tokio::test]
    async fn cancelled_a_copy_to_a_part_leaves_nothing() {
        let t = Timings::of_default(run).await;
        let part = &t["to a part, cancelled"];
        assert_eq!(part.lane("copies_to_a_part").ended, Cancelled);
        assert!(*part.count("KiB copied") != Value::Whole(0), "it had begun");
        assert_eq!(*part.count("KiB under its name"), 0);
        assert_eq!(*part.count("parts left"), 0);
    }

    #[test]
    fn cancelled_at_its_first_wait_a_copy_leaves_no_part_for_later() {
        let folder = Folder::temporary().unwrap();
        let name = &folder.path().join("copy");
        let mut builder = Builder::new_current_thread();
        let runtime = builder.max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (let_go, held) = mpsc::channel::<()>();
            let taken = spawn_blocking(move || held.recv()); // whatever is sent to a thread waits for this
            let bar = ProgressBar::hidden();
            let mut copies = Box::pin(copies_to_a_part(&b"tea"[..], name, &bar));
            assert!(poll!(&mut copies).is_pending());
            drop(copies);
            drop(let_go);
            assert!(taken.await.unwrap().is_err());
            spawn_blocking(|| ()).await.unwrap(); // behind everything that was sent before
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
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
        let bar = ProgressBar::hidden();
        copies_to_a_part(&bytes[..], &name, &bar).await.unwrap();
        assert_eq!(fs::read(name).await.unwrap(), bytes);
    }
}
