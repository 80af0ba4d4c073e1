//! # A swallowed panic: a queue without its worker
//!
//! A worker packs six parcels from a queue and panics at the third. With `let _ = worker.await` the program ends as
//! if all were packed: `Ok`, with 2 packed. With `worker.await?` 2 are packed as well, but the program ends with an
//! error. With a loop that spawns a new worker after each panic 5 are packed: all but the one in hand.
//!
//! asyncio: create_task, Queue
//!
//! How to see it: the panic hook reports the panic, and the timeline marks the worker's lane. By default no lint
//! warns of `let _ = worker.await`; `clippy::let_underscore_must_use` does once it is turned on, but not of a handle
//! that is dropped and never awaited.
//!
//! Cured in: `tasks/detached`, `tasks/spawn`
//!
//! ```python
//! worker = asyncio.create_task(pack(queue))
//! await queue.join()      # waits for ever: nobody is left to call task_done
//! await worker            # in its place, if `pack` returns when all is packed: raises what the worker raised
//! ```
//!
//! Not the same: `await worker` raises the exception again. `worker.await` returns the panic in a `Result`; rustc
//! asks that it be used, and `let _ =` counts as a use. asyncio's `join` counts items and waits for ever when their
//! worker is gone (`queues/task-done`). A channel has no such count: here `worker.await` ends the wait, and a sender
//! that is still there learns of it from `send`, which fails once the receiver is dropped.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use anyhow::Result;
use timing::{Timings, law::sum, ticks};
use tokio::{
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, unbounded_channel},
    },
    time::sleep,
};
use tracing::{instrument, warn};

use Parcel::{Sound, Torn};

const PARCELS: [Parcel; 6] = [Sound, Sound, Torn, Sound, Sound, Sound];

pub async fn run(t: &mut Timings) -> Result<()> {
    let packed = Packed::default();
    let outcome = packs_and_forgets(&PARCELS, &packed);
    let outcome = t.time("let _ = worker.await", sum([1; 2]), outcome).await;
    count(t, &packed, &outcome);

    let packed = Packed::default();
    let outcome = packs_or_fails(&PARCELS, &packed);
    let outcome = t.time("worker.await?", sum([1; 2]), outcome).await;
    count(t, &packed, &outcome);

    let packed = Packed::default();
    let outcome = packs_with_a_new_worker(&PARCELS, &packed);
    let outcome = t.time("a new worker", sum([1; 5]), outcome).await;
    count(t, &packed, &outcome);
    Ok(())
}

/// It does wait for the worker. What it throws away is how the worker ended.
#[instrument(ret, err, skip_all)]
async fn packs_and_forgets(parcels: &[Parcel], packed: &Packed) -> Result<()> {
    let queue = filled_with(parcels)?;
    let worker = tokio::spawn(packs(queue, packed.clone()));
    let _ = worker.await; // <- the difference
    Ok(())
}

/// As many parcels stay unpacked, but the caller learns of it.
#[instrument(ret, err, skip_all)]
async fn packs_or_fails(parcels: &[Parcel], packed: &Packed) -> Result<()> {
    let queue = filled_with(parcels)?;
    let worker = tokio::spawn(packs(queue, packed.clone()));
    worker.await?; // <- the difference
    Ok(())
}

/// The queue has to outlive its worker here. That is why it is shared by an `Arc`. The loop needs no bound and no
/// pause, because each panic has taken a parcel out of the queue. A worker that panics before it has taken one would
/// be spawned again for ever.
#[instrument(ret, err, skip_all)]
async fn packs_with_a_new_worker(parcels: &[Parcel], packed: &Packed) -> Result<()> {
    let queue = filled_with(parcels)?;
    // <- the difference: the loop ends with a worker that returns.
    while let Err(error) = tokio::spawn(packs(queue.clone(), packed.clone())).await {
        warn!("a new worker: {error}");
    }
    Ok(())
}

/// A panic releases tokio's `Mutex`, and the next worker can lock it. std's would be poisoned.
#[instrument(ret, skip_all)]
async fn packs(queue: Queue, packed: Packed) {
    let mut queue = queue.lock().await;
    while let Some(parcel) = queue.recv().await {
        assert!(parcel == Sound, "the parcel is torn");
        sleep(ticks(1)).await;
        packed.fetch_add(1, Relaxed);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Parcel {
    Sound,
    Torn,
}

type Queue = Arc<Mutex<UnboundedReceiver<Parcel>>>;

/// How many parcels are packed.
type Packed = Arc<AtomicU32>;

/// The sender is dropped here, so the queue ends after these parcels.
fn filled_with(parcels: &[Parcel]) -> Result<Queue> {
    let (sender, receiver) = unbounded_channel();
    for &parcel in parcels {
        sender.send(parcel)?;
    }
    Ok(Arc::new(Mutex::new(receiver)))
}

fn count(t: &mut Timings, packed: &Packed, outcome: &Result<()>) {
    t.count("packed", packed.load(Relaxed));
    t.count(
        "the program ends with",
        if outcome.is_ok() { "Ok" } else { "Err" },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prop_assert, prop_assert_eq,
        sample::select,
        test_runner::{Config, TestRunner},
    };
    use std::cell::Cell;
    use timing::{on_virtual_clock, report::Ended};

    #[tokio::test(start_paused = true)]
    async fn the_panic_is_thrown_away_and_four_parcels_with_it() {
        let t = Timings::of(run).await;
        let forgotten = &t["let _ = worker.await"];
        assert_eq!(*forgotten.count("packed"), 2);
        assert_eq!(*forgotten.count("the program ends with"), "Ok");
        assert_eq!(forgotten.lane("packs()").ended, Ended::Panicked);
        assert_eq!(forgotten.lane("packs_and_forgets").ended, Ended::Returned);
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_question_mark_the_program_ends_with_an_error() {
        let t = Timings::of(run).await;
        let failed = &t["worker.await?"];
        assert_eq!(*failed.count("packed"), 2);
        assert_eq!(*failed.count("the program ends with"), "Err");
        assert_eq!(failed.lane("packs_or_fails").ended, Ended::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_learns_of_it_once_the_receiver_is_dropped() {
        let (sender, receiver) = unbounded_channel();
        let worker = tokio::spawn(packs(Arc::new(Mutex::new(receiver)), Packed::default()));
        sender.send(Torn).unwrap();
        assert!(worker.await.unwrap_err().is_panic());
        assert!(sender.send(Sound).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_worker_packs_all_but_the_one_in_hand() {
        let t = Timings::of(run).await;
        let restarted = &t["a new worker"];
        assert_eq!(restarted.elapsed, ticks(5));
        assert_eq!(*restarted.count("packed"), 5);
        let workers = restarted
            .lanes
            .iter()
            .filter(|lane| lane.label == "packs()");
        let ended: Vec<_> = workers.map(|lane| lane.ended).collect();
        assert_eq!(ended, [Ended::Panicked, Ended::Returned]);
    }

    #[test]
    fn in_512_queues_only_a_new_worker_packs_every_sound_parcel() {
        let lossy = Cell::new(0);
        let cases = vec(select(&[Sound, Sound, Torn]), 0..10);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&cases, |parcels| {
            let is_sound = |parcel: &&Parcel| **parcel == Sound;
            let sound = parcels.iter().filter(is_sound).count();
            let before_a_torn_one = parcels.iter().take_while(is_sound).count();
            on_virtual_clock(async {
                let packed = Packed::default();
                prop_assert!(packs_with_a_new_worker(&parcels, &packed).await.is_ok());
                prop_assert_eq!(packed.load(Relaxed) as usize, sound);

                let packed = Packed::default();
                let outcome = packs_or_fails(&parcels, &packed).await;
                prop_assert_eq!(outcome.is_ok(), sound == parcels.len());
                prop_assert_eq!(packed.load(Relaxed) as usize, before_a_torn_one);

                let packed = Packed::default();
                prop_assert!(packs_and_forgets(&parcels, &packed).await.is_ok());
                prop_assert_eq!(packed.load(Relaxed) as usize, before_a_torn_one);
                lossy.update(|cases| cases + u32::from(before_a_torn_one < sound));
                Ok(())
            })
        });
        held.unwrap();
        let lossy = lossy.get();
        assert!(lossy > 100, "sound parcels were lost in {lossy}");
    }
}
