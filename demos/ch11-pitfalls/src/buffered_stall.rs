//! # A stream of downloads, and a slow loop body
//!
//! Four pages are downloaded at the same time and saved. A page comes in chunks, each asked for when the one before
//! has come, and sent a tick later. The first page has 1 chunk, the others have 3, and must be there after 4 ticks;
//! saving a page takes 3 ticks. `buffer_unordered` polls its downloads only while `next` is awaited. During
//! `save(page).await` in the loop's body they ask for no chunk, but their time limits run on: 1 page is saved, and 3
//! downloads time out, though the server was never late. If each download is a task it goes on meanwhile: 4 pages
//! are saved, one after another, in 13 ticks. If saving is part of the stream, 4 are saved at the same time, in 6.
//!
//! asyncio: as_completed, create_task, wait_for, timeout
//!
//! How to see it: the lanes of the downloads have no poll while `save` runs, and the errors say "deadline has
//! elapsed". Neither rustc nor clippy warns.
//!
//! Cured in: `streams/unordered`, `tasks/as-completed`
//!
//! ```python
//! for download in asyncio.as_completed(map(fetch, pages)):    # all at once, a task for each
//!     page = await download
//!     await save(page)                                        # the other tasks go on
//! ```
//!
//! Not the same: what `as_completed` waits for are tasks, and the loop runs them, whatever this body waits for. The
//! futures in a stream have no task of their own: nobody polls them when nobody polls the stream.

use anyhow::Result;
use futures_util::{Stream, StreamExt, stream};
use timing::{
    Timings,
    law::{max, sum},
    ticks,
};
use tokio::time::{error::Elapsed, sleep, timeout};
use tracing::instrument;

/// How many chunks each page has.
const PAGES: [u32; 4] = [1, 3, 3, 3];
const AT_ONCE: usize = 4;
const SAVING: u32 = 3;

pub async fn run(t: &mut Timings) -> Result<()> {
    let saved = saves_in_the_loop(&PAGES, SAVING);
    // The first page, and nothing after it.
    let saved = t.time("saved in the loop", sum([1, SAVING]), saved).await?;
    count(t, &saved);

    let saved = saves_what_tasks_download(&PAGES, SAVING);
    // When the first page is saved the others are there.
    let law = sum([1, SAVING, SAVING, SAVING, SAVING]);
    let saved = t.time("downloaded by tasks", law, saved).await?;
    count(t, &saved);

    let saved = saves_in_the_stream(&PAGES, SAVING);
    let law = max(PAGES.map(|chunks| chunks + SAVING));
    let saved = t.time("saved in the stream", law, saved).await?;
    count(t, &saved);
    Ok(())
}

/// A page that was saved, or a download that was given up.
type Outcome = Result<usize, Elapsed>;

async fn saves_in_the_loop(pages: &[u32], saving: u32) -> Result<Vec<Outcome>> {
    let downloads = numbered(pages).map(|(page, chunks)| download(page, chunks));
    let mut downloads = downloads.buffer_unordered(AT_ONCE);
    let mut saved = Vec::new();
    while let Some(downloaded) = downloads.next().await {
        // The stream isn't polled during this wait. A chunk that comes now is noticed when the page is saved, and
        // only then the next one is asked for: by then the time of its download may be up.
        saved.push(save_if_there(downloaded, saving).await); // <- the difference
    }
    Ok(saved)
}

/// The runtime polls a task whenever it is woken, whatever this loop waits for. The stream holds handles, and spawns
/// no more than 4 at once. If it is dropped, the tasks go on: `AbortOnDropHandle` of tokio-util would end them.
async fn saves_what_tasks_download(pages: &[u32], saving: u32) -> Result<Vec<Outcome>> {
    // <- the difference: `spawn`
    let downloads = numbered(pages).map(|(page, chunks)| tokio::spawn(download(page, chunks)));
    let mut downloads = downloads.buffer_unordered(AT_ONCE);
    let mut saved = Vec::new();
    while let Some(downloaded) = downloads.next().await {
        saved.push(save_if_there(downloaded?, saving).await);
    }
    Ok(saved)
}

/// Saving is part of what is buffered, so the stream is polled all the time. It changes more than that: up to 4 pages
/// are saved at once.
async fn saves_in_the_stream(pages: &[u32], saving: u32) -> Result<Vec<Outcome>> {
    let saves = numbered(pages).map(async |(page, chunks)| {
        save_if_there(download(page, chunks).await, saving).await // <- the difference
    });
    Ok(saves.buffer_unordered(AT_ONCE).collect().await)
}

fn numbered(pages: &[u32]) -> impl Stream<Item = (usize, u32)> {
    stream::iter((1..).zip(pages.iter().copied()))
}

async fn save_if_there(downloaded: Outcome, saving: u32) -> Outcome {
    let page = downloaded?;
    save(page, saving).await;
    Ok(page)
}

/// A chunk comes a tick after it was asked for. The limit leaves one tick to spare. It counts from the start of the
/// download, and a timer goes on whether it is polled or not.
#[instrument(ret, err)]
async fn download(page: usize, chunks: u32) -> Outcome {
    let receives = async {
        for _chunk in 0..chunks {
            sleep(ticks(1)).await;
        }
        page
    };
    timeout(ticks(chunks + 1), receives).await
}

#[instrument(ret)]
async fn save(page: usize, saving: u32) {
    sleep(ticks(saving)).await;
}

fn count(t: &mut Timings, outcomes: &[Outcome]) {
    let saved = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    t.count("pages saved", saved);
    t.count("downloads timed out", outcomes.len() - saved);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use std::cell::Cell;
    use timing::{on_virtual_clock, report::Ended};

    #[tokio::test(start_paused = true)]
    async fn while_the_first_page_is_saved_in_the_loop_the_other_downloads_time_out() {
        let t = Timings::of(run).await;
        let stalled = &t["saved in the loop"];
        assert_eq!(*stalled.count("pages saved"), 1);
        assert_eq!(*stalled.count("downloads timed out"), 3);
        assert_eq!(stalled.elapsed, ticks(4));
        for page in ["download(2", "download(3", "download(4"] {
            assert_eq!(stalled.lane(page).ended, Ended::Failed, "{page}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_chunk_that_comes_meanwhile_is_noticed_when_the_page_is_saved() {
        let t = Timings::of(run).await;
        let polls = |label: &str| -> Vec<_> {
            let polls = t[label].lane("download(2").polls.iter();
            polls.map(|poll| poll.start).collect()
        };
        // A chunk comes after 1 tick, and the next one would come a tick after the poll that asks for it.
        assert_eq!(polls("saved in the loop"), [0, 4].map(ticks));
        assert_eq!(polls("downloaded by tasks"), [0, 1, 2, 3].map(ticks));
        assert_eq!(polls("saved in the stream")[..4], [0, 1, 2, 3].map(ticks));
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_and_saving_in_the_stream_lose_no_page() {
        let t = Timings::of(run).await;
        for (label, took) in [("downloaded by tasks", 13), ("saved in the stream", 6)] {
            assert_eq!(*t[label].count("pages saved"), 4, "{label}");
            assert_eq!(*t[label].count("downloads timed out"), 0, "{label}");
            assert_eq!(t[label].elapsed, ticks(took), "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn four_tasks_are_spawned_at_once() {
        let start = tokio::time::Instant::now();
        saves_what_tasks_download(&[1; 8], 0).await.unwrap();
        assert_eq!(start.elapsed(), ticks(2));
    }

    #[test]
    fn however_long_things_take_only_saving_in_the_loop_times_out_in_512_cases() {
        let lossy = Cell::new(0);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&(vec(1_u32..6, 1..12), 0_u32..6), |(pages, saving)| {
            on_virtual_clock(async {
                let lost = |outcomes: Result<Vec<Outcome>>| {
                    let outcomes = outcomes.unwrap();
                    outcomes.iter().filter(|outcome| outcome.is_err()).count()
                };
                let by_tasks = saves_what_tasks_download(&pages, saving).await;
                prop_assert_eq!(lost(by_tasks), 0);
                let in_the_stream = saves_in_the_stream(&pages, saving).await;
                prop_assert_eq!(lost(in_the_stream), 0);
                let in_the_loop = saves_in_the_loop(&pages, saving).await;
                lossy.update(|cases| cases + u32::from(lost(in_the_loop) > 0));
                Ok(())
            })
        });
        held.unwrap();
        let lossy = lossy.get();
        assert!(lossy > 100, "saving in the loop lost pages in {lossy}");
    }
}
