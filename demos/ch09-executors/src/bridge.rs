//! # An async core behind a blocking API
//!
//! Four threads of sync code want a size each, and a size takes 2 ticks. Async code reads the gauges, in a thread
//! that has a runtime of its own. A call sends it an order with a `oneshot` for the answer (`queues/request-reply`),
//! and blocks until the answer comes. For one thread four calls take 8 ticks; four threads with one call each need 2,
//! since the core, the async part, has 4 orders under way at once. A panic keeps nobody waiting. In the task of one
//! order it makes 1 error beside 3 answers; in the core itself it makes 4 errors at once. Dropping the API waits for
//! the orders that it has accepted: 4 answers after 2 ticks.
//!
//! asyncio: janus.Queue, call_soon_threadsafe, run_coroutine_threadsafe
//!
//! real clock: threads that block
//!
//! ```python
//! loop = asyncio.new_event_loop()
//! core = threading.Thread(target=loop.run_forever); core.start()
//! size = asyncio.run_coroutine_threadsafe(measure("shaft"), loop).result()
//! loop.call_soon_threadsafe(loop.stop); core.join()
//! ```
//!
//! Not the same: `asyncio.Queue` isn't safe to use from another thread, hence janus. A channel of tokio has a side
//! for each world: `send` and `blocking_send`, `recv` and `blocking_recv`. After `loop.stop` an order under way is
//! never finished, and its `result()` waits for ever. Here the core ends when its channel does, after the last order.

use std::{
    io,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, anyhow};
use timing::{
    Timings,
    law::{exactly, max, sum},
    ticks,
};
use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
    time::sleep,
};
use tokio_util::task::TaskTracker;
use tracing::{error, instrument};

const PARTS: [&str; 4] = ["shaft", "gear", "axle", "bolt"];

pub fn run(t: &mut Timings) -> Result<()> {
    let workshop = Workshop::open()?;
    let calls = || PARTS.map(|part| workshop.measure(part));
    let sizes = t.time_blocking("one thread", sum([2; 4]), calls);
    count(t, &sizes, Some(workshop.close()));

    // The gauge panics over glass, and the core over a part without a name.
    let glass = ["shaft", "gear", "glass", "bolt"];
    let nameless = ["shaft", "gear", "", "bolt"];
    for (label, parts, law) in [
        ("four threads", PARTS, max([2; 4])),
        ("a gauge panics", glass, max([2; 3])),
        ("the core panics", nameless, exactly(0)),
    ] {
        let workshop = Workshop::open()?;
        let calls = || four_threads_call(&workshop, parts);
        let sizes = t.time_blocking(label, law, calls);
        count(t, &sizes, Some(workshop.close()));
    }

    let workshop = Workshop::open()?;
    let calls = || orders_and_drops(workshop);
    let sizes = t.time_blocking("dropped with 4 orders", max([2; 4]), calls);
    count(t, &sizes, None);
    Ok(())
}

fn four_threads_call(workshop: &Workshop, parts: [&'static str; 4]) -> [Result<u32>; 4] {
    thread::scope(|scope| {
        let threads = parts.map(|part| scope.spawn(move || workshop.measure(part)));
        threads.map(|thread| thread.join().expect("a call returns its errors"))
    })
}

fn orders_and_drops(workshop: Workshop) -> [Result<u32>; 4] {
    let orders = PARTS.map(|part| workshop.order(part));
    drop(workshop);
    // This doesn't wait: what is not answered by now never is.
    orders.map(|order| Ok(order?.try_recv()?))
}

/// What sync code sees. None of its functions is async, and threads can share a `&Workshop`. It isn't for tasks: there
/// `measure` and `order` panic, and its drop blocks the loop's thread until every order is answered.
struct Workshop {
    /// `None` once it is closed, as is `core`.
    orders: Option<mpsc::Sender<Order>>,
    core: Option<JoinHandle<usize>>,
}

struct Order {
    part: &'static str,
    reply: oneshot::Sender<u32>,
}

impl Workshop {
    fn open() -> io::Result<Self> {
        // Built here and not in the thread, so that the caller gets the error.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (orders, tray) = mpsc::channel(PARTS.len());
        let core = Some(thread::spawn(move || runtime.block_on(serves(tray))));
        let orders = Some(orders);
        Ok(Self { orders, core })
    }

    /// Blocks until the size is there, or nobody is left who could send it.
    #[instrument(ret, err, skip(self))]
    fn measure(&self, part: &'static str) -> Result<u32> {
        let size = self.order(part)?;
        size.blocking_recv().context("the order has failed")
    }

    /// Blocks only while the channel is full.
    fn order(&self, part: &'static str) -> Result<oneshot::Receiver<u32>> {
        let (reply, size) = oneshot::channel();
        let orders = self.orders.as_ref().context("the workshop is closed")?;
        let sent = orders.blocking_send(Order { part, reply });
        sent.map_err(|_order| anyhow!("the core has ended"))?;
        Ok(size)
    }

    /// Waits for what has been ordered. An `Err` is the panic that has ended the core.
    fn close(mut self) -> thread::Result<usize> {
        let core = self.end();
        core.expect("nothing has closed it before, since this takes it")
    }

    fn end(&mut self) -> Option<thread::Result<usize>> {
        // The last sender: the core gets the orders that are still in the channel, and then its end.
        self.orders = None;
        self.core.take().map(JoinHandle::join)
    }
}

/// Without it nobody would wait for the core's thread, and the end of `main` would cut it off.
impl Drop for Workshop {
    fn drop(&mut self) {
        if let Some(Err(_panic)) = self.end() {
            error!("the core has panicked");
        }
    }
}

/// The core. Returns the largest number of orders that were under way at once.
async fn serves(mut tray: mpsc::Receiver<Order>) -> usize {
    let (under_way, mut most) = (TaskTracker::new(), 0);
    while let Some(Order { part, reply }) = tray.recv().await {
        assert!(!part.is_empty(), "an order that names no part");
        // No handle is kept. A panic in the task drops `reply`, and that is how the caller learns of it.
        under_way.spawn(async move { reply.send(gauge(part).await) });
        most = most.max(under_way.len());
    }
    under_way.close();
    under_way.wait().await;
    most
}

/// Stands for a gauge with an async driver.
#[instrument(ret)]
async fn gauge(part: &str) -> u32 {
    assert!(part != "glass", "the glass breaks");
    sleep(ticks(2)).await;
    20_002
}

fn count(t: &mut Timings, sizes: &[Result<u32>], closed: Option<thread::Result<usize>>) {
    let answers = sizes.iter().flatten().count();
    t.count("answers", answers);
    t.count("errors", sizes.len() - answers);
    if let Some(core) = closed {
        t.count("core panics", u32::from(core.is_err()));
        if let Ok(most) = core {
            t.count("most at once", most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Variant;

    #[track_caller]
    fn assert_counts(variant: &Variant, answers: u32, errors: u32) {
        assert_eq!(*variant.count("answers"), answers);
        assert_eq!(*variant.count("errors"), errors);
    }

    #[test]
    fn the_core_overlaps_what_several_threads_wait_for() {
        let t = Timings::of_blocking(run);
        let (one, four) = (&t["one thread"], &t["four threads"]);
        assert!(one.elapsed >= ticks(8));
        assert_eq!(*one.count("most at once"), 1);
        assert_counts(one, 4, 0);
        assert_counts(four, 4, 0);

        // Here all four orders are in the channel when the core begins.
        let (orders, tray) = mpsc::channel(PARTS.len());
        for part in PARTS {
            let (reply, _size) = oneshot::channel();
            orders.try_send(Order { part, reply }).unwrap();
        }
        drop(orders);
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        assert_eq!(runtime.block_on(serves(tray)), 4);
    }

    #[test]
    fn dropping_it_waits_for_every_order_it_has_accepted() {
        let t = Timings::of_blocking(run);
        let dropped = &t["dropped with 4 orders"];
        assert!(dropped.elapsed >= ticks(2));
        assert_counts(dropped, 4, 0);
    }

    #[test]
    fn a_panic_in_one_order_is_an_error_for_its_caller_only() {
        let t = Timings::of_blocking(run);
        assert_counts(&t["a gauge panics"], 3, 1);
        assert_eq!(*t["a gauge panics"].count("core panics"), 0);
    }

    #[test]
    fn a_panic_in_the_core_is_an_error_for_every_caller() {
        let t = Timings::of_blocking(run);
        assert_counts(&t["the core panics"], 0, 4);
        assert_eq!(*t["the core panics"].count("core panics"), 1);
    }

    #[test]
    fn a_call_from_a_task_panics() {
        let workshop = Workshop::open().unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        let call = runtime.spawn(async move { workshop.measure("shaft") });
        let panic = runtime.block_on(call).unwrap_err().to_string();
        assert!(panic.contains("Cannot block the current thread"), "{panic}");
    }
}
