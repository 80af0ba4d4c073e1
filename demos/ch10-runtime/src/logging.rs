//! # Spans: each log line knows its order
//!
//! Three orders are worked on in turns, with 4 log lines each, and the functions that write them don't know the
//! number of the order. With the current order in one variable for all, its number is that of the order that has
//! begun last: the 3 lines at the beginning are right, and later only the 3 of the last order, 6 of 12. With a span
//! around each order (`tasks/names`) all 12 carry their own number, also those that are logged in a span inside of
//! it. The lines are printed when a variant has ended.
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
//! Not the same: a task has a copy of a context, in which a `ContextVar` is set. A span belongs to a future, so it
//! also tells apart what one task polls in turns, as here; a value of `tokio::task_local!` does, too
//! (`streams/task-local`). A `logging` handler gets a record, with what a filter has added to it. A `tracing`
//! subscriber is told of each span with its fields, and of each event with the spans around it; here it is `Log`, and
//! `tracing_subscriber::fmt()` is one that prints.

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
        ("the order in a variable", false),
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
    // the guard is dropped. That is why no lanes are drawn, and why the lines are printed at the end.
    let _listening = set_default(Registry::default().with(log));
    let serve = |(order, wood)| serves(order, wood).instrument(info_span!("serves", order));
    join_all(ORDERS.map(serve)).await;
}

async fn serves(order: u64, wood: &str) {
    CURRENT.set(order);
    info!("{wood} accepted");
    saws(wood).await;
    sleep(ticks(1)).await;
    // `in_scope` is for code without an `.await`. This span has no number; the one around it has.
    info_span!("planes").in_scope(|| info!("{wood} planed"));
    info!("{wood} packed");
}

/// Is given the wood and no number; its log line carries the number all the same.
async fn saws(wood: &str) {
    sleep(ticks(1)).await;
    info!("{wood} sawn");
}

thread_local! {
    /// The variable for all: the orders share a thread. A `static` would be shared with other runs of this lesson.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// A minimal subscriber: a layer on a registry, which keeps the spans.
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
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "order" {
            self.order = Some(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.text = format!("{value:?}");
        }
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
    async fn a_variable_for_all_has_the_number_of_the_order_that_began_last() {
        let t = Timings::of(run).await;
        let shared = &t["the order in a variable"];
        assert_eq!(*shared.count("lines"), 12);
        assert_eq!(*shared.count("with their own number"), 6);
        let (begun, later) = shared.said.split_at(ORDERS.len());
        for (line, (order, wood)) in begun.iter().zip(ORDERS) {
            assert_eq!(line.text, format!("order={order} {wood} accepted"));
        }
        assert!(later.iter().all(|line| line.text.starts_with("order=3")));
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
