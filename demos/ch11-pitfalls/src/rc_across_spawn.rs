//! # An `Rc` in a task
//!
//! A label is read by the function that spawns a packing and by the packing itself, so it is counted: `Rc<str>`. The
//! packing waits 1 tick and reads the label afterwards, and `tokio::spawn` refuses it: another thread may go on with
//! the task after the wait, and the count of an `Rc` may only be changed by one thread. As an `Arc` the label still
//! has 2 owners after the wait. An `Rc` that ends before the wait is accepted.
//!
//! asyncio: create_task
//!
//! How to see it: an error without a code, "future cannot be sent between threads safely". Its arrow points at the
//! `spawn`; the `Rc` is named in the note below (`compile_fail/rc_across_spawn.rs`).
//!
//! Cured in: `tasks/what-spawn-asks`, with all ways out, `spawn_local` among them
//!
//! ```python
//! label = "fragile"                          # every object is counted
//! task = asyncio.create_task(pack(label))    # and any task may share it
//! ```
//!
//! Not the same: Python has one kind of count, which every thread may change. Rust has two, and the cheaper one stays
//! on its thread. It doesn't matter where an `Rc` is made, only whether a wait comes between its making and its end.
//! That is the end of its block, also if nothing reads it after the wait. The error also comes up on a runtime with a
//! single thread.

use std::{rc::Rc, sync::Arc};

use anyhow::Result;
use chapter::Case;
use timing::{Timings, law::exactly, ticks};
use tokio::time::sleep;
use tracing::{info, instrument};

const CASE: Case = chapter::case!("rc_across_spawn");

pub async fn run(t: &mut Timings) -> Result<()> {
    info!("{CASE}");

    let label: Arc<str> = "fragile".into(); // <- the difference: not an `Rc`
    let packing = packs(label.clone());
    let packing = t.time("an Arc", exactly(1), tokio::spawn(packing));
    let (letters, owners) = packing.await?;
    t.count("letters on the parcel", letters);
    t.count("owners after the wait", owners);

    let packing = packs_without_the_label();
    let packing = t.time("an Rc before the wait", exactly(1), tokio::spawn(packing));
    let letters = packing.await?;
    t.count("letters on the parcel", letters);
    Ok(())
}

/// Reads the label after the wait, so its future owns a share of it meanwhile.
#[instrument(ret, skip_all)]
async fn packs(label: Arc<str>) -> (usize, usize) {
    fold_the_box().await;
    (label.len(), Arc::strong_count(&label))
}

/// The block ends the `Rc`. What is carried over the wait is a number.
#[instrument(ret)]
async fn packs_without_the_label() -> usize {
    let letters = {
        let label: Rc<str> = "fragile".into();
        label.len()
    };
    fold_the_box().await;
    letters
}

async fn fold_the_box() {
    sleep(ticks(1)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn spawn_refuses_a_future_that_holds_an_rc_and_the_lesson_shows_it() {
        let said = Timings::of(run).await.finish().said;
        assert_eq!(said[0].text, CASE.to_string());
        assert_eq!(
            CASE.error(),
            "error: future cannot be sent between threads safely"
        );
        assert!(CASE.says.contains("has type `Rc<str>` which is not `Send`"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_arc_is_shared_with_the_task() {
        let t = Timings::of(run).await;
        let shared = &t["an Arc"];
        assert_eq!(shared.elapsed, ticks(1));
        assert_eq!(*shared.count("letters on the parcel"), 7);
        assert_eq!(*shared.count("owners after the wait"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_rc_that_ends_before_the_wait_is_accepted() {
        let t = Timings::of(run).await;
        let ended = &t["an Rc before the wait"];
        assert_eq!(ended.elapsed, ticks(1));
        assert_eq!(*ended.count("letters on the parcel"), 7);
    }
}
