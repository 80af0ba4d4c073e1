//! A report with everything in it that a report can hold, from variants that really ran.

use std::time::Duration;

use timing::{
    Measured, Timings,
    judge::{Allowance, judge},
    law::{at_least, at_most, exactly, max, none, sum, waves},
    recorder::MAX_SPANS,
    report::{Clock, Lesson, Outcome, Report},
    ticks,
};
use tokio::time::{sleep, timeout};
use tracing::{info, instrument, warn};

pub async fn report(clock: Clock) -> Report {
    let mut report = Report::new(clock);
    report.lessons = vec![
        lesson("test/endings", Outcome::Ran, endings().await, clock),
        lesson("test/laws", Outcome::Ran, laws().await, clock),
        lesson(
            "test/skipped",
            Outcome::Skipped("there is no server".into()),
            Timings::default().finish(),
            clock,
        ),
        lesson(
            "test/failed",
            Outcome::Failed("the pan is on fire".into()),
            Timings::default().finish(),
            clock,
        ),
    ];
    report
}

fn lesson(name: &str, outcome: Outcome, measured: Measured, clock: Clock) -> Lesson {
    let mut variants = measured.variants;
    for variant in &mut variants {
        judge(variant, clock, Allowance::Timers);
    }
    Lesson {
        name: name.into(),
        title: "what a report can hold".into(),
        asyncio: vec!["gather".into(), "Lock".into()],
        outcome,
        said: measured.said,
        variants,
    }
}

async fn endings() -> Measured {
    let mut t = Timings::default();
    info!(target: "ch00_test", "before anything runs");
    let outlives = t
        .time("every ending", none(), async {
            cooks("tea").await;
            cooks("tea").await;
            burns().await.expect_err("it always burns");
            tokio::spawn(panics()).await.expect_err("it always panics");
            timeout(ticks(0.5), waits("tea"))
                .await
                .expect_err("it waits for ever");
            let outlives = tokio::spawn(waits("eggs")).abort_handle();
            sleep(ticks(0.1)).await;
            outlives
        })
        .await;
    outlives.abort();
    t.count("a whole one", 3);
    t.count("a fraction", 0.5);
    t.count("a text", "tea");
    t.count("no number", f64::NAN);
    t.count("below nothing", -7);
    info!(target: "ch00_test", "after the first");
    t.time("too many", none(), async {
        for _ in 0..MAX_SPANS + 3 {
            nothing();
        }
    })
    .await;
    t.finish()
}

async fn laws() -> Measured {
    let mut t = Timings::default();
    let one = || sleep(ticks(0.1));
    t.time("sum", sum([0.1]), one()).await;
    t.time("max", max([0.1, 0.1]), one()).await;
    t.time("waves", waves(2, 2, 0.1), one()).await;
    t.time("exactly, and broken", exactly(7), one()).await;
    t.time("at least", at_least(0.1), one()).await;
    t.time("at most", at_most(1), one()).await;
    t.finish()
}

#[instrument(ret, target = "ch00_test")]
async fn cooks(dish: &'static str) {
    info!(target: "ch00_test", "on the stove");
    sleep(ticks(0.2)).await;
    warn!(target: "ch00_test", "hot");
}

#[instrument(ret, err, target = "ch00_test")]
async fn burns() -> Result<(), String> {
    Err("burnt".into())
}

#[instrument(ret, target = "ch00_test")]
async fn panics() {
    panic!("the pan is on fire");
}

#[instrument(ret, target = "ch00_test")]
async fn waits(dish: &'static str) {
    loop {
        sleep(Duration::from_millis(3)).await;
    }
}

#[instrument(ret, target = "ch00_test")]
fn nothing() {}
