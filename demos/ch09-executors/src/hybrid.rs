//! # Download, parse, write: each where it belongs, and bounded
//!
//! Five parts lists take 1 tick each to download, 2 at a time: 3 ticks. Each is 100 000 lines to parse, which is work
//! for the processor, and ends as a small file. Parsed inline, a list stops all else: a ticker that is due every 10 ms
//! has no turn while it lasts, and no download begins. Parsed on rayon, lists and downloads overlap, and the ticker
//! goes on. There are never more than 4 lists under way, 2 downloads, a parse for each core and 1 write; `most at
//! once` counts them in this order. One list is broken: 4 are written all the same, and 1 has failed.
//!
//! asyncio: run_in_executor, ProcessPoolExecutor, Semaphore, aiofiles
//!
//! real clock: real work, real files
//!
//! ```python
//! async with downloads: text = await fetch(number)       # a semaphore for each stage
//! grams = await loop.run_in_executor(processes, parse, text)
//! async with writers, aiofiles.open(path, "w") as file: await file.write(str(grams))
//! ```
//!
//! Not the same: in Python the text is pickled and sent to another process, and that takes its time, too. Here it is
//! moved into a closure, which copies none of it. `buffer_unordered` begins a list when there is room for it, and all
//! of them are polled by one task; `gather` begins them all, and their texts wait in memory for a parser.

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

const LISTS: u32 = 5;
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

/// The bound on lists is the bound on texts in memory: a stage that is slow keeps new lists from being begun. An error
/// is the outcome of its list, and the others go on.
async fn all(shop: &Workshop, parse: impl AsyncFn(u32, String) -> Result<u64>) -> Vec<Result<()>> {
    let list = async |number| {
        let _under_way = shop.under_way.enter();
        let text = shop.download(number).await?;
        let grams = parse(number, text).await?;
        shop.write(number, grams).await
    };
    let lists = stream::iter(1..=LISTS).map(list);
    lists.buffer_unordered(UNDER_WAY).collect().await
}

impl Workshop {
    /// Rayon has a thread for each core, and that is the bound of this stage: what it has no thread for, it queues.
    async fn parse_on_rayon(&self, number: u32, text: String) -> Result<u64> {
        let parsing = self.parsing.clone();
        let (send, parsed) = oneshot::channel();
        rayon::spawn(move || {
            // An `Err` says that nobody waits for it any more.
            let _gone = send.send(parse(number, &text, &parsing));
        });
        parsed.await? // <- the difference: the task waits, and the loop is free
    }

    #[instrument(ret, err, skip(self))]
    async fn download(&self, number: u32) -> Result<String> {
        let _permit = self.downloads.acquire().await?;
        let _downloading = self.downloading.enter();
        sleep(ticks(1)).await;
        let last = ["bolt 12 35", "nut twelve 9"][usize::from(number == BROKEN)];
        Ok("bolt 12 35\n".repeat(LINES - 1) + last)
    }

    async fn write(&self, number: u32, grams: u64) -> Result<()> {
        let _permit = self.writers.acquire().await?;
        let _writing = self.writing.enter();
        let path = self.folder.join(number.to_string());
        Ok(fs::write(path, format!("{grams} g\n")).await?)
    }
}

/// What all the parts of a list weigh: for each line the number of pieces, times the weight of one.
#[instrument(ret, err, skip(text, parsing))]
fn parse(number: u32, text: &str, parsing: &AtOnce) -> Result<u64> {
    let _parsing = parsing.enter();
    let mut grams = 0;
    for (line, part) in text.lines().enumerate() {
        grams += weight(part).with_context(|| format!("can't read line {}", line + 1))?;
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

    /// Lists, downloads, parses, writes.
    fn most(&self) -> [u32; 4] {
        let [lists, downloads] = [&self.under_way, &self.downloading].map(AtOnce::most);
        [lists, downloads, self.parsing.most(), self.writing.most()]
    }
}

fn count(t: &mut Timings, shop: &Workshop, outcomes: &[Result<()>], ticked: Ticked) {
    t.count("most at once", format!("{:?}", shop.most()));
    t.count("written", outcomes.iter().flatten().count());
    t.count("failed", outcomes.iter().filter(|one| one.is_err()).count());
    ticked.show(t);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended, Value};

    #[tokio::test]
    async fn every_stage_keeps_to_its_bound() {
        let folder = Folder::temporary().unwrap();
        let shop = Workshop::in_folder(&folder);
        all(&shop, async |number, text| {
            shop.parse_on_rayon(number, text).await
        })
        .await;
        let [lists, downloads, parses, writes] = shop.most().map(|most| most as usize);
        assert_eq!((lists, downloads), (UNDER_WAY, DOWNLOADS));
        assert!((1..=rayon::current_num_threads()).contains(&parses));
        assert_eq!(writes, WRITERS);
    }

    #[tokio::test]
    async fn a_broken_list_fails_alone_and_says_where() {
        let folder = Folder::temporary().unwrap();
        let shop = Workshop::in_folder(&folder);
        let outcomes = all(&shop, async |number, text| {
            shop.parse_on_rayon(number, text).await
        })
        .await;
        for number in 1..=LISTS {
            let file = std::fs::read_to_string(folder.path().join(number.to_string()));
            match number {
                BROKEN => assert!(file.is_err(), "no file for a broken list"),
                _ => assert_eq!(file.unwrap(), "42000000 g\n"),
            }
        }
        let error = outcomes.into_iter().find_map(Result::err).unwrap();
        assert_eq!(error.to_string(), "can't read line 100000");
    }

    #[tokio::test]
    async fn parsed_inline_a_list_stops_all_else_and_on_rayon_it_is_elsewhere() {
        let t = Timings::of(run).await;
        let inline = &t["inline"];
        let parse = inline.lane("parse(1)");
        assert!(parse.polls[0].on_loop);
        let gap = match inline.count("longest gap, ms") {
            Value::Fraction(ms) => Duration::from_secs_f64(ms / 1e3),
            other => panic!("{other:?} is no number of milliseconds"),
        };
        assert!(gap >= parse.longest_poll());
        // A test records its own thread only: what rayon parses has no lane.
        let on_rayon = &t["rayon"];
        assert!(
            on_rayon
                .lanes
                .iter()
                .all(|lane| !lane.label.contains("parse"))
        );
        for variant in [inline, on_rayon] {
            assert!(variant.elapsed >= ticks(3));
            assert_eq!(*variant.count("written"), 4);
            assert_eq!(*variant.count("failed"), 1);
            assert_eq!(variant.lane("ticker").ended, Ended::Returned);
        }
    }
}
