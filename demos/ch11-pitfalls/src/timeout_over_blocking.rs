//! # A timeout around code that blocks
//!
//! A shop asks a stock list for a lamp. The search blocks its thread for 5 ticks, and the customer waits 2 at most,
//! so there is a `timeout` around it. It can't fire while the search runs, because one task polls both, and more
//! worker threads don't change that: after 5 ticks it hands over the answer as if it had come in time. If an `.await`
//! follows the search it does report that the time is up, but also after 5 ticks. With the search on a thread of
//! `spawn_blocking` it fires after 2. The thread goes on: 1 search is still under way at that moment.
//!
//! asyncio: wait_for, timeout, to_thread
//!
//! real clock: it blocks a thread
//!
//! How to see it: the variant takes longer than its limit, and the lane is a solid bar. `--slow 50ms` names its poll.
//! Neither rustc nor clippy warns.
//!
//! Cured in: `tasks/timeout`, `executors/blocking-io`, `executors/abort-blocking`
//!
//! ```python
//! async def find(article): return search(article)               # blocks for 5 s
//! await asyncio.wait_for(find("lamp"), 2)                       # the answer, after 5 s: no TimeoutError
//! await asyncio.wait_for(asyncio.to_thread(search, "lamp"), 2)  # TimeoutError, after 2 s
//! ```
//!
//! Not the same: nothing in these three. In both languages a limit ends a task where it waits, and a task that blocks
//! doesn't wait. In both the thread can't be stopped from outside.

use std::{sync::Arc, thread, time::Duration};

use anyhow::Result;
use timing::{AtOnce, Timings, law::exactly, ticks};
use tokio::{
    task::{JoinError, JoinHandle, spawn_blocking},
    time::{error::Elapsed, sleep, timeout},
};
use tracing::instrument;

type Shelf = &'static str;
/// Of a thread, which may have panicked.
type Found = Result<Shelf, JoinError>;

pub async fn run(t: &mut Timings) -> Result<()> {
    let list = Arc::new(StockList::searched_in(ticks(5)));
    let answer = timeout(ticks(2), finds(&list));
    let answer = t.time("blocking", exactly(5), answer).await;
    count(t, &answer, &list);

    let answer = timeout(ticks(2), finds_and_reserves(&list));
    let label = "blocking, then an await";
    let answer = t.time(label, exactly(5), answer).await;
    count(t, &answer, &list);

    let answer = finds_on_a_thread(&list);
    let (answer, searching) = t.time("spawn_blocking", exactly(2), answer).await;
    count(t, &answer, &list);
    if answer.is_err() {
        searching.await?; // so that the thread ends before the lesson does
    }
    Ok(())
}

/// Is `async`, and so it can stand in a `timeout`. But it has no `.await`, and so it is done at the first poll,
/// before the timer is looked at.
#[instrument(ret, skip_all)]
async fn finds(list: &StockList) -> Shelf {
    list.search()
}

/// The limit is found to be over when the search has ended and the shelf is waited for.
#[instrument(ret, skip_all)]
async fn finds_and_reserves(list: &StockList) -> Shelf {
    let shelf = list.search();
    sleep(ticks(1)).await; // the reservation
    shelf
}

/// The limit is around the wait for the thread, and this wait leaves the loop free. The handle is lent to `timeout`,
/// which would drop it: the thread goes on either way, but its end could not be waited for.
#[instrument(ret, skip_all)]
async fn finds_on_a_thread(list: &Arc<StockList>) -> (Result<Found, Elapsed>, JoinHandle<Shelf>) {
    let list = list.clone();
    let mut searching = spawn_blocking(move || list.search()); // <- the difference
    let answer = timeout(ticks(2), &mut searching).await;
    (answer, searching)
}

/// Belongs to a library that knows nothing of async.
struct StockList {
    takes: Duration,
    searches: AtOnce,
}

impl StockList {
    fn searched_in(takes: Duration) -> Self {
        let searches = AtOnce::default();
        Self { takes, searches }
    }

    #[expect(clippy::disallowed_methods, reason = "stands for a slow search")]
    #[instrument(ret, skip_all)]
    fn search(&self) -> Shelf {
        let _under_way = self.searches.enter();
        thread::sleep(self.takes);
        "shelf 7"
    }
}

fn count<T>(t: &mut Timings, answer: &Result<T, Elapsed>, list: &StockList) {
    t.count("timed out", if answer.is_err() { "yes" } else { "no" });
    t.count("searches still under way", list.searches.now());
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test]
    async fn a_limit_of_two_ticks_lets_an_answer_through_after_five() {
        let t = Timings::of(run).await;
        let blocking = &t["blocking"];
        assert!(blocking.elapsed >= ticks(5));
        assert_eq!(*blocking.count("timed out"), "no");
        let finds = blocking.lane("finds");
        assert_eq!((finds.ended, finds.polls.len()), (Ended::Returned, 1));
    }

    #[tokio::test]
    async fn with_an_await_after_it_the_limit_is_noticed_when_the_search_is_over() {
        let t = Timings::of(run).await;
        let late = &t["blocking, then an await"];
        assert!(late.elapsed >= ticks(5));
        assert_eq!(*late.count("timed out"), "yes");
        assert_eq!(late.lane("finds_and_reserves").ended, Ended::Cancelled);
        assert_eq!(late.lane("search").ended, Ended::Returned);
    }

    #[tokio::test]
    async fn a_search_on_a_thread_is_given_up_while_it_goes_on() {
        // Far longer than the limit, so that a busy machine doesn't change the outcome.
        let list = Arc::new(StockList::searched_in(ticks(20)));
        let (answer, searching) = finds_on_a_thread(&list).await;
        answer.unwrap_err();
        assert_eq!(list.searches.now(), 1);
        assert_eq!(searching.await.unwrap(), "shelf 7");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn more_worker_threads_do_not_make_it_fire() {
        let list = StockList::searched_in(ticks(2));
        let answer = timeout(ticks(1), finds(&list)).await;
        assert_eq!(answer.unwrap(), "shelf 7");
    }
}
