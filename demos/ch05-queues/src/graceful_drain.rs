//! # A graceful shutdown: all that was accepted is handled
//!
//! A van unloads twelve parcels onto a belt with places for four, two sorters need 1 tick for each, and after 1.5
//! ticks the depot closes. By then 8 parcels are accepted: 2 are sorted, 2 are in the sorters' hands, 4 are on the
//! belt. If the sorters are aborted, 6 are lost. A drain loses 0: it closes the belt, so the van gets its other 4
//! back, and the sorters go on until the belt is empty, after 4 ticks. Those belts are async-channels, which anybody
//! can close. A tokio `mpsc` has one receiver, and only the sorter that owns it can close it. A token tells it to (see
//! `tasks/cancel`), and it closes at tick 2, when it has sorted what it has in hand. 0 of 6 are lost.
//!
//! asyncio: Queue.shutdown, QueueShutDown
//!
//! ```python
//! try:
//!     while True: await sort(await belt.get())    # each sorter
//! except asyncio.QueueShutDown: pass              # closed, and empty
//!
//! belt.shutdown()                   # Python 3.13; from now on put() raises QueueShutDown
//! await asyncio.gather(*sorters)    # until the belt is empty
//! ```
//!
//! Not the same: a Queue can be shut down from anywhere; `close` of a tokio channel needs its only receiver. A `put`
//! that is refused raises, and its caller still has the item; `send` has taken the item, and hands it back in its
//! error. In both, a sorter that is cancelled in the middle of its work loses its parcel (see
//! `queues/cancelled-consumer`).

use anyhow::Result;
use async_channel::Receiver;
use timing::{
    Timings,
    law::{exactly, sum, waves},
    report::{Ended, Variant},
    ticks,
};
use tokio::{
    select, spawn,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    let twelve = (1..=12).map(|number| Parcel {
        number,
        pause: 0,
        time: 1,
    });
    let plan = Plan {
        parcels: twelve.collect(),
        sorters: 2,
        places: 4,
        closing: 1.5,
    };
    let day = t.time("abort", exactly(1.5), plan.day(abort)).await?;
    count(t, "abort", day);
    let day = t.time("drain", waves(8, 2, 1), plan.day(drain)).await?;
    count(t, "drain", day);

    // With one sorter, 6 parcels are accepted by then: 1 is sorted, 1 is in its hands, 4 are on the belt.
    let day = plan.day_with_mpsc();
    let day = t.time("drain, tokio mpsc", sum([1; 6]), day).await?;
    count(t, "drain, tokio mpsc", day);
    Ok(())
}

#[derive(Clone, Debug)]
struct Plan {
    parcels: Vec<Parcel>,
    sorters: usize,
    places: usize,
    closing: f64,
}

impl Plan {
    /// Returns how many parcels are accepted, and how many handed back.
    async fn day(
        &self,
        closes: impl AsyncFnOnce(Receiver<Parcel>, JoinSet<()>),
    ) -> Result<[usize; 2]> {
        let (belt, end) = async_channel::bounded(self.places);
        let sorters = (0..self.sorters).map(|_| sorter(end.clone())).collect();
        let put = async move |parcel| belt.send(parcel).await.map_err(|refused| refused.0);
        let van = spawn(unload(self.parcels.clone(), put));
        sleep(ticks(self.closing)).await;
        closes(end, sorters).await;
        self.counts(van).await
    }

    /// With one sorter, since an `mpsc` has one receiver.
    async fn day_with_mpsc(&self) -> Result<[usize; 2]> {
        let (belt, end) = mpsc::channel(self.places);
        let closing = CancellationToken::new();
        let sorter = spawn(closes_when_told(end, closing.clone()));
        let put = async move |parcel| belt.send(parcel).await.map_err(|refused| refused.0);
        let van = spawn(unload(self.parcels.clone(), put));
        sleep(ticks(self.closing)).await;
        closing.cancel();
        sorter.await?;
        self.counts(van).await
    }

    async fn counts(&self, van: JoinHandle<Vec<Parcel>>) -> Result<[usize; 2]> {
        let handed_back = van.await?.len();
        Ok([self.parcels.len() - handed_back, handed_back])
    }
}

/// The last receiver is dropped with the sorters, so the van is refused here too.
async fn abort(_belt: Receiver<Parcel>, mut sorters: JoinSet<()>) {
    sorters.shutdown().await;
}

async fn drain(belt: Receiver<Parcel>, sorters: JoinSet<()>) {
    // From now on each `send` is refused, even one that has been waiting for a place.
    belt.close();
    // Until the belt is empty. If a sorter panics, `join_all` panics too, which aborts the others: what is on the belt
    // is lost then. Where that may happen, a loop with `join_next` gets the panic as an error, and the others go on.
    sorters.join_all().await;
}

/// Ends when the belt is closed or has no sender left, and is empty.
async fn sorter(belt: Receiver<Parcel>) {
    while let Ok(parcel) = belt.recv().await {
        sort(parcel).await;
    }
}

async fn closes_when_told(mut belt: mpsc::Receiver<Parcel>, closing: CancellationToken) {
    while let Some(parcel) = select! {
        biased; // the token first: otherwise chance decides how many parcels are taken before the belt is closed
        () = closing.cancelled() => None,
        parcel = belt.recv() => parcel,
    } {
        sort(parcel).await;
    }
    belt.close();
    info!("the belt is closed");
    // Nothing comes onto the belt any more; what is there comes off it first.
    while let Some(parcel) = belt.recv().await {
        sort(parcel).await;
    }
}

/// Returns what was refused: `send` hands it back in its error. All the rest is accepted.
async fn unload(
    parcels: Vec<Parcel>,
    put: impl AsyncFn(Parcel) -> Result<(), Parcel>,
) -> Vec<Parcel> {
    let mut handed_back = Vec::new();
    for parcel in parcels {
        sleep(ticks(parcel.pause)).await;
        handed_back.extend(put(parcel).await.err());
    }
    handed_back
}

#[instrument(ret, skip_all, fields(parcel = parcel.number))]
async fn sort(parcel: Parcel) {
    sleep(ticks(parcel.time)).await;
}

#[derive(Clone, Debug)]
struct Parcel {
    number: u32,
    pause: u32,
    time: u32,
}

fn count(t: &mut Timings, label: &str, [accepted, handed_back]: [usize; 2]) {
    let handled = handled(&t[label]);
    t.count("accepted", accepted);
    t.count("handled", handled);
    t.count("lost", accepted - handled);
    t.count("handed back", handed_back);
}

fn handled(variant: &Variant) -> usize {
    let lanes = variant.lanes.iter();
    let sorts = lanes.filter(|lane| lane.label.starts_with("sort("));
    sorts.filter(|lane| lane.ended == Ended::Returned).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use proptest::{collection::vec, prelude::*};
    use std::panic::AssertUnwindSafe;
    use timing::{law::none, on_virtual_clock};
    use tokio::{sync::oneshot, time::timeout};

    fn check(t: &Timings, label: &str, after: f64, counts: [usize; 4]) {
        assert_eq!(t[label].elapsed, ticks(after), "{label}");
        let names = ["accepted", "handled", "lost", "handed back"];
        for (what, count) in names.into_iter().zip(counts) {
            assert_eq!(*t[label].count(what), count, "{what}, {label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_handles_all_that_was_accepted_and_hands_back_the_rest() {
        let t = Timings::of(run).await;
        check(&t, "abort", 1.5, [8, 2, 6, 4]);
        check(&t, "drain", 4.0, [8, 8, 0, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_mpsc_is_closed_when_its_sorter_comes_back_to_it() {
        let t = Timings::of(run).await;
        check(&t, "drain, tokio mpsc", 6.0, [6, 6, 0, 6]);
        let closed = &t["drain, tokio mpsc"].said[0];
        assert_eq!(
            (closed.text.as_str(), closed.at),
            ("the belt is closed", ticks(2))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn in_join_all_a_sorter_that_panics_takes_the_others_along() {
        let (tell, told) = oneshot::channel();
        let mut sorters = JoinSet::new();
        sorters.spawn(async { panic!("on purpose") });
        sorters.spawn(async {
            sleep(ticks(1)).await;
            let _told = tell.send("sorted");
        });
        let drained = AssertUnwindSafe(sorters.join_all()).catch_unwind().await;
        assert!(drained.is_err());
        assert!(told.await.is_err(), "the other one didn't get to its end");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn whenever_it_closes_a_drain_loses_nothing(
            parcels in vec((0_u32..3, 0_u32..4), 0..12),
            sorters in 1_usize..4,
            places in 1_usize..5,
            closing in 0_u32..20,
        ) {
            let parcels = parcels.into_iter().map(|(pause, time)| Parcel { number: 0, pause, time });
            let plan = Plan { parcels: parcels.collect(), sorters, places, closing: closing.into() };
            on_virtual_clock(async {
                let mut t = Timings::default();
                let day = timeout(ticks(1_000), plan.day(drain));
                let [accepted, _] = t.time("async-channel", none(), day).await.expect("it ends").unwrap();
                prop_assert_eq!(handled(&t["async-channel"]), accepted);

                let day = timeout(ticks(1_000), plan.day_with_mpsc());
                let [accepted, _] = t.time("mpsc", none(), day).await.expect("it ends").unwrap();
                prop_assert_eq!(handled(&t["mpsc"]), accepted);
                Ok(())
            })?;
        }
    }
}
