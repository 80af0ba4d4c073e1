//! # The order of drops: variables in reverse, fields as written
//!
//! A desk opens a room, then a cabinet in it, then a drawer. Held in variables they close like nested `async with`
//! blocks: the drawer first, the room last. Held in the fields of a struct they close in the order in which the
//! fields are declared, whatever order they were made in. If the room is declared first, it closes first, with 2
//! things still open inside it; if the drawer is declared first, the drawer does. A cabinet that is moved into a
//! `drop(…)` closes first, with its drawer still open.
//!
//! asyncio: AsyncExitStack, async with
//!
//! ```python
//! async with AsyncExitStack() as stack:
//!     for name in ("room", "cabinet", "drawer"):
//!         await stack.enter_async_context(opened(name))
//! ```
//!
//! Not the same: an exit stack keeps the order in which things were opened, at run time. In Rust the order of drops
//! is part of the source: of the lines in a block, or of the fields in a struct. A value that is moved away, into a
//! task or a `drop(…)`, leaves that order. What is opened in a loop goes into a `Vec`, and a `Vec` is no exit stack: it
//! drops its first element first. To close the last one first, `pop` it until the `Vec` is empty.

use std::cell::RefCell;

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::time::sleep;
use tracing::instrument;

pub async fn run(t: &mut Timings) -> Result<()> {
    let closed = Closed::default();
    t.time("three variables", exactly(1), in_variables(&closed))
        .await;
    closed.count(t);

    let closed = Closed::default();
    t.time("fields, room first", exactly(1), in_fields(&closed))
        .await;
    closed.count(t);

    let closed = Closed::default();
    t.time(
        "fields, drawer first",
        exactly(1),
        in_fields_reversed(&closed),
    )
    .await;
    closed.count(t);

    let closed = Closed::default();
    t.time("the cabinet moved away", exactly(1), moved_away(&closed))
        .await;
    closed.count(t);
    Ok(())
}

#[instrument(ret, skip(closed))]
async fn in_variables(closed: &Closed) {
    let _room = Opened("room", closed);
    let _cabinet = Opened("cabinet", closed);
    let _drawer = Opened("drawer", closed);
    look_it_up().await;
}

#[instrument(ret, skip(closed))]
async fn in_fields(closed: &Closed) {
    struct Desk<'a> {
        _room: Opened<'a>, // <- the difference
        _cabinet: Opened<'a>,
        _drawer: Opened<'a>,
    }
    let _desk = Desk {
        _room: Opened("room", closed),
        _cabinet: Opened("cabinet", closed),
        _drawer: Opened("drawer", closed),
    };
    look_it_up().await;
}

/// What closes first is declared first. The order of the lines that make the fields plays no part in it.
#[instrument(ret, skip(closed))]
async fn in_fields_reversed(closed: &Closed) {
    struct Desk<'a> {
        _drawer: Opened<'a>, // <- the difference
        _cabinet: Opened<'a>,
        _room: Opened<'a>,
    }
    let _desk = Desk {
        _room: Opened("room", closed),
        _cabinet: Opened("cabinet", closed),
        _drawer: Opened("drawer", closed),
    };
    look_it_up().await;
}

/// The cabinet is moved into a call and ends there, before the wait, while its drawer is still open.
#[instrument(ret, skip(closed))]
async fn moved_away(closed: &Closed) {
    let _room = Opened("room", closed);
    let cabinet = Opened("cabinet", closed);
    let _drawer = Opened("drawer", closed);
    drop(cabinet); // <- the difference
    look_it_up().await;
}

async fn look_it_up() {
    sleep(ticks(1)).await;
}

/// The names of what was closed, in that order.
#[derive(Default)]
struct Closed(RefCell<Vec<&'static str>>);

struct Opened<'a>(&'static str, &'a Closed);

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        let Closed(closed) = self.1;
        closed.borrow_mut().push(self.0);
    }
}

impl Closed {
    fn count(&self, t: &mut Timings) {
        t.count("closed", self.0.borrow().join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn assert_closed(label: &str, order: &str) {
        let t = Timings::of(run).await;
        assert_eq!(*t[label].count("closed"), order);
        assert_eq!(t[label].elapsed, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn variables_are_dropped_in_reverse() {
        assert_closed("three variables", "drawer, cabinet, room").await;
    }

    #[tokio::test(start_paused = true)]
    async fn fields_are_dropped_as_they_are_declared() {
        assert_closed("fields, room first", "room, cabinet, drawer").await;
        assert_closed("fields, drawer first", "drawer, cabinet, room").await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_moved_away_is_dropped_where_it_went() {
        assert_closed("the cabinet moved away", "cabinet, drawer, room").await;
    }
}
