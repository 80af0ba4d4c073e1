//! # A spawned task leaves its caller's span behind
//!
//! Two orders are worked on, each in a span (`runtime/logging`), and each spawns a task that saws. What the task logs
//! stands in no span, so it has no order: 0 of 2 lines. With `in_current_span` the future takes the span along, and 2
//! of 2 lines stand in the span of their order, each in its own.
//!
//! asyncio: contextvars, copy_context, create_task
//!
//! ```python
//! order = contextvars.ContextVar("order")
//! async def serves(n):
//!     order.set(n)
//!     await asyncio.create_task(saws())     # saws sees order.get() == n: a copy of the context
//! ```
//!
//! Not the same: `create_task` copies the context, whether the task belongs to its caller or outlives it.
//! `tokio::spawn` copies nothing, neither a span nor a task-local value (`streams/task-local`). The program says
//! which span a task belongs to: `in_current_span` for that of the caller, `instrument(span)` for any other. In the
//! narration the second column is the span a line was said in: empty in the first variant.

use anyhow::Result;
use timing::{Timings, law::max, report::Variant, ticks};
use tokio::time::sleep;
use tracing::{Instrument, info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    let orders = async { tokio::try_join!(spawns(1), spawns(2)) };
    t.time("spawned", max([1, 1]), orders).await?;
    count(t, "spawned");

    let orders = async { tokio::try_join!(spawns_inside(1), spawns_inside(2)) };
    t.time("in_current_span", max([1, 1]), orders).await?;
    count(t, "in_current_span");
    Ok(())
}

#[instrument(ret, err)]
async fn spawns(order: u32) -> Result<()> {
    tokio::spawn(saws(order)).await?;
    Ok(())
}

#[instrument(ret, err)]
async fn spawns_inside(order: u32) -> Result<()> {
    // The span is looked up here, where the future is made, and entered again for each poll of the task.
    tokio::spawn(saws(order).in_current_span()).await?; // <- the difference
    Ok(())
}

/// Not instrumented: a span of its own would be the one that its line is in. The number is in the text only to tell
/// whose line it is.
async fn saws(order: u32) {
    sleep(ticks(1)).await;
    info!("sawn for {order}");
}

fn count(t: &mut Timings, label: &str) {
    let in_span = lines_in_their_span(&t[label]);
    t.count("lines", t[label].said.len());
    t.count("in the span of their order", in_span);
}

/// `sawn for 1` belongs to `spawns(1)` or `spawns_inside(1)`.
fn lines_in_their_span(variant: &Variant) -> usize {
    let own = |order| {
        let (text, span) = (format!("sawn for {order}"), format!("({order})"));
        let mut said = variant.said.iter();
        said.any(|line| {
            line.text == text && line.lane.as_ref().is_some_and(|lane| lane.ends_with(&span))
        })
    };
    [1, 2].into_iter().filter(|order| own(*order)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_spawned_task_is_in_no_span() {
        let t = Timings::of(run).await;
        let spawned = &t["spawned"];
        assert_eq!(*spawned.count("lines"), 2);
        assert!(spawned.said.iter().all(|line| line.lane.is_none()));
        assert_eq!(*spawned.count("in the span of their order"), 0);
        assert_eq!(spawned.elapsed, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_can_take_the_span_along() {
        let t = Timings::of(run).await;
        let along = &t["in_current_span"];
        assert_eq!(*along.count("lines"), 2);
        assert_eq!(*along.count("in the span of their order"), 2);
    }
}
