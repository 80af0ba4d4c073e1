//! # An async iterator: `async fn next`, or a `Stream` by hand
//!
//! Three returned books come down a belt, one each tick. Both variants hand out 3 books in 3 ticks, and `None` at the
//! end. `async fn next` is the short one. A `Stream` is a function that is polled: 7 times here, 3 times "not yet", 3
//! times a book, and once "no more". It takes more lines, and adaptors work on it: `filter` hands on the 2 books
//! numbered above 10.
//!
//! asyncio: async for, __aiter__, __anext__, StopAsyncIteration
//!
//! ```python
//! async def __anext__(self):
//!     if not self.books: raise StopAsyncIteration
//!     await asyncio.sleep(1)
//!     return self.books.pop(0)
//!
//! async for book in belt: print(book)
//! ```
//!
//! Not the same: Rust has no `async for`; it is `while let Some(book) = belt.next().await`. The end is a value and no
//! exception. And `poll_next` doesn't wait. It says whether there is an item now. If there is none, it stores the
//! task's waker, by which the task is polled again later (see `runtime/waker`): here in the belt's timer.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use anyhow::Result;
use futures_util::{Stream, StreamExt};
use timing::{Timings, law::sum, ticks};
use tokio::time::{Instant, Interval, interval_at, sleep};
use tracing::{info, instrument};

const RETURNED: [u32; 3] = [31, 4, 15];

pub async fn run(t: &mut Timings) -> Result<()> {
    let mut hatch = Hatch {
        books: RETURNED.into(),
    };
    let shelved = t
        .time("async fn next", sum([1; RETURNED.len()]), async {
            let mut shelved = 0;
            while let Some(book) = hatch.next().await {
                shelve(book);
                shelved += 1;
            }
            shelved
        })
        .await;
    t.count("books", shelved);

    let mut belt = Belt::new();
    let shelved = t
        .time("a Stream", sum([1; RETURNED.len()]), async {
            let mut shelved = 0;
            // The same line. This `next` is `StreamExt`'s: a future that calls `poll_next`.
            while let Some(book) = belt.next().await {
                shelve(book);
                shelved += 1;
            }
            shelved
        })
        .await;
    t.count("books", shelved);
    t.count("polls", belt.polls);

    let above_ten = Belt::new().filter(|book| std::future::ready(*book > 10));
    let law = sum([1; RETURNED.len()]);
    let shelving = above_ten.map(shelve).count();
    let shelved = t.time("a Stream, filtered", law, shelving).await;
    t.count("books", shelved);
    Ok(())
}

#[instrument(ret)]
fn shelve(book: u32) {
    info!("on its shelf");
}

/// Good for a `while let` only: the adaptors ask for a `Stream`.
struct Hatch {
    books: VecDeque<u32>,
}

impl Hatch {
    async fn next(&mut self) -> Option<u32> {
        if self.books.is_empty() {
            return None;
        }
        // The book is taken after the wait: if this future is dropped while it waits, no book is lost with it.
        sleep(ticks(1)).await;
        self.books.pop_front()
    }
}

struct Belt {
    books: VecDeque<u32>,
    clock: Interval,
    polls: u32,
}

impl Belt {
    fn new() -> Self {
        // From a tick after now on: an `interval` would tick at once.
        let clock = interval_at(Instant::now() + ticks(1), ticks(1));
        Self {
            books: RETURNED.into(),
            clock,
            polls: 0,
        }
    }
}

impl Stream for Belt {
    type Item = u32;

    /// `self` is pinned, since a stream may hold a future that points into itself. All fields of this one may be
    /// moved, so it is `Unpin`, and the pin can be used like a `&mut`.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        self.polls += 1;
        if self.books.is_empty() {
            return Poll::Ready(None);
        }
        // `ready!` returns `Pending` from here, after `poll_tick` has stored the waker in the timer. Without it
        // nobody would poll this stream again.
        ready!(self.clock.poll_tick(cx));
        Poll::Ready(self.books.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn both_forms_hand_out_all_books_one_a_tick() {
        let t = Timings::of(run).await;
        for label in ["async fn next", "a Stream"] {
            assert_eq!(t[label].elapsed, ticks(3), "{label}");
            assert_eq!(*t[label].count("books"), 3, "{label}");
            let starts: Vec<_> = t[label].lanes.iter().map(|lane| lane.start).collect();
            assert_eq!(starts, [ticks(1), ticks(2), ticks(3)], "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_polled_twice_an_item_and_once_for_the_end() {
        let t = Timings::of(run).await;
        assert_eq!(*t["a Stream"].count("polls"), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn adaptors_work_on_a_stream() {
        let t = Timings::of(run).await;
        assert_eq!(*t["a Stream, filtered"].count("books"), 2);
        assert_eq!(t["a Stream, filtered"].elapsed, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_a_value_and_stays_one() {
        let mut empty = Hatch {
            books: VecDeque::new(),
        };
        assert_eq!((empty.next().await, empty.next().await), (None, None));
        let mut belt = Belt {
            books: VecDeque::new(),
            ..Belt::new()
        };
        assert_eq!((belt.next().await, belt.next().await), (None, None));
    }
}
