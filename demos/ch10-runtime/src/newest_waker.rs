//! # Which waker: the one of the last poll
//!
//! A future can come to another task between two polls. Here one task polls the glue of `runtime/waker` once and
//! hands it to a second one, which awaits it; the glue is dry after 1 tick. If the future has kept the waker of its
//! first poll, that waker wakes a task which has ended, and the second one is never woken: it still waits at the end
//! of 3 ticks. If each poll puts its waker in the place of the last one, the second task is woken. `AtomicWaker` of
//! futures-util is such a place.
//!
//! asyncio: Future.add_done_callback, Future.set_result
//!
//! ```python
//! async def first(glue):
//!     await asyncio.wait([glue], timeout=0)    # waits for the Future, and gives up
//! async def second(glue):
//!     await glue                               # another task waits for it, and is woken
//! ```
//!
//! Not the same: an asyncio Future has a callback for each task that waits for it, so it wakes all of them. A Rust
//! future has one owner at a time, and `poll` asks it to wake the task that polled it last, and no other. A type that
//! several tasks can wait for at once, such as tokio's `Notify` (`sync/event`), gives each of them a future of its
//! own.

use std::{
    future::poll_fn,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    task::{Poll, Waker},
};

use anyhow::{Result, ensure};
use futures_util::{poll, task::AtomicWaker};
use timing::{Timings, law::exactly, ticks};
use tokio::time::{sleep, timeout};
use tracing::instrument;

pub async fn run(t: &mut Timings) -> Result<()> {
    let glue = Arc::new(Glue::<OnceLock<Waker>>::default());
    let gluing = polled_in_two_tasks(glue.clone());
    let outcome = t.time("keeps the first waker", exactly(3), gluing).await?;
    t.count("polls", glue.polls.load(SeqCst));
    t.count("second task", outcome);

    let glue = Arc::new(Glue::<AtomicWaker>::default()); // <- the difference
    let gluing = polled_in_two_tasks(glue.clone());
    let outcome = t.time("keeps the newest waker", exactly(1), gluing).await?;
    t.count("polls", glue.polls.load(SeqCst));
    t.count("second task", outcome);
    Ok(())
}

async fn polled_in_two_tasks<K: Keeps>(glue: Arc<Glue<K>>) -> Result<&'static str> {
    let mut dry = Box::pin(glue.clone().dry());
    tokio::spawn(dries(glue));

    #[expect(clippy::async_yields_async, reason = "it is handed to another task")]
    let first = tokio::spawn(async move {
        let _pending = poll!(&mut dry);
        dry
    });
    let dry = first.await?; // the task has ended, the future hasn't
    // A task of its own, which nothing but the waker wakes: the end of a `timeout` in it would poll it once more.
    let mut second = tokio::spawn(opens_the_clamps(dry));
    if let Ok(ended) = timeout(ticks(3), &mut second).await {
        return Ok(ended.map(|()| "woken")?);
    }
    second.abort();
    ensure!(second.await.is_err(), "it has been woken after all");
    Ok("never woken")
}

#[derive(Default)]
struct Glue<K> {
    dry: AtomicBool,
    waker: K,
    polls: AtomicU32,
}

impl<K: Keeps> Glue<K> {
    fn set_dry(&self) {
        self.dry.store(true, SeqCst);
        self.waker.wake_it();
    }

    async fn dry(self: Arc<Self>) {
        poll_fn(|context| {
            self.polls.fetch_add(1, SeqCst);
            // First it keeps, then it looks: what is set in between calls this waker. The other way round it would be
            // missed.
            self.waker.keep(context.waker());
            match self.dry.load(SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

/// A place for the waker that is called when the glue is set.
trait Keeps: Send + Sync + 'static {
    fn keep(&self, this: &Waker);
    fn wake_it(&self);
}

/// Saves a `clone` in each later poll. It works as long as each poll brings the waker of the first one. Staying in one
/// task isn't enough for that: in a `FuturesUnordered` each future is polled with a waker of its own.
impl Keeps for OnceLock<Waker> {
    fn keep(&self, this: &Waker) {
        self.get_or_init(|| this.clone());
    }

    fn wake_it(&self) {
        self.get().inspect(|waker| waker.wake_by_ref());
    }
}

/// Its `register` is also right when a `wake` comes from another thread in the middle of it. It saves the `clone`,
/// too: `will_wake` tells whether the waker it has is the same task's.
impl Keeps for AtomicWaker {
    fn keep(&self, this: &Waker) {
        self.register(this);
    }

    fn wake_it(&self) {
        self.wake();
    }
}

#[instrument(ret, skip(dry))]
async fn opens_the_clamps(dry: impl Future<Output = ()>) {
    dry.await;
}

#[instrument(ret, skip(glue))]
async fn dries<K: Keeps>(glue: Arc<Glue<K>>) {
    sleep(ticks(1)).await;
    glue.set_dry();
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream::FuturesUnordered};
    use timing::report::Ended::{Cancelled, Returned};

    #[tokio::test(start_paused = true)]
    async fn the_waker_of_the_first_poll_does_not_wake_the_task_that_has_it_now() {
        let t = Timings::of(run).await;
        let first = &t["keeps the first waker"];
        assert_eq!(first.elapsed, ticks(3));
        assert_eq!(first.lane("dries").end, ticks(1));
        assert_eq!(*first.count("polls"), 2); // one in each task
        assert_eq!(*first.count("second task"), "never woken");
        assert_eq!(first.lane("opens_the_clamps").ended, Cancelled);
    }

    #[tokio::test(start_paused = true)]
    async fn the_waker_of_the_newest_poll_does() {
        let t = Timings::of(run).await;
        let newest = &t["keeps the newest waker"];
        assert_eq!(newest.elapsed, ticks(1));
        assert_eq!(*newest.count("polls"), 3);
        assert_eq!(*newest.count("second task"), "woken");
        assert_eq!(newest.lane("opens_the_clamps").ended, Returned);
    }

    #[tokio::test(start_paused = true)]
    async fn in_one_task_the_first_waker_is_enough() {
        let glue = Arc::new(Glue::<OnceLock<Waker>>::default());
        tokio::spawn(dries(glue.clone()));
        tokio::spawn(glue.clone().dry()).await.unwrap();
        assert_eq!(glue.polls.load(SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn in_one_task_a_set_of_futures_has_wakers_of_its_own() {
        assert!(!is_woken_in_a_set::<OnceLock<Waker>>().await);
        assert!(is_woken_in_a_set::<AtomicWaker>().await);
    }

    /// Polls the future once by itself. At the end of the limit the set polls only what has been woken.
    async fn is_woken_in_a_set<K: Keeps + Default>() -> bool {
        let glue = Arc::new(Glue::<K>::default());
        let mut dry = Box::pin(glue.clone().dry());
        let _pending = poll!(&mut dry);
        tokio::spawn(dries(glue));
        let mut set: FuturesUnordered<_> = [dry].into_iter().collect();
        timeout(ticks(3), set.next()).await.is_ok()
    }
}
