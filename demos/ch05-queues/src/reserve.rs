//! # `reserve`: first a place, then the parcel
//!
//! An unloader takes parcels from a van faster than they leave the belt, so it waits for a place most of the time.
//! After 4 ticks it is cancelled in such a wait. With `send` it has unloaded 5 parcels by then, 4 of them get sorted,
//! and 1 is lost: it was dropped with the `send`. With `reserve` the place comes before the parcel: 4 are unloaded, 4
//! sorted, 0 lost, and the fifth is still in the van. If the cancel comes at 2.6 ticks, it finds a place reserved and
//! not used. The place is given back: in the end 2 of 2 are free.
//!
//! asyncio: Queue.put
//!
//! ```python
//! parcel = await van.unload()
//! try:
//!     await belt.put(parcel)
//! except asyncio.CancelledError:
//!     van.put_back(parcel)            # the parcel is still here
//!     raise
//! ```
//!
//! Not the same: a `put` that is cancelled hasn't put anything, and its caller still has the parcel and can save it
//! in an `except`. `send` takes the parcel by value. If its future is dropped while it waits, the parcel goes with
//! it: `send` isn't cancel-safe (see `tasks/select`). asyncio has nothing like `reserve`: its queue can be asked
//! whether it is full, and promises no place. `reserve` has a price: the `send` of a permit returns nothing. If the
//! receiver was dropped since, the parcel is lost without an error; `Sender::send` would hand it back.

use std::cell::Cell;

use anyhow::Result;
use timing::{Timings, law::sum, ticks};
use tokio::{
    join,
    sync::mpsc::{Permit, Receiver, Sender, channel, error::SendError},
    time::{sleep, timeout},
};
use tracing::instrument;

const PARCELS: usize = 5;
/// How many parcels the belt holds.
const PLACES: usize = 2;

pub async fn run(t: &mut Timings) -> Result<()> {
    let law = || sum([0.4, 2.0, 2.0, 2.0, 2.0]);
    let day = Van::of(0.4).day(2.0, 4.0, sends);
    let day = t.time("send", law(), day).await?;
    count(t, &day);

    let day = Van::of(0.4).day(2.0, 4.0, reserves);
    let day = t.time("reserve", law(), day).await?;
    count(t, &day);

    let law = sum([0.4, 2.0, 2.0, 2.0]);
    // At 2.6 the fourth parcel has a place, and is still being unloaded.
    let day = Van::of(0.4).day(2.0, 2.6, reserves);
    let day = t.time("reserve, not used", law, day).await?;
    count(t, &day);
    Ok(())
}

async fn sends(van: &Van, belt: Sender<usize>) -> Result<()> {
    while let Some(parcel) = van.next() {
        van.unload().await;
        waits_to_send(parcel, &belt).await?;
    }
    Ok(())
}

/// As long as it waits, the parcel is in its future: no longer in the van, and not yet on the belt.
#[instrument(ret, err, skip(belt))]
async fn waits_to_send(parcel: usize, belt: &Sender<usize>) -> Result<(), SendError<usize>> {
    belt.send(parcel).await
}

async fn reserves(van: &Van, belt: Sender<usize>) -> Result<()> {
    while let Some(parcel) = van.next() {
        // <- the difference: this is the wait, and there is no parcel in it.
        let place = waits_for_place(parcel, &belt).await?;
        // Cancelled here, it drops the place, and another sender can have it.
        van.unload().await;
        // Between the unloading and the belt there is no `.await`, so nothing can be dropped there. This `send` isn't
        // told if the sorter has gone since the `reserve`: then the parcel is lost without an error.
        place.send(parcel);
    }
    Ok(())
}

/// A permit is a place that nobody else can take. `parcel` is the number of the one it is for.
#[instrument(ret, err, skip(belt))]
async fn waits_for_place(
    parcel: usize,
    belt: &Sender<usize>,
) -> Result<Permit<'_, usize>, SendError<()>> {
    belt.reserve().await
}

/// Five parcels. A `Cell` will do for the count: all futures here are polled from one task.
struct Van {
    unloading: f64,
    unloaded: Cell<usize>,
}

impl Van {
    fn of(unloading: f64) -> Self {
        let unloaded = Cell::new(0);
        Self {
            unloading,
            unloaded,
        }
    }

    /// What is cancelled at `end` is dropped with its sender, so the sorter gets what is on the belt, and then the
    /// end.
    async fn day(
        self,
        sorting: f64,
        end: f64,
        unload_all: impl AsyncFnOnce(&Self, Sender<usize>) -> Result<()>,
    ) -> Result<Day> {
        let (belt, sorter) = channel(PLACES);
        let unloading = timeout(ticks(end), unload_all(&self, belt));
        // One task, so the timeline shows a poll of the one that sleeps whenever the other one wakes.
        let (unloaded, (sorted, places_free)) = join!(unloading, sort_all(sorter, sorting));
        // That the time is up before the van is empty is no error.
        unloaded.unwrap_or(Ok(()))?;
        let unloaded = self.unloaded.get();
        Ok(Day {
            unloaded,
            sorted,
            places_free,
        })
    }

    /// The number of the next parcel, which stays where it is.
    fn next(&self) -> Option<usize> {
        let next = self.unloaded.get() + 1;
        (next <= PARCELS).then_some(next)
    }

    /// A parcel is in the van until the time is over. Cancelled before that, it stays there.
    async fn unload(&self) {
        sleep(ticks(self.unloading)).await;
        self.unloaded.update(|count| count + 1);
    }
}

async fn sort_all(mut belt: Receiver<usize>, time: f64) -> (Vec<usize>, usize) {
    let mut sorted = Vec::new();
    while let Some(parcel) = belt.recv().await {
        sorted.push(sort(parcel, time).await);
    }
    (sorted, belt.capacity())
}

#[instrument(ret, skip(time))]
async fn sort(parcel: usize, time: f64) -> usize {
    sleep(ticks(time)).await;
    parcel
}

struct Day {
    unloaded: usize,
    sorted: Vec<usize>,
    /// After the last parcel has left the belt.
    places_free: usize,
}

fn count(t: &mut Timings, day: &Day) {
    t.count("unloaded", day.unloaded);
    t.count("sorted", day.sorted.len());
    t.count("lost", day.unloaded - day.sorted.len());
    t.count("places free", day.places_free);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prop_assert, prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use timing::{on_virtual_clock, report::Ended};
    use tokio::sync::oneshot;

    #[tokio::test(start_paused = true)]
    async fn a_send_that_is_dropped_drops_its_parcel() {
        let t = Timings::of(run).await;
        let send = &t["send"];
        assert_eq!(send.elapsed, ticks(8.4));
        assert_eq!(send.lane("waits_to_send(5)").ended, Ended::Cancelled);
        assert_eq!(*send.count("unloaded"), 5);
        assert_eq!(*send.count("sorted"), 4);
        assert_eq!(*send.count("lost"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reserve_that_is_dropped_has_no_parcel_to_lose() {
        let t = Timings::of(run).await;
        let reserve = &t["reserve"];
        assert_eq!(reserve.elapsed, ticks(8.4));
        assert_eq!(reserve.lane("waits_for_place(5)").ended, Ended::Cancelled);
        assert_eq!(*reserve.count("unloaded"), 4);
        assert_eq!(*reserve.count("lost"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_not_used_is_given_back() {
        let t = Timings::of(run).await;
        let unused = &t["reserve, not used"];
        assert_eq!(unused.elapsed, ticks(6.4));
        assert_eq!(unused.lane("waits_for_place(4)").ended, Ended::Returned);
        assert_eq!(*unused.count("sorted"), 3);
        assert_eq!(*unused.count("lost"), 0);
        assert_eq!(*unused.count("places free"), 2);
    }

    #[test]
    fn whenever_it_is_cancelled_reserve_loses_nothing_and_send_one_at_most() {
        let losses = Cell::new(0);
        // The times are tenths of a tick.
        let cases = (0_u32..10, 0_u32..40, 0_u32..60);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&cases, |(unloading, sorting, end)| {
            let [unloading, sorting, end] = [unloading, sorting, end].map(|n| f64::from(n) / 10.0);
            on_virtual_clock(async {
                let day = Van::of(unloading).day(sorting, end, reserves);
                let day = day.await.unwrap();
                prop_assert!(day.sorted.into_iter().eq(1..=day.unloaded));
                prop_assert_eq!(day.places_free, PLACES);

                let day = Van::of(unloading).day(sorting, end, sends).await.unwrap();
                let lost = day.unloaded - day.sorted.len();
                prop_assert!(lost <= 1);
                losses.update(|losses| losses + lost);
                Ok(())
            })
        });
        held.unwrap();
        // The cases are hard enough.
        assert!(losses.get() > 100, "`send` has lost {}", losses.get());
    }

    #[tokio::test]
    async fn a_permit_is_not_told_that_the_sorter_has_gone() {
        let (belt, sorter) = channel(1);
        let place = belt.reserve().await.unwrap();
        drop(sorter);
        let (parcel, unread) = oneshot::channel::<()>();
        place.send(parcel);
        assert!(belt.is_closed());
        drop(belt);
        assert!(unread.await.is_err(), "nobody has it any more");
    }
}
