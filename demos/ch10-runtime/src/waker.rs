//! # What a future does under `await`: `poll`, and a waker
//!
//! A future has one function, `poll`. It says Ready, with the result, or Pending; then its task isn't polled again
//! until its waker is called. Polled by hand, the glue below says Pending, Pending, Ready. Under `.await` it takes 2
//! polls, however long it dries. The first one keeps the waker; `set_dry` calls it, and the second one says Ready. If
//! it isn't kept, the glue is polled once, and is still awaited at the end of 3 ticks, though it was dry after 1. A
//! future that wakes itself at once needs nobody else to wake it, and is polled again and again: 101 times for 100
//! turns of another task. That task's turns are made by `poll_fn`, which makes a future of a closure.
//!
//! asyncio: Future.set_result, __await__, call_soon_threadsafe
//!
//! ```python
//! loop = asyncio.get_running_loop()
//! glue = loop.create_future()                  # a Future: a result, and callbacks for when it is set
//! loop.call_later(1, glue.set_result, "dry")   # will call them
//! await glue                                   # the task that awaits it has added one that wakes it
//! ```
//!
//! Not the same: in asyncio the Future has a list of callbacks, so it wakes all who await it, and no code of yours
//! has to think of it. In Rust each future keeps wakers as its author has written it. In asyncio `set_result` has to
//! be called in the loop's thread, and another thread needs `call_soon_threadsafe`. A `Waker` can be called in any
//! thread, as in `runtime/mini-executor`. A stream has a `poll_next` of the same kind (`streams/iterator`).

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use anyhow::{Result, ensure};
use timing::{Timings, law::exactly, report::Value, ticks};
use tokio::time::{sleep, timeout};
use tracing::instrument;

/// How many turns another task has before it sets the glue.
const TURNS: u32 = 100;

pub async fn run(t: &mut Timings) -> Result<()> {
    let glue = Glue::default();
    let answers = t.time("polled by hand", exactly(0), by_hand(&glue)).await;
    count(t, &glue, answers);

    let glue = Glue::default();
    let gluing = beside(dries(glue.clone()), glue.dry(keeps_it));
    let outcome = t.time("keeps its waker", exactly(1), gluing).await?;
    count(t, &glue, outcome);

    let glue = Glue::default();
    let gluing = beside(dries(glue.clone()), glue.dry(keeps_none));
    let outcome = t.time("keeps none", exactly(3), gluing).await?;
    count(t, &glue, outcome);

    let glue = Glue::default();
    let gluing = beside(dries_in_turns(glue.clone()), glue.dry(wakes_itself));
    let outcome = t.time("wakes itself", exactly(0), gluing).await?;
    count(t, &glue, outcome);
    Ok(())
}

/// What somebody else sets: the half of asyncio's Future that has `set_result`.
#[derive(Clone, Default)]
struct Glue(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    dry: bool,
    waker: Option<Waker>,
    polls: u32,
}

impl Glue {
    fn set_dry(&self) {
        let waker = {
            let mut state = self.lock();
            state.dry = true;
            state.waker.take()
        };
        waker.inspect(Waker::wake_by_ref); // the lock is free by now: a waker may run any code
    }

    /// It looks and keeps the waker under one lock. Otherwise the glue could be set between the two, and find no
    /// waker.
    fn poll(&self, keep: Keep, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        state.polls += 1;
        if state.dry {
            return Poll::Ready(());
        }
        keep(&mut state.waker, context.waker());
        Poll::Pending
    }

    fn dry(&self, keep: Keep) -> Dry {
        let glue = self.clone();
        Dry { glue, keep }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }
}

/// The other half: what is awaited.
struct Dry {
    glue: Glue,
    keep: Keep,
}

impl Future for Dry {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.glue.poll(self.keep, context)
    }
}

/// What a poll does with its waker when it has to say Pending.
type Keep = fn(kept: &mut Option<Waker>, this: &Waker);

fn keeps_it(kept: &mut Option<Waker>, this: &Waker) {
    *kept = Some(this.clone());
}

fn keeps_none(_kept: &mut Option<Waker>, _this: &Waker) {} // <- the difference: who sets it can wake nobody

fn wakes_itself(_kept: &mut Option<Waker>, this: &Waker) {
    this.wake_by_ref(); // <- the difference: polled again in the next turn, dry or not
}

/// What an executor does, without one. `noop` wakes nobody, so the next poll comes when this function makes it.
async fn by_hand(glue: &Glue) -> String {
    let mut dry = glue.dry(keeps_it);
    let mut poll = || Pin::new(&mut dry).poll(&mut Context::from_waker(Waker::noop()));
    let [first, second] = [poll(), poll()];
    glue.set_dry();
    format!("{first:?}, {second:?}, {:?}", poll())
}

/// The wait is a task of its own. A `timeout` around its future would poll it when its time is over, find the glue dry,
/// and hide that nobody was woken.
async fn beside(
    setter: impl Future<Output = ()> + Send + 'static,
    dry: impl Future<Output = ()> + Send + 'static,
) -> Result<&'static str> {
    tokio::spawn(setter);
    let mut waiting = tokio::spawn(opens_the_clamps(dry));
    if let Ok(ended) = timeout(ticks(3), &mut waiting).await {
        return Ok(ended.map(|()| "woken")?);
    }
    waiting.abort();
    ensure!(waiting.await.is_err(), "it has been woken after all");
    Ok("never woken")
}

#[instrument(ret, skip(dry))]
async fn opens_the_clamps(dry: impl Future<Output = ()>) {
    dry.await;
}

/// With this the glue is a hand-made timer.
#[instrument(ret, skip(glue))]
async fn dries(glue: Glue) {
    sleep(ticks(1)).await;
    glue.set_dry();
}

/// A turn is a poll that asks for the next one: a future without a type of its own, made of a closure. No timer is in
/// it: while a task is ready a paused clock stands still, and one that wakes itself always is.
#[instrument(ret, skip(glue))]
async fn dries_in_turns(glue: Glue) {
    let mut turns = 0;
    poll_fn(|context| {
        turns += 1;
        if turns > TURNS {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    glue.set_dry();
}

fn count(t: &mut Timings, glue: &Glue, outcome: impl Into<Value>) {
    t.count("polls", glue.lock().polls);
    t.count("outcome", outcome);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::{Cancelled, Returned};

    #[tokio::test(start_paused = true)]
    async fn by_hand_it_is_pending_until_it_is_set() {
        let t = Timings::of(run).await;
        let outcome = t["polled by hand"].count("outcome");
        assert_eq!(*outcome, "Pending, Pending, Ready(())");
    }

    #[tokio::test(start_paused = true)]
    async fn with_its_waker_kept_it_takes_two_polls() {
        let t = Timings::of(run).await;
        let kept = &t["keeps its waker"];
        assert_eq!(kept.elapsed, ticks(1));
        assert_eq!(*kept.count("polls"), 2);
        assert_eq!(kept.lane("opens_the_clamps").polls.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_keeps_no_waker_is_never_polled_again() {
        let t = Timings::of(run).await;
        let lost = &t["keeps none"];
        assert_eq!(lost.lane("dries").ended, Returned);
        assert_eq!(lost.lane("dries").end, ticks(1));
        assert_eq!(*lost.count("polls"), 1);
        assert_eq!(*lost.count("outcome"), "never woken");
        assert_eq!(lost.lane("opens_the_clamps").ended, Cancelled);
        assert_eq!(lost.elapsed, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_wakes_itself_is_polled_in_every_turn() {
        let t = Timings::of(run).await;
        let busy = &t["wakes itself"];
        assert_eq!(*busy.count("polls"), TURNS + 1);
        assert_eq!(*busy.count("outcome"), "woken");
    }
}
