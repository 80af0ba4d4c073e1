//! # What can be awaited: four kinds, and which of them has begun
//!
//! Soup is ordered, then the table is laid, then the soup is awaited; laying and cooking take 1 tick each. If the
//! order is an `async` block, cooking begins only when it is awaited: 2 ticks. If it is a task, the soup cooks while
//! the table is laid: 1 tick. A `oneshot` runs nothing: it waits for an answer that another part of the program
//! sends. And a type of your own can define which future its `.await` runs.
//!
//! asyncio: Task, Future, ensure_future
//!
//! ```python
//! soup = cook("soup")                                   # a coroutine: not begun
//! task = asyncio.create_task(cook("soup"))              # a Task: begins at the next await
//! loop = asyncio.get_running_loop()
//! answer = loop.create_future()                         # a Future: waits until somebody sets it
//! loop.call_later(1, answer.set_result, "soup")
//! await soup; await task; await answer
//! ```
//!
//! Not the same: in Python a second `await` of a coroutine is a RuntimeError, and a Task or Future can be awaited
//! again and again. In Rust `.await` moves what it awaits, so a second `.await` of any of them doesn't compile
//! (E0382): see `pitfalls/await-twice`. A `.await` of a `&mut` takes only the reference, and a second one compiles: see
//! `tasks/shield`. A Python Future that nobody sets is awaited for ever. A `oneshot` gives an `Err` as soon as its
//! sender is dropped, since nobody can send an answer any more.

use std::pin::Pin;

use anyhow::Result;
use timing::{
    Timings,
    law::{exactly, max, sum},
    ticks,
};
use tokio::{sync::oneshot, time::sleep};
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    let soup = t
        .time("an async block", sum([1, 1]), async {
            let soup = async { cook("soup").await };
            lay_the_table().await;
            soup.await
            // Another `soup.await` after this is E0382, "use of moved value".
        })
        .await;
    t.count("result", format!("{soup:?}"));

    let soup = t
        .time("a task", max([1, 1]), async {
            // What `create_task` does, and `ensure_future` with a coroutine: the loop runs it, awaited or not.
            let soup = tokio::spawn(cook("soup"));
            lay_the_table().await;
            soup.await
        })
        .await;
    // A task can panic or be cancelled without ending the function that awaits it. So its handle gives a `Result`
    // (`tasks/spawn`).
    t.count("result", format!("{soup:?}"));

    let answer = t
        .time("a oneshot", exactly(1), async {
            // What is one Future in asyncio has two halves here: one side awaits `answer`, the other sends it.
            let (sender, answer) = oneshot::channel();
            tokio::join!(answer, sends_the_soup(sender)).0
        })
        .await;
    t.count("result", format!("{answer:?}"));

    let answer = t
        .time("a oneshot nobody answers", exactly(1), async {
            let (sender, answer) = oneshot::channel();
            tokio::join!(answer, drops_the_sender(sender)).0
        })
        .await;
    t.count("result", format!("{answer:?}"));

    let soup = t
        .time("a type of its own", sum([1, 1]), async {
            let order = Order { dish: "soup" };
            lay_the_table().await;
            order.await
        })
        .await;
    t.count("result", format!("{soup:?}"));
    Ok(())
}

#[instrument(ret)]
async fn cook(dish: &'static str) -> &'static str {
    info!("on the stove");
    sleep(ticks(1)).await;
    dish
}

#[instrument(ret)]
async fn lay_the_table() {
    sleep(ticks(1)).await;
}

#[instrument(ret, skip(sender))]
async fn sends_the_soup(sender: oneshot::Sender<&'static str>) {
    sleep(ticks(1)).await;
    // When the receiver was dropped before, `send` hands the value back as the error.
    if let Err(dish) = sender.send("soup") {
        info!("nobody waits for the {dish}");
    }
}

/// Never sends an answer. The `drop` could be left out: a sender that was forgotten is dropped at the end of its
/// function, like every variable, and the receiver gets its `Err` then.
#[instrument(ret, skip(sender))]
async fn drops_the_sender(sender: oneshot::Sender<&'static str>) {
    sleep(ticks(1)).await;
    drop(sender);
}

/// Not a future, and it runs nothing. `.await` calls `into_future` first and then awaits what that returns. So a
/// builder can be filled in and then awaited, without a last `.send()` or `.build()`.
struct Order {
    dish: &'static str,
}

impl IntoFuture for Order {
    type Output = &'static str;
    // The type must be named here, but the future of an `async fn` has no name that code can use. A box with "some
    // future" in it has one.
    type IntoFuture = Pin<Box<dyn Future<Output = &'static str>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(cook(self.dish))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_block_begins_when_it_is_awaited() {
        let t = Timings::of(run).await;
        let block = &t["an async block"];
        assert_eq!(block.elapsed, ticks(2));
        assert_eq!(block.lane("cook").start, ticks(1));
        assert_eq!(*block.count("result"), "\"soup\"");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_begins_before_it_is_awaited() {
        let t = Timings::of(run).await;
        let task = &t["a task"];
        assert_eq!(task.elapsed, ticks(1));
        assert_eq!(task.lane("cook").start, ticks(0));
        assert_eq!(*task.count("result"), "Ok(\"soup\")");
    }

    #[tokio::test(start_paused = true)]
    async fn a_spawned_task_has_not_begun_when_spawn_returns() {
        let t = Timings::of(run).await;
        let task = &t["a task"];
        let [table, cook] = ["lay_the_table", "cook"].map(|name| task.lane(name).polls[0].turn);
        assert!(
            table < cook,
            "its first turn comes when this function waits"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_oneshot_is_answered_by_another_future() {
        let t = Timings::of(run).await;
        assert_eq!(t["a oneshot"].elapsed, ticks(1));
        assert_eq!(*t["a oneshot"].count("result"), "Ok(\"soup\")");
    }

    #[tokio::test(start_paused = true)]
    async fn a_oneshot_that_nobody_can_set_any_more_fails_at_once() {
        let t = Timings::of(run).await;
        let silent = &t["a oneshot nobody answers"];
        assert_eq!(silent.elapsed, ticks(1));
        let answer = silent.count("result").text();
        assert!(answer.starts_with("Err(RecvError"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_type_of_its_own_is_awaited_like_a_future() {
        let t = Timings::of(run).await;
        let order = &t["a type of its own"];
        assert_eq!(order.elapsed, ticks(2));
        assert_eq!(order.lane("cook").start, ticks(1));
        assert_eq!(*order.count("result"), "\"soup\"");
    }
}
