//! # A time limit for each item of a stream
//!
//! Three books take 1, 3 and 1 ticks, and the reader's patience is 2. `timeout` on a stream begins to count when it is
//! made, and anew with each item. When the second book is late, an `Err` comes as an item of its own, and the stream
//! goes on: 3 books and 1 `Err`, all in 5 ticks, as without a limit. A reader may also stop at the first `Err`: 1 book
//! in 3 ticks.
//!
//! asyncio: timeout, anext
//!
//! ```python
//! while True:
//!     try:
//!         async with asyncio.timeout(2): book = await anext(books)
//!     except TimeoutError: late += 1
//!     except StopAsyncIteration: break
//! ```
//!
//! Not the same: in Python the timeout cancels `anext`, and that ends an async generator in the middle of its wait:
//! the loop above gets 1 book of 3. In Rust this `timeout` is a stream around the stream. Its `Err` cancels nothing,
//! unlike the `Err` of the function in `tasks/timeout`, and the wait for the next book goes on. There is one `Err`
//! for a book that is late, however late it is. And in Python the limit begins with `anext`. Here the reader's own
//! work counts, too: one who is busy for longer than the limit gets an `Err`, although the book takes a tick only.

use anyhow::Result;
use timing::{Timings, law::sum, ticks};
use tokio::time::sleep;
use tokio_stream::{Elapsed, Stream, StreamExt, iter};
use tracing::instrument;

const PAUSES: [u32; 3] = [1, 3, 1];
const PATIENCE: u32 = 2;

pub async fn run(t: &mut Timings) -> Result<()> {
    let items = returned(&PAUSES).timeout(ticks(PATIENCE)).map(received);
    let items: Vec<_> = t.time("goes on", sum(PAUSES), items.collect()).await;
    count(t, "goes on", items.iter().flatten().count());

    let items = returned(&PAUSES).timeout(ticks(PATIENCE)).map(received);
    // The stream is dropped at the first `Err`, and with it the wait for the second book.
    let books = items.map_while(Result::ok); // <- the difference
    let law = sum([PAUSES[0], PATIENCE]);
    let books: Vec<_> = t.time("stops", law, books.collect()).await;
    count(t, "stops", books.len());
    Ok(())
}

#[instrument(ret)]
fn received(item: Result<u32, Elapsed>) -> Result<u32, Elapsed> {
    item
}

/// Book 1, 2, 3 …, each after its pause. A pause begins when the reader asks for the next book.
fn returned(pauses: &[u32]) -> impl Stream<Item = u32> {
    iter((1..).zip(pauses)).then(|(book, &pause)| comes_back(book, pause))
}

#[instrument(ret, skip(pause))]
async fn comes_back(book: u32, pause: u32) -> u32 {
    sleep(ticks(pause)).await;
    book
}

fn count(t: &mut Timings, label: &str, books: usize) {
    let received = t[label].lanes.iter().map(|lane| &lane.label);
    let late = received.filter(|label| label.contains("Err")).count();
    t.count("books", books);
    t.count("late", late);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use timing::{on_virtual_clock, report::Ended};

    #[tokio::test(start_paused = true)]
    async fn a_timeout_is_an_item_and_the_stream_goes_on() {
        let t = Timings::of(run).await;
        assert_eq!(t["goes on"].elapsed, ticks(5));
        assert_eq!(t["goes on"].lane("received(Err").start, ticks(3));
        assert_eq!(*t["goes on"].count("books"), 3);
        assert_eq!(*t["goes on"].count("late"), 1);
        let late = t["goes on"].lane("comes_back(2)");
        assert_eq!((late.start, late.end), (ticks(1), ticks(4)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_can_make_it_the_end() {
        let t = Timings::of(run).await;
        assert_eq!(t["stops"].elapsed, ticks(3));
        assert_eq!(*t["stops"].count("books"), 1);
        assert_eq!(*t["stops"].count("late"), 1);
        assert_eq!(t["stops"].lane("comes_back(2)").ended, Ended::Cancelled);
    }

    #[tokio::test(start_paused = true)]
    async fn the_readers_own_work_counts_against_the_limit() {
        let items = returned(&[1, 1]).timeout(ticks(PATIENCE));
        let late = items.then(async |item| {
            sleep(ticks(PATIENCE + 1)).await;
            item.is_err()
        });
        assert_eq!(late.collect::<Vec<_>>().await, [false, true, false]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn one_err_for_each_book_that_is_late_and_no_book_lost(
            pauses in vec(0_u32..6, 0..8),
            patience in 1_u32..4,
        ) {
            let items = async { returned(&pauses).timeout(ticks(patience)).collect().await };
            let items: Vec<Result<_, _>> = on_virtual_clock(items);
            let late = items.iter().filter(|item| item.is_err()).count();
            let too_long = pauses.iter().filter(|pause| **pause > patience).count();
            prop_assert_eq!(late, too_long);
            prop_assert!(items.into_iter().flatten().eq(1..=pauses.len() as u32));
        }
    }
}
