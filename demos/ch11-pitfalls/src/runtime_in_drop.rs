//! # A `Drop` that blocks on an async close
//!
//! A session of a warehouse closes itself: its `drop` calls `block_on(close())`. A sync test that has entered a
//! multi-thread runtime (`Runtime::enter`) passes. But where a task holds the session, `drop` runs inside the
//! runtime, and there `block_on` panics: of 3 requests 0 are answered, though each price had come, and 3 sessions are
//! left open. A `drop` that sends the session's number to a task loses no answer. The task closes one session after
//! another, and 0 are left open if the program waits for it: 1 tick for the requests, and 3 for the closes.
//!
//! asyncio: run, run_until_complete
//!
//! How to see it: the panic says "Cannot start a runtime from within a runtime", since `block_on` counts as starting
//! one. The lane of the request isn't marked: it had returned its price when the session was dropped. Neither rustc
//! nor clippy warns.
//!
//! Cured in: `streams/with-connection`, `tasks/cancel`, `executors/sync-to-async`
//!
//! ```python
//! class Session:
//!     def __del__(self): asyncio.run(self.aclose())    # in a coroutine: RuntimeError, and not closed
//! async with contextlib.aclosing(session): ...         # without `__del__`: awaits `aclose` at the end of the block
//! ```
//!
//! Not the same: Python prints "Exception ignored in" for an error in `__del__`, and the coroutine goes on. In Rust
//! the panic ends the task, and its answer is lost. There is no `async with`: `Drop` can't wait, but it can tell a
//! task. A `Runtime` in a struct panics by itself when a task drops it (`runtime/runtime-end`).

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use anyhow::Result;
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{max, sum},
    ticks,
};
use tokio::{runtime::Handle, sync::mpsc, task::JoinError, time::sleep};
use tracing::instrument;

const SESSIONS: [u32; 3] = [1, 2, 3];
const NO_PANIC: &str = "nothing panics while it holds the lock";

pub async fn run(t: &mut Timings) -> Result<()> {
    let warehouse = Warehouse::with_sessions();
    let prices = serves_and_blocks(&warehouse);
    let prices = t.time("drop blocks", max([1; 3]), prices).await;
    count(t, &prices, &warehouse);

    let warehouse = Warehouse::with_sessions();
    let prices = serves_and_tells(&warehouse);
    let prices = t.time("drop tells a task", sum([1; 4]), prices).await?;
    count(t, &prices, &warehouse);
    Ok(())
}

struct BlockingSession {
    number: u32,
    warehouse: Arc<Warehouse>,
}

/// Looks thorough: whatever becomes of the session, it is closed. In a request that panics, this panic is the second
/// one, and ends the whole program.
impl Drop for BlockingSession {
    fn drop(&mut self) {
        Handle::current().block_on(self.warehouse.close(self.number)); // <- the difference
    }
}

async fn serves_and_blocks(warehouse: &Arc<Warehouse>) -> Vec<Price> {
    let sessions = SESSIONS.map(|number| BlockingSession {
        number,
        warehouse: warehouse.clone(),
    });
    serves(sessions).await
}

struct Session {
    number: u32,
    dropped: mpsc::UnboundedSender<u32>,
}

/// An unbounded channel, because its `send` has nothing to wait for.
impl Drop for Session {
    fn drop(&mut self) {
        // An `Err` says that the task has ended. Then there is nothing left that could close the session.
        let _too_late = self.dropped.send(self.number); // <- the difference
    }
}

async fn serves_and_tells(warehouse: &Arc<Warehouse>) -> Result<Vec<Price>> {
    let (dropped, to_close) = mpsc::unbounded_channel();
    let closer = tokio::spawn(closes(to_close, warehouse.clone()));
    let sessions = SESSIONS.map(|number| Session {
        number,
        dropped: dropped.clone(),
    });
    drop(dropped); // the sessions have senders of their own, and the closer ends with the last of them
    let prices = serves(sessions).await;
    closer.await?; // without this wait the program could end before the last close
    Ok(prices)
}

/// A task can wait for each close, as `drop` can't, and it could log one that fails.
#[instrument(ret, skip_all)]
async fn closes(mut dropped: mpsc::UnboundedReceiver<u32>, warehouse: Arc<Warehouse>) {
    while let Some(session) = dropped.recv().await {
        warehouse.close(session).await;
    }
}

type Price = Result<u32, JoinError>;

/// A task for each request.
async fn serves<S: Send + 'static>(sessions: [S; 3]) -> Vec<Price> {
    join_all(sessions.map(|session| tokio::spawn(asks(session)))).await
}

/// The session is dropped at the end, when the price has come.
#[instrument(ret, skip_all)]
async fn asks<S>(_session: S) -> u32 {
    sleep(ticks(1)).await;
    42
}

/// The other side, with the sessions that are open.
struct Warehouse(Mutex<BTreeSet<u32>>);

impl Warehouse {
    fn with_sessions() -> Arc<Self> {
        Arc::new(Self(Mutex::new(SESSIONS.into())))
    }

    #[instrument(ret, skip(self))]
    async fn close(&self, session: u32) {
        sleep(ticks(1)).await;
        self.0.lock().expect(NO_PANIC).remove(&session);
    }

    fn open(&self) -> usize {
        self.0.lock().expect(NO_PANIC).len()
    }
}

fn count(t: &mut Timings, prices: &[Price], warehouse: &Warehouse) {
    let answered = prices.iter().filter(|price| price.is_ok());
    t.count("answered", answered.count());
    t.count("sessions left open", warehouse.open());
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;
    use tokio::runtime::Builder;

    #[tokio::test(start_paused = true)]
    async fn a_drop_that_blocks_loses_each_answer_and_closes_nothing() {
        let t = Timings::of(run).await;
        let blocks = &t["drop blocks"];
        assert_eq!(*blocks.count("answered"), 0);
        assert_eq!(*blocks.count("sessions left open"), 3);
        // The price was there, and no close has begun.
        let lanes: Vec<_> = blocks.lanes.iter().map(|l| (&*l.label, l.ended)).collect();
        assert_eq!(lanes, [("asks()", Ended::Returned); 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drop_that_tells_a_task_loses_no_answer_and_leaves_no_session_open() {
        let t = Timings::of(run).await;
        let told = &t["drop tells a task"];
        assert_eq!(*told.count("answered"), 3);
        assert_eq!(*told.count("sessions left open"), 0);
        // The closer takes one session after another.
        assert_eq!(told.elapsed, ticks(4));
    }

    #[test]
    fn in_sync_code_the_session_closes_itself() {
        // Its own thread drives the timers, which `Handle::block_on` doesn't.
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_time().build().unwrap();
        let _entered = runtime.enter();
        let warehouse = Warehouse::with_sessions();
        drop(BlockingSession {
            number: 1,
            warehouse: warehouse.clone(),
        });
        assert_eq!(warehouse.open(), 2);
    }

    #[tokio::test]
    #[should_panic(expected = "Cannot start a runtime from within a runtime")]
    async fn in_async_code_it_panics() {
        drop(BlockingSession {
            number: 1,
            warehouse: Warehouse::with_sessions(),
        });
    }

    #[tokio::test]
    #[should_panic(expected = "Cannot drop a runtime in a context where blocking is not allowed")]
    async fn so_does_a_runtime_that_is_dropped_there() {
        drop(Builder::new_current_thread().build().unwrap());
    }
}
