//! # Retry: a new future each time, for errors that can go away
//!
//! The fishmonger's line is busy twice; the third call gets through. With waits of 1 and 2 ticks between the calls
//! that takes 3. When all three calls fail it takes 3 too: nothing is left to wait for after the last failure. An
//! error that can't go away deserves no second call: "not sold" is known after 1 call in 0 ticks. If every error is
//! retried, the same answer takes 3 calls and 3 ticks. The crate `backon` has such a loop ready, and adds jitter, a
//! random part, to each wait: over 512 seeds the two waits come to between 3 and 6 ticks in all.
//!
//! asyncio: retry, backoff
//!
//! ```python
//! for wait in (1, 2, None):
//!     try: answer = await ring(); break   # a new coroutine each time
//!     except LineBusy:                    # with `except Exception` NotSold is retried too
//!         if wait is None: raise
//!         await asyncio.sleep(wait)
//! ```
//!
//! Not the same: `except` goes by the class of the error, Rust by the variant of an `enum`, and the compiler asks
//! about a variant that is added later. The same in both: an attempt needs a coroutine or future of its own, since
//! neither can be awaited twice (`pitfalls/await-twice`). So `retry` is given a function that makes one.

use std::time::Duration;

use anyhow::Result;
use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use timing::{
    Timings,
    law::{at_least, exactly},
    report::Lane,
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

type Answer = Result<&'static str, Refusal>;

const BUSY_TWICE: [Answer; 3] = [Err(Refusal::LineBusy), Err(Refusal::LineBusy), Ok("cod")];
const ALWAYS_BUSY: [Answer; 3] = [Err(Refusal::LineBusy); 3];
const NOT_SOLD: [Answer; 3] = [Err(Refusal::NotSold); 3];

/// Two waits allow for three calls.
const WAITS: [u32; 2] = [1, 2];

const SEEDS: u64 = 512;

pub async fn run(t: &mut Timings) -> Result<()> {
    let calling = retry(rings(BUSY_TWICE), is_transient);
    let answer = t.time("busy twice", exactly(3), calling).await;
    counts(t, "busy twice", &format!("{answer:?}"));

    let calling = retry(rings(ALWAYS_BUSY), is_transient);
    let answer = t.time("always busy", exactly(3), calling).await;
    counts(t, "always busy", &format!("{answer:?}"));

    let calling = retry(rings(NOT_SOLD), is_transient);
    let answer = t.time("not sold", exactly(0), calling).await;
    counts(t, "not sold", &format!("{answer:?}"));

    let calling = retry(rings(NOT_SOLD), |_| true); // <- the difference: every error is retried
    let answer = t.time("not sold, retried", exactly(3), calling).await;
    counts(t, "not sold, retried", &format!("{answer:?}"));

    // Each wait is the planned one plus a random part of less than the same length, so that cooks who found the line
    // busy together don't all call again together. The seed makes every run of this lesson show the same waits; in a
    // program, leave it out.
    let mut answers = BUSY_TWICE.into_iter();
    let calling = (move || ring(answers.next().expect("an answer for each call")))
        .retry(backoff().with_jitter_seed(1))
        .when(is_transient)
        .notify(|_, wait| info!("again in {:.1}", wait.div_duration_f64(ticks(1))));
    let answer = t.time("backon, jitter", at_least(3), calling).await;
    counts(t, "backon, jitter", &format!("{answer:?}"));
    let [shortest, longest] = shortest_and_longest();
    t.count(
        format!("waits of {SEEDS} seeds"),
        format!("{shortest:.2} to {longest:.2} in all"),
    );
    Ok(())
}

/// Calls `attempt` until it succeeds, fails for good, or has no wait left. It takes a function and not a future,
/// since a future runs once. `AsyncFnMut` lets that function change what it holds from one attempt to the next.
async fn retry<T, E>(
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
    is_worth_it: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let mut waits = WAITS.into_iter();
    loop {
        let error = match attempt().await {
            Err(error) if is_worth_it(&error) => error,
            answer => return answer,
        };
        // The next wait is asked for after the failure: when there is none, the error goes back at once.
        let Some(wait) = waits.next() else {
            return Err(error);
        };
        info!("again in {wait}");
        sleep(ticks(wait)).await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Refusal {
    LineBusy,
    NotSold,
}

/// Without a `_` arm: a refusal that is added to the `enum` has to be decided on here, or this doesn't compile.
fn is_transient(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::LineBusy => true,
        Refusal::NotSold => false,
    }
}

/// Waits of 1 and 2 ticks before the jitter. `with_max_times` counts the retries, so there is one call more.
fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(ticks(WAITS[0]))
        .with_factor(2.0)
        .with_max_times(WAITS.len())
        .with_jitter()
}

/// The waits added up, in ticks. Building a backoff gives an iterator of waits, so nobody has to wait for this.
fn shortest_and_longest() -> [f64; 2] {
    let totals = (0..SEEDS).map(|seed| {
        let total: Duration = backoff().with_jitter_seed(seed).build().sum();
        total.div_duration_f64(ticks(1))
    });
    totals.fold([f64::INFINITY, 0.0], |[shortest, longest], total| {
        [shortest.min(total), longest.max(total)]
    })
}

fn rings(answers: [Answer; 3]) -> impl AsyncFnMut() -> Answer {
    let mut answers = answers.into_iter();
    async move || ring(answers.next().expect("an answer for each call")).await
}

#[instrument(ret, err(Debug))]
async fn ring(answer: Answer) -> Answer {
    answer
}

/// Read off the lanes: how many calls there were, and the ticks from each to the next.
fn counts(t: &mut Timings, label: &str, outcome: &str) {
    let is_call = |lane: &&Lane| lane.label.starts_with("ring");
    let calls: Vec<_> = t[label].lanes.iter().filter(is_call).collect();
    let waits = calls.windows(2).map(|pair| {
        let wait = pair[1].start - pair[0].start;
        format!("{:.1}", wait.div_duration_f64(ticks(1)))
    });
    let (calls, waits) = (calls.len(), waits.collect::<Vec<_>>().join(" "));
    t.count("calls", calls);
    t.count("ticks between", waits);
    t.count("outcome", outcome);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::{Failed, Returned};

    #[tokio::test(start_paused = true)]
    async fn the_third_call_gets_through_after_both_waits() {
        let t = Timings::of(run).await;
        let busy = &t["busy twice"];
        assert_eq!(busy.elapsed, ticks(3));
        assert_eq!(*busy.count("outcome"), r#"Ok("cod")"#);
        let calls: Vec<_> = busy.lanes.iter().map(|l| (l.start, l.ended)).collect();
        let expected = [(0, Failed), (1, Failed), (3, Returned)].map(|(at, end)| (ticks(at), end));
        assert_eq!(calls, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_waited_for_after_the_last_failure() {
        let t = Timings::of(run).await;
        let busy = &t["always busy"];
        assert_eq!(*busy.count("calls"), 3);
        assert_eq!(*busy.count("outcome"), "Err(LineBusy)");
        assert_eq!(busy.elapsed, ticks(3));
        assert_eq!(busy.lanes[2].end, busy.elapsed);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_cannot_go_away_costs_one_call_and_no_time() {
        let t = Timings::of(run).await;
        assert_eq!(*t["not sold"].count("calls"), 1);
        assert_eq!(t["not sold"].elapsed, ticks(0));
        assert_eq!(*t["not sold"].count("outcome"), "Err(NotSold)");
    }

    #[tokio::test(start_paused = true)]
    async fn retrying_every_error_asks_three_times_for_the_same_answer() {
        let t = Timings::of(run).await;
        let retried = &t["not sold, retried"];
        assert_eq!(*retried.count("calls"), 3);
        assert_eq!(retried.elapsed, ticks(3));
        assert_eq!(retried.count("outcome"), t["not sold"].count("outcome"));
    }

    #[tokio::test(start_paused = true)]
    async fn backon_waits_what_its_backoff_says() {
        let t = Timings::of(run).await;
        assert_eq!(*t["backon, jitter"].count("calls"), 3);
        // tokio's timers round each wait up to a whole millisecond.
        let waits = backoff().with_jitter_seed(1).build();
        let rounded =
            waits.map(|wait| Duration::from_millis(wait.as_micros().div_ceil(1000) as u64));
        assert_eq!(t["backon, jitter"].elapsed, rounded.sum());
    }

    #[test]
    fn jitter_adds_up_to_the_wait_itself_and_never_takes_away() {
        for seed in 0..SEEDS {
            let waits: Vec<_> = backoff().with_jitter_seed(seed).build().collect();
            assert_eq!(waits.len(), WAITS.len());
            for (wait, planned) in waits.into_iter().zip(WAITS.map(ticks)) {
                assert!((planned..planned * 2).contains(&wait), "{wait:?}");
            }
        }
        let [shortest, longest] = shortest_and_longest();
        assert!((3.0..3.5).contains(&shortest) && (5.5..6.0).contains(&longest));
    }

    /// Without its feature `std`, `backon` gives all of them the same waits.
    #[test]
    fn without_a_seed_two_cooks_wait_differently() {
        assert!(backoff().build().ne(backoff().build()));
    }
}
