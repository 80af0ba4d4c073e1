//! # A whole executor: ready queue, wakers, timers, tasks
//!
//! Rust has no executor built in. One takes no unsafe code of its own: the executor in this file has 120 lines
//! without its comments. A waker puts its task into a queue, a loop polls what is in the queue, a heap tells which
//! timer is next, and while nothing is ready the thread sleeps. A door, a shelf and a knob are sawn in 3, 2 and 1
//! ticks. Together they take 3: as tasks, in a `join_all`, or in a `FuturesUnordered`. A pipeline of async-channel
//! works, too, with a thread that wakes a task. A `sleep` of tokio's panics: it needs a tokio runtime.
//!
//! asyncio: run, event loop, BaseEventLoop._run_once, call_soon_threadsafe
//!
//! real clock: it has its own timers
//!
//! ```python
//! def run_once():                     # the main part of BaseEventLoop._run_once
//!     wait_for_events(ready, timers)  # until something is ready, or the next timer is due
//!     while timers and timers[0].when <= time(): ready.append(heappop(timers))
//!     for _ in range(len(ready)): ready.popleft().run()
//! ```
//!
//! Not the same: asyncio's loop is timers, sockets, signals and threads in one, and its libraries need that loop. In
//! Rust `poll` is given a waker (`runtime/waker`), and no loop. A channel of async-channel calls it on any executor,
//! a timer of tokio only in its runtime. `wake` may be called by any thread, like `call_soon_threadsafe`. Here a
//! panic ends `block_on`; asyncio and tokio keep it for the one who awaits the task.

use std::{panic, thread};

use anyhow::Result;
use executor::Executor;
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use timing::{
    Timings,
    law::{exactly, max},
    ticks,
};
use tracing::instrument;

type Part = &'static str;

const PARTS: [(Part, u32); 3] = [("door", 3), ("shelf", 2), ("knob", 1)];

pub fn run(t: &mut Timings) -> Result<()> {
    let times = PARTS.map(|(_, time)| time);
    let shop = Executor::default();

    let sawing = || shop.block_on(as_tasks(shop.clone()));
    let parts = t.time_blocking("three tasks", max(times), sawing);
    t.count("parts", parts.join(", "));
    t.count("executor: lines of code", lines_of_code());

    let sawing = || shop.block_on(side_by_side(shop.clone()));
    let parts = t.time_blocking("join_all", max(times), sawing);
    t.count("parts", parts.join(", "));

    let sawing = || shop.block_on(as_they_are_ready(shop.clone()));
    let parts = t.time_blocking("FuturesUnordered", max(times), sawing);
    t.count("parts", parts.join(", "));

    let working = || shop.block_on(pipeline(shop.clone()));
    let parts = t.time_blocking("a thread, then a task", exactly(4), working);
    t.count("parts", parts.join(", "));

    let waiting = || shop.block_on(sleeps_by_tokio());
    let waiting = || panic::catch_unwind(panic::AssertUnwindSafe(waiting));
    let waited = t.time_blocking("a sleep of tokio's", exactly(0), waiting);
    t.count("panics", u32::from(waited.is_err()));
    Ok(())
}

/// It uses nothing but the standard library.
pub mod executor {
    use crate::sync::{Arc, Condvar, Mutex, atomic}; // std's; where thousands of schedules are tried, shuttle's
    use std::{
        cell::{Cell, RefCell},
        cmp::Reverse,
        collections::{BinaryHeap, HashMap},
        future::poll_fn,
        pin::Pin,
        rc::Rc,
        task::{Context, Poll, Wake, Waker},
        time::{Duration, Instant},
    };

    /// The tasks that are to be polled, by number, and a signal that there are some. Wakers reach it from any thread.
    type Ready = (Mutex<Vec<usize>>, Condvar);

    /// What a `Waker` points to. It has the task's number and not its future, so it can go to any thread, and it may
    /// outlive the future.
    struct Task {
        id: usize,
        queued: atomic::AtomicBool,
        ready: Arc<Ready>,
    }

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            // However often a task is woken before its turn, it has one turn.
            if !self.queued.swap(true, atomic::Ordering::AcqRel) {
                let (queue, filled) = &*self.ready;
                queue.lock().expect("no holder panics").push(self.id);
                filled.notify_one();
            }
        }
    }

    /// Clones share one executor. It isn't `Send`: its tasks stay in one thread, and needn't be `Send` either.
    #[derive(Clone, Default)]
    pub struct Executor(Rc<Inner>);

    type Work = Pin<Box<dyn Future<Output = ()>>>;

    #[derive(Default)]
    struct Inner {
        ready: Arc<Ready>,
        tasks: RefCell<HashMap<usize, (Arc<Task>, Work)>>,
        /// A `BinaryHeap` has its greatest item on top; `Reverse` makes that the earliest time.
        timers: RefCell<BinaryHeap<Reverse<(Instant, usize)>>>,
        /// By the timer's number. In the heap they would have to be ordered.
        wakers: RefCell<HashMap<usize, Waker>>,
        ids: Cell<usize>,
    }

    #[expect(clippy::disallowed_methods, reason = "this executor's own clock")]
    impl Executor {
        /// The loop. As in asyncio, the main future is a task like the others.
        pub fn block_on<F: Future + 'static>(&self, main: F) -> F::Output {
            let JoinHandle(done) = self.spawn(main);
            loop {
                let next_timer = self.wake_what_is_due().unwrap_or(Duration::MAX);
                // A task that is woken during these turns has its own in the next round, after a look at the timers.
                for id in self.take_ready(next_timer) {
                    self.poll(id);
                }
                if let Some(result) = done.0.take() {
                    // Tasks may hold this executor, which holds them: a reference cycle that would never be freed.
                    drop(self.0.tasks.take());
                    return result;
                }
            }
        }

        /// Returns how long it is to the next timer after that.
        fn wake_what_is_due(&self) -> Option<Duration> {
            loop {
                let Reverse((due, id)) = *self.0.timers.borrow().peek()?;
                let wait = due.saturating_duration_since(Instant::now());
                if !wait.is_zero() {
                    return Some(wait);
                }
                self.0.timers.borrow_mut().pop();
                let waker = self.0.wakers.borrow_mut().remove(&id);
                waker.inspect(Waker::wake_by_ref);
            }
        }

        /// Sleeps while nothing is ready, for `patience` at most. The `Condvar` gives the lock back and goes to sleep
        /// in one step, so no wake can come between the two and be missed.
        fn take_ready(&self, patience: Duration) -> Vec<usize> {
            let (queue, filled) = &*self.0.ready;
            let queue = queue.lock().expect("no holder panics");
            let woken = filled.wait_timeout_while(queue, patience, |queue| queue.is_empty());
            std::mem::take(&mut woken.expect("no holder panics").0)
        }

        fn poll(&self, id: usize) {
            // Out of the map: during its poll it may spawn another task, which goes into the map.
            let Some((task, mut work)) = self.0.tasks.borrow_mut().remove(&id) else {
                return; // it has ended, and one of its wakers is still there
            };
            // Before the poll: a wake that comes during the poll may tell of what the poll has already found missing,
            // and asks for one more. A `swap` also reads, so this thread sees what was done before a wake.
            task.queued.swap(false, atomic::Ordering::AcqRel);
            let waker = Waker::from(task.clone());
            let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_pending() {
                self.0.tasks.borrow_mut().insert(id, (task, work));
            }
        }

        pub fn spawn<F: Future + 'static>(&self, future: F) -> JoinHandle<F::Output> {
            let done = Rc::new((Cell::new(None), Cell::new(None::<Waker>)));
            let handle = JoinHandle(done.clone());
            // All tasks have to be of one type, so what they return goes to their handles.
            let work: Work = Box::pin(async move {
                done.0.set(Some(future.await));
                done.1.take().inspect(Waker::wake_by_ref);
            });
            let (id, queued, ready) = (self.id(), false.into(), self.0.ready.clone());
            let task = Arc::new(Task { id, queued, ready });
            self.0.tasks.borrow_mut().insert(id, (task.clone(), work));
            task.wake(); // nothing else asks for its first turn
            handle
        }

        /// A sleep that is dropped early leaves its place in the heap, and its waker, there until its time has come.
        pub fn sleep(&self, time: Duration) -> impl Future<Output = ()> + use<> {
            let (executor, id, due) = (self.clone(), self.id(), Instant::now() + time);
            self.0.timers.borrow_mut().push(Reverse((due, id)));
            poll_fn(move |context| {
                if due <= Instant::now() {
                    return Poll::Ready(());
                }
                // Replaces the waker of an earlier poll: meanwhile the future may have gone to another task.
                let waker = context.waker().clone();
                executor.0.wakers.borrow_mut().insert(id, waker);
                Poll::Pending
            })
        }

        fn id(&self) -> usize {
            self.0.ids.replace(self.0.ids.get() + 1)
        }
    }

    /// A task's result, once it is there, and the waker of the task that waits for it.
    type Done<T> = (Cell<Option<T>>, Cell<Option<Waker>>);

    /// When it is dropped the task goes on.
    pub struct JoinHandle<T>(Rc<Done<T>>);

    impl<T> Future for JoinHandle<T> {
        type Output = T;

        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
            let (result, waiter) = &*self.0;
            waiter.set(Some(context.waker().clone()));
            result.take().map_or(Poll::Pending, Poll::Ready)
        }
    }
}

async fn as_tasks(shop: Executor) -> Vec<Part> {
    let sawing = PARTS.map(|(part, time)| shop.spawn(saws(shop.clone(), part, time)));
    join_all(sawing).await
}

async fn side_by_side(shop: Executor) -> Vec<Part> {
    let sawing = PARTS.map(|(part, time)| saws(shop.clone(), part, time));
    join_all(sawing).await // <- the difference: one task; a wake of one polls all, up to 30 of them
}

/// Each future in it has a waker of its own, which notes that this one is ready and then calls the task's.
async fn as_they_are_ready(shop: Executor) -> Vec<Part> {
    let sawing = PARTS.map(|(part, time)| saws(shop.clone(), part, time));
    let sawing: FuturesUnordered<_> = sawing.into_iter().collect();
    sawing.collect().await
}

/// A thread saws, a task polishes. A part takes a tick in each, and the next is sawn while one is polished.
async fn pipeline(shop: Executor) -> Vec<Part> {
    let (to_polish, sawn) = async_channel::bounded(1);
    let (to_shelf, shelf) = async_channel::bounded(1);
    thread::spawn(move || {
        for (part, _) in PARTS {
            saws_in_a_thread(part);
            let _gone = to_polish.send_blocking(part); // fails if there is nobody any more who would take it
        }
    });
    shop.spawn(polishes(shop.clone(), sawn, to_shelf));
    shelf.collect().await
}

#[instrument(ret, skip(shop))]
async fn saws(shop: Executor, part: Part, time: u32) -> Part {
    shop.sleep(ticks(time)).await;
    part
}

#[instrument(ret)]
fn saws_in_a_thread(part: Part) {
    #[expect(clippy::disallowed_methods, reason = "no task runs in this thread")]
    thread::sleep(ticks(1));
}

#[instrument(ret, skip_all)]
async fn polishes(
    shop: Executor,
    sawn: async_channel::Receiver<Part>,
    to_shelf: async_channel::Sender<Part>,
) {
    while let Ok(part) = sawn.recv().await {
        shop.sleep(ticks(1)).await;
        let _gone = to_shelf.send(part).await;
    }
}

#[instrument(ret)]
async fn sleeps_by_tokio() {
    tokio::time::sleep(ticks(1)).await;
}

/// Those of the module `executor`, without blank lines and comments.
fn lines_of_code() -> usize {
    let lines = include_str!("mini_executor.rs").lines();
    let module = lines.skip_while(|line| !line.contains("pub mod")).skip(1);
    let module = module.take_while(|line| *line != "}").map(str::trim);
    module
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}
