//! # A span that is entered across an `.await`
//!
//! Three requests are answered concurrently, with 3 log lines each, and a clean-up that belongs to none logs one.
//! With `let _entered = span.enter();` in each request, 5 of the 10 lines carry a number that isn't theirs: the guard
//! keeps the span entered in the thread while other tasks run there. All 5 carry a 3: request 3 enters last. With
//! `.instrument(span)`, which leaves the span at each `.await`, all 10 are right.
//!
//! asyncio: contextvars, ContextVar, LoggerAdapter
//!
//! How to see it: log lines with the number of somebody else. The lint `clippy::await_holding_invalid_type` is on by
//! default, but finds only what a `clippy.toml` names under `await-holding-invalid-types`: here
//! `tracing::span::Entered`. `span.entered()`, which owns its span, isn't `Send`, so `tokio::spawn` refuses it.
//!
//! Cured in: `runtime/logging`, `runtime/span-in-task`
//!
//! ```python
//! number = contextvars.ContextVar("number", default=None)
//! async def handle(n):
//!     number.set(n)                   # a task has a context of its own, so it may stay set
//!     logging.info("request=%s accepted", number.get())
//! ```
//!
//! Not the same: the loop switches to a task's context with each of its steps, so what is set there is seen by that
//! task, and by those that it makes later. `enter` pushes its span on a stack of the thread. It is popped when the
//! guard is dropped, and at an `.await` nothing is dropped.

use std::{fmt::Debug, sync::mpsc};

use anyhow::Result;
use timing::{Timings, law::max, ticks};
use tokio::{task::JoinSet, time::sleep};
use tracing::{
    Event, Id, Instrument, Subscriber,
    field::{Field, Visit},
    info, info_span,
    span::Attributes,
    subscriber::set_default,
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt},
    registry::{LookupSpan, Registry},
};

const REQUESTS: [u64; 3] = [1, 2, 3];
/// In place of a number, for the line of the clean-up.
const NONE: &str = "none";

pub async fn run(t: &mut Timings) -> Result<()> {
    let serving = served(&REQUESTS, enters_the_span);
    let lines = t.time("span.enter()", max([2, 2, 2]), serving).await;
    count(t, &lines);

    let serving = served(&REQUESTS, instruments);
    let lines = t.time(".instrument(span)", max([2, 2, 2]), serving).await;
    count(t, &lines);
    Ok(())
}

/// In a function without an `.await` this is right: the guard is dropped where it returns.
#[expect(clippy::await_holding_invalid_type, reason = "the lesson")]
async fn enters_the_span(request: u64) {
    let span = info_span!("request", request);
    let _entered = span.enter(); // <- the difference
    answers(request).await;
}

/// The span is entered before each poll of the future and left after it.
async fn instruments(request: u64) {
    let span = info_span!("request", request);
    answers(request).instrument(span).await; // <- the difference
}

/// `of` says whose line it is, so that the lesson can tell a wrong number. In production a line has only the number
/// from its span.
async fn answers(of: u64) {
    info!(of, "accepted");
    sleep(ticks(1)).await;
    info!(of, "looked up");
    sleep(ticks(1)).await;
    info!(of, "answered");
}

/// In no span at all. It runs while the requests wait.
async fn cleans_up() {
    sleep(ticks(0.5)).await;
    info!(of = %NONE, "old sessions removed");
}

/// A task for each request, and one for the clean-up.
async fn served<F>(requests: &[u64], handle: fn(u64) -> F) -> Vec<Line>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (lines, log) = mpsc::channel();
    // This guard may be held: the log is meant for all that runs on this thread until the tasks are done. The
    // subscriber that draws the lanes is told nothing meanwhile, so the timeline has none.
    let _listening = set_default(Registry::default().with(Log(lines)));
    let mut tasks: JoinSet<()> = requests.iter().copied().map(handle).collect();
    tasks.spawn(cleans_up());
    tasks.join_all().await;
    log.try_iter().collect()
}

/// A line of the log: the number from its span, whose line it is, and its text. It keeps the fields of a span as
/// well, of which only the number is used.
#[derive(Default)]
struct Line {
    request: String,
    of: String,
    text: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let part = match field.name() {
            "request" => &mut self.request,
            "of" => &mut self.of,
            _ => &mut self.text,
        };
        *part = format!("{value:?}");
    }
}

/// A subscriber that keeps the lines, as in `runtime/logging`.
struct Log(mpsc::Sender<Line>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, fields: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut line = Line::default();
        fields.record(&mut line);
        let span = context.span(id).expect("it is new");
        span.extensions_mut().insert(line);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let span = context.event_span(event);
        let request = span.and_then(|span| Some(span.extensions().get::<Line>()?.request.clone()));
        line.request = request.unwrap_or(NONE.to_owned());
        self.0.send(line).expect("the log is read at the end");
    }
}

fn wrong(lines: &[Line]) -> usize {
    lines.iter().filter(|line| line.request != line.of).count()
}

/// Prints the lines when all are written, so only their order counts, and not the time printed beside them.
fn count(t: &mut Timings, lines: &[Line]) {
    t.count("lines", lines.len());
    t.count("with a wrong number", wrong(lines));
    for Line { request, of, text } in lines {
        let mark = if request == of { "" } else { "   <- wrong" };
        info!("request={request} {text}, of {of}{mark}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use std::cell::Cell;
    use timing::on_virtual_clock;

    #[tokio::test(start_paused = true)]
    async fn entered_across_its_awaits_half_of_the_lines_are_wrong_and_instrumented_none() {
        let t = Timings::of(run).await;
        for (label, wrong) in [("span.enter()", 5), (".instrument(span)", 0)] {
            assert_eq!(*t[label].count("lines"), 10, "{label}");
            assert_eq!(*t[label].count("with a wrong number"), wrong, "{label}");
            assert_eq!(t[label].elapsed, ticks(2), "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_without_a_request_gets_the_number_of_one() {
        let lines = served(&REQUESTS, enters_the_span).await;
        let mut of_nobody = lines.iter().filter(|line| line.of == NONE);
        assert_eq!(of_nobody.next().unwrap().request, "3");
        let wrong = lines.iter().filter(|line| line.request != line.of);
        assert!(wrong.map(|line| &line.request).eq(["3"; 5]));
    }

    #[test]
    fn in_512_crowds_only_the_entered_spans_are_wrong() {
        let crowds = Cell::new(0);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&vec(1_u64..100, 0..8), |requests| {
            on_virtual_clock(async {
                let lines = served(&requests, instruments).await;
                prop_assert_eq!(lines.len(), 3 * requests.len() + 1);
                prop_assert_eq!(wrong(&lines), 0);
                let lines = served(&requests, enters_the_span).await;
                crowds.update(|cases| cases + u32::from(wrong(&lines) > 0));
                Ok(())
            })
        });
        held.unwrap();
        let crowds = crowds.get();
        assert!(crowds > 100, "lines were wrong in {crowds}");
    }
}
