//! # Names: which task is this, and is it done?
//!
//! Three orders are cooking. Without a name all three look the same: 1 label for 3 lanes. A tokio task has no name to
//! give, but it can run in a span of `tracing`, which these lessons draw as a lane. The span's fields stand on
//! everything that happens in it: 3 labels. From outside a handle tells two things without waiting. One is the task's
//! id, the same that the task sees from inside. The other is whether it is done: after 1.5 ticks 1 of the 3 is.
//!
//! asyncio: get_name, set_name, done, current_task
//!
//! ```python
//! task = asyncio.create_task(cook(7), name="table 7")
//! print(task.get_name(), task.done())
//! print(asyncio.current_task().get_name())    # inside the task
//! ```
//!
//! Not the same: only the unstable part of tokio has names for tasks (`runtime/console`). `task::id()` is unique
//! among the tasks that are running and means nothing to a reader. A span has fields with names and types, follows
//! the work into the functions it calls, and reaches every log line (`runtime/logging`), but not a task that is
//! spawned in it (`runtime/span-in-task`). There is no `task.result()`: `is_finished` only says that awaiting won't
//! wait.

use anyhow::{Result, ensure};
use timing::{Timings, law::max, report::Variant, ticks};
use tokio::{
    task::{self, JoinHandle},
    time::sleep,
};
use tracing::{info, instrument};

/// Every table orders something that takes as many ticks as its number.
const TABLES: [u32; 3] = [1, 2, 3];

pub async fn run(t: &mut Timings) -> Result<()> {
    t.time("without a name", max(TABLES), async {
        all_done(TABLES.map(|table| tokio::spawn(anonymous(table)))).await
    })
    .await?;
    t.count("labels", labels(&t["without a name"]));

    t.time("with a span", max(TABLES), async {
        all_done(TABLES.map(|table| tokio::spawn(order(table)))).await
    })
    .await?;
    t.count("labels", labels(&t["with a span"]));

    let finished = t
        .time("asked from outside", max(TABLES), asked_from_outside())
        .await?;
    t.count("done after 1.5 ticks", finished);
    Ok(())
}

async fn all_done(tasks: [JoinHandle<task::Id>; 3]) -> Result<()> {
    for task in tasks {
        let outside = task.id();
        ensure!(
            task.await? == outside,
            "a task and its handle disagree about its id"
        );
    }
    Ok(())
}

async fn asked_from_outside() -> Result<usize> {
    let tasks = TABLES.map(|table| tokio::spawn(order(table)));
    sleep(ticks(1.5)).await;
    // Doesn't wait and doesn't take the result: the handles can still be awaited.
    let finished = tasks.iter().filter(|task| task.is_finished()).count();
    all_done(tasks).await?;
    Ok(finished)
}

/// The number of the table is skipped, so nothing tells one run of this function from another.
#[instrument(ret, skip_all)]
async fn anonymous(table: u32) -> task::Id {
    cook(table).await
}

#[instrument(ret)] // <- the difference: the argument becomes a field of the span
async fn order(table: u32) -> task::Id {
    cook(table).await
}

/// Knows nothing of spans. Its line stands in the lane of the function that called it.
async fn cook(time: u32) -> task::Id {
    sleep(ticks(time)).await;
    info!("ready");
    task::id()
}

fn labels(variant: &Variant) -> usize {
    let mut labels: Vec<&str> = variant
        .lanes
        .iter()
        .map(|lane| lane.label.as_str())
        .collect();
    labels.sort_unstable();
    labels.dedup();
    labels.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_span_field_tells_tasks_apart() {
        let t = Timings::of(run).await;
        assert_eq!(*t["without a name"].count("labels"), 1);
        assert_eq!(*t["with a span"].count("labels"), 3);
        assert_eq!(t["with a span"].lane("order(3)").end, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_said_further_down_carries_the_span() {
        let t = Timings::of(run).await;
        let lanes = t["with a span"]
            .said
            .iter()
            .map(|said| said.lane.as_deref());
        assert_eq!(
            lanes.collect::<Vec<_>>(),
            TABLES
                .map(|table| format!("order({table})"))
                .each_ref()
                .map(|lane| Some(lane.as_str()))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_handle_says_whether_its_task_is_done_without_waiting() {
        let t = Timings::of(run).await;
        assert_eq!(t["asked from outside"].elapsed, ticks(3));
        assert_eq!(*t["asked from outside"].count("done after 1.5 ticks"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_id_is_the_same_from_inside_and_outside() {
        let task = tokio::spawn(order(1));
        let outside = task.id();
        assert_eq!(task.await.unwrap(), outside);
    }
}
