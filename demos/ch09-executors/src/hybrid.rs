//! # Download, parse, write: each where it belongs, and bounded
//!
//! Five orders take 1 tick each to download, 2 at a time: 3 ticks. Each has 100 000 lines to parse, which is work for
//! the processor, and ends as a small file. Parsed inline, an order keeps the loop's only thread: a ticker that is
//! due every 10 ms has no turn meanwhile, and no download begins. Two orders that arrive together are parsed one
//! right after the other, with no turn between them. Parsed on rayon (`executors/cpu`), parses and downloads overlap,
//! and the ticker goes on. There are never more than 4 orders under way, 2 downloads, a parse for each core and 1
//! write. One order is broken: it fails with its number and line, and the other 4 are written all the same.
//!
//! asyncio: run_in_executor, ProcessPoolExecutor, Semaphore
//!
//! real clock: real work, real files
//!
//! ```python
//! async with under_way:                                  # a semaphore for all of it, and one for each stage
//!     async with downloads: text = await fetch(number)
//!     grams = await loop.run_in_executor(processes, parse, text)
//!     async with writers: await asyncio.to_thread(path.write_text, f"{grams} g")
//! ```
//!
//! Not the same: in Python the text is pickled and sent to another process, and that takes its time, too. Here it is
//! moved into a closure, which copies none of it. `gather` begins a task for each order, and the first semaphore
//! keeps the rest waiting; `buffer_unordered` begins an order only when there is room for it (`streams/unordered`).

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use chapter::Folder;
use futures_util::{StreamExt, stream};
use timing::{AtOnce, Ticked, Timings, beside_ticker, law::at_least, ticks};
use tokio::{
    fs,
    sync::{Semaphore, oneshot},
    time::sleep,
};
use tracing::instrument;

const ORDERS: u32 = 5;
const BROKEN: u32 = 2;
const LINES: usize = 100_000;
const UNDER_WAY: usize = 4;
const DOWNLOADS: usize = 2;
const WRITERS: usize = 1;
const EVERY: Duration = Duration::from_millis(10);

pub async fn run(t: &mut Timings) -> Result<()> {
    let folder = Folder::temporary()?;
    let shop = Workshop::in_folder(&folder);
    let parses = async |number, text: String| parse(number, &text, &shop.parsing);
    let work = beside_ticker(EVERY, all(&shop, parses));
    let (outcomes, ticked) = t.time("inline", at_least(3), work).await;
    count(t, &shop, &outcomes, ticked);

    let folder = Folder::temporary()?;
    let shop = Workshop::in_folder(&folder);
    let parses = async |number, text| shop.parse_on_rayon(number, text).await;
    let work = beside_ticker(EVERY, all(&shop, parses));
    let (outcomes, ticked) = t.time("rayon", at_least(3), work).await;
    count(t, &shop, &outcomes, ticked);
    Ok(())
}

/// An order under way holds one text at most, so the bound on orders also bounds the texts in memory, whichever stage
/// is slow. An error is the outcome of its order, and the others go on. `parse` is one of the two closures above.
async fn all(shop: &Workshop, parse: impl AsyncFn(u32, String) -> Result<u64>) -> Vec<Result<()>> {
    let order = async |number| {
        let _under_way = shop.under_way.enter();
        let text = shop.download(number).await?;
        let grams = parse(number, text).await?;
        shop.write(number, grams).await
    };
    let orders = stream::iter(1..=ORDERS).map(order);
    orders.buffer_unordered(UNDER_WAY).collect().await
}

impl Workshop {
    /// The bound of this stage is rayon's: the program has one pool, with a thread for each core, and queues what is
    /// more.
    async fn parse_on_rayon(&self, number: u32, text: String) -> Result<u64> {
        let parsing = self.parsing.clone();
        let (send, parsed) = oneshot::channel();
        rayon::spawn(move || {
            // An `Err` says that nobody waits for it any more.
            let _gone = send.send(parse(number, &text, &parsing));
        });
        parsed.await? // the task waits, and the loop is free
    }

    #[instrument(ret, err, skip(self))]
    async fn download(&self, number: u32) -> Result<String> {
        let _permit = self.downloads.acquire().await?;
        let _downloading = self.downloading.enter();
        sleep(ticks(1)).await;
        let last = if number == BROKEN {
            "nut twelve 9"
        } else {
            "bolt 12 35"
        };
        Ok("bolt 12 35\n".repeat(LINES - 1) + last)
    }

    #[instrument(ret, err, skip(self, grams))]
    async fn write(&self, number: u32, grams: u64) -> Result<()> {
        let _permit = self.writers.acquire().await?;
        let _writing = self.writing.enter();
        let path = self.folder.join(number.to_string());
        Ok(fs::write(path, format!("{grams} g\n")).await?) // on a thread of the pool of `spawn_blocking`
    }
}

/// What all the parts of an order weigh. A line has a name, the number of pieces, and the grams of one.
#[instrument(ret, err, skip(text, parsing))]
fn parse(number: u32, text: &str, parsing: &AtOnce) -> Result<u64> {
    let _parsing = parsing.enter();
    let mut grams = 0;
    for (line, part) in text.lines().enumerate() {
        grams += weight(part).with_context(|| format!("order {number}, line {}", line + 1))?;
    }
    Ok(grams)
}

fn weight(part: &str) -> Result<u64> {
    let (_, numbers) = part.split_once(' ').context("no number")?;
    let (pieces, each) = numbers.split_once(' ').context("one number")?;
    Ok(pieces.parse::<u64>()? * each.parse::<u64>()?)
}

/// The bounds, and how many there have been at once.
struct Workshop {
    folder: PathBuf,
    downloads: Semaphore,
    writers: Semaphore,
    under_way: AtOnce,
    downloading: AtOnce,
    parsing: Arc<AtOnce>, // rayon's threads share it
    writing: AtOnce,
}

impl Workshop {
    fn in_folder(folder: &Folder) -> Self {
        Self {
            folder: folder.path().to_owned(),
            downloads: Semaphore::new(DOWNLOADS),
            writers: Semaphore::new(WRITERS),
            under_way: AtOnce::default(),
            downloading: AtOnce::default(),
            parsing: Arc::default(),
            writing: AtOnce::default(),
        }
    }
}

fn count(t: &mut Timings, shop: &Workshop, outcomes: &[Result<()>], ticked: Ticked) {
    t.count("most orders", shop.under_way.most());
    t.count("most downloads", shop.downloading.most());
    t.count("most parses", shop.parsing.most());
    t.count("most writes", shop.writing.most());
    t.count("written", outcomes.iter().flatten().count());
    let gap = ticked.longest_gap;
    t.count("longest gap, ms", gap.as_secs_f64() * 1e3);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test]
    async fn every_stage_keeps_to_its_bound() {
        let folder = Folder::temporary().unwrap();
        let shop = Workshop::in_folder(&folder);
        all(&shop, async |number, text| {
            shop.parse_on_rayon(number, text).await
        })
        .await;
        assert_eq!(shop.under_way.most() as usize, UNDER_WAY);
        assert_eq!(shop.downloading.most() as usize, DOWNLOADS);
        assert!(shop.parsing.most() as usize <= rayon::current_num_threads());
        assert_eq!(shop.writing.most() as usize, WRITERS);
    }

    #[tokio::test]
    async fn a_broken_order_fails_alone_and_says_where() {
        let folder = Folder::temporary().unwrap();
        let shop = Workshop::in_folder(&folder);
        let outcomes = all(&shop, async |number, text| {
            shop.parse_on_rayon(number, text).await
        })
        .await;
        for number in 1..=ORDERS {
            let file = std::fs::read_to_string(folder.path().join(number.to_string()));
            match number {
                BROKEN => assert!(file.is_err(), "no file for a broken order"),
                _ => assert_eq!(file.unwrap(), "42000000 g\n"),
            }
        }
        let error = outcomes.into_iter().find_map(Result::err).unwrap();
        assert_eq!(error.to_string(), "order 2, line 100000");
    }

    #[tokio::test]
    async fn parsed_inline_an_order_stops_all_else_and_on_rayon_it_is_elsewhere() {
        let t = Timings::of(run).await;
        let inline = &t["inline"];
        let parse = inline.lane("parse(1)");
        assert!(parse.polls[0].on_loop);
        let gap = Duration::from_secs_f64(inline.count("longest gap, ms").number() / 1e3);
        assert!(gap >= parse.longest_poll());
        // A test records its own thread only: what rayon parses has no lane.
        let on_rayon = &t["rayon"];
        let mut lanes = on_rayon.lanes.iter();
        assert!(lanes.all(|lane| !lane.label.contains("parse")));
        for variant in [inline, on_rayon] {
            assert!(variant.elapsed >= ticks(3));
            assert_eq!(*variant.count("written"), 4);
            assert_eq!(variant.lane("ticker").ended, Ended::Returned);
        }
    }
}
