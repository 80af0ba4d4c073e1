//! # A log line says whose it is: spans
//!
//! Three orders are worked on in turns, with 4 log lines each, and the functions that write them don't know the
//! number of the order. With the current order in a global, 6 of the 12 lines carry the number of another one: it was
//! set by whoever came last. With a span around each order all 12 carry their own, since a span is entered before
//! each poll and left after it.
//!
//! asyncio: logging, contextvars, ContextVar, LoggerAdapter
//!
//! ```python
//! order = contextvars.ContextVar("order", default=None)
//! def number(record):                       # handler.addFilter(number)
//!     record.order = order.get()            # in its format: order=%(order)s %(message)s
//!     return True
//! async def serves(n): order.set(n); logging.info("accepted")
//! ```
//!
//! Not the same: a `ContextVar` belongs to a task. A span belongs to a future, so it also tells apart what one task
//! polls in turns, as here. A `logging` handler gets a line, and what a filter has added to it. A `tracing`
//! subscriber is told of each span with its fields, and of each event with the spans around it; here it is `Log`, and
//! `tracing_subscriber::fmt()` is one that prints. `Span::enter` is for code without an `.await`: its guard would
//! stay in the thread while other futures are polled.

use std::{cell::Cell, fmt::Debug, sync::mpsc};

use anyhow::Result;
use futures_util::future::join_all;
use timing::{Timings, law::max, ticks};
use tokio::time::sleep;
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

const ORDERS: [(u64, &str); 3] = [(1, "oak"), (2, "ash"), (3, "elm")];

pub async fn run(t: &mut Timings) -> Result<()> {
    for (label, from_span) in [
        ("the order in a global", false),
        ("the order in a span", true),
    ] {
        let (lines, log) = mpsc::channel();
        let orders = served(Log { from_span, lines });
        t.time(label, max([2, 2, 2]), orders).await;
        count(t, &log.iter().collect::<Vec<_>>());
    }
    Ok(())
}

async fn served(log: Log) {
    // A program sets its subscriber once, for all threads (`set_global_default`). This one is for this thread, until
    // the guard is dropped. The one that draws the lanes is told nothing meanwhile.
    let _listening = set_default(Registry::default().with(log));
    let serve = |(order, wood)| serves(order, wood).instrument(info_span!("serves", order));
    join_all(ORDERS.map(serve)).await;
}

async fn serves(order: u64, wood: &str) {
    CURRENT.set(order);
    info!("{wood} accepted");
    saws(wood).await;
    sleep(ticks(1)).await;
    // The form for code that doesn't wait. This span has no number; the one around it has.
    info_span!("planes").in_scope(|| info!("{wood} planed"));
    info!("{wood} packed");
}

/// What it is given is wood. Its line finds the number all the same.
async fn saws(wood: &str) {
    sleep(ticks(1)).await;
    info!("{wood} sawn");
}

thread_local! {
    /// A static for each thread. All orders are on one.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// A subscriber in small: a layer on a registry, which keeps the spans.
struct Log {
    from_span: bool,
    lines: mpsc::Sender<Line>,
}

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
        let mut spans = context.event_scope(event).into_iter().flatten(); // the innermost first
        line.order = if self.from_span {
            spans.find_map(|span| span.extensions().get::<Line>()?.order) // <- the difference
        } else {
            Some(CURRENT.get())
        };
        let _ = self.lines.send(line); // the last lines of a program may find nobody who reads them
    }
}

/// The fields of a span or of an event, as far as they matter here.
#[derive(Default)]
struct Line {
    order: Option<u64>,
    text: String,
}

impl Visit for Line {
    fn record_u64(&mut self, _order: &Field, value: u64) {
        self.order = Some(value);
    }

    fn record_debug(&mut self, _message: &Field, value: &dyn Debug) {
        self.text = format!("{value:?}");
    }
}

/// The wood tells whose line it is.
fn count(t: &mut Timings, lines: &[Line]) {
    let own = |line: &&Line| {
        let mut orders = ORDERS.iter();
        orders.any(|&(number, wood)| line.order == Some(number) && line.text.starts_with(wood))
    };
    t.count("lines", lines.len());
    t.count("with their own number", lines.iter().filter(own).count());
    for Line { order, text } in lines {
        info!("order={} {text}", order.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn in_a_span_each_line_carries_its_own_number() {
        let t = Timings::of(run).await;
        let span = &t["the order in a span"];
        assert_eq!(*span.count("lines"), 12);
        assert_eq!(*span.count("with their own number"), 12);
        assert_eq!(span.elapsed, ticks(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_global_has_the_number_of_whoever_came_last() {
        let t = Timings::of(run).await;
        let global = &t["the order in a global"];
        assert_eq!(*global.count("lines"), 12);
        assert_eq!(*global.count("with their own number"), 6);
        let said = global.said.iter();
        let wrong = said.filter(|line| line.text == "order=3 oak sawn");
        assert_eq!(wrong.count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_finds_the_number_in_an_outer_span() {
        let t = Timings::of(run).await;
        let said = &t["the order in a span"].said;
        for (order, wood) in ORDERS {
            let text = format!("order={order} {wood} planed");
            assert!(said.iter().any(|line| line.text == text), "{text}");
        }
    }
}
