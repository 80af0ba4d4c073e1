//! # A batch of files: how many trips to a thread
//!
//! 2 000 records of 4 KiB are read, converted to upper case and written to a copy. `tokio::fs` sends each read and
//! each write to a thread of the pool: 4 000 trips. `spawn_blocking` for each file makes 2 000 trips, for each of ten
//! batches it makes ten. A trip costs CPU time: in memory `tokio::fs` needs several times that of a plain loop, ten
//! batches about as much as the loop. There nothing waits, so `tokio::fs` also takes longer, about twice as long
//! where 2 cores have little else to do. Where the file system makes a writer wait (`temp`, here ext4), several
//! threads wait at once, and it takes less time than the loop. Ten batches take less than either, in both folders.
//!
//! asyncio: Semaphore, aiofiles, to_thread
//!
//! real clock: real files
//!
//! release build: unoptimised, a trip to a thread costs more than it has to
//!
//! ```python
//! async with slots:                                # asyncio.Semaphore(10), for one task a file
//!     async with aiofiles.open(name) as record: text = await record.read()
//!     async with aiofiles.open(to, "w") as copy: await copy.write(text.upper())
//!
//! await asyncio.gather(*(asyncio.to_thread(upper_all, batch) for batch in batches))    # ten trips
//! ```
//!
//! Not the same: aiofiles sends even `open` and `close` to a thread, and with the interpreter's lock the threads of
//! Python compute one at a time. rayon's pool has a thread for each core, Python's at most 32, tokio's up to 512.

use std::{
    env, fs,
    iter::repeat_n,
    path::{Path, PathBuf},
    time::Duration,
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
use tokio::{sync::oneshot, task::spawn_blocking};
use tracing::info;

use crate::options::Options;

const AT_ONCE: usize = 10;
/// Odd, so that one of them is the median. A debug build takes 3: it shows that all works, and no speed.
const ROUNDS: usize = if cfg!(debug_assertions) { 3 } else { 5 };

type Way = (
    &'static str,
    fn(Vec<PathBuf>) -> LocalBoxFuture<'static, Result<()>>,
);
const WAYS: [Way; 5] = [
    ("plain loop", |all| plain_loop(all).boxed_local()),
    ("tokio::fs", |all| tokio_fs(all).boxed_local()),
    ("spawn_blocking", |all| a_job_a_file(all).boxed_local()),
    ("ten batches", |all| ten_batches(all).boxed_local()),
    ("rayon", |all| on_rayon(all).boxed_local()),
];

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let (memory, temp) = (Path::new("/dev/shm"), env::temp_dir());
    info!(
        "temp is {}; some systems keep that in memory too",
        temp.display()
    );
    if memory.is_dir() {
        all_ways(t, "memory", memory, options).await?;
    }
    all_ways(t, "temp", &temp, options).await
}

async fn all_ways(t: &mut Timings, place: &str, within: &Path, options: &Options) -> Result<()> {
    let text = "a record of the archive, a line\n".repeat(options.size as usize * 32); // 32 bytes each
    let (_folder, records) = archive(within, repeat_n(&text, options.files as usize))?;
    // Not measured: it makes the copies, which each round writes over, and starts the threads.
    for (_, way) in WAYS {
        way(records.clone()).await?;
    }
    for round in 0..ROUNDS {
        for (name, way) in WAYS {
            let (label, work) = (format!("{name}, {place}"), way(records.clone()));
            let before = cpu_time();
            t.rate(label, options.files, work).await?;
            if round == 0 {
                let each = (cpu_time() - before) / options.files;
                t.count("CPU ns each", each.as_nanos() as u64);
            }
        }
    }
    info!("fastest in {place}: {}", fastest(t, place));
    Ok(())
}

/// Blocks the loop's only thread until the last file is done. A program with nothing else to do needs no more.
async fn plain_loop(records: Vec<PathBuf>) -> Result<()> {
    records.iter().try_for_each(|record| upper(record))
}

/// The pool gets two short jobs for each file, and the upper case is made on the loop's thread.
async fn tokio_fs(records: Vec<PathBuf>) -> Result<()> {
    let work = stream::iter(records).map(async |record| {
        let text = tokio::fs::read_to_string(&record).await;
        let text = text.with_context(|| record.display().to_string())?;
        let written = tokio::fs::write(copy_of(&record), text.to_uppercase()).await;
        written.with_context(|| record.display().to_string())
    });
    // At most ten files at once, as with a semaphore. After the first error nothing more is sent to a thread.
    work.buffer_unordered(AT_ONCE).try_collect().await
}

/// One job per file: reading, computing and writing stay on one thread.
async fn a_job_a_file(records: Vec<PathBuf>) -> Result<()> {
    let work =
        stream::iter(records).map(async |record| spawn_blocking(move || upper(&record)).await?);
    work.buffer_unordered(AT_ONCE).try_collect().await
}

/// Ten jobs, however many files there are. An error in one of them ends that one; the other nine go on to their ends.
async fn ten_batches(records: Vec<PathBuf>) -> Result<()> {
    let size = records.len().div_ceil(AT_ONCE).max(1);
    let batches = records.chunks(size).map(|batch| {
        let batch = batch.to_vec();
        spawn_blocking(move || batch.iter().try_for_each(|record| upper(record)))
    });
    try_join_all(batches).await?.into_iter().collect()
}

/// rayon is made for computing, with a thread for each core: one that waits for a file leaves its core without work.
async fn on_rayon(records: Vec<PathBuf>) -> Result<()> {
    let (done, outcome) = oneshot::channel();
    rayon::spawn(move || {
        let all = records.par_iter().try_for_each(|record| upper(record));
        let _ = done.send(all); // an error here says that nobody waits any more
    });
    outcome.await.expect("a panic in it ends the process")
}

fn upper(record: &Path) -> Result<()> {
    let copied =
        fs::read_to_string(record).and_then(|text| fs::write(copy_of(record), text.to_uppercase()));
    copied.with_context(|| record.display().to_string())
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

fn fastest(t: &Timings, place: &str) -> &'static str {
    let elapsed = |(name, _): &Way| t[&*format!("{name}, {place}")].elapsed;
    WAYS.into_iter()
        .min_by_key(elapsed)
        .expect("there are five")
        .0
}

/// The time that all threads of this process have spent on a core, in the kernel too.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.try_into().expect("it counts up from zero")
}

/// rustix has no such clock elsewhere, so the table shows 0.
#[cfg(not(unix))]
fn cpu_time() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use tokio::runtime::Runtime;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn every_way_writes_every_text_in_upper_case(texts in vec("(?s).{0,40}", 0..35)) {
            for (name, way) in WAYS {
                let (_folder, records) = archive(&env::temp_dir(), &texts).unwrap();
                Runtime::new().unwrap().block_on(way(records.clone())).unwrap();
                for (record, text) in records.iter().zip(&texts) {
                    let copy = fs::read_to_string(copy_of(record)).unwrap();
                    prop_assert_eq!(copy, text.to_uppercase(), "{}", name);
                }
            }
        }
    }

    #[tokio::test]
    async fn a_missing_record_fails_every_way_with_its_path() {
        let (_folder, records) = archive(&env::temp_dir(), &vec!["a".into(); 3]).unwrap();
        fs::remove_file(&records[1]).unwrap();
        for (name, way) in WAYS {
            let error = way(records.clone()).await.unwrap_err().to_string();
            assert_eq!(error, records[1].to_str().unwrap(), "{name}");
        }
    }

    #[tokio::test]
    async fn every_way_is_measured_and_the_one_that_took_the_shortest_time_is_named() {
        let options = Options {
            files: 30,
            size: 1,
            ..Options::default()
        };
        let t = Timings::of(async |t| run(t, &options).await).await;
        let row = |way: &str| &t[&*format!("{way}, temp")];
        let named = fastest(&t, "temp");
        for (way, _) in WAYS {
            assert!(row(named).elapsed <= row(way).elapsed);
            #[cfg(unix)]
            assert_ne!(*row(way).count("CPU ns each"), 0, "{way}");
        }
        let said = &t["rayon, temp"].said;
        assert_eq!(said[0].text, format!("fastest in temp: {named}"));
    }
}
