//! # A graceful shutdown: all that was accepted is handled
//!
//! A van unloads twelve parcels onto a belt with room for four, two sorters need 1 tick for each, and after 1.5 ticks
//! the depot closes. By then 8 parcels are accepted: 2 are sorted, 2 are in the sorters' hands, 4 are on the belt. If
//! the sorters are aborted, 6 are lost. A drain loses 0: it closes the belt, so the van gets its other 4 back, and
//! the sorters go on until the belt is empty, after 4 ticks. But a sorter that was cancelled in the middle of its
//! work has lost the parcel in its hands, 1 of 7. It loses 0 if the work is a task of its own, and the drain waits
//! for it.
//!
//! asyncio: Queue.shutdown, QueueShutDown
//!
//! ```python
//! try:
//!     while True: await sort(await belt.get())    # each sorter
//! except asyncio.QueueShutDown: pass              # closed, and empty
//!
//! belt.shutdown()    # Python 3.13; from now on put() raises QueueShutDown
//! ```
//!
//! Not the same: a Queue can be shut down from anywhere. `close` is a method of the receiver, so here a token tells
//! the sorter that holds it. A `put` that is refused raises, and its caller still has the item; `send` has taken the
//! item, and hands it back in its error. A cancelled sorter loses its parcel in asyncio too, and there, too, a task
//! of its own saves it (see `shield`): awaited bare, that task would be cancelled with the sorter.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{panic::AssertUnwindSafe, sync::Arc};

use anyhow::Result;
use futures_util::FutureExt;
use timing::{
    Timings,
    law::{exactly, sum, waves},
    ticks,
};
use tokio::{
    select,
    sync::{Mutex, mpsc, mpsc::error::SendError},
    task::JoinSet,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, instrument};

const NEVER: f64 = 1_000.0;

pub async fn run(t: &mut Timings) -> Result<()> {
    let parcel = |number| Parcel {
        number,
        time: 1,
        ..Parcel::default()
    };
    let plan = Plan {
        vans: vec![(1..=12).map(parcel).collect()],
        sorters: vec![NEVER, NEVER],
        room: 4,
        closing: 1.5,
    };
    let day = plan.day(works_itself, Depot::abort);
    let day = t.time("abort", exactly(1.5), day).await;
    count(t, day);
    let day = plan.day(works_itself, Depot::drain);
    let day = t.time("drain", waves(8, 2, 1), day).await;
    count(t, day);

    // From 0.5 on there is one sorter, and 6 of the 7 parcels are left to it.
    let plan = Plan {
        sorters: vec![0.5, NEVER],
        ..plan
    };
    let day = plan.day(works_itself, Depot::drain);
    let day = t.time("drain, one cancelled", sum([1; 6]), day).await;
    count(t, day);
    let day = plan.day(works_in_a_task, Depot::drain);
    let day = t.time("drain, work in tasks", sum([1; 6]), day).await;
    count(t, day);
    Ok(())
}

#[derive(Debug)]
struct Plan {
    vans: Vec<Vec<Parcel>>,
    /// When each sorter is cancelled.
    sorters: Vec<f64>,
    room: usize,
    closing: f64,
}

impl Plan {
    /// Returns how many parcels are accepted, handled and handed back.
    async fn day<F: Future<Output = ()> + Send + 'static>(
        &self,
        sorter: fn(Depot) -> F,
        closes: impl AsyncFnOnce(Depot, JoinSet<()>),
    ) -> [usize; 3] {
        let (belt, receiver) = mpsc::channel(self.room);
        let handled = Arc::<AtomicUsize>::default();
        let depot = Depot {
            belt: Arc::new(Mutex::new(receiver)),
            closing: CancellationToken::new(),
            work: TaskTracker::new(),
            handled: handled.clone(),
        };
        let mut sorters = JoinSet::new();
        for &cancelled in &self.sorters {
            let sorter = sorters.spawn(sorter(depot.clone()));
            tokio::spawn(async move {
                sleep(ticks(cancelled)).await;
                sorter.abort();
            });
        }
        let vans = self.vans.iter().cloned();
        let vans: JoinSet<_> = vans.map(|van| unload(belt.clone(), van)).collect();
        sleep(ticks(self.closing)).await;
        closes(depot, sorters).await;
        let handled = handled.load(Relaxed);

        let all = self.vans.iter().flatten().count();
        let handed_back = vans.join_all().await.iter().flatten().count();
        [all - handed_back, handled, handed_back]
    }
}

/// What the sorters share.
#[derive(Clone)]
struct Depot {
    belt: Arc<Mutex<mpsc::Receiver<Parcel>>>,
    closing: CancellationToken,
    work: TaskTracker,
    handled: Arc<AtomicUsize>,
}

impl Depot {
    /// The depot and its sorters hold the receiver. It is dropped with the last of them, and the parcels with it.
    async fn abort(self, mut sorters: JoinSet<()>) {
        sorters.shutdown().await;
    }

    async fn drain(self, mut sorters: JoinSet<()>) {
        self.closing.cancel();
        while let Some(end) = sorters.join_next().await {
            if let Err(end) = end {
                info!("a sorter ended early: {end}");
            }
        }
        // If none of them came to the end of the belt, nobody has closed it, and the rest is still there.
        works_in_a_task(self.clone()).await;
        // A task goes on when its sorter is cancelled, and may be the last.
        self.work.close();
        self.work.wait().await;
    }

    /// `None` when the belt is closed and empty.
    async fn next(&self) -> Option<Parcel> {
        let mut belt = self.belt.lock().await;
        select! {
            biased; // so that it is closed at once, however many parcels there are
            // `close` needs the receiver, and the sorter that waits for a parcel holds it.
            () = self.closing.cancelled(), if !belt.is_closed() => belt.close(),
            parcel = belt.recv() => return parcel,
        }
        // Nothing comes onto the belt any more; what is there comes off it first.
        belt.recv().await
    }

    /// A panic is caught: a parcel that bursts is handled too, and its sorter goes on.
    async fn handle(self, parcel: Parcel) {
        let _whole_or_burst = AssertUnwindSafe(sort(parcel)).catch_unwind().await;
        self.handled.fetch_add(1, Relaxed);
    }
}

async fn works_itself(depot: Depot) {
    while let Some(parcel) = depot.next().await {
        // Off the belt, the parcel is in this future and nowhere else: it is dropped when the sorter is cancelled.
        depot.clone().handle(parcel).await;
    }
}

async fn works_in_a_task(depot: Depot) {
    while let Some(parcel) = depot.next().await {
        // There is no `.await` between taking the parcel and spawning, so nothing can be cancelled in between.
        let work = depot.work.spawn(depot.clone().handle(parcel)); // <- the difference
        work.await.expect("panics are caught, nobody aborts");
    }
}

/// Returns what was refused: `send` hands it back in its error. All the rest is accepted.
async fn unload(belt: mpsc::Sender<Parcel>, parcels: Vec<Parcel>) -> Vec<Parcel> {
    let mut handed_back = Vec::new();
    for parcel in parcels {
        sleep(ticks(parcel.pause)).await;
        if let Err(SendError(parcel)) = belt.send(parcel).await {
            handed_back.push(parcel);
        }
    }
    handed_back
}

#[instrument(ret, skip_all, fields(parcel = parcel.number))]
async fn sort(parcel: Parcel) {
    sleep(ticks(parcel.time)).await;
    assert!(!parcel.bursts, "the parcel bursts");
}

#[derive(Clone, Debug, Default)]
struct Parcel {
    number: usize,
    pause: u32,
    time: u32,
    bursts: bool,
}

fn count(t: &mut Timings, [accepted, handled, handed_back]: [usize; 3]) {
    t.count("accepted", accepted);
    t.count("handled", handled);
    t.count("lost", accepted - handled);
    t.count("handed back", handed_back);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prelude::*,
        test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
    };
    use std::cell::Cell;
    use timing::on_virtual_clock;
    use tokio::time::timeout;

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
    async fn a_cancelled_sorter_loses_its_parcel_unless_the_work_is_a_task() {
        let t = Timings::of(run).await;
        check(&t, "drain, one cancelled", 6.0, [7, 6, 1, 5]);
        check(&t, "drain, work in tasks", 6.0, [7, 7, 0, 5]);
    }

    fn plans() -> impl Strategy<Value = Plan> {
        let parcel = (0_u32..3, 0_u32..4, prop::bool::weighted(0.2));
        let parcel = parcel.prop_map(|(pause, time, bursts)| Parcel {
            number: 0,
            pause,
            time,
            bursts,
        });
        let cancelled = (0_u32..20).prop_map(f64::from);
        let plan = (
            vec(vec(parcel, 0..12), 0..4),
            vec(cancelled, 0..4),
            1_usize..5,
            0_u32..20,
        );
        plan.prop_map(|(vans, sorters, room, closing)| Plan {
            vans,
            sorters,
            room,
            closing: closing.into(),
        })
    }

    #[test]
    fn with_work_in_tasks_a_drain_loses_nothing_in_512_cases() {
        let lost_otherwise = Cell::new(0);
        let config = Config {
            cases: 512,
            failure_persistence: None,
            ..Config::default()
        };
        let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let held = TestRunner::new_with_rng(config, seed).run(&plans(), |plan| {
            on_virtual_clock(async {
                let day = timeout(ticks(1_000), plan.day(works_in_a_task, Depot::drain));
                let [accepted, handled, _] = day.await.expect("it ends");
                prop_assert_eq!(handled, accepted);
                let [accepted, handled, _] = plan.day(works_itself, Depot::drain).await;
                lost_otherwise.update(|lost| lost + accepted - handled);
                Ok(())
            })
        });
        held.unwrap();
        assert_eq!(lost_otherwise.get(), 197, "parcels lost with this seed");
    }
}
