//! # A large page, in pieces, into a file
//!
//! A page of 8 MiB goes into a file. `bytes` holds all 8 388 608 bytes in memory at once. `chunk` gives one piece at
//! a time: the largest has less than 1 MiB, also in a page of 32 MiB. The file is called FILE.part until it is
//! whole and its hash is the one that the server sent. Only then does it get its name, so no half is taken for the
//! whole. With `--output FILE` the file is yours to keep, and on a terminal a bar shows how far it is. Press Ctrl-C
//! there, and the same command goes on where it was.
//!
//! asyncio: StreamReader.iter_chunked, iter_chunked, aiofiles, os.replace, tqdm
//!
//! real clock: real HTTP over real sockets
//!
//! ```python
//! async with session.get(url, raise_for_status=True) as response, aiofiles.open("page.part", "wb") as file:
//!     async for piece in response.content.iter_chunked(65536):
//!         await file.write(piece)
//! os.replace("page.part", "page")    # not reached after an error
//! ```
//!
//! Not the same: `iter_chunked(n)` gives n bytes at most; `chunk` takes no size and gives what has arrived. aiohttp's
//! default timeout counts for downloads too (see `http/timeouts`). A file of `tokio::fs` is written by a thread: its
//! `write_all` returns before the bytes are in the file, so a full disk is an error of the next write, and after the
//! last one only `flush` tells of it (see `files/read-write`).

use std::{
    io::{IsTerminal, stderr, stdout},
    path::Path,
};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use reqwest::RequestBuilder;
use timing::{
    Timings,
    law::{Law, at_least, none},
    ticks,
};
use tracing::{info, instrument};
use web::{Folder, Part, Server};

use crate::{options::Options, resume::ask};

pub const SIZE: u64 = 8 << 20;
/// What the stand-in can be asked for. Ticks of 10 ms would have it send faster.
const FASTEST: f64 = 1e9;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let client = &server.client()?;
    if let Some(file) = &options.output {
        info!("after Ctrl-C, the same command goes on from there");
        // Over 50 ticks, so that there is time to watch the bar and to press Ctrl-C.
        let page = client.get(page(server, SIZE, 50));
        return save(t, "to a file", none(), page, file).await;
    }

    // The server pauses after every piece but the last, so it takes a little less than 2 ticks.
    let (page, law) = (|size| client.get(page(server, size, 2)), at_least(1.9));
    let at_once = async { page(SIZE).send().await?.bytes().await };
    let body = t.time("all at once", law.clone(), at_once).await?;
    t.count("received", body.len());
    t.count("largest piece", body.len());

    let folder = Folder::temporary()?;
    let file = |name| folder.path().join(name);
    save(t, "in pieces", law.clone(), page(SIZE), &file("8")).await?;
    save(t, "in pieces, 32 MiB", law, page(4 * SIZE), &file("32")).await
}

/// A download, and beside its time what came of it.
pub async fn save(
    t: &mut Timings,
    label: &str,
    law: impl Into<Option<Law>>,
    page: RequestBuilder,
    file: &Path,
) -> Result<()> {
    let (law, mut got) = (law.into(), Got::default());
    // Where there is a law, the chapter itself shows how far a long variant is. Two bars would overwrite each other.
    let bar = law.as_ref().map_or_else(bar, |_| ProgressBar::hidden());
    let download = download(page, file, bar, &mut got);
    let outcome = t.time(label, law, download).await;
    t.count("there before", got.before);
    t.count("received", got.received);
    t.count("largest piece", got.largest_piece);
    let error = outcome.as_ref().err().map(<_>::to_string);
    t.count("result", error.unwrap_or("whole".into()));
    outcome
}

#[instrument(ret, err, skip_all)]
async fn download(
    page: RequestBuilder,
    file: &Path,
    bar: ProgressBar,
    got: &mut Got,
) -> Result<()> {
    let mut part = Part::open(file).await?; // FILE.part, with what an earlier run has left in it
    got.before = part.bytes();
    let (rest, digest) = ask(page, &mut part).await?;
    if let Some(mut rest) = rest {
        let length = rest.content_length().unwrap_or_default();
        bar.set_length(part.bytes() + length); // what was there before isn't in this answer
        let cut = |at| format!("cut at byte {at}");
        // `None` is the end that was announced. When the connection ends before, it is an error, and the part stays.
        // A body with neither a length nor chunks announces no end: there a cut is a `None` too, and the hash tells.
        while let Some(piece) = rest.chunk().await.with_context(|| cut(part.bytes()))? {
            // Waits until the system has the piece, not the disk: that is for `finish`. While the system doesn't take
            // it, the socket fills up, and the server waits, too.
            part.append(&piece).await?;
            got.received += piece.len();
            got.largest_piece = got.largest_piece.max(piece.len());
            bar.set_position(part.bytes());
        }
    }
    // Hashes what is in the file, part of which may be of an earlier run, and then gives it its name.
    part.finish(&digest).await
}

/// On stderr, and only if both streams are a terminal: in a pipe its control characters would stand between the
/// lines. It draws over its own line, so nothing may be said while it is there. Dropped, it is wiped out.
fn bar() -> ProgressBar {
    if !(stdout().is_terminal() && stderr().is_terminal()) {
        return ProgressBar::hidden();
    }
    let template = "  [{bar:30}] {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}";
    let style = ProgressStyle::with_template(template).expect("these are names that indicatif has");
    ProgressBar::new(0)
        .with_style(style.progress_chars("#>."))
        .with_finish(ProgressFinish::AndClear)
}

/// The stand-in's page of so many bytes, sent over so many ticks.
pub fn page(server: &Server, size: u64, over: u32) -> String {
    let rate = (size as f64 / ticks(over).as_secs_f64()).min(FASTEST) as u64; // bytes per second
    server.url(&format!("/stand-in/download/{size}?rate={rate}"))
}

/// In bytes.
#[derive(Default)]
struct Got {
    before: u64,
    received: usize,
    largest_piece: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::Returned;

    #[tokio::test]
    async fn in_pieces_less_than_a_mib_is_held_whatever_the_size_of_the_page() {
        let t = Timings::of_default(run).await;
        assert_eq!(*t["all at once"].count("largest piece"), SIZE);
        for (variant, size) in [("in pieces", SIZE), ("in pieces, 32 MiB", 4 * SIZE)] {
            assert_eq!(*t[variant].count("received"), size);
            let largest = t[variant].count("largest piece").whole();
            assert!(largest < 1 << 20, "{largest}");
        }
    }

    #[test]
    fn the_stand_in_is_asked_for_no_more_than_it_can_send() {
        let server = Server::stand_in(None).unwrap();
        let asked = |size| page(&server, size, 1);
        assert!(asked(1 << 40).ends_with("rate=1000000000"));
        assert!(asked(1000).ends_with("rate=10000"));
    }

    #[tokio::test]
    async fn a_whole_page_has_its_hash_and_its_name() {
        let t = Timings::of_default(run).await;
        for variant in ["in pieces", "in pieces, 32 MiB"] {
            assert_eq!(*t[variant].count("result"), "whole");
            assert_eq!(t[variant].lane("download").ended, Returned);
        }
    }

    #[tokio::test]
    async fn a_cut_is_called_an_error_of_decoding() {
        let server = Server::stand_in(None).unwrap();
        let page = server.url("/stand-in/download/100?cut=50&key=once");
        let page = server.client().unwrap().get(page);
        let folder = Folder::temporary().unwrap();
        let (file, mut got) = (folder.path().join("page"), Got::default());
        let cut = download(page, &file, ProgressBar::hidden(), &mut got).await;
        let cut = cut.unwrap_err().downcast::<reqwest::Error>().unwrap();
        assert!(cut.is_decode());
        assert_eq!(cut.to_string(), "error decoding response body");
        assert!(!file.exists());
    }
}
