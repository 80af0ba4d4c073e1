//! What recording costs: nanoseconds a poll and bytes for a million spans, each as the difference to the same work without
//! a recorder. Run it with `cargo bench -p timing --bench recorder`; it
//! says how far from the targets they are.

use std::{future::Future, pin::Pin, task::Poll, time::Duration};

use timing::{Timings, law::none, memory::Usage, recorder::Recorder};
use tokio::time::Instant;
use tracing::instrument;

const POLLS: u32 = 100_000;
const PAIRS: usize = 11;
const SPANS: u32 = 1_000_000;

/// A lesson of a thousand polls is told longer by a fifth of a millisecond at most.
const MOST_NANOS_A_POLL: f64 = 200.0;

/// A million open spans would take the registry alone 95 MiB, if they weren't refused past the cap.
const MOST_MIB: f64 = 64.0;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Memory first: a recorder for the whole process can't be taken away again.
    let mib = mib_of_a_million_spans().await;
    let recorder = Recorder::install().expect("this program installs no other recorder");
    let mut nanos = nanos_a_poll(recorder).await;
    nanos.sort_by(f64::total_cmp);

    let median = nanos[PAIRS / 2];
    let (least, most) = (nanos[0], nanos[PAIRS - 1]);
    println!(
        "a recorded poll: {median:.0} ns more than a bare one, median of {PAIRS} pairs, {least:.0} to {most:.0} (target: under {MOST_NANOS_A_POLL:.0})"
    );
    println!(
        "{SPANS} spans at once: {mib:.1} MiB more than without a recorder (target: under {MOST_MIB:.0})"
    );
}

async fn mib_of_a_million_spans() -> f64 {
    let without = with_all_open().await;
    let mut t = Timings::default();
    let with = t.time("a million", none(), with_all_open()).await;
    let left_out = t["a million"].left_out.spans;
    println!(
        "allocated without a recorder: {without} bytes; with one: {with}, {left_out} spans refused"
    );
    (with as f64 - without as f64) / f64::from(1 << 20)
}

/// Bytes that are allocated once every future was polled, while all of them are still there.
async fn with_all_open() -> usize {
    let before = Usage::now();
    let mut open: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::with_capacity(SPANS as usize);
    for n in 0..SPANS {
        let mut future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(stays(n));
        assert!(futures_util::poll!(&mut future).is_pending());
        open.push(future);
    }
    before.growth().asked
}

/// The two sides take turns, so that a machine that gets slower or faster meanwhile does so for both.
async fn nanos_a_poll(recorder: Recorder) -> Vec<f64> {
    let mut differences = Vec::with_capacity(PAIRS);
    for pair in 0..PAIRS {
        let bare = time_of(bare(POLLS)).await;
        let mut t = Timings::on(recorder.clone());
        let recorded = t
            .time(format!("pair {pair}"), none(), time_of(recorded(POLLS)))
            .await;
        assert_eq!(
            t.finish().variants[0].lanes[0].polls.len(),
            POLLS as usize + 1
        );
        differences.push((recorded.as_nanos() as f64 - bare.as_nanos() as f64) / f64::from(POLLS));
    }
    differences
}

async fn time_of(work: impl Future) -> Duration {
    let mut work = Box::pin(work);
    let start = Instant::now();
    while futures_util::poll!(&mut work).is_pending() {}
    start.elapsed()
}

#[instrument(ret, target = "ch00_bench")]
async fn stays(n: u32) {
    std::future::pending().await
}

#[instrument(ret, target = "ch00_bench")]
async fn recorded(polls: u32) {
    is_polled(polls).await;
}

async fn bare(polls: u32) {
    is_polled(polls).await;
}

async fn is_polled(times: u32) {
    let mut left = times;
    std::future::poll_fn(move |_| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        Poll::Pending
    })
    .await;
}
