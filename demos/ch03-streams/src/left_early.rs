//! # Leaving a stream: which of its clean-up runs
//!
//! A generator (`try_stream!` is `stream!` with a `?` in it) reads from a drawer, and closing the drawer takes 1
//! tick. Four readings end in four ways: by `break`, by a cancel, at an error, at the end. `Drop` runs at all 4. The
//! `.await` that closes the drawer runs only at the end: 3 of 4 are never closed. A task that sends the books into a
//! channel (see `streams/generator`) closes all 4 if the program lives on, but 3 of them are still open when its caller
//! goes on. It notices only at its next `send` that its reader is gone, so 2 books are fetched in vain. A task that
//! also waits for `sender.closed()` fetches 0 in vain. If the caller also awaits it, it leaves 0 open.
//!
//! asyncio: aclose, aclosing, GeneratorExit
//!
//! ```python
//! async def books(drawer):
//!     try:
//!         for number in drawer.numbers: yield await drawer.fetch(number)
//!     finally: await drawer.close()
//!
//! async with aclosing(books(drawer)) as stream: print(await anext(stream))
//! ```
//!
//! Not the same: `finally` may await. An error or a cancel inside the generator runs it at once. After a `break`, an
//! error or a cancel in the body of the loop the event loop runs it later, or `aclosing` at the end of its block. A
//! Rust stream that is left is dropped at the `.await` or `yield` where it stands, and `Drop` can't await. Work that
//! has to wait needs an owner that isn't dropped, as in `streams/with-connection`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use anyhow::{Context, Result};
use async_stream::try_stream;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use timing::{Timings, law::sum, ticks};
use tokio::{
    sync::mpsc::{Sender, channel},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tracing::{info, instrument};

const ENDINGS: [Ending; 4] = [Ending::Break, Ending::Cancel, Ending::Error, Ending::End];

type Books = BoxStream<'static, Result<u32>>;
type Task = JoinHandle<()>;

pub async fn run(t: &mut Timings) -> Result<()> {
    // In the order of the endings; a missing book is noticed at once. Only a reading that gets to the end waits for the
    // `close`.
    let law = || sum([2.0, 1.5, 1.0, 3.0 + 1.0]);

    let readings = four_readings(|drawer| (generator(drawer), None));
    let logs = t.time("try_stream!", law(), readings).await?;
    count(t, &logs);

    let readings = four_readings(|drawer| sent_by_a_task(drawer, false));
    let logs = t.time("a task", law(), readings).await?;
    count(t, &logs);

    let readings = four_readings(|drawer| sent_by_a_task(drawer, true)); // <- the difference
    // Now every ending waits for the `close`, hence a tick more for each of the first three.
    let law = sum([2.0 + 1.0, 1.5 + 1.0, 1.0 + 1.0, 3.0 + 1.0]);
    let logs = t.time("told and awaited", law, readings).await?;
    count(t, &logs);
    Ok(())
}

/// The drawer is one of the generator's variables, so it is dropped together with the generator.
fn generator(drawer: Drawer) -> Books {
    Box::pin(try_stream! {
        for &book in &drawer.books {
            // An error is handed out as the last item. The `close` below isn't reached.
            let book = drawer.fetch(book).await?;
            yield book;
        }
        drawer.close().await;
    })
}

/// The task owns the drawer, so the drawer isn't dropped with the stream, and the task can await when that is left.
fn sent_by_a_task(drawer: Drawer, is_told_and_awaited: bool) -> (Books, Option<Task>) {
    let (sender, receiver) = channel(1);
    let task = tokio::spawn(async move {
        tokio::select! {
            () = sends(&drawer, &sender) => {}
            // Ready as soon as the stream is dropped. Then `select!` drops the fetch that is under way.
            () = sender.closed(), if is_told_and_awaited => {}
        }
        drawer.close().await;
        // The sender lives until here, so a reading that gets to the end has waited for the `close`.
    });
    let books = ReceiverStream::new(receiver).boxed();
    // The caller awaits the handle, whatever becomes of the reading. A handle that is dropped detaches the task.
    (books, is_told_and_awaited.then_some(task))
}

async fn sends(drawer: &Drawer, sender: &Sender<Result<u32>>) {
    for &book in &drawer.books {
        let book = drawer.fetch(book).await;
        let is_error = book.is_err();
        if sender.send(book).await.is_err() || is_error {
            return;
        }
    }
}

async fn four_readings(open: impl Fn(Drawer) -> (Books, Option<Task>)) -> Result<Vec<Arc<Log>>> {
    let mut logs = Vec::new();
    for ending in ENDINGS {
        let drawer = Drawer::new(ending);
        let log = drawer.log.clone();
        let (books, task) = open(drawer);
        // The cancel comes in the middle of the second fetch.
        let patience = ticks(if ending == Ending::Cancel { 1.5 } else { 10.0 });
        if timeout(patience, reads(ending, books, &log)).await.is_err() {
            info!("the reading is cancelled");
        }
        if let Some(task) = task {
            task.await?;
        }
        let is_open = log.closed.load(Relaxed) == 0;
        log.left_open.store(is_open.into(), Relaxed);
        logs.push(log);
    }
    Ok(logs)
}

#[instrument(ret, err, skip(books, log))]
async fn reads(ending: Ending, mut books: Books, log: &Log) -> Result<()> {
    while books.try_next().await?.is_some() {
        let read = log.read.fetch_add(1, Relaxed) + 1;
        if ending == Ending::Break && read == 2 {
            break;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Break,
    Cancel,
    Error,
    End,
}

/// Three books. Where the reading is to end at an error, the second one isn't there.
struct Drawer {
    ending: Ending,
    books: [Option<u32>; 3],
    log: Arc<Log>,
}

impl Drawer {
    fn new(ending: Ending) -> Self {
        let second = (ending != Ending::Error).then_some(4);
        Self {
            ending,
            books: [Some(31), second, Some(15)],
            log: Arc::default(),
        }
    }

    async fn fetch(&self, book: Option<u32>) -> Result<u32> {
        let book = book.context("no such book")?;
        sleep(ticks(1)).await;
        self.log.fetched.fetch_add(1, Relaxed);
        Ok(book)
    }

    #[instrument(ret, skip_all, fields(ending = ?self.ending))]
    async fn close(&self) {
        sleep(ticks(1)).await;
        self.log.closed.fetch_add(1, Relaxed);
    }
}

/// Runs wherever the drawer is dropped, and has no way to await `close`.
impl Drop for Drawer {
    fn drop(&mut self) {
        self.log.dropped.fetch_add(1, Relaxed);
    }
}

/// What happened to one drawer.
#[derive(Default)]
struct Log {
    /// Fetches that have finished.
    fetched: AtomicUsize,
    read: AtomicUsize,
    dropped: AtomicUsize,
    left_open: AtomicUsize,
    closed: AtomicUsize,
}

fn count(t: &mut Timings, logs: &[Arc<Log>]) {
    let all = |of: fn(&Log) -> &AtomicUsize| -> usize {
        logs.iter().map(|log| of(log).load(Relaxed)).sum()
    };
    let unread = all(|log| &log.fetched) - all(|log| &log.read);
    t.count("fetched in vain", unread);
    t.count("drawers dropped", all(|log| &log.dropped));
    t.count("left open", all(|log| &log.left_open));
    t.count("never closed", logs.len() - all(|log| &log.closed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Value;

    const NOT_CLOSED: &str = "Returned: never, Cancelled: never, Failed: never, Returned: before";
    const CLOSED: &str = "Returned: after, Cancelled: after, Failed: after, Returned: before";

    /// For each ending: how the reading ended, and whether the drawer was closed before that, after it, or never.
    fn closed(t: &Timings, form: &str) -> String {
        let endings = ENDINGS.map(|ending| {
            let reading = t[form].lane(&format!("reads({ending:?})"));
            let close = format!("close({ending:?})");
            let closed = match t[form].lanes.iter().find(|lane| lane.label == close) {
                Some(close) if close.end <= reading.end => "before",
                Some(_) => "after",
                None => "never",
            };
            format!("{:?}: {closed}", reading.ended)
        });
        endings.join(", ")
    }

    /// In the order of the table.
    fn counts(t: &Timings, form: &str) -> Vec<Value> {
        let counts = t[form].counts.iter();
        counts.map(|count| count.value.clone()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn drop_runs_at_every_ending_and_an_await_after_the_loop_only_at_the_end() {
        let t = Timings::of(run).await;
        assert_eq!(closed(&t, "try_stream!"), NOT_CLOSED);
        assert_eq!(counts(&t, "try_stream!"), [0, 4, 3, 3]);
        assert_eq!(t["try_stream!"].elapsed, ticks(8.5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_notices_at_its_next_send_and_closes_after_the_reading_has_returned() {
        let t = Timings::of(run).await;
        assert_eq!(closed(&t, "a task"), CLOSED);
        assert_eq!(counts(&t, "a task"), [2, 4, 3, 0]);
        // It is left at 2, when the third fetch begins; the next `send` comes after that fetch.
        assert_eq!(t["a task"].lane("reads(Break)").end, ticks(2));
        assert_eq!(t["a task"].lane("close(Break)").start, ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_told_and_awaited_leaves_nothing_open() {
        let t = Timings::of(run).await;
        let form = "told and awaited";
        assert_eq!(closed(&t, form), CLOSED);
        assert_eq!(counts(&t, form), [0, 4, 0, 0]);
        assert_eq!(t[form].lane("close(Break)").start, ticks(2));
        assert_eq!(t[form].elapsed, ticks(11.5));
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_the_last_item() {
        let books = generator(Drawer::new(Ending::Error)).map(Result::ok);
        assert_eq!(books.collect::<Vec<_>>().await, [Some(31), None]);
    }
}
