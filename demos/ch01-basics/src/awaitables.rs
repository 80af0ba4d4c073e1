//! # What can be awaited: four kinds, and which of them has begun
//!
//! Soup is ordered, the table is laid, then the soup is awaited; each takes 1 tick. An `async` block begins only when
//! it is awaited: 2 ticks. A task has been cooking since it was spawned: 1 tick. A `oneshot` cooks nothing: it is an
//! answer that somebody else owes. And a type of your own can say what awaiting it means.
//!
//! asyncio: Task, Future, ensure_future
//!
//! ```python
//! soup = cook("soup")                                  # a coroutine: not begun
//! task = asyncio.create_task(cook("soup"))             # a Task: on its way
//! bell = asyncio.get_running_loop().create_future()    # a Future: bell.set_result("soup")
//! await soup; await task; await bell
//! ```
//!
//! Not the same: awaiting uses the thing up. The second `await` of a coroutine is a RuntimeError in Python, and a
//! Task or Future may be awaited again and again; in Rust a second `.await` of any of them doesn't compile (E0382). A
//! Python Future that nobody sets is awaited for ever; a `oneshot` answers with an `Err` as soon as nobody can set it
//! any more, because the sender is gone.

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
            // One more `soup.await` is E0382, "use of moved value": the first has taken it.
        })
        .await;
    t.count("came out", format!("{soup:?}"));

    let soup = t
        .time("a task", max([1, 1]), async {
            // What `create_task` does, and `ensure_future` to a coroutine: the loop has it now, awaited or not.
            let soup = tokio::spawn(cook("soup"));
            lay_the_table().await;
            soup.await
        })
        .await;
    // A task can panic, or be cancelled, and leave this one standing: so its handle says which it was.
    t.count("came out", format!("{soup:?}"));

    let answer = t
        .time("a oneshot", exactly(1), async {
            let (bell, rung) = oneshot::channel();
            // The one who waits holds the one half, and whoever knows the answer, and when, holds the other.
            tokio::join!(rung, rings(bell)).0
        })
        .await;
    t.count("came out", format!("{answer:?}"));

    let answer = t
        .time("a oneshot nobody sets", exactly(1), async {
            let (bell, rung) = oneshot::channel();
            tokio::join!(rung, forgets(bell)).0
        })
        .await;
    t.count("came out", format!("{answer:?}"));

    let soup = t
        .time("a type of its own", sum([1, 1]), async {
            let order = Order { dish: "soup" };
            lay_the_table().await;
            order.await
        })
        .await;
    t.count("came out", format!("{soup:?}"));
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

#[instrument(ret, skip(bell))]
async fn rings(bell: oneshot::Sender<&'static str>) {
    sleep(ticks(1)).await;
    // Gives the answer back when nobody waits for it any more.
    if let Err(dish) = bell.send("soup") {
        info!("nobody waits for the {dish}");
    }
}

/// Takes the bell along and never rings it. At its end the bell is dropped like every variable, and that is what the
/// other half hears: there is no forgetting in silence.
#[instrument(ret, skip(bell))]
async fn forgets(bell: oneshot::Sender<&'static str>) {
    sleep(ticks(1)).await;
    drop(bell);
}

/// Not a future, and nothing happens while it is no more than a note. `.await` first asks for the future it stands
/// for, so a builder can be filled in and then awaited, without a last `.send()` or `.build()`.
struct Order {
    dish: &'static str,
}

impl IntoFuture for Order {
    type Output = &'static str;
    // The future of an `async fn` has no name that could be written here. A box around "some future" has one.
    type IntoFuture = Pin<Box<dyn Future<Output = &'static str>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(cook(self.dish))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Value;

    async fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        t
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_begins_when_it_is_awaited() {
        let t = measured().await;
        let block = &t["an async block"];
        assert_eq!(block.elapsed, ticks(2));
        assert_eq!(block.lane("cook").start, ticks(1));
        assert_eq!(*block.count("came out"), "\"soup\"");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_is_on_its_way_before_it_is_awaited() {
        let t = measured().await;
        let task = &t["a task"];
        assert_eq!(task.elapsed, ticks(1));
        assert_eq!(task.lane("cook").start, ticks(0));
        assert_eq!(*task.count("came out"), "Ok(\"soup\")");
    }

    #[tokio::test(start_paused = true)]
    async fn a_spawned_task_has_not_begun_when_spawn_returns() {
        let t = measured().await;
        let task = &t["a task"];
        let [table, cook] = ["lay_the_table", "cook"].map(|name| task.lane(name).polls[0].turn);
        assert!(table < cook, "its first turn is when this one waits");
    }

    #[tokio::test(start_paused = true)]
    async fn a_oneshot_is_set_by_someone_else() {
        let t = measured().await;
        assert_eq!(t["a oneshot"].elapsed, ticks(1));
        assert_eq!(*t["a oneshot"].count("came out"), "Ok(\"soup\")");
    }

    #[tokio::test(start_paused = true)]
    async fn a_oneshot_that_nobody_can_set_any_more_fails_at_once() {
        let t = measured().await;
        let silent = &t["a oneshot nobody sets"];
        assert_eq!(silent.elapsed, ticks(1));
        let Value::Text(answer) = silent.count("came out") else {
            panic!("an answer is a text");
        };
        assert!(answer.starts_with("Err(RecvError"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_type_of_its_own_is_awaited_like_a_future() {
        let t = measured().await;
        let order = &t["a type of its own"];
        assert_eq!(order.elapsed, ticks(2));
        assert_eq!(order.lane("cook").start, ticks(1));
        assert_eq!(*order.count("came out"), "\"soup\"");
    }
}
