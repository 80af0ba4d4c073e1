//! # A task that borrows from its function
//!
//! `ship` has a label, spawns a packing that reads it, and awaits the task on the next line. It is refused with
//! E0597: a task may go on after the function that spawned it is gone, as it does when `ship` itself is cancelled at
//! that `.await`. A label that is moved into the task lives as long as the task: 1 parcel is packed. Futures that
//! stay in their function's own task may borrow: 2 parcels with one label, in 1 tick.
//!
//! asyncio: create_task
//!
//! How to see it: error E0597 of the compiler; E0521 where the label is itself a parameter `&str`, E0373 for an
//! `async` block without `move`. The wrong form is `compile_fail/borrow_in_spawn.rs`.
//! Cured in: `tasks/what-spawn-asks`; `tasks/join` for futures in one task.
//!
//! ```python
//! async def ship(label):
//!     task = asyncio.create_task(pack(label))    # the task holds the label as well
//!     return await task
//! ```
//!
//! Not the same: in Python whatever a task refers to lives until the task is done. In Rust `ship` owns the label and
//! frees it when it ends. That the task is awaited right away changes nothing for the compiler: `tokio::spawn` asks
//! for `'static` of every future.

use anyhow::Result;
use chapter::Case;
use timing::{
    Timings,
    law::{exactly, max},
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

const CASE: Case = chapter::case!("borrow_in_spawn");

pub async fn run(t: &mut Timings) -> Result<()> {
    info!("{CASE}");

    let ship = ships("fragile".to_owned());
    let parcels = t.time("moved into the task", exactly(1), ship).await?;
    t.count("parcels", parcels.len());
    t.count("letters on each", parcels[0]);

    let ship = ships_two("fragile".to_owned());
    let parcels = t.time("borrowed, in one task", max([1, 1]), ship).await;
    t.count("parcels", parcels.len());
    t.count("letters on each", parcels[0]);
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn ships(label: String) -> Result<[usize; 1]> {
    // `move` hands the label over. Where `ship` needs it as well the task gets a clone, or both get an `Arc<str>`.
    let packed = tokio::spawn(async move { pack(&label).await }); // <- the difference: moved
    Ok([packed.await?])
}

/// Two futures inside this one: they are dropped with it, so they can't outlive the label.
#[instrument(ret, skip_all)]
async fn ships_two(label: String) -> [usize; 2] {
    tokio::join!(pack(&label), pack(&label)).into() // <- the difference: not spawned
}

#[instrument(ret)]
async fn pack(label: &str) -> usize {
    sleep(ticks(1)).await;
    label.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn spawn_refuses_a_borrow_and_the_lesson_shows_it() {
        let said = Timings::of(run).await.finish().said;
        assert_eq!(said[0].text, CASE.to_string());
        assert_eq!(
            CASE.error(),
            "error[E0597]: `label` does not live long enough"
        );
        assert!(CASE.says.contains("F: Future + Send + 'static"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_goes_on_when_the_function_that_awaits_it_is_cancelled() {
        let mut t = Timings::default();
        let cancelled = async {
            let given_up = timeout(ticks(0.5), ships("fragile".to_owned())).await;
            assert!(given_up.is_err());
            sleep(ticks(1)).await;
        };
        t.time("cancelled", exactly(1.5), cancelled).await;
        assert_eq!(t["cancelled"].lane("ships").ended, Ended::Cancelled);
        assert_eq!(t["cancelled"].lane("pack").ended, Ended::Returned);
    }

    #[tokio::test(start_paused = true)]
    async fn a_label_that_is_moved_lives_as_long_as_the_task() {
        let t = Timings::of(run).await;
        let moved = &t["moved into the task"];
        assert_eq!(moved.elapsed, ticks(1));
        assert_eq!(*moved.count("parcels"), 1);
        assert_eq!(*moved.count("letters on each"), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn futures_in_one_task_borrow_and_still_wait_together() {
        let t = Timings::of(run).await;
        let borrowed = &t["borrowed, in one task"];
        assert_eq!(borrowed.elapsed, ticks(1));
        assert_eq!(*borrowed.count("parcels"), 2);
        assert_eq!(*borrowed.count("letters on each"), 7);
    }
}
