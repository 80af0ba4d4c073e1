//! # Callbacks: what happens when a task is done
//!
//! A bell rings for every dish: when it is ready, when it was dropped on the floor, and when the order was cancelled.
//! tokio's tasks take no callbacks. What comes after a task is written after an `.await`, in a second task that holds
//! the first one's handle. It sees all 3 endings. The same code inside the first task sees 1: a task that panics or
//! is aborted doesn't get to its last lines (`tasks/cancel`).
//!
//! asyncio: add_done_callback
//!
//! ```python
//! def ring(task):
//!     print("cancelled" if task.cancelled() else task.exception() or task.result())
//!
//! task = asyncio.create_task(cook("soup"))
//! task.add_done_callback(ring)
//! ```
//!
//! Not the same: a done callback is an ordinary function. It can't await, and an exception in it goes to the loop's
//! exception handler. What follows an `.await` can await in its turn, use `?` and return a value: here the bell rings
//! for a tenth of a tick, and hands back what it rang for.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::{task::JoinHandle, time::sleep};
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    // A tick of cooking, and a tenth of a tick in which the bell rings.
    let heard = t
        .time("in a second task", exactly(1.1), rings_behind_the_task())
        .await?;
    t.count("rings", heard.len());
    t.count("heard", heard.join(", "));

    let rings = t
        .time("in the task itself", exactly(1.1), rings_inside_the_task())
        .await;
    t.count("rings", rings);
    Ok(())
}

async fn rings_behind_the_task() -> Result<Vec<&'static str>> {
    let kitchen = [
        tokio::spawn(cook("soup")),
        tokio::spawn(spill("milk")),
        tokio::spawn(cook("stew")),
    ];
    kitchen[2].abort();
    // Waiting for a task is a task like any other.
    let bells = kitchen.map(|dish| tokio::spawn(rings(dish)));
    let mut heard = Vec::new();
    for bell in bells {
        heard.push(bell.await?);
    }
    Ok(heard)
}

/// What a callback would do. All endings arrive here as values.
#[instrument(ret, skip_all)]
async fn rings(dish: JoinHandle<&'static str>) -> &'static str {
    let ending = match dish.await {
        Ok(dish) => dish,
        Err(error) if error.is_panic() => "spilt",
        Err(_cancelled) => "cancelled",
    };
    sleep(ticks(0.1)).await;
    info!("{ending}");
    ending
}

async fn rings_inside_the_task() -> u32 {
    let rung = Arc::new(AtomicU32::new(0));
    let kitchen = [
        tokio::spawn(and_rings(cook("soup"), rung.clone())),
        tokio::spawn(and_rings(spill("milk"), rung.clone())),
        tokio::spawn(and_rings(cook("stew"), rung.clone())),
    ];
    kitchen[2].abort();
    for dish in kitchen {
        // Two of the three are a `JoinError` here, which the first variant tells apart.
        let _ending = dish.await;
    }
    rung.load(Relaxed)
}

async fn and_rings(work: impl Future<Output = &'static str>, rung: Arc<AtomicU32>) {
    work.await;
    // Reached only when the work returns.
    sleep(ticks(0.1)).await;
    rung.fetch_add(1, Relaxed);
}

#[instrument(ret)]
async fn cook(dish: &'static str) -> &'static str {
    info!("on the stove");
    sleep(ticks(1)).await;
    dish
}

#[instrument(ret)]
async fn spill(dish: &'static str) -> &'static str {
    sleep(ticks(1)).await;
    panic!("the {dish} is on the floor");
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test(start_paused = true)]
    async fn a_second_task_sees_every_ending() {
        let t = Timings::of(run).await;
        let behind = &t["in a second task"];
        assert_eq!(behind.elapsed, ticks(1.1));
        assert_eq!(*behind.count("rings"), 3);
        assert_eq!(*behind.count("heard"), "soup, spilt, cancelled");
        assert_eq!(behind.lane("spill").ended, Ended::Panicked);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_lines_of_a_task_run_only_when_it_returns() {
        let t = Timings::of(run).await;
        let inside = &t["in the task itself"];
        assert_eq!(*inside.count("rings"), 1);
        assert_eq!(inside.elapsed, ticks(1.1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_an_await_can_await() {
        let t = Timings::of(run).await;
        let behind = &t["in a second task"];
        let (soup, bell) = (behind.lane("cook(\"soup\")"), &behind.lanes);
        let last = bell
            .iter()
            .filter(|lane| lane.label.starts_with("rings"))
            .map(|lane| lane.end);
        assert_eq!(last.max(), Some(soup.end + ticks(0.1)));
    }
}
