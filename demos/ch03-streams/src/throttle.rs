//! # `throttle`: a gap between items, and what waits meanwhile
//!
//! `throttle(1)` hands out one item a tick at most, and drops none: 4 books that are all ready come at 0, 1, 2 and 3
//! ticks, and the end comes at 4. A stream that does nothing until it is polled stands still during the gap. So a
//! book that takes 2 ticks comes every 3 ticks: 3 books and the end take 9. If a task waits for the books and sends
//! them (see `streams/generator`), gap and wait overlap: the books come every 2 ticks, and 3 books and the end take
//! 7.
//!
//! asyncio: async for
//!
//! ```python
//! async for book in books:
//!     print(book)
//!     await asyncio.sleep(1)     # the generator stands still
//! ```
//!
//! Not the same: in this loop the reader's work comes on top of the sleep. The gap of `throttle` begins when an item
//! is handed out, so the reader's work is part of it. In other libraries a function of this name may drop what comes
//! too soon. This one makes it wait.

use anyhow::Result;
use timing::{Timings, law::sum, ticks};
use tokio::{sync::mpsc::channel, time::sleep};
use tokio_stream::{Stream, StreamExt, iter, wrappers::ReceiverStream};
use tracing::instrument;

pub async fn run(t: &mut Timings) -> Result<()> {
    // A gap follows every book. It takes one more poll to find the end of the stream, so it comes after the last gap.
    let books = iter([1, 2, 3, 4]).throttle(ticks(1)).map(received);
    let books: Vec<_> = t.time("all ready", sum([1; 4]), books.collect()).await;
    t.count("books", books.len());

    let books = comes_when_asked().throttle(ticks(1)).map(received);
    let law = sum([2, 1 + 2, 1 + 2, 1]);
    let books: Vec<_> = t.time("a lazy stream", law, books.collect()).await;
    t.count("books", books.len());

    let law = sum([2, 2, 2, 1]);
    let books = async {
        let books = comes_by_itself(); // <- the difference
        books.throttle(ticks(1)).map(received).collect().await
    };
    let books: Vec<_> = t.time("a task that sends", law, books).await;
    t.count("books", books.len());
    Ok(())
}

/// Begins to wait for a book when it is polled for it, and `throttle` doesn't poll during the gap.
fn comes_when_asked() -> impl Stream<Item = u32> {
    iter([1, 2, 3]).then(comes_back)
}

/// The task waits for the next book whether somebody polls the stream or not.
fn comes_by_itself() -> impl Stream<Item = u32> {
    let (sender, receiver) = channel(1);
    tokio::spawn(async move {
        for book in [1, 2, 3] {
            if sender.send(comes_back(book).await).await.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

#[instrument(ret)]
async fn comes_back(book: u32) -> u32 {
    sleep(ticks(2)).await;
    book
}

#[instrument(ret)]
fn received(book: u32) -> u32 {
    book
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::time::Duration;
    use timing::on_virtual_clock;
    use tokio::time::Instant;

    fn received_at(t: &Timings, label: &str) -> Vec<Duration> {
        let lanes = t[label].lanes.iter();
        let received = lanes.filter(|lane| lane.label.starts_with("received"));
        received.map(|lane| lane.start).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn throttle_keeps_a_gap_and_drops_nothing() {
        let t = Timings::of(run).await;
        let label = "all ready";
        assert_eq!(received_at(&t, label), [0, 1, 2, 3].map(ticks));
        assert_eq!(*t[label].count("books"), 4);
        assert_eq!(t[label].elapsed, ticks(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lazy_stream_stands_still_during_the_gap() {
        let t = Timings::of(run).await;
        let label = "a lazy stream";
        assert_eq!(received_at(&t, label), [2, 5, 8].map(ticks));
        assert_eq!(*t[label].count("books"), 3);
        assert_eq!(t[label].elapsed, ticks(9));
        assert_eq!(t[label].lane("comes_back(2)").start, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_waits_during_the_gap() {
        let t = Timings::of(run).await;
        let label = "a task that sends";
        assert_eq!(received_at(&t, label), [2, 4, 6].map(ticks));
        assert_eq!(*t[label].count("books"), 3);
        assert_eq!(t[label].elapsed, ticks(7));
        assert_eq!(t[label].lane("comes_back(2)").start, ticks(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_work_of_the_reader_is_part_of_the_gap() {
        let begun = Instant::now();
        let books = iter([1, 2, 3]).throttle(ticks(1)).then(async |_| {
            let received = begun.elapsed();
            sleep(ticks(0.5)).await;
            received
        });
        let received: Vec<_> = books.collect().await;
        assert_eq!(received, [0, 1, 2].map(ticks));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn never_two_within_the_gap_and_every_item_in_its_order(
            pauses in vec(0_u32..6, 0..8),
            gap in 0_u32..4,
        ) {
            let items: Vec<_> = on_virtual_clock(async {
                let items = iter(&pauses).then(async |&pause| {
                    sleep(ticks(pause)).await;
                    pause
                });
                let items = items.throttle(ticks(gap));
                items.map(|pause| (Instant::now(), pause)).collect().await
            });
            prop_assert!(items.iter().map(|(_, pause)| pause).eq(&pauses));
            prop_assert!(items.windows(2).all(|two| two[1].0 - two[0].0 >= ticks(gap)));
        }
    }
}
