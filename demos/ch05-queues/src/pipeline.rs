//! # A pipeline: every item comes out, even the one that fails
//!
//! Nine parcels pass four stages: one task puts them on a belt, five workers fetch their labels, a parser reads the
//! address on each label, and the outcomes are collected. The first label takes 3 ticks, the others 1, and the fourth
//! can't be read. One at a time that takes 11 ticks, with five workers 3. If the parser sends on the outcome of each
//! label, an address or an error, 8 are read, 1 fails and 0 are lost. If it ends at the error with a `?`, 2 are read
//! and 7 are lost. The outcomes come out in the order in which they are done, that of the first parcel last. Each
//! carries its parcel's number, so they can be sorted.
//!
//! asyncio: Queue
//!
//! ```python
//! while True:                                  # in each of five workers, which fetch and parse
//!     number, parcel = await parcels.get()
//!     try: results.append((number, parse(await fetch(parcel))))
//!     except Exception as error: results.append((number, error))
//!     finally: parcels.task_done()
//! ```
//!
//! Not the same: a Queue doesn't know its workers. Without the `except` an exception ends one of them. Once all have
//! ended, `parcels.join()` waits for the other parcels for ever. A channel knows its two ends: a stage ends when the
//! stage before it has dropped its last sender, or at its next `send` once the one after it has dropped its receiver
//! (see `queues/end-of-queue`). So here none has to be cancelled. A stage that waits for an item that never comes
//! doesn't learn that nobody wants it any more.

use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::{StreamExt, stream};
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::{
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    task::JoinSet,
    time::sleep,
};
use tracing::{info, instrument};

const WORKERS: usize = 5;
const CAPACITY: usize = 100;
const TIMES: [u32; 9] = [3, 1, 1, 1, 1, 1, 1, 1, 1];

pub async fn run(t: &mut Timings) -> Result<()> {
    let parcels = nine_parcels();
    let in_turn = stream::iter(&parcels).then(async |&parcel| parse(fetch(parcel).await));
    let outcomes: Vec<_> = t.time("one at a time", sum(TIMES), in_turn.collect()).await;
    count(t, &outcomes);

    // The first label keeps one worker busy for 3 ticks. The other four need 2 for the rest.
    let stages = pipeline(&parcels, CAPACITY, sends_errors_on);
    let outcomes = t.time("five workers", exactly(3), stages).await;
    count(t, &outcomes);

    // No sooner: the worker with the first label learns only at its next `send` that the parser is gone.
    let stages = pipeline(&parcels, CAPACITY, ends_at_an_error);
    let outcomes = t.time("five workers, a `?`", exactly(3), stages).await;
    count(t, &outcomes);
    Ok(())
}

/// `capacity` bounds each of the three channels. The outcomes are in the order in which they are done.
async fn pipeline<F>(
    parcels: &[Parcel],
    capacity: usize,
    parser: impl FnOnce(Receiver<Label>, Sender<Outcome>) -> F,
) -> Vec<Outcome>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (put, belt) = channel(capacity);
    let (fetched, labels) = channel(capacity);
    let (parsed, mut outcomes) = channel(capacity);
    let mut stages = JoinSet::new();
    // A task, since with more parcels than the channels hold it can't end before the collecting begins.
    stages.spawn(puts_on_belt(parcels.to_vec(), put));
    let belt = Arc::new(Mutex::new(belt));
    for _ in 0..WORKERS {
        stages.spawn(worker(belt.clone(), fetched.clone()));
    }
    // The workers have their own. These two would keep the stages waiting: the parser for labels, and
    // `puts_on_belt` for a place once all workers are gone.
    drop((belt, fetched));
    stages.spawn(parser(labels, parsed));

    let mut collected = Vec::new();
    while let Some(outcome) = outcomes.recv().await {
        collected.push(outcome);
    }
    while let Some(end) = stages.join_next().await {
        // Treats a panic like a returned error.
        if let Err(error) = end.map_err(anyhow::Error::from).flatten() {
            info!("a stage ends early: {error}");
        }
    }
    collected
}

async fn puts_on_belt(parcels: Vec<Parcel>, belt: Sender<Parcel>) -> Result<()> {
    for parcel in parcels {
        belt.send(parcel).await.context("all workers are gone")?;
    }
    Ok(())
}

async fn worker(belt: Arc<Mutex<Receiver<Parcel>>>, labels: Sender<Label>) -> Result<()> {
    loop {
        // A statement of its own, so that the lock isn't kept during the fetch (see `queues/many-consumers`).
        let next = belt.lock().await.recv().await;
        let Some(parcel) = next else {
            return Ok(());
        };
        let label = fetch(parcel).await;
        labels.send(label).await.context("the parser is gone")?;
    }
}

async fn sends_errors_on(mut labels: Receiver<Label>, parsed: Sender<Outcome>) -> Result<()> {
    while let Some(label) = labels.recv().await {
        parsed.send(parse(label)).await.context("nobody collects")?;
    }
    Ok(())
}

async fn ends_at_an_error(mut labels: Receiver<Label>, parsed: Sender<Outcome>) -> Result<()> {
    while let Some(label) = labels.recv().await {
        let (number, address) = parse(label);
        // What waits in the channel is dropped with `labels`, and what is still being fetched can't be sent.
        let address = address?; // <- the difference
        let outcome = (number, Ok(address));
        parsed.send(outcome).await.context("nobody collects")?;
    }
    Ok(())
}

#[instrument(ret, skip_all, fields(parcel = parcel.number))]
async fn fetch(parcel: Parcel) -> Label {
    sleep(ticks(parcel.time)).await;
    (parcel.number, if parcel.readable { "12" } else { "I2" })
}

fn parse((number, text): Label) -> Outcome {
    let address = text.parse();
    let address = address.with_context(|| format!("label {number} is {text:?}"));
    (number, address)
}

#[derive(Clone, Copy, Debug)]
struct Parcel {
    number: usize,
    time: u32,
    readable: bool,
}

/// The number of the parcel goes along through all stages.
type Label = (usize, &'static str);
type Outcome = (usize, Result<u32>);

fn nine_parcels() -> Vec<Parcel> {
    let parcels = (1..).zip(TIMES).map(|(number, time)| Parcel {
        number,
        time,
        readable: number != 4,
    });
    parcels.collect()
}

fn count(t: &mut Timings, outcomes: &[Outcome]) {
    let read = outcomes.iter().filter(|(_, address)| address.is_ok());
    let read = read.count();
    t.count("read", read);
    t.count("failed", outcomes.len() - read);
    t.count("lost", TIMES.len() - outcomes.len());
    let numbers = outcomes.iter().map(|(number, _)| number.to_string());
    t.count("come out", numbers.collect::<Vec<_>>().join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use timing::on_virtual_clock;
    use tokio::time::timeout;

    fn check(t: &Timings, label: &str, after: u32, [read, failed, lost]: [usize; 3], out: &str) {
        assert_eq!(t[label].elapsed, ticks(after), "{label}");
        assert_eq!(*t[label].count("read"), read, "{label}");
        assert_eq!(*t[label].count("failed"), failed, "{label}");
        assert_eq!(*t[label].count("lost"), lost, "{label}");
        assert_eq!(*t[label].count("come out"), out, "{label}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_item_loses_nothing_and_a_question_mark_seven() {
        let t = Timings::of(run).await;
        check(&t, "one at a time", 11, [8, 1, 0], "1 2 3 4 5 6 7 8 9");
        check(&t, "five workers", 3, [8, 1, 0], "2 3 4 5 6 7 8 9 1");
        check(&t, "five workers, a `?`", 3, [2, 0, 7], "2 3");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_panics_ends_the_others() {
        let parcels = nine_parcels();
        let panics = |_labels, _parsed| async { panic!("the parser breaks") };
        let outcomes = timeout(ticks(1_000), pipeline(&parcels, 1, panics)).await;
        assert!(outcomes.expect("it ends").is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn every_item_comes_out_once_whatever_fails_and_can_be_sorted_by_its_number(
            parcels in vec((0_u32..5, any::<bool>()), 0..40),
            capacity in 1_usize..6,
        ) {
            let parcel = |(number, (time, readable))| Parcel { number, time, readable };
            let parcels: Vec<_> = (1..).zip(parcels).map(parcel).collect();
            on_virtual_clock(async {
                let pipeline = pipeline(&parcels, capacity, sends_errors_on);
                let mut outcomes = timeout(ticks(1_000), pipeline).await.expect("it ends");
                outcomes.sort_by_key(|(number, _)| *number);
                let read = outcomes.iter().map(|(number, address)| (*number, address.is_ok()));
                prop_assert!(read.eq(parcels.iter().map(|parcel| (parcel.number, parcel.readable))));
                Ok(())
            })?;
        }
    }
}
