//! # A group of tasks that ends as one
//!
//! Four dishes are on the stove. A `JoinSet` that is dropped aborts what still cooks: the cook leaves with the soup
//! after 1 tick, and 3 dishes are cancelled. A `TaskTracker` waits for all of them, 4 ticks, and aborts none,
//! although the fish burns after 2. A group as in asyncio is made of a `JoinSet` and a `CancellationToken`. When the
//! fish burns, it cancels the roast and the stew, which take 1 tick to clean up. After 3 ticks the group hands back
//! every error: 2, because the clean-up of the roast fails too.
//!
//! asyncio: TaskGroup, ExceptionGroup
//!
//! ```python
//! try:
//!     async with asyncio.TaskGroup() as group:
//!         for dish, time in MENU: group.create_task(cook(dish, time))
//! except* Spoilt as several:
//!     errors = several.exceptions
//! ```
//!
//! Not the same: leaving an `async with` can wait; leaving a Rust scope can't. So a `JoinSet` at the end of its scope
//! aborts its tasks, and a program that wants to wait has to say so, here by `join`. An aborted task is dropped and
//! can't await any more; one that is told by a `CancellationToken` can still clean up (`tasks/cancel`). And the tasks
//! of a group own their data or share it in an `Arc`. They can't borrow from the function that made the group, since
//! nothing makes it wait for them (`tasks/what-spawn-asks`).

use anyhow::{Error, Result, bail};
use timing::{
    Timings,
    law::{exactly, max},
    report::Ended,
    ticks,
};
use tokio::{
    task::{JoinSet, yield_now},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, instrument};

const MENU: [(&str, u32); 4] = [("soup", 1), ("fish", 2), ("roast", 3), ("stew", 4)];

pub async fn run(t: &mut Timings) -> Result<()> {
    t.time("JoinSet, dropped", exactly(1), leaves_with_the_first())
        .await?;
    counts(t, "JoinSet, dropped", 0);

    t.time("TaskTracker", max([1, 2, 3, 4]), waits_for_all())
        .await;
    counts(t, "TaskTracker", 0);

    let mut group = Group::default();
    for (dish, time) in MENU {
        group.spawn(|stop| cook_or_clean_up(dish, time, stop));
    }
    let ended = t.time("group, fish burns", exactly(3), group.join()).await;
    let errors = ended.err().unwrap_or_default();
    counts(t, "group, fish burns", errors.len());
    errors.iter().for_each(|error| info!("{error}"));
    Ok(())
}

async fn leaves_with_the_first() -> Result<()> {
    let mut stove = JoinSet::new();
    for (dish, time) in MENU {
        stove.spawn(cook(dish, time));
    }
    if let Some(first) = stove.join_next().await {
        info!("leaves with the {}", first??);
    }
    drop(stove); // by hand, because nothing can be awaited after the end of the function, which would do it too
    // Aborting marks the tasks and doesn't wait for them. Each is dropped in a turn of its own, which comes here.
    yield_now().await;
    Ok(())
}

/// A tracker counts its tasks and keeps nothing they return. What a task returned is in the handle that `spawn`
/// gives, and here nobody keeps that, so nobody sees the error of the fish (`tasks/detached`).
async fn waits_for_all() {
    let stove = TaskTracker::new();
    for (dish, time) in MENU {
        stove.spawn(cook(dish, time));
    }
    // `wait` goes on until the tracker is empty and closed. Without this it would wait for ever, for tasks to come.
    stove.close();
    stove.wait().await;
}

/// The first error stops the others, and the group ends when all of them have ended. Dropping it aborts its tasks.
#[derive(Default)]
struct Group<T> {
    tasks: JoinSet<Result<T>>,
    stop: CancellationToken,
}

impl<T: Send + 'static> Group<T> {
    /// Every task is handed the token. A task that doesn't look at it runs on to its own end, and the group waits.
    fn spawn<F>(&mut self, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.tasks.spawn(work(self.stop.clone()));
    }

    /// The results in the order in which the tasks end, or the errors alone: after an error no result is handed back.
    async fn join(mut self) -> Result<Vec<T>, Vec<Error>> {
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        while let Some(ended) = self.tasks.join_next().await {
            match ended.map_err(Error::from).flatten() {
                Ok(result) => results.push(result),
                // Stops the others. The loop goes on until they have ended, since each may have an error to add.
                Err(error) => {
                    self.stop.cancel();
                    errors.push(error);
                }
            }
        }
        if errors.is_empty() {
            Ok(results)
        } else {
            Err(errors)
        }
    }
}

/// `None` when it was stopped. What asyncio does in `except CancelledError` stands after the wait here.
async fn cook_or_clean_up(
    dish: &'static str,
    time: u32,
    stop: CancellationToken,
) -> Result<Option<&'static str>> {
    match stop.run_until_cancelled(cook(dish, time)).await {
        Some(cooked) => cooked.map(Some),
        None => clean_up(dish).await.map(|()| None),
    }
}

#[instrument(ret, err)]
async fn cook(dish: &'static str, time: u32) -> Result<&'static str> {
    sleep(ticks(time)).await;
    if dish == "fish" {
        bail!("the fish is burnt");
    }
    Ok(dish)
}

#[instrument(ret, err)]
async fn clean_up(dish: &'static str) -> Result<()> {
    sleep(ticks(1)).await;
    if dish == "roast" {
        bail!("the roast fell on the floor");
    }
    Ok(())
}

/// Read off the lanes of `cook`. The errors are those that the group has handed back.
fn counts(t: &mut Timings, label: &str, errors: usize) {
    let ended = |how| {
        let lanes = t[label].lanes.iter();
        let cooked = lanes.filter(|lane| lane.label.starts_with("cook"));
        cooked.filter(|lane| lane.ended == how).count()
    };
    let figures = [
        ("served", ended(Ended::Returned)),
        ("burnt", ended(Ended::Failed)),
        ("cancelled", ended(Ended::Cancelled)),
        ("errors seen", errors),
    ];
    for (what, figure) in figures {
        t.count(what, figure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ended::{Cancelled, Failed, Returned};
    use timing::report::Variant;

    fn ends(variant: &Variant) -> [Ended; 4] {
        MENU.map(|(dish, _)| variant.lane(&format!("cook(\"{dish}\"")).ended)
    }

    #[tokio::test(start_paused = true)]
    async fn a_join_set_that_is_dropped_aborts_what_still_runs() {
        let t = Timings::of(run).await;
        let dropped = &t["JoinSet, dropped"];
        assert_eq!(dropped.elapsed, ticks(1));
        assert_eq!(ends(dropped), [Returned, Cancelled, Cancelled, Cancelled]);
        assert_eq!(*dropped.count("cancelled"), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_tracker_waits_for_all_and_aborts_none() {
        let t = Timings::of(run).await;
        let tracked = &t["TaskTracker"];
        assert_eq!(tracked.elapsed, ticks(4));
        assert_eq!(ends(tracked), [Returned, Failed, Returned, Returned]);
        assert_eq!(*tracked.count("errors seen"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_stops_the_siblings_and_every_error_is_collected() {
        let t = Timings::of(run).await;
        let burnt = &t["group, fish burns"];
        assert_eq!(burnt.elapsed, ticks(3));
        assert_eq!(ends(burnt), [Returned, Failed, Cancelled, Cancelled]);
        assert_eq!(burnt.lane("clean_up(\"stew\")").ended, Returned);
        assert_eq!(burnt.lane("clean_up(\"roast\")").ended, Failed);
        assert_eq!(*burnt.count("errors seen"), 2);
        let said: Vec<_> = burnt.said.iter().map(|said| said.text.as_str()).collect();
        assert!(said.ends_with(&["the fish is burnt", "the roast fell on the floor"]));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_failure_the_group_takes_as_long_as_its_slowest() {
        let mut group = Group::default();
        for (dish, time) in [("stew", 4), ("soup", 1), ("rice", 2)] {
            group.spawn(|stop| cook_or_clean_up(dish, time, stop));
        }
        let mut t = Timings::default();
        let dishes = t.time("all well", max([1, 2, 4]), group.join()).await;
        assert_eq!(dishes.unwrap(), ["soup", "rice", "stew"].map(Some));
        assert_eq!(t["all well"].elapsed, ticks(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_one_of_the_errors() {
        let mut group = Group::<()>::default();
        group.spawn(async |_| panic!("the pot is gone"));
        group.spawn(async |stop| {
            stop.cancelled().await;
            Ok(())
        });
        let errors = group.join().await.unwrap_err();
        assert_eq!(errors.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_is_dropped_aborts_its_tasks() {
        let mut t = Timings::default();
        t.time("dropped", exactly(1), async {
            let mut group = Group::default();
            group.spawn(|stop| cook_or_clean_up("stew", 4, stop));
            sleep(ticks(1)).await;
            drop(group);
            yield_now().await;
        })
        .await;
        assert_eq!(t["dropped"].lane("stew").ended, Cancelled);
    }
}
