//! # Comprehensions: one at a time, a few, or all at once
//!
//! A reader asks the desk for the shelves of six books, and each look-up takes 1 tick. A comprehension with `await`
//! in it looks concurrent and isn't: 6 ticks, with never more than 1 look-up in flight. A stream with `buffered(2)`
//! keeps 2 in flight and takes 3 ticks. `join_all` has all 6 in flight and takes 1 (see `tasks/join`). Both hand out
//! the results in the order of the books.
//!
//! asyncio: async comprehension, dict comprehension
//!
//! ```python
//! shelves = {book: await shelf(book) for book in books}                             # 6
//! shelves = dict(zip(books, await asyncio.gather(*(shelf(b) for b in books))))      # 1
//! ```
//!
//! Not the same: Python allows `await` inside a comprehension, where it is easy to overlook that each one waits for
//! the one before. In Rust a plain closure can't await, so `books.iter().map(|book| shelf(book).await)` doesn't compile
//! (E0728). With `async |book|` it does, and makes futures that nobody has polled. To make the calls one at a time,
//! you write a loop, or `then`, and see it. To make them side by side, you map to futures first, and say how many run
//! at once.

use std::{cell::Cell, collections::BTreeMap};

use anyhow::Result;
use futures_util::{StreamExt, future::join_all, stream};
use timing::{
    Timings,
    law::{max, sum, waves},
    ticks,
};
use tokio::time::sleep;
use tracing::instrument;

const BOOKS: [u32; 6] = [31, 4, 15, 92, 65, 35];
const AT_ONCE: usize = 2;

pub async fn run(t: &mut Timings) -> Result<()> {
    let desk = Desk::default();
    t.time("a loop", sum([1; BOOKS.len()]), async {
        let mut shelves = Vec::new();
        for book in BOOKS {
            // The next look-up isn't even made before this one has ended.
            shelves.push(desk.shelf(book, 1).await);
        }
        shelves
    })
    .await;
    count(t, &desk);

    let desk = Desk::default();
    // The same as a stream: `then` waits for each future before it takes the next book.
    let shelves = stream::iter(BOOKS)
        .then(|book| desk.shelf(book, 1))
        .collect::<Vec<_>>();
    t.time("then", sum([1; BOOKS.len()]), shelves).await;
    count(t, &desk);

    let desk = Desk::default();
    // `map` makes futures that nobody polls yet. `buffered` polls two of them, and hands out results in the order of
    // the books: one that is done early waits for those before it.
    let shelves = stream::iter(BOOKS)
        .map(|book| desk.shelf(book, 1))
        .buffered(AT_ONCE)
        .collect::<Vec<_>>();
    t.time("buffered(2)", waves(6, 2, 1), shelves).await;
    count(t, &desk);

    let desk = Desk::default();
    let shelves = join_all(BOOKS.map(|book| desk.shelf(book, 1)));
    let shelves = t.time("join_all", max([1; BOOKS.len()]), shelves).await;
    count(t, &desk);

    // The dictionary of the comprehension: the key goes along in the value.
    let by_book: BTreeMap<u32, u32> = shelves.into_iter().collect();
    t.count("shelf of 92", by_book[&92]);
    Ok(())
}

fn count(t: &mut Timings, desk: &Desk) {
    t.count("in flight", desk.most.get());
}

/// Counts the look-ups that are in flight. A `Cell` will do: all futures here are polled from one task.
#[derive(Default)]
struct Desk {
    in_flight: Cell<usize>,
    most: Cell<usize>,
}

impl Desk {
    #[instrument(ret, skip(self, time))]
    async fn shelf(&self, book: u32, time: u32) -> (u32, u32) {
        self.in_flight.update(|count| count + 1);
        self.most.set(self.most.get().max(self.in_flight.get()));
        sleep(ticks(time)).await;
        self.in_flight.update(|count| count - 1);
        (book, book / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use timing::on_virtual_clock;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn a_comprehension_is_a_loop() {
        let t = Timings::of(run).await;
        for label in ["a loop", "then"] {
            assert_eq!(t[label].elapsed, ticks(6), "{label}");
            assert_eq!(*t[label].count("in flight"), 1, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn buffered_keeps_two_in_flight_and_join_all_six() {
        let t = Timings::of(run).await;
        assert_eq!(t["buffered(2)"].elapsed, ticks(3));
        assert_eq!(*t["buffered(2)"].count("in flight"), 2);
        assert_eq!(t["join_all"].elapsed, ticks(1));
        assert_eq!(*t["join_all"].count("in flight"), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn the_key_goes_along_in_the_value() {
        let t = Timings::of(run).await;
        assert_eq!(*t["join_all"].count("shelf of 92"), 9);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn never_more_than_the_bound_and_the_order_kept_whatever_the_look_ups_take(
            times in vec(0_u32..5, 0..20),
            bound in 1_usize..7,
        ) {
            let desk = Desk::default();
            let look_ups = || times.iter().zip(0_u32..).map(|(&time, book)| desk.shelf(book, time));
            let few = stream::iter(look_ups()).buffered(bound).collect::<Vec<_>>();
            let few = on_virtual_clock(few);
            prop_assert!(desk.most.get() <= bound);
            let all = on_virtual_clock(async { join_all(look_ups()).await });
            for shelves in [few, all] {
                let order = shelves.iter().map(|&(book, _)| book);
                prop_assert!(order.eq(0..times.len() as u32), "{shelves:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_list_is_done_at_once_and_a_bound_of_zero_never() {
        let desk = Desk::default();
        let none = stream::iter([0_u32; 0])
            .map(|book| desk.shelf(book, 1))
            .buffered(AT_ONCE);
        assert_eq!(none.count().await, 0);

        let stuck = stream::iter(BOOKS)
            .map(|book| desk.shelf(book, 1))
            .buffered(0);
        assert!(timeout(ticks(100), stuck.count()).await.is_err());
        assert_eq!(desk.most.get(), 0, "nothing was ever asked");
    }
}
