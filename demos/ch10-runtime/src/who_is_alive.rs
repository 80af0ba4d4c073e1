//! # Which tasks are alive: a number, or a list of your own
//!
//! Three jobs take 1, 2 and 3 ticks, and `looks` checks at tick 1.5. The runtime says that 2 tasks are alive, and lists
//! them only in an unstable build on Linux (`Handle::dump`, by number and without names). A `TaskTracker` counts 2,
//! too. A `JoinSet` says 3: it counts a task until somebody has taken its result. For names a program keeps a list of
//! its own, here a board: each task holds a place on it, and the place is given up in `Drop`.
//!
//! asyncio: all_tasks, current_task, Task.get_name, Task.set_name
//!
//! ```python
//! for task in asyncio.all_tasks():
//!     print(task.get_name())
//! asyncio.current_task().set_name("plane")
//! ```
//!
//! Not the same: `all_tasks` has the task of `main` in it. What `block_on` runs is no task: `looks` runs there, and
//! isn't among the 2. `current_task` gives the task, which has a name and can be cancelled. In a callback it is
//! None, and where no loop runs it raises RuntimeError. `task::id()` gives a number, the one that its handle has
//! (`tasks/names`), and panics outside a task, where `task::try_id()` is None.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use timing::{Timings, law::max, ticks};
use tokio::{runtime::Handle, task::JoinSet, time::sleep};
use tokio_util::task::TaskTracker;
use tracing::instrument;

const JOBS: [(&str, u32); 3] = [("saw", 1), ("plane", 2), ("varnish", 3)];

pub async fn run(t: &mut Timings) -> Result<()> {
    let seen = t.time("after 1.5 ticks", max([1, 2, 3]), looks()).await?;
    t.count("alive", seen.alive);
    t.count("tracker.len", seen.tracked);
    t.count("set.len", seen.not_joined);
    t.count("on the board", seen.names);
    Ok(())
}

/// What can be known of the tasks while they run.
struct Seen {
    alive: usize,
    tracked: usize,
    not_joined: usize,
    names: String,
}

async fn looks() -> Result<Seen> {
    let (board, tracker, mut jobs) = (Board::default(), TaskTracker::new(), JoinSet::new());
    for (name, time) in JOBS {
        // The place is taken before the task has its first turn, as a Python task is listed from its creation on.
        let place = board.enter(name);
        jobs.spawn(tracker.track_future(async move {
            let _place = place;
            works(name, time).await;
        }));
    }
    sleep(ticks(1.5)).await;
    let seen = Seen {
        alive: Handle::current().metrics().num_alive_tasks(),
        tracked: tracker.len(),
        not_joined: jobs.len(),
        names: board.names(),
    };
    while let Some(job) = jobs.join_next().await {
        job?;
    }
    Ok(seen)
}

#[instrument(ret)]
async fn works(name: &str, time: u32) {
    sleep(ticks(time)).await;
}

/// The names of the tasks that are alive. Here no two tasks have the same name.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<BTreeSet<&'static str>>>);

impl Board {
    fn enter(&self, name: &'static str) -> Place {
        self.change(|names| names.insert(name));
        Place(self.clone(), name)
    }

    fn names(&self) -> String {
        self.change(|names| Vec::from_iter(names.iter().copied()).join(", "))
    }

    fn change<T>(&self, how: impl FnOnce(&mut BTreeSet<&'static str>) -> T) -> T {
        // A panic elsewhere leaves no name half entered, so the list can be used after it.
        how(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A line on the board. It is dropped with the future that holds it: when the task returns, panics, or is aborted.
struct Place(Board, &'static str);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.change(|names| names.remove(self.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task;

    #[tokio::test(start_paused = true)]
    async fn the_runtime_counts_the_tasks_that_are_alive() {
        let t = Timings::of(run).await;
        let looked = &t["after 1.5 ticks"];
        assert_eq!(*looked.count("alive"), 2);
        assert_eq!(*looked.count("tracker.len"), 2);
        assert_eq!(looked.elapsed, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_join_set_counts_a_task_until_its_result_is_taken() {
        let t = Timings::of(run).await;
        assert_eq!(*t["after 1.5 ticks"].count("set.len"), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_board_has_the_names_of_those_who_are_alive() {
        let t = Timings::of(run).await;
        let looked = &t["after 1.5 ticks"];
        assert_eq!(*looked.count("on the board"), "plane, varnish");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_leaves_the_board_however_its_task_ends() {
        let board = Board::default();
        let places = ["returns", "panics", "is aborted", "never begins"];
        let [returns, panics, aborted, never] = places.map(|name| board.enter(name));
        assert_eq!(board.names(), "is aborted, never begins, panics, returns");
        let returns = tokio::spawn(async move { drop(returns) });
        let panics = tokio::spawn(async move {
            let _place = panics;
            panic!("the saw slips");
        });
        let aborted = tokio::spawn(async move {
            let _place = aborted;
            sleep(ticks(9)).await;
        });
        sleep(ticks(1)).await;
        assert_eq!(board.names(), "is aborted, never begins");
        aborted.abort();
        let never = tokio::spawn(async move { drop(never) });
        never.abort();
        let ended = tokio::join!(returns, panics, aborted, never);
        assert!(ended.0.is_ok() && ended.1.unwrap_err().is_panic());
        assert!(ended.2.unwrap_err().is_cancelled() && ended.3.unwrap_err().is_cancelled());
        assert_eq!(board.names(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_has_one_number_inside_and_at_its_handle_and_a_main_future_has_none() {
        let task = tokio::spawn(async { task::id() });
        let outside = task.id();
        assert_eq!(task.await.unwrap(), outside);
        assert_eq!(task::try_id(), None);
    }
}
