//! # A task that borrows from its function
//!
//! `ship` has a label, spawns a `pack` that reads it, and awaits the task on the next line. If `pack` borrows the
//! label that is refused with E0597: a task can outlive the function that spawned it. So the label is moved into the
//! task. If `ship` is cancelled after half a tick, `pack` goes on to its end, and its label lives as long as it does.
//! Futures that stay in their function's own task may borrow: two of them share one label, and take 1 tick. They are
//! dropped with the function.
//!
//! asyncio: create_task
//!
//! How to see it: error E0597 of the compiler; E0521 where the label is itself a parameter `&str`, E0373 for an
//! `async` block without `move`. The wrong form is `compile_fail/borrow_in_spawn.rs`.
//!
//! Cured in: `tasks/what-spawn-asks`; `tasks/join` for futures in one task
//!
//! ```python
//! async def ship(label):
//!     task = asyncio.create_task(pack(label))    # works: the task keeps the label alive
//!     return await task
//! ```
//!
//! Not the same: in Python what a task refers to lives as long as the task. In Rust `ship` owns the label and frees
//! it when it ends. That the task is awaited right away changes nothing for the compiler: `tokio::spawn` asks for
//! `'static` of every future, and so do `spawn_local`, `spawn_blocking` and `JoinSet::spawn`.

use anyhow::Result;
use chapter::Case;
use timing::{
    Timings,
    law::{exactly, max},
    ticks,
};
use tokio::time::{sleep, timeout};
use tracing::{info, instrument};

const CASE: Case = chapter::case!("borrow_in_spawn");

pub async fn run(t: &mut Timings) -> Result<()> {
    info!("{CASE}");

    let label = "fragile".to_owned();
    let moved = t.time("moved into the task", exactly(1), ship_moving(label));
    moved.await?;

    let given_up = ship_and_give_up("fragile".to_owned());
    t.time("moved, and cancelled", exactly(1.5), given_up).await;

    let label = "fragile".to_owned();
    let borrowed = t.time("borrowed, in one task", max([1, 1]), ship_two(label));
    borrowed.await;
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn ship_moving(label: String) -> Result<usize> {
    // `move` hands the label over. Where the function needs it as well the task gets a clone, or both an `Arc<str>`.
    let packed = tokio::spawn(async move { pack(&label).await }); // <- the difference: moved
    Ok(packed.await?)
}

/// Cancels `ship_moving` while the task packs. The tick afterwards stands for the other work of the shop.
async fn ship_and_give_up(label: String) {
    if timeout(ticks(0.5), ship_moving(label)).await.is_err() {
        info!("nobody waits for the packing any more");
    }
    sleep(ticks(1)).await;
}

/// Two futures inside this one: they are dropped with it, so they can't outlive the label. They share its task, too,
/// and never run on two threads.
#[instrument(ret, skip_all)]
async fn ship_two(label: String) -> (usize, usize) {
    tokio::join!(pack(&label), pack(&label)) // <- the difference: not spawned
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
        let t = Timings::of(run).await;
        let cancelled = &t["moved, and cancelled"];
        assert_eq!(cancelled.lane("ship_moving").ended, Ended::Cancelled);
        assert_eq!(cancelled.lane("ship_moving").end, ticks(0.5));
        assert_eq!(cancelled.lane("pack").ended, Ended::Returned);
        assert_eq!(cancelled.lane("pack").end, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_label_that_is_moved_lives_as_long_as_the_task() {
        assert_eq!(ship_moving("fragile".to_owned()).await.unwrap(), 7);
        assert_eq!(
            Timings::of(run).await["moved into the task"].elapsed,
            ticks(1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn futures_in_one_task_borrow_and_still_wait_together() {
        assert_eq!(ship_two("fragile".to_owned()).await, (7, 7));
        let t = Timings::of(run).await;
        assert_eq!(t["borrowed, in one task"].elapsed, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn futures_in_one_task_end_with_their_function() {
        let mut t = Timings::default();
        let shipping = timeout(ticks(0.5), ship_two("fragile".to_owned()));
        let given_up = t.time("cancelled", exactly(0.5), shipping).await;
        assert!(given_up.is_err());
        assert_eq!(t["cancelled"].lane("pack").ended, Ended::Cancelled);
    }
}
