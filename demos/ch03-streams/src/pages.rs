//! # Pages: a stream fetches what is asked of it, and no more
//!
//! The catalogue has 5 pages of 4 books, and a page takes 1 tick to fetch. A reader wants the first 9 books. Fetching
//! all pages and then taking 9 books costs 5 fetches and 5 ticks. Taking 9 from a stream of books costs 3, because
//! the stream does nothing between two items, and nothing after the last one that was asked for. Fetching a page
//! ahead takes 2 ticks instead of 3, and begins a fourth fetch that nobody needs. That holds for a reader who takes no
//! time: what isn't polled while the reader works doesn't fetch either (see `pitfalls/buffered-stall`).
//!
//! asyncio: async generator, async for, aiter
//!
//! ```python
//! async def books():
//!     for page in range(5):
//!         for book in await fetch(page): yield book
//!
//! async for book in books(): ...    # left by break
//! ```
//!
//! Not the same: an async generator that is left early is closed later, by the event loop. A stream is dropped with
//! the variable or the call that holds it, and so are the fetches that it has under way (see `streams/left-early`).
//! After a `break` they are held, and not polled, to the end of the block. And Rust has `take`, `skip`, `filter` and
//! the like for streams as it has for iterators, in `StreamExt`.

use std::cell::Cell;

use anyhow::Result;
use futures_util::{Stream, StreamExt, stream};
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::time::sleep;
use tracing::instrument;

const PAGES: u32 = 5;
const BOOKS_A_PAGE: u32 = 4;
const WANTED: usize = 9;

pub async fn run(t: &mut Timings) -> Result<()> {
    let library = Library::default();
    let nine = async {
        let books: Vec<u32> = library.books().collect().await;
        books.into_iter().take(WANTED).collect::<Vec<_>>()
    };
    t.time("all pages first", sum([1; PAGES as usize]), nine)
        .await;
    t.count("fetches begun", library.begun.get());

    let library = Library::default();
    // <- the difference: `take` stands on the stream, so it decides what is fetched.
    let nine = library.books().take(WANTED).collect::<Vec<_>>();
    t.time("take(9)", sum([1, 1, 1]), nine).await;
    t.count("fetches begun", library.begun.get());

    let library = Library::default();
    let nine = library.books_a_page_ahead().take(WANTED);
    let nine = nine.collect::<Vec<_>>();
    t.time("take(9), a page ahead", exactly(2), nine).await;
    t.count("fetches begun", library.begun.get());
    Ok(())
}

#[derive(Default)]
struct Library {
    begun: Cell<u32>,
}

impl Library {
    /// `then` fetches a page when the one before it has been read to its end, and somebody asks for one book more.
    fn books(&self) -> impl Stream<Item = u32> {
        stream::iter(0..PAGES)
            .then(|page| self.fetch(page))
            .flat_map(stream::iter)
    }

    /// `buffered(2)` takes on two pages when it is polled: the one that is needed, and the next. It is polled only
    /// while the reader waits for a page. While the reader works on the books no fetch goes on (see
    /// `pitfalls/buffered-stall`), and the page after a finished one isn't even begun. To be ahead of a slow reader
    /// takes a task that fetches (see `streams/generator`).
    fn books_a_page_ahead(&self) -> impl Stream<Item = u32> {
        stream::iter(0..PAGES)
            .map(|page| self.fetch(page))
            .buffered(2)
            .flat_map(stream::iter)
    }

    #[instrument(ret, skip(self))]
    async fn fetch(&self, page: u32) -> Vec<u32> {
        self.begun.update(|begun| begun + 1);
        sleep(ticks(1)).await;
        (page * BOOKS_A_PAGE..)
            .take(BOOKS_A_PAGE as usize)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::Cancelled;

    #[tokio::test(start_paused = true)]
    async fn taking_from_the_stream_fetches_three_pages_and_taking_afterwards_five() {
        let t = Timings::of(run).await;
        for (label, time, fetches) in [("all pages first", 5, 5), ("take(9)", 3, 3)] {
            assert_eq!(t[label].elapsed, ticks(time), "{label}");
            assert_eq!(*t[label].count("fetches begun"), fetches, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_ahead_is_faster_and_begins_a_fetch_that_nobody_needs() {
        let t = Timings::of(run).await;
        let ahead = &t["take(9), a page ahead"];
        assert_eq!(ahead.elapsed, ticks(2));
        assert_eq!(*ahead.count("fetches begun"), 4);
        assert_eq!(ahead.lane("fetch(3)").ended, Cancelled);
    }

    #[tokio::test(start_paused = true)]
    async fn every_number_of_books_costs_the_pages_they_are_on() {
        for wanted in 0..=(PAGES * BOOKS_A_PAGE) + 3 {
            let library = Library::default();
            let books: Vec<u32> = library.books().take(wanted as usize).collect().await;
            let there = wanted.min(PAGES * BOOKS_A_PAGE);
            let expected: Vec<_> = (0..there).collect();
            assert_eq!(books, expected);
            let ahead = Library::default();
            let books = ahead.books_a_page_ahead().take(wanted as usize);
            assert_eq!(books.collect::<Vec<_>>().await, expected, "a page ahead");
            assert_eq!(
                library.begun.get(),
                there.div_ceil(BOOKS_A_PAGE),
                "{wanted} books"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_nobody_polls_fetches_nothing() {
        let library = Library::default();
        drop(library.books());
        drop(library.books_a_page_ahead());
        assert_eq!(library.begun.get(), 0);
    }
}
