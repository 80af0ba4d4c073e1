//! # Writing a file: when are the bytes in it?
//!
//! Behind `tokio::fs` is a pool of threads, the one of `spawn_blocking` (see `http/blocking-client`). Each read and
//! each write is a job for it. The pool here has 1 thread, and another job keeps it busy while a record of 21 bytes
//! is written. `fs::write` waits for its job: 21 bytes are in the file. `write_all` on a `File` returns when it has
//! copied the bytes to a buffer. If the handle is then dropped without a `flush`, 0 bytes are in the file at that
//! moment, and 21 when the pool is idle again. If the disk is full, that late write fails and nobody sees its error:
//! 0 errors. `flush` waits for the write: 21 bytes, or 1 error.
//!
//! asyncio: aiofiles.open
//!
//! real clock: real files
//!
//! ```python
//! async with aiofiles.open("record", "w") as file:
//!     await file.write("box 7: letters, 1912\n")    # into a buffer, here too
//! # `async with` has closed the file: all is written, or an OSError was raised
//! ```
//!
//! Not the same: the end of an `async with` waits until the file is written and closed. `Drop` can't wait and can't
//! return an error (see `streams/guard`), so the `flush` is up to you. While a thread is idle, chance decides whether
//! the bytes are in the file before somebody looks. The busy thread makes every run of this lesson the same.

use std::{fs::metadata, path::Path, sync::mpsc};

use anyhow::Result;
use chapter::Folder;
use timing::{Timings, law::none};
use tokio::{
    fs::{self, File},
    io::AsyncWriteExt,
    join,
    runtime::Builder,
    task::{JoinError, JoinHandle, spawn_blocking},
};
use tracing::{info, instrument};

use crate::options::Options;

const RECORD: &str = "box 7: letters, 1912\n";

/// A device of Linux that behaves like a file on a full disk.
const FULL: &str = "/dev/full";

/// Not `async`, because it builds a runtime of its own: that is where the size of the pool is set, up to 512 threads
/// by default.
pub fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()?;
    runtime.block_on(with_one_thread(t))
}

async fn with_one_thread(t: &mut Timings) -> Result<()> {
    let archive = Folder::temporary()?;
    let path = &archive.path().join("record");

    let bytes = t.time("fs::write", none(), writes_and_reads(path)).await?;
    t.count("bytes in the file", bytes);

    let drops = writes_and_drops(path);
    let (bytes, later) = t.time("write_all", none(), drops).await?;
    t.count("bytes in the file", bytes);
    t.count("when the pool is idle", later);

    let flushes = writes_and_flushes(path);
    let bytes = t.time("write_all and flush", none(), flushes).await?;
    t.count("bytes in the file", bytes);

    let full = Path::new(FULL);
    if !full.exists() {
        info!("there is no {FULL} here, so nothing is written to a full disk");
        return Ok(());
    }
    let drops = writes_and_drops(full);
    let dropped = t.time("write_all, full disk", none(), drops).await;
    t.count("errors", usize::from(dropped.is_err()));

    let flushes = writes_and_flushes(full);
    let flushed = t.time("flush, full disk", none(), flushes).await;
    t.count("errors", usize::from(flushed.is_err()));
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn writes_and_reads(path: &Path) -> Result<u64> {
    let pool = Busy::begin();
    // The write waits as long as the pool is busy, hence the `join!`.
    let (written, ended) = join!(fs::write(path, RECORD), pool.end());
    ended?;
    written?;
    let bytes = metadata(path)?.len();
    info!("read back: {:?}", fs::read_to_string(path).await?);
    Ok(bytes)
}

#[instrument(ret, err, skip_all)]
async fn writes_and_drops(path: &Path) -> Result<(u64, u64)> {
    let mut file = File::create(path).await?; // creates it, or cuts it to 0 bytes
    let pool = Busy::begin();
    // Only copies to the buffer, so this `?` never sees the disk. A second write would wait for this one, and return
    // its error.
    file.write_all(RECORD.as_bytes()).await?;
    drop(file);
    // From std: `tokio::fs::metadata` would be a job of the pool, too, and would wait behind the write.
    let bytes = metadata(path)?.len();

    pool.end().await?;
    // Jobs leave the queue of the pool in the order in which they came: when this one is done, so is the write.
    spawn_blocking(|| ()).await?;
    Ok((bytes, metadata(path)?.len()))
}

#[instrument(ret, err, skip_all)]
async fn writes_and_flushes(path: &Path) -> Result<u64> {
    let mut file = File::create(path).await?;
    let pool = Busy::begin();
    file.write_all(RECORD.as_bytes()).await?;
    // What is flushed can be read by everybody else, but a power cut can still undo it: against that there is
    // `sync_all`.
    let (flushed, ended) = join!(file.flush(), pool.end()); // <- the difference
    ended?;
    flushed?;
    drop(file);
    Ok(metadata(path)?.len())
}

/// Another job, which has the only thread of the pool until it is told to end.
struct Busy {
    until: mpsc::Sender<()>,
    job: JoinHandle<()>,
}

impl Busy {
    fn begin() -> Self {
        let (until, end) = mpsc::channel::<()>();
        // `recv` blocks its thread until the sender is dropped. Then it returns an error, and the job is over.
        let job = spawn_blocking(move || while end.recv().is_ok() {});
        Self { until, job }
    }

    async fn end(self) -> Result<(), JoinError> {
        drop(self.until);
        self.job.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::{io::ErrorKind::StorageFull, pin::pin};
    use timing::report::Ended::{Failed, Returned};
    use tokio::task::yield_now;

    fn measured() -> Timings {
        Timings::of_blocking(|t| run(t, &Options::default()))
    }

    #[test]
    fn fs_write_returns_when_all_bytes_are_in_the_file() {
        let t = measured();
        let written = &t["fs::write"];
        assert_eq!(*written.count("bytes in the file"), RECORD.len());
        assert!(written.said[0].text.contains("box 7: letters, 1912"));
    }

    #[test]
    fn a_file_dropped_without_a_flush_is_still_empty() {
        let t = measured();
        let dropped = &t["write_all"];
        assert_eq!(*dropped.count("bytes in the file"), 0);
        assert_eq!(*dropped.count("when the pool is idle"), RECORD.len());
    }

    #[test]
    fn flush_waits_until_the_bytes_are_in_the_file() {
        let t = measured();
        let flushed = &t["write_all and flush"];
        assert_eq!(*flushed.count("bytes in the file"), RECORD.len());
    }

    #[tokio::test]
    #[cfg_attr(not(target_os = "linux"), ignore = "there is no /dev/full")]
    async fn a_second_write_returns_the_error_of_the_first() {
        let mut file = File::create(FULL).await.unwrap();
        file.write_all(RECORD.as_bytes()).await.unwrap();
        let second = file.write_all(RECORD.as_bytes()).await;
        assert_eq!(second.unwrap_err().kind(), StorageFull);
    }

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "there is no /dev/full")]
    fn only_flush_tells_that_the_disk_is_full() {
        let t = measured();
        let dropped = &t["write_all, full disk"];
        assert_eq!(*dropped.count("errors"), 0);
        assert_eq!(dropped.lane("writes_and_drops").ended, Returned);

        let flushed = &t["flush, full disk"];
        assert_eq!(*flushed.count("errors"), 1);
        assert_eq!(flushed.lane("writes_and_flushes").ended, Failed);
        assert!(flushed.said[0].text.contains("No space left"));
    }
    #[test]
    fn tokio_fs_waits_while_the_only_thread_of_the_pool_is_taken() {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let pool = Busy::begin();
            let mut read = pin!(fs::read("Cargo.toml"));
            for _ in 0..100 {
                assert!(poll!(&mut read).is_pending());
                yield_now().await;
            }
            pool.end().await.unwrap();
            assert!(!read.await.unwrap().is_empty());
        });
    }
}
