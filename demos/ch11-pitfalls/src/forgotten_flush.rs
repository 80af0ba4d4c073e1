//! # A forgotten flush
//!
//! A shop exports its orders through a `BufWriter`, which keeps up to 8 KiB before it writes to the file. If nobody
//! flushes, 5 lines, 39 bytes, are accepted, the export ends with `Ok`, and 0 bytes are in the file. If the third
//! order can't be read, a `?` returns before the flush: 15 bytes are accepted, and 0 are in the file. If the flush
//! comes before that `?`, all 15 are. On a full disk the flush fails; without it the export ends with `Ok`.
//!
//! asyncio: open, aiofiles.open
//!
//! real clock: real files
//!
//! How to see it: nothing shows it. Each `write_all` was `Ok`, and neither rustc nor clippy warns of a writer that is
//! dropped unflushed. A review can look for a writer without a `flush`, and for each `?` between `BufWriter::new` and
//! `flush`.
//!
//! Cured in: `files/read-write`, `files/atomic-write`
//!
//! ```python
//! with open("orders.csv", "w") as file:    # flushed and closed at its end, after an exception, too
//!     for order in orders: file.write(line(order))
//! ```
//!
//! Not the same: the end of `with` flushes, and raises OSError if the disk is full. In CPython a file that is never
//! closed is flushed when it is freed. Dropping tokio's `BufWriter` drops what it holds, since a `Drop` can't wait
//! for a write. std's `BufWriter` does write when it is dropped, but ignores an error.

use std::{cell::Cell, path::Path};

use anyhow::{Context, Result};
use chapter::Folder;
use timing::{Timings, law::none};
use tokio::{
    fs::{self, File},
    io::{AsyncWrite, AsyncWriteExt, BufWriter},
};
use tracing::{info, instrument};

const SOUND: [&str; 5] = ["lamp 1", "chair 4", "shelf 2", "table 1", "clock 2"];
/// The third one can't be read.
const TORN: [&str; 5] = ["lamp 1", "chair 4", "shelf ?", "table 1", "clock 2"];

/// A device of Linux that behaves like a file on a full disk.
const FULL: &str = "/dev/full";

pub async fn run(t: &mut Timings) -> Result<()> {
    let folder = Folder::temporary()?;
    let path = &folder.path().join("orders.csv");

    let accepted = Cell::new(0);
    let export = forgets(&SOUND, File::create(path).await?, &accepted);
    let export = t.time("no flush", none(), export).await;
    count(t, accepted.get(), path, &export).await?;

    let accepted = Cell::new(0);
    let export = flushes_after(&TORN, File::create(path).await?, &accepted);
    let export = t.time("`?`, then the flush", none(), export).await;
    count(t, accepted.get(), path, &export).await?;

    let accepted = Cell::new(0);
    let export = flushes_before(&TORN, File::create(path).await?, &accepted);
    let export = t.time("the flush, then `?`", none(), export).await;
    count(t, accepted.get(), path, &export).await?;

    let full = Path::new(FULL);
    if !full.exists() {
        info!("there is no {FULL} here, so nothing is written to a full disk");
        return Ok(());
    }
    let accepted = Cell::new(0);
    let export = forgets(&SOUND, File::create(full).await?, &accepted);
    let export = t.time("full disk, no flush", none(), export).await;
    count(t, accepted.get(), full, &export).await?;

    let accepted = Cell::new(0);
    let export = flushes_before(&SOUND, File::create(full).await?, &accepted);
    let export = t.time("full disk, flush", none(), export).await;
    count(t, accepted.get(), full, &export).await
}

/// No error is ignored here. What is missing is the call that would have told of one.
#[instrument(ret, err, skip_all)]
async fn forgets(
    orders: &[&str],
    file: impl AsyncWrite + Unpin,
    accepted: &Cell<usize>,
) -> Result<()> {
    let mut file = BufWriter::new(file);
    writes(orders, &mut file, accepted).await // <- the difference: no flush
}

/// There is a flush, but an order that can't be read makes `?` return before it.
#[instrument(ret, err, skip_all)]
async fn flushes_after(
    orders: &[&str],
    file: impl AsyncWrite + Unpin,
    accepted: &Cell<usize>,
) -> Result<()> {
    let mut file = BufWriter::new(file);
    writes(orders, &mut file, accepted).await?; // <- the difference
    file.flush().await?;
    Ok(())
}

/// What was accepted gets to the file, whatever becomes of the orders. If both fail, the file's error is returned. But
/// a timeout or a cancel drops this function before its flush, and then the buffer is lost with it.
#[instrument(ret, err, skip_all)]
async fn flushes_before(
    orders: &[&str],
    file: impl AsyncWrite + Unpin,
    accepted: &Cell<usize>,
) -> Result<()> {
    let mut file = BufWriter::new(file);
    let written = writes(orders, &mut file, accepted).await; // <- the difference: no `?` yet
    file.flush().await?;
    written
}

/// A line for each order, until one can't be read.
async fn writes(
    orders: &[&str],
    file: &mut (impl AsyncWrite + Unpin),
    accepted: &Cell<usize>,
) -> Result<()> {
    for order in orders {
        let line = line(order)?;
        // Copied into the buffer while there is room, as here. So this `?` doesn't see the disk.
        file.write_all(line.as_bytes()).await?;
        accepted.update(|bytes| bytes + line.len());
    }
    Ok(())
}

fn line(order: &str) -> Result<String> {
    let (item, pieces) = order.split_once(' ').context("an item and a number")?;
    let pieces: u32 = pieces.parse().with_context(|| format!("order {order:?}"))?;
    Ok(format!("{item};{pieces}\n"))
}

async fn count(t: &mut Timings, accepted: usize, path: &Path, export: &Result<()>) -> Result<()> {
    t.count("bytes accepted", accepted);
    let file = fs::metadata(path).await?;
    // The length of a device is always 0.
    if file.is_file() {
        t.count("bytes in the file", file.len());
    }
    let outcome = if export.is_ok() { "Ok" } else { "Err" };
    t.count("the export ends with", outcome);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prop_assert_eq,
        sample::select,
        test_runner::{Config, TestRunner},
    };
    use timing::{on_virtual_clock, report::Variant};

    #[track_caller]
    fn assert_export(variant: &Variant, bytes: [usize; 2], outcome: &'static str) {
        assert_eq!(*variant.count("bytes accepted"), bytes[0]);
        assert_eq!(*variant.count("bytes in the file"), bytes[1]);
        assert_eq!(*variant.count("the export ends with"), outcome);
    }

    #[tokio::test]
    async fn without_a_flush_all_is_accepted_and_nothing_in_the_file() {
        let t = Timings::of(run).await;
        assert_export(&t["no flush"], [39, 0], "Ok");
    }

    #[tokio::test]
    async fn an_error_returns_before_the_flush_and_what_was_accepted_is_lost() {
        let t = Timings::of(run).await;
        assert_export(&t["`?`, then the flush"], [15, 0], "Err");
        assert_export(&t["the flush, then `?`"], [15, 15], "Err");
    }

    #[tokio::test]
    #[cfg_attr(not(target_os = "linux"), ignore = "there is no /dev/full")]
    async fn only_the_flush_tells_of_a_full_disk() {
        let t = Timings::of(run).await;
        assert_eq!(
            *t["full disk, no flush"].count("the export ends with"),
            "Ok"
        );
        let flushed = &t["full disk, flush"];
        assert_eq!(*flushed.count("the export ends with"), "Err");
        assert!(flushed.said[0].text.contains("No space left"));

        let full = File::create(FULL).await.unwrap();
        let both = flushes_before(&TORN, full, &Cell::new(0)).await;
        assert!(both.unwrap_err().to_string().contains("No space left"));
    }

    #[test]
    fn the_buffer_of_std_writes_when_it_is_dropped() {
        let mut file = Vec::new();
        let mut buffer = std::io::BufWriter::new(&mut file);
        std::io::Write::write_all(&mut buffer, b"lamp;1").unwrap();
        drop(buffer);
        assert_eq!(file, b"lamp;1");
    }

    #[test]
    fn in_512_exports_with_the_flush_first_what_is_accepted_is_in_the_file() {
        let lossy = Cell::new(0);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&vec(select(&TORN), 0..20), |orders| {
            on_virtual_clock(async {
                let (mut file, accepted) = (Vec::new(), Cell::new(0));
                let right = flushes_before(&orders, &mut file, &accepted).await;
                prop_assert_eq!(right.is_ok(), !orders.contains(&"shelf ?"));
                prop_assert_eq!(file.len(), accepted.get());

                let (mut file, accepted) = (Vec::new(), Cell::new(0));
                let wrong = flushes_after(&orders, &mut file, &accepted).await;
                let expected = if wrong.is_ok() { accepted.get() } else { 0 };
                prop_assert_eq!(file.len(), expected);
                lossy.update(|cases| cases + u32::from(file.len() < accepted.get()));
                Ok(())
            })
        });
        held.unwrap();
        let lossy = lossy.get();
        assert!(lossy > 100, "accepted lines were lost in {lossy}");
    }
}
