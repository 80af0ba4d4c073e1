//! # Conditions: register first, then look
//!
//! Six tellers each put a cheque on a tray that holds three, and six clerks each take one. A teller who finds the
//! tray full waits until it changes, and so does a clerk who finds it empty. Tokio has no `Condition`; a
//! `std::sync::Mutex` and a `Notify` (see `sync/event`) make one, if two lines stand in the right order. To register
//! is to call `notified()`; `notify_waiters` then reaches it. If you look at the tray before you register, you miss a
//! change that happens in between: 3 of 6 cheques arrive. Then three tellers wait at an empty tray, and three clerks
//! for a cheque that nobody puts there. If you register before you look, all 6 arrive. They also arrive through two
//! semaphores (see `sync/semaphore`) or a channel (see `queues/bounded`), which wake only as many as can go on.
//!
//! asyncio: Condition, Condition.wait_for, Condition.notify_all
//!
//! ```python
//! async with changed:                            # changed = asyncio.Condition()
//!     await changed.wait_for(lambda: len(tray) < 3)
//!     tray.append(cheque)
//!     changed.notify_all()
//! ```
//!
//! Not the same: in asyncio no other task can run between the look and the wait, since there is no `await` between
//! them, and a `Condition` has a lock besides. On a multi-thread runtime another thread can run between any two lines;
//! here a `yield_now` stands for it. Semaphores and channel need no registering: a permit or a cheque that nobody
//! waits for yet is kept. `cargo run -p schedules --features shuttle` tries all four under up to 10 000 orders in which
//! tasks may run: the first is caught, three pass all of them.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{Mutex as StdMutex, MutexGuard},
};

use anyhow::Result;
use futures_util::future::{join, join_all};
use timing::{Timings, law::exactly, ticks};
use tokio::{
    sync::{Mutex, Notify, Semaphore, mpsc},
    task::yield_now,
    time::timeout,
};
use tracing::instrument;

const PAIRS: u32 = 6;
/// How many cheques a tray holds.
const PLACES: usize = 3;
/// In ticks. The first variant would wait for ever.
const DEADLINE: u32 = 5;

pub async fn run(t: &mut Timings) -> Result<()> {
    let tray = Watched::default();
    let work = hand_over(
        async |cheque| {
            tray.look_first(|cheques| put(cheques, cheque, PLACES))
                .await
        },
        async || tray.look_first(VecDeque::pop_front).await,
    );
    let log = t.time("look, then register", exactly(DEADLINE), work).await;
    count(t, &log);

    let tray = Watched::default();
    let work = hand_over(
        async |cheque| tray.wait_for(|cheques| put(cheques, cheque, PLACES)).await,
        async || tray.wait_for(VecDeque::pop_front).await,
    );
    let log = t.time("register, then look", exactly(0), work).await;
    count(t, &log);

    let tray = Counted::new(PLACES);
    let work = hand_over(
        async |cheque| tray.put(cheque).await,
        async || tray.take().await,
    );
    let log = t.time("two semaphores", exactly(0), work).await;
    count(t, &log);

    let tray = Channel::new(PLACES);
    let work = hand_over(
        async |cheque| tray.put(cheque).await,
        async || tray.take().await,
    );
    let log = t.time("a bounded channel", exactly(0), work).await;
    count(t, &log);
    Ok(())
}

/// A tray under a lock, and a bell that rings whenever it has changed. The lock is never held across an `await`, so
/// it is std's.
#[derive(Default)]
pub struct Watched {
    pub cheques: StdMutex<VecDeque<u32>>,
    changed: Notify,
}

impl Watched {
    /// `Condition.wait_for` and what follows it: looks and, if it can, changes the tray under the same lock. Then it
    /// wakes all that wait, since it doesn't know which of them can go on. `notify_one` might wake a teller where only
    /// a clerk could go on.
    pub async fn wait_for<T>(&self, attempt: impl Fn(&mut VecDeque<u32>) -> Option<T>) -> T {
        loop {
            // `notify_waiters` reaches every `notified()` that was called before it, even one that isn't awaited yet.
            let changed = self.changed.notified(); // <- the difference
            // In a line of its own, so that the lock is free again before anybody is woken.
            let done = attempt(&mut locked(&self.cheques));
            if let Some(done) = done {
                self.changed.notify_waiters();
                return done;
            }
            // Others run here. On several threads they could without this line, too.
            yield_now().await;
            changed.await;
        }
    }

    /// The same lines in another order. `notify_waiters` leaves nothing behind for a task that registers later.
    pub async fn look_first<T>(&self, attempt: impl Fn(&mut VecDeque<u32>) -> Option<T>) -> T {
        loop {
            let done = attempt(&mut locked(&self.cheques));
            if let Some(done) = done {
                self.changed.notify_waiters();
                return done;
            }
            yield_now().await;
            let changed = self.changed.notified(); // <- the difference
            changed.await;
        }
    }
}

/// Puts a cheque on the tray, or leaves it as it is when it is full.
pub fn put(cheques: &mut VecDeque<u32>, cheque: u32, places: usize) -> Option<()> {
    (cheques.len() < places).then(|| cheques.push_back(cheque))
}

/// A tray whose free places and cheques are permits. A semaphore keeps a permit until somebody takes it, and wakes
/// only as many as can go on.
pub struct Counted {
    pub cheques: StdMutex<VecDeque<u32>>,
    places: Semaphore,
    filled: Semaphore,
}

impl Counted {
    pub fn new(places: usize) -> Self {
        let (places, filled) = (Semaphore::new(places), Semaphore::new(0));
        Self {
            cheques: StdMutex::default(),
            places,
            filled,
        }
    }

    pub async fn put(&self, cheque: u32) {
        let place = self.places.acquire().await.expect(OPEN);
        // The cheque before its permit: a clerk with a permit relies on the cheque.
        locked(&self.cheques).push_back(cheque);
        // The place is given back in `take`, not at the end of this scope.
        place.forget();
        self.filled.add_permits(1);
    }

    pub async fn take(&self) -> u32 {
        self.filled.acquire().await.expect(OPEN).forget();
        let cheque = locked(&self.cheques).pop_front();
        self.places.add_permits(1);
        cheque.expect("there is a cheque for every permit")
    }
}

/// The tray as a channel. It has one receiver, so the clerks queue for it.
pub struct Channel {
    pub inbox: mpsc::Sender<u32>,
    outbox: Mutex<mpsc::Receiver<u32>>,
}

impl Channel {
    pub fn new(places: usize) -> Self {
        let (inbox, outbox) = mpsc::channel(places);
        Self {
            inbox,
            outbox: Mutex::new(outbox),
        }
    }

    pub async fn put(&self, cheque: u32) {
        self.inbox.send(cheque).await.expect(OPEN);
    }

    pub async fn take(&self) -> u32 {
        self.outbox.lock().await.recv().await.expect(OPEN)
    }
}

const OPEN: &str = "nobody closes the tray";

pub fn locked(cheques: &StdMutex<VecDeque<u32>>) -> MutexGuard<'_, VecDeque<u32>> {
    cheques.lock().expect("nobody panics at the tray")
}

/// Returns P for each cheque that was put on the tray and C for each that was taken off, in their order. What hangs
/// is dropped at the deadline.
async fn hand_over(put: impl AsyncFn(u32), take: impl AsyncFn() -> u32) -> String {
    let log = RefCell::default();
    let tellers = join_all((0..PAIRS).map(|number| teller(number, &log, &put)));
    let clerks = join_all((0..PAIRS).map(|number| clerk(number, &log, &take)));
    let _in_time = timeout(ticks(DEADLINE), join(tellers, clerks)).await; // the log tells who hangs
    log.into_inner()
}

#[instrument(ret, skip(log, put))]
async fn teller(number: u32, log: &RefCell<String>, put: impl AsyncFn(u32)) {
    put(number).await;
    log.borrow_mut().push('P');
}

#[instrument(ret, skip(log, take))]
async fn clerk(number: u32, log: &RefCell<String>, take: impl AsyncFn() -> u32) -> u32 {
    let cheque = take().await;
    log.borrow_mut().push('C');
    cheque
}

fn count(t: &mut Timings, log: &str) {
    t.count("taken", log.matches('C').count());
    t.count("still waiting", 2 * PAIRS as usize - log.len());
    t.count("P put, C taken", log);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_before_the_registration_misses_the_change() {
        let t = Timings::of(run).await;
        let stuck = &t["look, then register"];
        assert_eq!(stuck.elapsed, ticks(DEADLINE), "only the deadline ends it");
        assert_eq!(*stuck.count("taken"), 3);
        assert_eq!(*stuck.count("P put, C taken"), "PPPCCC");
        assert_eq!(*stuck.count("still waiting"), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn the_other_forms_hand_over_every_cheque() {
        let t = Timings::of(run).await;
        for label in ["register, then look", "two semaphores", "a bounded channel"] {
            assert_eq!(t[label].elapsed, ticks(0), "{label}");
            assert_eq!(*t[label].count("taken"), 6, "{label}");
            assert_eq!(*t[label].count("P put, C taken"), "PPPCCCPPPCCC", "{label}");
            assert_eq!(*t[label].count("still waiting"), 0, "{label}");
        }
    }
}
