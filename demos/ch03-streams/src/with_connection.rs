//! # A scope that closes for you, unless it is dropped
//!
//! The catalogue keeps a session open until the desk closes its connection, which is a wait of 1 tick. The function
//! `with_connection` takes the desk's work as a closure, and closes after it. When the call returns, with a result or
//! an error, the close has finished: 0 sessions are open. If the caller leaves its loop by `break`, or is cancelled,
//! the call is dropped and only `Drop` runs: 1 session stays open. If a task owns the connection, it isn't dropped
//! with the call. It is told to close, and then 0 sessions stay open at all four endings.
//!
//! asyncio: asynccontextmanager
//!
//! ```python
//! @contextlib.asynccontextmanager
//! async def connected():
//!     connection = await connect()
//!     try: yield connection
//!     finally: await connection.close()       # after every ending
//! async with connected() as connection: ...   # may hold `break` and `return`
//! ```
//!
//! Not the same: the body of an `async with` is a part of its function, and a closure is a function of its own. So a
//! `return` in it ends only the closure, and a `break` out of it doesn't compile (E0267). When the body is cancelled,
//! `finally` still runs, and may await. In Rust no line below the dropped `.await` runs. `Drop` does: it can't wait
//! for a close, but it can tell a task to close.

use std::{
    fmt::Debug,
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use anyhow::{Context, Result, bail};
use futures_util::future::{BoxFuture, FutureExt};
use timing::{
    Timings,
    law::{Law, exactly, sum},
    ticks,
};
use tokio::{
    select,
    time::{Instant, interval, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::instrument;

pub async fn run(t: &mut Timings) -> Result<()> {
    for ending in Ending::ALL {
        let law = ending.law(exactly(2));
        let catalogue = Arc::<Catalogue>::default();
        let call = with_connection(&catalogue, async move |connection| {
            connection.look_up(ending).await
        });
        let open = ending.ends(call, &catalogue);
        let open = t.time(format!("{ending:?}"), law, open).await;
        count(t, open, &catalogue);
    }

    // After a break and a cancel the close takes 1 tick that the caller doesn't wait for. The program has to: its end
    // would drop the task too.
    for ending in Ending::ALL {
        let law = ending.law(sum([2, 1]));
        let catalogue = Arc::<Catalogue>::default();
        let call = with_owner(&catalogue, move |connection| {
            connection.look_up(ending).boxed()
        });
        let open = ending.ends(call, &catalogue);
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
    let mut connection = catalogue.connect();
    let result = work(&mut connection).await;
    // This line runs after an error too, which is returned below it. It doesn't run if the call is dropped while it
    // waits for the work.
    connection.close().await;
    result
}

/// The work runs in a task, so its future has to be `Send`. Stable Rust has no way to ask that of an `AsyncFnOnce`. A
/// closure that returns a boxed future has it in its type.
#[instrument(ret, err, skip_all)]
async fn with_owner<T: Debug + Send + 'static>(
    catalogue: &Arc<Catalogue>,
    work: impl FnOnce(&mut Connection) -> BoxFuture<'_, Result<T>> + Send + 'static,
) -> Result<T> {
    let mut connection = catalogue.connect();
    let told = CancellationToken::new();
    // Cancels the token when it is dropped, and it is dropped when this call ends in any way. To cancel a token takes
    // no wait, so `Drop` can do it.
    let _tells = told.clone().drop_guard();
    let owner = catalogue.owners.spawn(async move {
        let result = told.run_until_cancelled(work(&mut connection)).await;
        connection.close().await; // <- the difference: in a task, which isn't dropped with the call
        result
    });
    // If this call is dropped here, the handle is dropped with it, and the task runs on. Otherwise the call returns
    // after the task, and so after the close.
    owner.await?.context("told to close")?
}

struct Connection {
    catalogue: Arc<Catalogue>,
}

impl Connection {
    #[instrument(ret, err, skip(self))]
    async fn look_up(&mut self, ending: Ending) -> Result<u32> {
        sleep(ticks(1)).await;
        match ending {
            Ending::Return => Ok(31),
            Ending::Error => bail!("no such book"),
            // The catalogue gives no answer, until the desk doesn't wait for one any more.
            Ending::Break | Ending::Cancel => pending().await,
        }
    }

    #[instrument(ret, skip_all)]
    async fn close(self) {
        sleep(ticks(1)).await;
        self.catalogue.open.fetch_sub(1, Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.catalogue.drops.fetch_add(1, Relaxed);
    }
}

#[derive(Default)]
struct Catalogue {
    /// Sessions, each until its connection is closed.
    open: AtomicUsize,
    drops: AtomicUsize,
    owners: TaskTracker,
}

impl Catalogue {
    fn connect(self: &Arc<Self>) -> Connection {
        self.open.fetch_add(1, Relaxed);
        let catalogue = self.clone();
        Connection { catalogue }
    }
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Return,
    Error,
    Break,
    Cancel,
}

impl Ending {
    const ALL: [Self; 4] = [Self::Return, Self::Error, Self::Break, Self::Cancel];

    /// A look-up of 1 tick and a close of 1, unless the call is broken off.
    fn law(self, broken_off: Law) -> Law {
        match self {
            Self::Return | Self::Error => sum([1, 1]),
            Self::Break | Self::Cancel => broken_off,
        }
    }

    /// Returns how many sessions are open when the call has ended, before any owner is waited for.
    async fn ends(self, call: impl Future<Output = Result<u32>>, catalogue: &Catalogue) -> usize {
        // How the call ended is told by its lane.
        match self {
            Self::Return | Self::Error => drop(call.await),
            Self::Break => drop(breaks_off(call).await),
            Self::Cancel => drop(timeout(ticks(2), call).await),
        }
        let open = catalogue.open.load(Relaxed);
        catalogue.owners.close(); // no more owners will come: without this `wait` doesn't end
        catalogue.owners.wait().await;
        open
    }
}

/// Looks at the clock between the polls of the call, and leaves the loop when the library closes.
async fn breaks_off<T>(call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let closing = Instant::now() + ticks(2);
    let mut clock = interval(ticks(1));
    loop {
        select! {
            result = &mut call => break Some(result),
            now = clock.tick() => if now >= closing { break None },
        }
    }
}

fn count(t: &mut Timings, open: usize, catalogue: &Catalogue) {
    t.count("drops", catalogue.drops.load(Relaxed));
    t.count("open after the call", open);
    t.count("open at the end", catalogue.open.load(Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ended::{Cancelled, Failed, Returned};
    use proptest::{prelude::*, sample::select};
    use timing::{
        on_virtual_clock,
        report::{Ended, Variant},
    };

    /// Sessions open when the call has ended, and when there is nothing more to wait for.
    fn assert_open(variant: &Variant, [after_the_call, at_the_end]: [usize; 2]) {
        assert_eq!(*variant.count("drops"), 1);
        assert_eq!(*variant.count("open after the call"), after_the_call);
        assert_eq!(*variant.count("open at the end"), at_the_end);
    }

    #[tokio::test(start_paused = true)]
    async fn on_return_and_error_the_close_has_finished_when_the_call_returns() {
        let t = Timings::of(run).await;
        for (label, ended) in [("Return", Returned), ("Error", Failed)] {
            assert_open(&t[label], [0, 0]);
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
            assert_open(&t[label], [1, 1]);
            assert_eq!(t[label].lane("with_connection").ended, Cancelled);
            let mut lanes = t[label].lanes.iter();
            assert!(lanes.all(|lane| !lane.label.contains("close")), "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_closes_at_every_ending_and_after_break_and_cancel_a_tick_later() {
        let t = Timings::of(run).await;
        for (ending, open, time) in [
            ("Return", 0, 2),
            ("Error", 0, 2),
            ("Break", 1, 3),
            ("Cancel", 1, 3),
        ] {
            let variant = &t[&*format!("{ending}, an owner")];
            assert_open(variant, [open, 0]);
            assert_eq!(variant.elapsed, ticks(time), "{ending}");
            assert_eq!(variant.lane("close").end, ticks(time), "{ending}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn an_owner_leaves_no_session_open_whenever_the_call_is_cancelled(
            ending in select(&Ending::ALL[..]),
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
            prop_assert_eq!(catalogue.drops.load(Relaxed), 1);
        }
    }
}
