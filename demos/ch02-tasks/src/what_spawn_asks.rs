//! # What `spawn` asks of a future: `Send + 'static`
//!
//! A task can outlive the function that spawned it, so it may not borrow from it: `'static`. Another thread may poll
//! it, so it may not hold an `Rc`, or the guard of a `std` lock, across an `.await`: `Send`. There are five ways to
//! cook three dishes from one recipe all the same: a copy for each task, an `Arc`, a task that owns the recipe and is
//! asked, futures without a task, and a `LocalSet`, whose tasks stay on its thread. All take 1 tick. They differ in
//! how many copies of the recipe are read, 3 or 1, and in how many tasks cook, 3 or none. The owner is one task more.
//!
//! asyncio: create_task, Task
//!
//! ```python
//! recipe = read_recipe("soup")
//! tasks = [asyncio.create_task(cook(recipe)) for _ in range(3)]    # all three share it
//! ```
//!
//! Not the same: in Python every object is on the heap and counted, and all tasks of a loop are on its one thread, so
//! the question doesn't come up. In Rust it comes up at compile time, also on a runtime with a single thread, because
//! `tokio::spawn` doesn't know on which runtime it will be called. What the compiler says:
//! `pitfalls/borrow-in-spawn`, `pitfalls/rc-across-spawn`, `pitfalls/guard-across-await`.

use std::{collections::HashSet, rc::Rc, sync::Arc};

use anyhow::Result;
use futures_util::future::join_all;
use timing::{Timings, law::max, ticks};
use tokio::{
    sync::{mpsc, oneshot},
    task::{self, JoinSet, LocalSet},
    time::sleep,
};
use tracing::instrument;

const DISHES: usize = 3;

/// What a cook knows afterwards.
#[derive(Debug)]
struct Dish {
    /// The address of the recipe: two cooks who read the same copy have read the same address.
    read_at: usize,
    /// The task that cooked. This lesson's own function is none, and neither is a future inside it.
    cooked_by: Option<task::Id>,
}

pub async fn run(t: &mut Timings) -> Result<()> {
    let recipe = String::from("leeks, potatoes, an hour");
    let law = || max([1; DISHES]);

    let dishes = t
        .time("a copy for each", law(), moves_copies(&recipe))
        .await;
    count(t, &dishes);

    let dishes = t.time("an Arc", law(), shares_an_arc(&recipe)).await;
    count(t, &dishes);

    let dishes = t
        .time("an owner to ask", law(), asks_an_owner(recipe.clone()))
        .await?;
    count(t, &dishes);

    let dishes = t.time("no tasks", law(), stays_in_one_task(&recipe)).await;
    count(t, &dishes);

    let dishes = t
        .time("a LocalSet", law(), stays_on_one_thread(&recipe))
        .await;
    count(t, &dishes);
    Ok(())
}

/// `async move` makes the copy a part of the future. It belongs to the task, so it lives as long as the task does. A
/// `JoinSet` is a set of tasks, and its `join_all` waits for all of them. It hands their results back in the order in
/// which they end, and panics when one of them has panicked or was aborted, which aborts the rest.
async fn moves_copies(recipe: &str) -> Vec<Dish> {
    let mut tasks = JoinSet::new();
    for _ in 0..DISHES {
        let own = recipe.to_owned();
        tasks.spawn(async move { cook(&own).await });
    }
    tasks.join_all().await
}

/// One copy, and a count that any thread may change. Whoever drops the last `Arc` frees the recipe: here this function,
/// which keeps one until all tasks have ended. To change what is shared takes an atomic or a `Mutex` inside
/// (`sync/lost-update`).
async fn shares_an_arc(recipe: &str) -> Vec<Dish> {
    let shared: Arc<str> = recipe.into();
    let mut tasks = JoinSet::new();
    for _ in 0..DISHES {
        let shared = shared.clone();
        tasks.spawn(async move { cook(&shared).await });
    }
    tasks.join_all().await
}

/// The recipe has one owner, a task that answers questions about it: each comes through a channel, with a `oneshot`
/// for the answer (`queues/request-reply`). Nothing is shared, so nothing needs a lock, and the owner may change the
/// recipe between two questions.
async fn asks_an_owner(recipe: String) -> Result<Vec<Dish>> {
    let (questions, mut asked) = mpsc::channel::<oneshot::Sender<usize>>(DISHES);
    let owner = tokio::spawn(async move {
        while let Some(answer) = asked.recv().await {
            // A cook who no longer waits for the answer doesn't need it.
            let _gone = answer.send(recipe.as_ptr().addr());
        }
    });
    let mut tasks = JoinSet::new();
    for _ in 0..DISHES {
        let questions = questions.clone();
        tasks.spawn(async move {
            let (answer, answered) = oneshot::channel();
            questions.send(answer).await?;
            anyhow::Ok(cook_as_told(answered.await?).await)
        });
    }
    // The owner ends when the last sender is dropped: this one, and one in each task.
    drop(questions);
    let dishes = tasks.join_all().await.into_iter().collect();
    owner.await?;
    dishes
}

/// Three futures inside this one. They can't outlive it, so they may borrow from it, and nothing moves to another
/// thread.
async fn stays_in_one_task(recipe: &str) -> Vec<Dish> {
    join_all([(); DISHES].map(|()| cook(recipe))).await
}

/// Tasks that are bound to the thread of their set: `'static` is still asked of them, `Send` is not, so an `Rc` will
/// do. What a turn costs in it: `runtime/flavours`.
async fn stays_on_one_thread(recipe: &str) -> Vec<Dish> {
    let shared: Rc<str> = recipe.into();
    let local = LocalSet::new();
    let mut tasks = JoinSet::new();
    for _ in 0..DISHES {
        let shared = shared.clone();
        tasks.spawn_local_on(async move { cook(&shared).await }, &local);
    }
    local.run_until(tasks.join_all()).await
}

#[instrument(ret, skip_all)]
async fn cook(recipe: &str) -> Dish {
    sleep(ticks(1)).await;
    // Read after the wait: the future needs the recipe on both sides of the `.await`.
    Dish {
        read_at: recipe.as_ptr().addr(),
        cooked_by: task::try_id(),
    }
}

#[instrument(ret, skip_all)]
async fn cook_as_told(read_at: usize) -> Dish {
    sleep(ticks(1)).await;
    Dish {
        read_at,
        cooked_by: task::try_id(),
    }
}

fn count(t: &mut Timings, dishes: &[Dish]) {
    let copies: HashSet<_> = dishes.iter().map(|dish| dish.read_at).collect();
    let tasks: HashSet<_> = dishes.iter().filter_map(|dish| dish.cooked_by).collect();
    t.count("dishes", dishes.len());
    t.count("recipes read", copies.len());
    t.count("tasks that cooked", tasks.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_way_takes_one_tick_and_makes_three_dishes() {
        let t = Timings::of(run).await;
        for label in [
            "a copy for each",
            "an Arc",
            "an owner to ask",
            "no tasks",
            "a LocalSet",
        ] {
            assert_eq!(t[label].elapsed, ticks(1), "{label}");
            assert_eq!(*t[label].count("dishes"), 3, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_copy_for_each_is_three_recipes() {
        let t = Timings::of(run).await;
        assert_eq!(*t["a copy for each"].count("recipes read"), 3);
        for label in ["an Arc", "an owner to ask", "no tasks", "a LocalSet"] {
            assert_eq!(*t[label].count("recipes read"), 1, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn futures_that_stay_in_one_task_are_no_tasks_of_their_own() {
        let t = Timings::of(run).await;
        assert_eq!(*t["no tasks"].count("tasks that cooked"), 0);
        for label in ["a copy for each", "an Arc", "an owner to ask", "a LocalSet"] {
            assert_eq!(*t[label].count("tasks that cooked"), 3, "{label}");
        }
    }
}
