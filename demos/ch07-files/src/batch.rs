//! # A batch of files: how many threads, and for what
//!
//! 2 000 records of 4 KiB are read, put into upper case and written again. `tokio::fs` sends each read and each write
//! to a pool of threads, `spawn_blocking` each file, a batch many files at once. In a folder that is memory (`shm`)
//! nothing waits, and many trips to a thread cost more than they gain: `tokio::fs` takes longer than a plain loop,
//! about twice as long where 2 cores have little else to do. Where the file system makes a writer wait (`temp`, here
//! ext4) it takes less time than the loop. Ten batches, with ten trips in all, beat it in both folders. How much, and
//! where rayon stands, differs with the machine and its load, so the lesson names the fastest in each folder.
//!
//! asyncio: Semaphore, aiofiles
//!
//! real clock: real files
//!
//! release build: unoptimised, a trip to a thread costs more than it has to
//!
//! ```python
//! async with slots:                                # asyncio.Semaphore(10), for one task a file
//!     async with aiofiles.open(name) as record:
//!         text = await record.read()
//!     async with aiofiles.open(to, "w") as copy:
//!         await copy.write(text.upper())
//! ```
//!
//! Not the same: aiofiles sends even `open` and `close` to a thread, and the threads of Python compute one at a time.
//! Its default pool has 32 threads at most, tokio's 512, and tokio starts one whenever none is idle. A thread that
//! has handed over its result isn't idle yet, so ten files at once can start far more than ten (`pool threads`).

use std::{
    env, fs,
    iter::repeat_n,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use anyhow::{Context, Result};
use chapter::Folder;
use futures_util::{
    FutureExt, StreamExt, TryStreamExt,
    future::{LocalBoxFuture, try_join_all},
    stream,
};
use rayon::prelude::*;
use timing::Timings;
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::spawn_blocking,
};
use tracing::info;

use crate::options::Options;

const AT_ONCE: usize = 10;
/// Odd, so that one of them is the median. A debug build takes 3: it shows that all works, and no speed.
const ROUNDS: usize = if cfg!(debug_assertions) { 3 } else { 5 };

type Way = (
    &'static str,
    fn(Vec<PathBuf>) -> LocalBoxFuture<'static, Result<()>>,
);
const WAYS: [Way; 6] = [
    ("plain loop", |all| plain_loop(all).boxed_local()),
    ("tokio::fs", |all| tokio_fs(all).boxed_local()),
    ("spawn_blocking", |all| a_job_a_file(all).boxed_local()),
    ("one batch", |all| batches(all, 1).boxed_local()),
    ("ten batches", |all| batches(all, AT_ONCE).boxed_local()),
    ("rayon", |all| on_rayon(all).boxed_local()),
];

pub fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let (memory, temp) = (Path::new("/dev/shm"), env::temp_dir());
    info!("shm: /dev/shm where there is one; temp: {}", temp.display());
    if memory.is_dir() {
        all_ways(t, "shm", memory, options)?;
    }
    all_ways(t, "temp", &temp, options)
}

fn all_ways(t: &mut Timings, place: &str, within: &Path, options: &Options) -> Result<()> {
    let text = "a record of the archive, a line\n".repeat(options.size as usize * 32); // 32 bytes each
    let (_folder, records) = archive(within, repeat_n(&text, options.files as usize))?;
    let pools: Vec<_> = WAYS.iter().map(|_| Pool::new()).collect::<Result<_>>()?;
    // The first variant makes the copies, the others write over them: a median doesn't show it.
    for round in 0..ROUNDS {
        for ((name, way), pool) in WAYS.iter().zip(&pools) {
            let (label, work) = (format!("{name}, {place}"), way(records.clone()));
            let work = t.rate(label, options.files, work);
            pool.runtime.block_on(work)?;
            if round == 0 {
                t.count("pool threads", pool.threads.load(Relaxed));
            }
        }
    }
    info!("fastest in {place}: {}", fastest(t, place));
    Ok(())
}

/// Keeps the event loop from everything else until the last file is done. With nothing else to do, it is enough.
async fn plain_loop(records: Vec<PathBuf>) -> Result<()> {
    records.iter().try_for_each(|record| upper(record))
}

/// The pool gets two short jobs for each file, and the upper case is made on the event loop.
async fn tokio_fs(records: Vec<PathBuf>) -> Result<()> {
    let work = stream::iter(records).map(async |record| {
        let text = tokio::fs::read_to_string(&record).await;
        let text = text.with_context(|| record.display().to_string())?;
        let written = tokio::fs::write(copy_of(&record), text.to_uppercase()).await;
        written.with_context(|| record.display().to_string())
    });
    // Begins no eleventh file before one of ten is done, as with a semaphore; the first error ends it.
    work.buffer_unordered(AT_ONCE).try_collect().await
}

/// One job for each file: reading, computing and writing stay on one thread.
async fn a_job_a_file(records: Vec<PathBuf>) -> Result<()> {
    let work =
        stream::iter(records).map(async |record| spawn_blocking(move || upper(&record)).await?);
    work.buffer_unordered(AT_ONCE).try_collect().await
}

/// As many jobs as batches. One batch is the plain loop with the event loop left free, for a single trip to a thread.
async fn batches(records: Vec<PathBuf>, count: usize) -> Result<()> {
    let size = records.len().div_ceil(count).max(1);
    let batches = records.chunks(size).map(|batch| {
        let batch = batch.to_vec();
        spawn_blocking(move || batch.iter().try_for_each(|record| upper(record)))
    });
    try_join_all(batches).await?.into_iter().collect()
}

/// As many threads as there are cores, not ten and not tokio's. rayon is made for computing: a thread that waits for
/// a file leaves its core without work.
async fn on_rayon(records: Vec<PathBuf>) -> Result<()> {
    let (done, outcome) = oneshot::channel();
    rayon::spawn(move || {
        let all = records.par_iter().try_for_each(|record| upper(record));
        let _ = done.send(all); // an error here says that nobody waits any more
    });
    outcome.await.context("the work on rayon panicked")?
}

fn upper(record: &Path) -> Result<()> {
    let text = fs::read_to_string(record).with_context(|| record.display().to_string())?;
    let written = fs::write(copy_of(record), text.to_uppercase());
    written.with_context(|| record.display().to_string())
}

fn copy_of(record: &Path) -> PathBuf {
    record.with_extension("upper")
}

/// The folder is removed when the first of the two is dropped, also after an error.
fn archive<'a>(
    within: &Path,
    texts: impl IntoIterator<Item = &'a String>,
) -> Result<(Folder, Vec<PathBuf>)> {
    let folder = Folder::within(within)?;
    let mut records = Vec::new();
    for (n, text) in texts.into_iter().enumerate() {
        let record = folder.path().join(format!("{n}.txt"));
        fs::write(&record, text).with_context(|| record.display().to_string())?;
        records.push(record);
    }
    Ok((folder, records))
}

/// An event loop for one variant, and how many threads its pool has started.
struct Pool {
    runtime: Runtime,
    threads: Arc<AtomicUsize>,
}

impl Pool {
    fn new() -> Result<Self> {
        let threads = Arc::<AtomicUsize>::default();
        let started = Arc::clone(&threads);
        let mut builder = Builder::new_current_thread();
        builder.on_thread_start(move || _ = started.fetch_add(1, Relaxed));
        let runtime = builder.build()?;
        Ok(Self { runtime, threads })
    }
}

fn fastest(t: &Timings, place: &str) -> &'static str {
    let elapsed = |(name, _): &Way| t[&*format!("{name}, {place}")].elapsed;
    WAYS.into_iter()
        .min_by_key(elapsed)
        .expect("there are six")
        .0
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use proptest::{collection::vec, prelude::*};
    use std::{pin::pin, sync::mpsc};
    use tokio::task::yield_now;

    fn measured(files: u32) -> Timings {
        let mut t = Timings::default();
        let options = Options {
            files,
            size: 1,
            ..Options::default()
        };
        run(&mut t, &options).unwrap();
        t
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn every_way_writes_every_text_in_upper_case(texts in vec("(?s).{0,40}", 0..35)) {
            for (name, way) in WAYS {
                let (_folder, records) = archive(&env::temp_dir(), &texts).unwrap();
                Pool::new().unwrap().runtime.block_on(way(records.clone())).unwrap();
                for (record, text) in records.iter().zip(&texts) {
                    let copy = fs::read_to_string(copy_of(record)).unwrap();
                    prop_assert_eq!(copy, text.to_uppercase(), "{}", name);
                }
            }
        }
    }

    #[test]
    fn a_missing_record_fails_every_way_with_its_path() {
        let (_folder, records) = archive(&env::temp_dir(), &vec!["a".into(); 3]).unwrap();
        fs::remove_file(&records[1]).unwrap();
        for (name, way) in WAYS {
            let done = Pool::new().unwrap().runtime.block_on(way(records.clone()));
            let error = done.unwrap_err().to_string();
            assert_eq!(error, records[1].to_str().unwrap(), "{name}");
        }
    }

    #[test]
    fn tokio_fs_starts_threads_as_spawn_blocking_does() {
        let t = measured(30);
        let row = |way| &t[&*format!("{way}, temp")];
        for way in ["tokio::fs", "spawn_blocking", "ten batches"] {
            assert_ne!(*row(way).count("pool threads"), 0, "{way}");
        }
        for (way, threads) in [("plain loop", 0), ("one batch", 1), ("rayon", 0)] {
            assert_eq!(*row(way).count("pool threads"), threads, "{way}");
        }
    }

    #[test]
    fn tokio_fs_waits_while_the_only_thread_of_the_pool_is_taken() {
        let (_folder, records) = archive(&env::temp_dir(), &["a".into()]).unwrap();
        let mut builder = Builder::new_current_thread();
        let runtime = builder.max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (let_go, held) = mpsc::channel::<()>();
            let taken = spawn_blocking(move || held.recv());
            let mut read = pin!(tokio::fs::read(&records[0]));
            for _ in 0..100 {
                assert!(poll!(&mut read).is_pending());
                yield_now().await;
            }
            let_go.send(()).unwrap();
            assert_eq!(read.await.unwrap(), b"a");
            taken.await.unwrap().unwrap();
        });
    }

    #[test]
    fn the_way_that_took_the_shortest_time_is_named() {
        let t = measured(10);
        let elapsed = |way: &str| t[&*format!("{way}, temp")].elapsed;
        let named = fastest(&t, "temp");
        assert!(WAYS.iter().all(|(name, _)| elapsed(named) <= elapsed(name)));
        let last = t.finish().variants.pop().unwrap();
        assert_eq!(last.said[0].text, format!("fastest in temp: {named}"));
    }
}
