//! # A scope that closes for you, unless it is dropped
//!
//! The catalogue keeps a session open until the desk closes its connection, which takes 1 tick. The function
//! `with_connection` takes the desk's work as a closure, and closes after it. When it returns, with a result or an
//! error, the close has finished: 0 sessions are open. If its caller stops waiting, after a `break` or a timeout, the
//! call is dropped: only `Drop` runs (see `streams/guard`), and 1 session stays open. `with_owner` gives the
//! connection to a task. If this call is dropped, a token tells the task to stop the work and to close (see
//! `tasks/cancel`). The close ends a tick later. If the program waits for that, 0 sessions are open at the end.
//!
//! asyncio: asynccontextmanager
//!
//! ```python
//! @contextlib.asynccontextmanager
//! async def connected():
//!     connection = await connect()
//!     try: yield connection
//!     finally: await connection.close()       # after every ending
//! async with connected() as connection: ...   # this block may `return`, or `break` out of a loop around it
//! ```
//!
//! Not the same: the block of an `async with` is a part of its function, and a closure is a function of its own. A
//! `return` in it ends only the closure, and a `break` in it can't leave a loop outside (E0267). `finally` runs after a
//! cancel and after any exception, and may await until a second cancel comes, which the owner's close survives. In Rust
//! a dropped call runs only `Drop`, which can't wait for a close but can tell a task to close; and a panic in the work
//! skips the close in both functions.

use std::{
    fmt::Debug,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use anyhow::{Result, bail};
use futures_util::future::{BoxFuture, FutureExt};
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    for ending in ENDINGS {
        let catalogue = Arc::<Catalogue>::default();
        let call = with_connection(&catalogue, async move |connection| {
            connection.look_up(ending).await
        });
        let open = open_after(ending, call, &catalogue);
        // A look-up of 1 tick and a close of 1, or a call that is dropped after 2.
        let open = t.time(format!("{ending:?}"), exactly(2), open).await;
        count(t, open, &catalogue);
    }

    // After a break and a cancel the caller doesn't wait for the close. The program has to, 1 tick more: when its
    // runtime ends, the task is dropped too.
    let laws = [exactly(2), exactly(2), sum([2, 1]), sum([2, 1])];
    for (ending, law) in ENDINGS.into_iter().zip(laws) {
        let catalogue = Arc::<Catalogue>::default();
        let call = with_owner(&catalogue, move |connection| {
            connection.look_up(ending).boxed()
        });
        let open = open_after(ending, call, &catalogue);
        let open = t.time(format!("{ending:?}, an owner"), law, open).await;
        count(t, open, &catalogue);
    }
    Ok(())
}

/// The future of an `AsyncFnOnce` may borrow the closure's argument. So the connection is only lent to the work, and
/// is still here to be closed afterwards.
#[instrument(ret, err, skip_all)]
async fn with_connection<T: Debug>(
    catalogue: &Arc<Catalogue>,
    work: impl AsyncFnOnce(&mut Connection) -> Result<T>,
) -> Result<T> {
    let mut connection = Connection::open(catalogue);
    let result = work(&mut connection).await;
    // Reached after an error too, which is returned below. Not reached if the call is dropped in the line above, or the
    // work panics there.
    connection.close().await;
    result
}

/// The work runs in a task, so its future has to be `Send`. Stable Rust can't ask that of the future of an
/// `AsyncFnOnce`. So the closure returns a `BoxFuture`, a type that includes `Send`.
#[instrument(ret, err, skip_all)]
async fn with_owner<T: Debug + Send + 'static>(
    catalogue: &Arc<Catalogue>,
    work: impl FnOnce(&mut Connection) -> BoxFuture<'_, Result<T>> + Send + 'static,
) -> Result<T> {
    let mut connection = Connection::open(catalogue);
    let stop = CancellationToken::new();
    // Dropped when this call ends, in whatever way. Its `Drop` cancels the token, which needs no wait.
    let _stops_at_the_end = stop.clone().drop_guard();
    let owner = catalogue.owners.spawn(async move {
        let result = stop.run_until_cancelled(work(&mut connection)).await;
        connection.close().await; // <- the difference: in a task, which isn't dropped with the call
        result
    });
    // If this call is dropped here, so is the handle, and the task runs on. `Err` would be a panic.
    let finished = owner.await?;
    finished.expect("nobody cancels the token while this call waits")
}

struct Connection {
    /// Where its session is open; nowhere when it is closed.
    session: Option<Arc<Catalogue>>,
}

impl Connection {
    fn open(catalogue: &Arc<Catalogue>) -> Self {
        catalogue.open.fetch_add(1, Relaxed);
        let session = Some(catalogue.clone());
        Self { session }
    }

    #[instrument(ret, err, skip(self))]
    async fn look_up(&mut self, ending: Ending) -> Result<u32> {
        sleep(ticks(1)).await;
        match ending {
            Ending::Return => Ok(31),
            Ending::Error => bail!("no such book"),
            // The catalogue gives no answer until the desk stops waiting.
            Ending::Break | Ending::Cancel => std::future::pending().await,
        }
    }

    #[instrument(ret, skip_all)]
    async fn close(mut self) {
        sleep(ticks(1)).await;
        if let Some(catalogue) = self.session.take() {
            catalogue.open.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.session.is_some() {
            info!("the connection is dropped, its session stays open");
        }
    }
}

#[derive(Default)]
struct Catalogue {
    /// Sessions, each until its connection is closed.
    open: AtomicUsize,
    owners: TaskTracker,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Return,
    Error,
    Break,
    Cancel,
}

const ENDINGS: [Ending; 4] = [Ending::Return, Ending::Error, Ending::Break, Ending::Cancel];

/// Returns how many sessions are open when the call has ended, before any owner is waited for.
async fn open_after(
    ending: Ending,
    call: impl Future<Output = Result<u32>>,
    at: &Catalogue,
) -> usize {
    match ending {
        Ending::Return | Ending::Error => {
            let _result = call.await;
        }
        Ending::Break => breaks_at_closing_time(call).await,
        Ending::Cancel => drop(timeout(ticks(2), call).await),
    }
    let open = at.open.load(Relaxed);
    at.owners.close(); // no more owners will come: without this `wait` doesn't end
    at.owners.wait().await;
    open
}

/// Looks at the clock between the polls of the call. The `break` ends this function, and with it `call`.
async fn breaks_at_closing_time(call: impl Future) {
    let mut call = pin!(call);
    let closing = Instant::now() + ticks(2);
    let mut clock = interval(ticks(1));
    loop {
        tokio::select! {
            _ = &mut call => break,
            now = clock.tick() => if now >= closing { break },
        }
    }
}

fn count(t: &mut Timings, open: usize, catalogue: &Catalogue) {
    t.count("open after the call", open);
    t.count("open at the end", catalogue.open.load(Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ended::{Cancelled, Failed, Returned};
    use proptest::{prelude::*, sample::select};
    use std::panic::AssertUnwindSafe;
    use timing::{on_virtual_clock, report::Ended};

    /// Sessions open when the call has ended, and when there is nothing more to wait for.
    fn assert_open(t: &Timings, label: &str, [after_the_call, at_the_end]: [usize; 2]) {
        let count = |when| t[label].count(when);
        assert_eq!(*count("open after the call"), after_the_call, "{label}");
        assert_eq!(*count("open at the end"), at_the_end, "{label}");
    }

    #[tokio::test(start_paused = true)]
    async fn on_return_and_error_the_close_has_finished_when_the_call_returns() {
        let t = Timings::of(run).await;
        for (label, ended) in [("Return", Returned), ("Error", Failed)] {
            assert_open(&t, label, [0, 0]);
            assert_eq!(t[label].elapsed, ticks(2));
            let [call, close] = ["with_connection", "close"].map(|lane| t[label].lane(lane));
            assert_eq!([call.ended, close.ended], [ended, Returned]);
            assert_eq!(call.end, close.end);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn on_break_and_cancel_only_drop_runs_and_a_session_stays_open() {
        let t = Timings::of(run).await;
        for label in ["Break", "Cancel"] {
            assert_open(&t, label, [1, 1]);
            let ended: Vec<_> = t[label].lanes.iter().map(|lane| lane.ended).collect();
            assert_eq!(ended, [Cancelled; 2], "the call and the look-up, no close");
            let said: Vec<_> = t[label].said.iter().map(|said| &said.text).collect();
            assert_eq!(
                said,
                ["the connection is dropped, its session stays open"],
                "{label}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_closes_at_every_ending_and_after_break_and_cancel_a_tick_later() {
        let t = Timings::of(run).await;
        for (ending, open, time, ended) in [
            ("Return", 0, 2, Returned),
            ("Error", 0, 2, Failed),
            ("Break", 1, 3, Cancelled),
            ("Cancel", 1, 3, Cancelled),
        ] {
            let label = &*format!("{ending}, an owner");
            assert_open(&t, label, [open, 0]);
            let lanes = ["with_owner", "look_up", "close"].map(|lane| t[label].lane(lane));
            assert_eq!(lanes.map(|lane| lane.ended), [ended, ended, Returned]);
            let ends = [2, time - 1, time].map(ticks);
            assert_eq!(lanes.map(|lane| lane.end), ends, "{ending}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_the_work_skips_the_close_in_both_functions() {
        let catalogue = Arc::<Catalogue>::default();
        let call = with_connection(&catalogue, async |_| -> Result<()> { panic!("on purpose") });
        assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
        let call = with_owner::<()>(&catalogue, |_| async { panic!("on purpose") }.boxed());
        assert!(call.await.is_err());
        assert_eq!(catalogue.open.load(Relaxed), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn an_owner_leaves_no_session_open_whenever_the_call_is_cancelled(
            ending in select(&ENDINGS[..]),
            tenths in 0_u32..80,
        ) {
            let catalogue = Arc::<Catalogue>::default();
            on_virtual_clock(async {
                let call = with_owner(&catalogue, move |at| at.look_up(ending).boxed());
                drop(timeout(ticks(f64::from(tenths) / 10.0), call).await);
                catalogue.owners.close();
                catalogue.owners.wait().await;
            });
            prop_assert_eq!(catalogue.open.load(Relaxed), 0);
        }
    }
}
