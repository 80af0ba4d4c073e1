//! # Two at a time: in their order, or as they are ready
//!
//! Four look-ups take 3, 1, 1 and 2 ticks. `then` makes one look-up after another: 7 ticks. `buffered(2)` (see
//! `streams/comprehension`) has 2 in flight and keeps the order of the list: 5 ticks. A result that is ready before
//! those ahead of it still counts as one of the two, so no other look-up begins. `buffer_unordered(2)` also has 2 in
//! flight and hands out each result when it is ready: 4 ticks, since another look-up begins at once. Its order is 4
//! 15 31 92, so each result has to say what it belongs to.
//!
//! asyncio: as_completed
//!
//! ```python
//! limit = asyncio.Semaphore(2)
//! async def bounded(book):
//!     async with limit: return book, await shelf(book)
//!
//! for done in asyncio.as_completed([bounded(book) for book in books]):
//!     book, number = await done
//! ```
//!
//! Not the same: `as_completed` makes a task for every call at once, and the semaphore lets two of them go on. Here
//! no future is made before it may begin, so the list may be endless. No task is made either: the futures borrow the
//! desk, and all are polled from one task (what that means for a slow reader: `pitfalls/buffered-stall`). A bound of
//! 0 isn't an error. It never begins anything, and the stream never ends.

use std::cell::Cell;

use anyhow::Result;
use futures_util::{Stream, StreamExt, stream};
use timing::{
    Timings,
    law::{max, sum},
    ticks,
};
use tokio::time::sleep;
use tracing::instrument;

/// A book, and how many ticks it takes to look up its shelf.
type LookUp = (u32, u32);

const LIST: [LookUp; 4] = [(31, 3), (4, 1), (15, 1), (92, 2)];
const AT_ONCE: usize = 2;

pub async fn run(t: &mut Timings) -> Result<()> {
    let desk = Desk::default();
    let shelves = stream::iter(LIST).then(|look_up| desk.shelf(look_up));
    let law = sum([3, 1, 1, 2]);
    let shelves: Vec<_> = t.time("then", law, shelves.collect()).await;
    count(t, &desk, &shelves);

    let desk = Desk::default();
    let shelves = desk.look_ups(&LIST).buffered(AT_ONCE);
    // The look-ups of 3 and 1, and when both are handed out those of 1 and 2.
    let law = sum([3, 2]);
    let shelves: Vec<_> = t.time("buffered(2)", law, shelves.collect()).await;
    count(t, &desk, &shelves);

    let desk = Desk::default();
    let shelves = desk.look_ups(&LIST).buffer_unordered(AT_ONCE); // <- the difference
    // Beside the look-up of 3 there is time for those of 1 and 1, and for the beginning of the one of 2.
    let law = max([3, 1 + 1 + 2]);
    let shelves: Vec<_> = t.time("buffer_unordered(2)", law, shelves.collect()).await;
    count(t, &desk, &shelves);
    Ok(())
}

/// Counts the look-ups between the call and the result.
#[derive(Default)]
struct Desk {
    in_flight: Cell<usize>,
    most: Cell<usize>,
}

impl Desk {
    /// A stream of futures that haven't begun. What stands after it decides how many of them are polled.
    fn look_ups(&self, list: &[LookUp]) -> impl Stream<Item = impl Future<Output = (u32, u32)>> {
        stream::iter(list).map(|&look_up| self.shelf(look_up))
    }

    fn shelf(&self, (book, time): LookUp) -> impl Future<Output = (u32, u32)> {
        // Counted in the call, before the future is polled.
        self.in_flight.update(|count| count + 1);
        self.most.set(self.most.get().max(self.in_flight.get()));
        async move {
            let shelf = look_up(book, time).await;
            self.in_flight.update(|count| count - 1);
            (book, shelf)
        }
    }
}

#[instrument(ret, skip(time))]
async fn look_up(book: u32, time: u32) -> u32 {
    sleep(ticks(time)).await;
    book / 10
}

fn count(t: &mut Timings, desk: &Desk, shelves: &[(u32, u32)]) {
    let order: Vec<_> = shelves.iter().map(|(book, _)| book.to_string()).collect();
    t.count("in flight", desk.most.get());
    t.count("order", order.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use timing::on_virtual_clock;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn then_makes_one_look_up_after_another() {
        let t = Timings::of(run).await;
        assert_eq!(t["then"].elapsed, ticks(7));
        assert_eq!(*t["then"].count("in flight"), 1);
        assert_eq!(*t["then"].count("order"), "31 4 15 92");
    }

    #[tokio::test(start_paused = true)]
    async fn buffered_keeps_the_order_and_counts_a_result_until_its_turn() {
        let t = Timings::of(run).await;
        let buffered = &t["buffered(2)"];
        assert_eq!(buffered.elapsed, ticks(5));
        assert_eq!(*buffered.count("in flight"), 2);
        assert_eq!(*buffered.count("order"), "31 4 15 92");
        assert_eq!(buffered.lane("look_up(4)").end, ticks(1));
        assert_eq!(buffered.lane("look_up(15)").start, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn buffer_unordered_hands_out_what_is_ready_and_begins_another() {
        let t = Timings::of(run).await;
        let unordered = &t["buffer_unordered(2)"];
        assert_eq!(unordered.elapsed, ticks(4));
        assert_eq!(*unordered.count("in flight"), 2);
        assert_eq!(*unordered.count("order"), "4 15 31 92");
        assert_eq!(unordered.lane("look_up(15)").start, ticks(1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn never_more_than_the_bound_and_every_result_once(
            list in vec((0_u32..1_000, 0_u32..5), 0..20),
            bound in 1_usize..7,
        ) {
            let desk = Desk::default();
            let look_ups = desk.look_ups(&list).buffer_unordered(bound);
            let mut shelves: Vec<_> = on_virtual_clock(look_ups.collect());
            prop_assert_eq!(desk.most.get(), bound.min(list.len()));
            let mut expected: Vec<_> = list.iter().map(|(book, _)| (*book, book / 10)).collect();
            shelves.sort();
            expected.sort();
            prop_assert_eq!(shelves, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_list_is_fine() {
        let desk = Desk::default();
        let endless = stream::repeat((31, 1)).map(|look_up| desk.shelf(look_up));
        let three = endless.buffer_unordered(AT_ONCE).take(3);
        assert_eq!(three.count().await, 3);
        assert_eq!(desk.most.get(), AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_list_ends_at_once_and_a_bound_of_zero_never() {
        let desk = Desk::default();
        assert_eq!(
            desk.look_ups(&[]).buffer_unordered(AT_ONCE).count().await,
            0
        );

        let stuck = desk.look_ups(&LIST).buffer_unordered(0).count();
        assert!(timeout(ticks(100), stuck).await.is_err());
        assert_eq!(desk.most.get(), 0, "no look-up was made");
    }
}
