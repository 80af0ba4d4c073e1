//! # Two streams in one: `chain`, `merge`, `select!`
//!
//! Books come back at the counter, 3 in 4 ticks, and in a drop box, 2 in 5 ticks. Each stream begins to wait when it
//! is first asked. `chain` reads one stream to its end and then asks the other: 4 and 5 make 9 ticks. `merge` asks
//! both, 5 ticks, and hands out each book when it comes: the order is 1 11 2 3 12. Within a stream the order is kept.
//! When both have a book ready, `merge` takes one from each in turn.
//!
//! asyncio: anext, async for
//!
//! ```python
//! async def pump(stream):
//!     async for book in stream: await queue.put(book)
//!
//! async with asyncio.TaskGroup() as group:
//!     for stream in (counter, box): group.create_task(pump(stream))
//! ```
//!
//! Not the same: asyncio has no merge; it takes a task for each stream, and a queue. `merge` makes no task. A loop
//! around `select!` with two `next()` gives the same order here; when both are ready it picks at random, unless it
//! says `biased` (see `tasks/branch-order`). In each round the `next()` that loses is dropped. It only borrows its
//! stream, which goes on where it was. In Python a cancelled `anext` ends an async generator (see
//! `streams/item-timeout`).

use std::pin::pin;

use anyhow::Result;
use timing::{
    Timings,
    law::{exactly, max, sum},
    ticks,
};
use tokio::{select, time::sleep};
use tokio_stream::{Stream, StreamExt, iter};
use tracing::instrument;

/// For each book how many ticks it comes after the one before it, and its number.
type Arrivals = [(u32, u32)];

const COUNTER: &Arrivals = &[(1, 1), (2, 2), (1, 3)];
const DROP_BOX: &Arrivals = &[(2, 11), (3, 12)];

pub async fn run(t: &mut Timings) -> Result<()> {
    // The drop box isn't asked before the counter has ended: its first wait begins at 4.
    let books = stream("counter", COUNTER).chain(stream("box", DROP_BOX));
    let law = sum([1, 2, 1, 2, 3]);
    let books: Vec<_> = t.time("chain", law, books.collect()).await;
    count(t, &books);

    let law = || max([1 + 2 + 1, 2 + 3]);
    let books = stream("counter", COUNTER).merge(stream("box", DROP_BOX));
    let books: Vec<_> = t.time("merge", law(), books.collect()).await;
    count(t, &books);

    let books = selects(stream("counter", COUNTER), stream("box", DROP_BOX));
    let books = t.time("select!", law(), books).await;
    count(t, &books);

    let books = iter([1, 2, 3]).merge(iter([11, 12]));
    let books: Vec<_> = t
        .time("merge, all ready", exactly(0), books.collect())
        .await;
    count(t, &books);
    Ok(())
}

/// Worth writing when the two streams have items of different types, or when each of them is treated differently.
async fn selects(counter: impl Stream<Item = u32>, drop_box: impl Stream<Item = u32>) -> Vec<u32> {
    // Every round asks both streams, even one that has ended. What a stream does then is unspecified: it may panic or
    // wait for ever. A fused one answers `None` again.
    let (mut counter, mut drop_box) = (pin!(counter.fuse()), pin!(drop_box.fuse()));
    let mut books = Vec::new();
    loop {
        select! {
            // The `None` of a stream that has ended doesn't match `Some`: the round goes on without this branch.
            Some(book) = counter.next() => books.push(book),
            Some(book) = drop_box.next() => books.push(book),
            else => return books,
        }
    }
}

fn stream(place: &'static str, returned: &Arrivals) -> impl Stream<Item = u32> {
    iter(returned).then(move |&(pause, book)| comes_back(place, pause, book))
}

#[instrument(ret, skip(pause))]
async fn comes_back(place: &'static str, pause: u32, book: u32) -> u32 {
    sleep(ticks(pause)).await;
    book
}

fn count(t: &mut Timings, books: &[u32]) {
    let order: Vec<_> = books.iter().map(u32::to_string).collect();
    t.count("order", order.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, stream::unfold};
    use proptest::{collection::vec, prelude::*};
    use std::collections::HashSet;
    use timing::{on_virtual_clock, report::Ended};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn chain_reads_one_stream_after_the_other() {
        let t = Timings::of(run).await;
        assert_eq!(t["chain"].elapsed, ticks(9));
        assert_eq!(*t["chain"].count("order"), "1 2 3 11 12");
        assert_eq!(t["chain"].lane("box").start, ticks(4));
    }

    #[tokio::test(start_paused = true)]
    async fn merge_hands_out_each_book_when_it_comes() {
        let t = Timings::of(run).await;
        for label in ["merge", "select!"] {
            assert_eq!(t[label].elapsed, ticks(5), "{label}");
            assert_eq!(*t[label].count("order"), "1 11 2 3 12", "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_that_loses_is_dropped_and_its_stream_goes_on() {
        let t = Timings::of(run).await;
        // The first `next()` of the box loses against book 1, and the wait for book 11 isn't begun again.
        let book = t["select!"].lane("\"box\", 11");
        assert_eq!((book.start, book.end), (ticks(0), ticks(2)));
        let lanes = &t["select!"].lanes;
        assert!(lanes.iter().all(|lane| lane.ended == Ended::Returned));
    }

    #[tokio::test(start_paused = true)]
    async fn merge_takes_from_both_in_turn() {
        let t = Timings::of(run).await;
        let label = "merge, all ready";
        assert_eq!(*t[label].count("order"), "1 11 2 12 3");
    }

    #[test]
    fn merge_makes_no_task() {
        // There is no runtime here, so making one would panic.
        let books = iter([1, 2, 3]).merge(iter([11, 12])).collect();
        let books: Option<Vec<_>> = books.now_or_never();
        assert_eq!(books.unwrap(), [1, 11, 2, 12, 3]);
    }

    #[tokio::test]
    async fn select_picks_at_random_when_both_are_ready() {
        let mut orders = HashSet::new();
        for _ in 0..100 {
            orders.insert(selects(iter([1, 2, 3]), iter([11, 12])).await);
        }
        assert!(orders.len() > 1, "{orders:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_has_ended_is_not_asked_again() {
        // `unfold` panics when it is polled after its end.
        let one = unfold(Some(1), async |book| Some((book?, None)));
        assert_eq!(selects(one, stream("box", DROP_BOX)).await, [1, 11, 12]);
    }

    #[tokio::test(start_paused = true)]
    async fn both_end_when_both_streams_have_ended_and_at_once_if_both_are_empty() {
        let only_box: Vec<_> = stream("a", &[])
            .merge(stream("b", DROP_BOX))
            .collect()
            .await;
        assert_eq!(only_box, [11, 12]);
        assert_eq!(
            selects(stream("a", DROP_BOX), stream("b", &[])).await,
            [11, 12]
        );
        let begun = Instant::now();
        assert!(selects(iter([]), iter([])).await.is_empty());
        assert_eq!(iter([0; 0]).merge(iter([])).next().await, None);
        assert_eq!(begun.elapsed(), ticks(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn merging_loses_no_book_and_keeps_the_order_within_a_stream(
            a in vec((0_u32..5, 0_u32..100), 0..6),
            b in vec((0_u32..5, 100_u32..200), 0..6),
        ) {
            let longest = [&a, &b].map(|s| s.iter().map(|(pause, _)| pause).sum::<u32>());
            let longest = ticks(longest[0].max(longest[1]));
            on_virtual_clock(async {
                let begun = Instant::now();
                let merged: Vec<_> = stream("a", &a).merge(stream("b", &b)).collect().await;
                prop_assert_eq!(begun.elapsed(), longest);
                let begun = Instant::now();
                let selected = selects(stream("a", &a), stream("b", &b)).await;
                prop_assert_eq!(begun.elapsed(), longest);
                for books in [merged, selected] {
                    let (of_a, of_b): (Vec<_>, Vec<_>) = books.into_iter().partition(|&n| n < 100);
                    prop_assert!(of_a.into_iter().eq(a.iter().map(|book| book.1)));
                    prop_assert!(of_b.into_iter().eq(b.iter().map(|book| book.1)));
                }
                Ok(())
            })?;
        }
    }
}
