//! # A pipeline: every item comes out, also the one that fails
//!
//! Nine parcels pass three stages: five workers fetch the labels, a parser reads them, and what comes out is
//! collected. The first label takes 3 ticks, the others 1, and the fourth can't be read. One at a time that takes 11
//! ticks, with five workers 3. If the parser sends on what it gets for each label, a number or an error, 8 are read,
//! 1 fails and 0 are lost. If it ends at the error with a `?`, 2 are read and 7 are lost. They come out in the order
//! in which they are done, so the first parcel comes out last, unless they are sorted by a number that travels along.
//!
//! asyncio: Queue
//!
//! ```python
//! while True:                                  # in each of five workers
//!     number, parcel = await parcels.get()
//!     try: results.append((number, parse(await fetch(parcel))))
//!     except Exception as error: results.append((number, error))
//!     finally: parcels.task_done()
//! ```
//!
//! Not the same: without the `except` a worker ends at the first exception, and a `gather` over the workers raises it
//! at once: the results are lost with it, and the other workers run on. In Rust an error is a value, so it can be
//! sent through a channel like any other. And no stage has to be cancelled at the end: each one ends when the stage
//! before it has dropped its last sender.

use std::sync::Arc;

use anyhow::{Context, Result};
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
    let one_by_one = async {
        let mut outcomes = Vec::new();
        for &parcel in &parcels {
            outcomes.push(parse(fetch(parcel).await));
        }
        outcomes
    };
    let outcomes = t.time("one at a time", sum(TIMES), one_by_one).await;
    count(t, &outcomes);

    // The first label keeps one worker busy for 3 ticks. The other four need 2 for the rest.
    let law = || exactly(3);
    let stages = pipeline(&parcels, CAPACITY, sends_errors_on);
    let outcomes = t.time("five workers", law(), stages).await;
    count(t, &outcomes);

    let stages = async {
        let mut outcomes = pipeline(&parcels, CAPACITY, sends_errors_on).await;
        outcomes.sort_by_key(|(number, _)| *number); // <- the difference
        outcomes
    };
    let outcomes = t.time("five workers, sorted", law(), stages).await;
    count(t, &outcomes);

    let stages = pipeline(&parcels, CAPACITY, ends_at_an_error);
    let outcomes = t.time("five workers, a `?`", law(), stages).await;
    count(t, &outcomes);
    Ok(())
}

/// `capacity` bounds each of the three channels: a stage that is too fast waits for the next one.
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
    // With more parcels than there is room for, this stage has to wait until something is collected. So it can't run
    // to its end before the collecting begins: it is a task like the others.
    stages.spawn(puts(parcels.to_vec(), put));
    let belt = Arc::new(Mutex::new(belt));
    for _ in 0..WORKERS {
        stages.spawn(worker(belt.clone(), fetched.clone()));
    }
    // The workers have their own. These two would keep the stages waiting: the parser for labels, `puts` for room.
    drop((belt, fetched));
    stages.spawn(parser(labels, parsed));

    let mut collected = Vec::new();
    while let Some(outcome) = outcomes.recv().await {
        collected.push(outcome);
    }
    while let Some(end) = stages.join_next().await {
        // The error of a task that panicked beside the errors that tasks return.
        if let Err(error) = end.map_err(anyhow::Error::from).flatten() {
            info!("a stage ends early: {error}");
        }
    }
    collected
}

async fn puts(parcels: Vec<Parcel>, belt: Sender<Parcel>) -> Result<()> {
    for parcel in parcels {
        belt.send(parcel).await.context("all workers are gone")?;
    }
    Ok(())
}

async fn worker(belt: Arc<Mutex<Receiver<Parcel>>>, labels: Sender<Label>) -> Result<()> {
    loop {
        // In a `while let` the lock would be held during the fetch, and the workers would fetch one at a time.
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
        // What waits in the channel is dropped with `labels`, and what the workers still fetch can't be sent.
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
    (
        number,
        address.with_context(|| format!("label {number} is {text:?}")),
    )
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
    async fn what_comes_out_is_in_order_once_it_is_sorted() {
        let t = Timings::of(run).await;
        check(
            &t,
            "five workers, sorted",
            3,
            [8, 1, 0],
            "1 2 3 4 5 6 7 8 9",
        );
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "mpsc bounded channel requires buffer > 0")]
    async fn a_capacity_of_zero_is_refused() {
        pipeline(&nine_parcels(), 0, sends_errors_on).await;
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
        fn every_item_comes_out_once_whatever_fails(
            parcels in vec((0_u32..5, any::<bool>()), 0..40),
            capacity in 1_usize..6,
        ) {
            let parcels: Vec<_> = (0..).zip(parcels).map(|(number, (time, readable))| Parcel { number, time, readable }).collect();
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
