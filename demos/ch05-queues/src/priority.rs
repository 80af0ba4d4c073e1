//! # Priority, and last in first out: a queue in the order of a key
//!
//! Five parcels, A to E, wait for a sorter, which needs 1 tick for each. F comes after 1.5 ticks. The figure behind a
//! letter is how urgent the parcel is. First in, first out gives `A1 B3 C2 D3 E1 F3`. The most urgent first gives `B3
//! D3 F3 C2 A1 E1`: parcels that are equally urgent keep the order in which they came, because they are numbered.
//! Without the numbers a heap gives `D3 B3 F3 C2 E1 A1`. Last in, first out gives `E1 D3 F3 C2 B3 A1`.
//!
//! asyncio: PriorityQueue, LifoQueue
//!
//! ```python
//! queue, number = asyncio.PriorityQueue(), itertools.count()
//! await queue.put((-3, next(number), parcel))    # the lowest comes first: -3 before -2
//! _, _, parcel = await queue.get()
//! ```
//!
//! Not the same: tokio has neither, but a queue needs little. A heap holds the parcels, each behind a key that
//! decides the order. A semaphore (see `sync/semaphore`) has a permit for each parcel in the heap, so a `get` waits
//! while there is none. Python's heap hands out the lowest key first, a `BinaryHeap` the highest. If two keys are
//! equal, both compare the parcels: Python raises a TypeError if they have no order; in Rust that doesn't compile.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Mutex};

use anyhow::Result;
use timing::{Timings, law::sum, ticks};
use tokio::{join, sync::Semaphore, time::sleep};
use tracing::instrument;

/// How urgent it is, and its name. As in Python, tuples are compared field by field.
type Parcel = (u32, char);

const WAITING: [Parcel; 5] = [(1, 'A'), (3, 'B'), (2, 'C'), (3, 'D'), (1, 'E')];
const LATER: Parcel = (3, 'F');
const ALL: usize = WAITING.len() + 1;

pub async fn run(t: &mut Timings) -> Result<()> {
    // The highest key comes first, and `Reverse` makes the lowest number the highest key.
    in_order_of(t, "first in, first out", |number, _| Reverse(number)).await;
    in_order_of(t, "urgent first, numbered", |number, (urgency, _)| {
        (urgency, Reverse(number))
    })
    .await;
    in_order_of(t, "urgent first, no number", |_, (urgency, _)| {
        urgency // <- the difference: if two keys are equal, the parcels decide, and B is lower than D
    })
    .await;
    // The same order as a plain `Vec` with `push` and `pop`.
    in_order_of(t, "last in, first out", |number, _| number).await;
    Ok(())
}

async fn in_order_of<K: Ord>(t: &mut Timings, label: &str, key: fn(u64, Parcel) -> K) {
    let queue = Queue::by(key);
    let puts = async {
        for parcel in WAITING {
            queue.put(parcel);
        }
        sleep(ticks(1.5)).await;
        queue.put(LATER);
    };
    let both = async { join!(sorts(&queue, ALL), puts).0 };
    let order = t.time(label, sum([1; ALL]), both).await;
    t.count("order", in_words(&order));
}

/// A queue that hands out the parcel with the highest key.
struct Queue<K> {
    /// Makes a parcel's key of its number, which says how many were put before it, and of the parcel.
    key: fn(u64, Parcel) -> K,
    /// The parcels, each behind its key, and the number of the next one.
    store: Mutex<(BinaryHeap<(K, Parcel)>, u64)>,
    /// A permit for each parcel in the store.
    waiting: Semaphore,
}

impl<K: Ord> Queue<K> {
    fn by(key: fn(u64, Parcel) -> K) -> Self {
        Self {
            key,
            store: Mutex::new((BinaryHeap::new(), 0)),
            waiting: Semaphore::new(0),
        }
    }

    /// Not async: there is no bound, so it never waits.
    fn put(&self, parcel: Parcel) {
        // std's lock is enough, since nothing is awaited under it (see `sync/std-or-tokio`).
        let (heap, number) = &mut *self.store.lock().expect("no panic under the lock");
        heap.push(((self.key)(*number, parcel), parcel));
        *number += 1;
        // After the push, so there is a parcel for the `get` that takes the permit. Permits that nobody waits for are
        // kept, all of them; of the wake-ups of a `Notify` only one would be (see `sync/event`).
        self.waiting.add_permits(1);
    }

    async fn get(&self) -> Parcel {
        let permit = self.waiting.acquire().await;
        // Nothing is awaited from here on, so a `get` that is cancelled has taken no parcel. Dropping the permit
        // would give it back, but its parcel is about to leave.
        permit.expect("it is never closed").forget();
        let (heap, _) = &mut *self.store.lock().expect("no panic under the lock");
        heap.pop().expect("a parcel for each permit").1
    }
}

/// Asks for a parcel before the first one is there, and then whenever it is done with one.
async fn sorts<K: Ord>(queue: &Queue<K>, parcels: usize) -> Vec<Parcel> {
    let mut order = Vec::new();
    while order.len() < parcels {
        let (urgency, name) = queue.get().await;
        sort(urgency, name).await;
        order.push((urgency, name));
    }
    order
}

#[instrument(ret)]
async fn sort(urgency: u32, name: char) {
    sleep(ticks(1)).await;
}

fn in_words(order: &[Parcel]) -> String {
    let word = |&(urgency, name): &Parcel| format!("{name}{urgency}");
    order.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use proptest::{collection::vec, prelude::*};
    use std::time::Duration;
    use timing::on_virtual_clock;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn the_most_urgent_comes_first_and_ties_keep_their_order() {
        let t = Timings::of(run).await;
        let urgent = &t["urgent first, numbered"];
        assert_eq!(*urgent.count("order"), "B3 D3 F3 C2 A1 E1");
        assert_eq!(
            urgent.lane("'F'").start,
            ticks(2),
            "before C, which was there"
        );
        assert_eq!(urgent.elapsed, ticks(6));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_number_a_heap_loses_the_order_of_ties() {
        let t = Timings::of(run).await;
        let urgent = &t["urgent first, no number"];
        assert_eq!(*urgent.count("order"), "D3 B3 F3 C2 E1 A1");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_comes_first_if_the_key_is_the_number() {
        let t = Timings::of(run).await;
        let last = &t["last in, first out"];
        assert_eq!(*last.count("order"), "E1 D3 F3 C2 B3 A1");
        let first = &t["first in, first out"];
        assert_eq!(*first.count("order"), "A1 B3 C2 D3 E1 F3");
    }

    #[tokio::test(start_paused = true)]
    async fn a_get_waits_for_a_put() {
        let queue = Queue::by(|number, _| number);
        assert!(timeout(ticks(100), queue.get()).await.is_err());
        let later = async {
            sleep(ticks(1)).await;
            queue.put(LATER);
        };
        let (parcel, ()) = timeout(ticks(1), async { join!(queue.get(), later) })
            .await
            .unwrap();
        assert_eq!(parcel, LATER);
    }

    /// The order in which one sorter takes them, computed without a queue.
    fn expected(mut coming: Vec<(Duration, Parcel)>) -> Vec<Parcel> {
        let (mut now, mut order) = (Duration::ZERO, Vec::new());
        while let Some(next) = coming.iter().map(|(at, _)| *at).min() {
            now = now.max(next);
            let there = (0..coming.len()).filter(|&i| coming[i].0 <= now);
            let best = there.max_by_key(|&i| (coming[i].1.0, Reverse(coming[i].0)));
            order.push(coming.remove(best.expect("one is there")).1);
            now += ticks(1);
        }
        order
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn whenever_they_come_the_first_of_the_most_urgent_is_next(
            parcels in vec((0_u64..12, 0_u32..4), 0..20),
        ) {
            // A different number of milliseconds for each, so that no two things happen at once.
            let coming = (0_u8..).zip(&parcels).map(|(i, &(tick, urgency))| {
                let at = ticks(tick as f64) + Duration::from_millis(i.into());
                (at, (urgency, char::from(b'A' + i)))
            });
            let coming: Vec<_> = coming.collect();
            let order = on_virtual_clock(async {
                let queue = Queue::by(|number, (urgency, _)| (urgency, Reverse(number)));
                let puts = join_all(coming.iter().map(async |&(at, parcel)| {
                    sleep(at).await;
                    queue.put(parcel);
                }));
                join!(sorts(&queue, coming.len()), puts).0
            });
            prop_assert_eq!(order, expected(coming));
        }

        #[test]
        fn a_get_that_is_cancelled_takes_no_parcel(
            puts in vec(0_u32..20, 0..20),
            patience in vec(0_u32..20, 0..20),
        ) {
            on_virtual_clock(async {
                let queue = Queue::by(|number, _| number);
                let puts = join_all(puts.iter().map(async |&at| {
                    sleep(ticks(at)).await;
                    queue.put(LATER);
                }));
                let gets = patience.iter().map(|&ends| timeout(ticks(ends), queue.get()));
                let (puts, gets) = join!(puts, join_all(gets));
                let taken = gets.iter().filter(|got| got.is_ok()).count();
                let left = queue.store.lock().unwrap().0.len();
                prop_assert_eq!(taken + left, puts.len());
                prop_assert_eq!(queue.waiting.available_permits(), left);
                Ok(())
            })?;
        }
    }
}
