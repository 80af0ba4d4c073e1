//! # Reading files in the loop, and what stands still meanwhile
//!
//! 2 000 records are read while a ticker wants a turn every millisecond. With `std::fs` in the task it gets none: the
//! reading is 1 poll, and the longest gap between two turns of the ticker is as long as all of it. One
//! `spawn_blocking` for all records leaves the loop free, with 2 polls at most. `tokio::fs` leaves it free too, at
//! the price of a trip to a thread for every record (see `files/batch`): many polls instead of 1 or 2, and here the
//! longest time. In the timeline `read_all()` is a solid bar on a thread too; what matters is whether the ticker is
//! polled beside it.
//!
//! asyncio: run_in_executor, to_thread, aiofiles
//!
//! real clock: real files, and a loop that is blocked
//!
//! ```python
//! def read_all(): return [path.read_bytes() for path in paths]
//!
//! read_all()                                                        # the loop stands still
//! await asyncio.to_thread(read_all)                                 # it goes on
//! await asyncio.get_running_loop().run_in_executor(None, read_all)  # the same, older
//! ```
//!
//! Not the same: a thread of Python's pool still takes turns with the loop whenever it computes, because of the
//! interpreter's lock; threads of tokio's pool run beside it. What such a thread works on must be its own, or shared
//! by an `Arc`, because it can outlive the task that started it. In both a blocking read in an `async` function
//! returns the right result. asyncio's debug mode logs one of over 0.1 s; by default rustc and clippy say nothing.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use chapter::Folder;
use timing::{Timings, beside_ticker, law::none};
use tokio::{fs, task::spawn_blocking};
use tracing::instrument;

use crate::options::Options;

const RECORDS: usize = 2_000;
const EVERY: Duration = Duration::from_millis(1);

type Paths = Arc<[PathBuf]>;

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let folder = Folder::temporary()?;
    let path = folder.path().to_owned();
    let paths: Paths = spawn_blocking(move || fill(&path)).await??;

    let label = "std::fs in the task";
    let reads = beside_ticker(EVERY, reads_in_the_task(paths.clone()));
    let (bytes, ticked) = t.time(label, none(), reads).await;
    count(t, label, bytes?, ticked.longest_gap);

    let label = "one spawn_blocking";
    let reads = beside_ticker(EVERY, reads_on_a_thread(paths.clone()));
    let (bytes, ticked) = t.time(label, none(), reads).await;
    count(t, label, bytes?, ticked.longest_gap);

    let label = "tokio::fs";
    let reads = beside_ticker(EVERY, reads_through_tokio(paths));
    let (bytes, ticked) = t.time(label, none(), reads).await;
    count(t, label, bytes?, ticked.longest_gap);
    Ok(())
}

/// Ordinary code that blocks its thread. These records were written a moment ago and come from memory; from a busy
/// disk, or over a network, each of them can take milliseconds.
#[instrument(ret, err, skip_all)]
fn read_all(paths: &[PathBuf]) -> io::Result<usize> {
    let sizes = paths.iter().map(|path| Ok(std::fs::read(path)?.len()));
    sizes.sum()
}

#[instrument(ret, err, skip_all)]
async fn reads_in_the_task(paths: Paths) -> Result<usize> {
    Ok(read_all(&paths)?)
}

#[instrument(ret, err, skip_all)]
async fn reads_on_a_thread(paths: Paths) -> Result<usize> {
    // One job, however many records: the task is woken when it is done, and not polled before.
    Ok(spawn_blocking(move || read_all(&paths)).await??) // <- the difference
}

#[instrument(ret, err, skip_all)]
async fn reads_through_tokio(paths: Paths) -> Result<usize> {
    let mut bytes = 0;
    for path in paths.iter() {
        // A job for each record. A thread has to be woken for it, and then the task: a poll each, except where the
        // job is done before the task first asks for it.
        bytes += fs::read(path).await?.len();
    }
    Ok(bytes)
}

fn count(t: &mut Timings, label: &str, bytes: usize, gap: Duration) {
    let polls = t[label].lane("reads_").polls.len();
    t.count("KiB", bytes / 1024);
    t.count("longest gap, ms", gap.as_secs_f64() * 1e3);
    t.count("polls of the reading", polls);
}

fn fill(folder: &Path) -> io::Result<Paths> {
    let write = |number| {
        let path = folder.join(format!("record-{number}"));
        std::fs::write(&path, [b'.'; 8 * 1024]).map(|()| path)
    };
    (0..RECORDS).map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plain_read_is_one_poll_and_the_ticker_gets_no_turn() {
        let t = Timings::of_default(run).await;
        let plain = &t["std::fs in the task"];
        assert_eq!(*plain.count("polls of the reading"), 1);
        let read = plain.lane("read_all").polls[0];
        assert!(read.turn < plain.lane("ticker").polls[0].turn);
        let gap = Duration::from_secs_f64(plain.count("longest gap, ms").number() / 1e3);
        assert!(gap >= read.length());
    }

    #[tokio::test]
    async fn one_job_reads_all_records_on_another_thread() {
        let t = Timings::of_default(run).await;
        let job = &t["one spawn_blocking"];
        // A test records its own thread only. If `read_all` ran there, it would have a lane.
        assert!(job.lanes.iter().all(|lane| lane.label != "read_all()"));
        assert!(job.lane("reads_on_a_thread").polls.len() <= 2);
    }

    #[tokio::test]
    async fn tokio_fs_suspends_again_and_again() {
        let t = Timings::of_default(run).await;
        assert!(t["tokio::fs"].lane("reads_through_tokio").polls.len() > 20);
    }

    #[tokio::test]
    async fn all_of_them_read_the_same() {
        let t = Timings::of_default(run).await;
        for variant in ["std::fs in the task", "tokio::fs", "one spawn_blocking"] {
            assert_eq!(*t[variant].count("KiB"), 8 * RECORDS, "{variant}");
        }
    }
}
