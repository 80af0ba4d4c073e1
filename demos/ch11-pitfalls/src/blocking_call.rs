//! # A blocking call, three calls down
//!
//! A shop confirms an order. For that it needs an invoice, the invoice needs a number, and the last number stands in
//! a file that a backup program has locked for 2 ticks. `File::lock` blocks the loop's only thread: a ticker that is
//! due every 10 ms gets 0 turns, the longest gap is the whole job, and all that time a server would answer nobody.
//! With the same call in `spawn_blocking` the order takes 2 ticks as before, and the ticker gets its turns.
//!
//! asyncio: to_thread, fcntl.flock
//!
//! real clock: it blocks a thread
//!
//! How to see it: in the timeline `invoice` is a solid bar, and the line below it names the poll. A program of your
//! own shows neither unless you ask for it: `runtime/slow-poll`. `clippy::disallowed_methods` is on by default, but
//! finds only what a `clippy.toml` names.
//!
//! Cured in: `executors/blocking-io`
//!
//! ```python
//! # invoice() calls next_number(), and that calls fcntl.flock()
//! async def confirm(): return f"confirmed, {invoice()}"
//! async def confirm(): return f"confirmed, {await asyncio.to_thread(invoice)}"
//! ```
//!
//! Not the same: asyncio's debug mode logs a callback that took longer than 0.1 s; tokio logs nothing. A runtime of
//! several threads loses one of them to such a call; what the others can still do hides the mistake.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Result;
use chapter::Folder;
use timing::{Timings, beside_ticker, law::at_least, ticks};
use tokio::task::spawn_blocking;
use tracing::instrument;

const EVERY: Duration = Duration::from_millis(10);

pub async fn run(t: &mut Timings) -> Result<()> {
    let folder = Folder::temporary()?;
    let counter = folder.path().join("last-invoice");
    fs::write(&counter, "41")?;

    let order = during_a_backup(&counter, confirms(counter.clone()));
    let order = t.time("in the task", at_least(2), beside_ticker(EVERY, order));
    let (confirmed, ticked) = order.await;
    t.count("the customer gets", confirmed?);
    t.count("the ticker's turns", ticked.had);
    t.count("longest gap, ms", ticked.longest_gap.as_secs_f64() * 1e3);

    let order = during_a_backup(&counter, confirms_on_a_thread(counter.clone()));
    let order = t.time("spawn_blocking", at_least(2), beside_ticker(EVERY, order));
    let (confirmed, ticked) = order.await;
    t.count("the customer gets", confirmed?);
    t.count("the ticker's turns", ticked.had);
    t.count("longest gap, ms", ticked.longest_gap.as_secs_f64() * 1e3);
    Ok(())
}

/// Nothing in these lines tells you that the call can wait: it has no `.await`, and its type is that of any function
/// that can fail.
#[instrument(ret, err, skip_all)]
async fn confirms(counter: PathBuf) -> Result<String> {
    let invoice = invoice(&counter)?; // <- the difference
    Ok(format!("confirmed, {invoice}"))
}

/// The closure owns its path, because the thread can outlive this function: once begun it can't be cancelled. Even if
/// the order is given up it waits for the lock, and the end of the runtime waits for it.
#[instrument(ret, err, skip_all)]
async fn confirms_on_a_thread(counter: PathBuf) -> Result<String> {
    let invoice = spawn_blocking(move || invoice(&counter)).await??; // <- the difference
    Ok(format!("confirmed, {invoice}"))
}

#[instrument(ret, err, skip_all)]
fn invoice(counter: &Path) -> io::Result<String> {
    Ok(format!("invoice {}", next_number(counter)?))
}

/// Correct code: two programs that write invoices must not use the same number. Run alone it never waits, since
/// nobody else holds the lock.
fn next_number(counter: &Path) -> io::Result<u32> {
    let mut file = File::options().read(true).write(true).open(counter)?;
    file.lock()?; // released when `file` is dropped
    let mut last = String::new();
    file.read_to_string(&mut last)?;
    let number = 1 + last.parse::<u32>().map_err(io::Error::other)?;
    file.rewind()?;
    write!(file, "{number}")?;
    Ok(number)
}

/// The lock belongs to the opened file, not to the process. So a thread that opens the file for itself can stand for
/// another program.
async fn during_a_backup<T>(counter: &Path, work: impl Future<Output = Result<T>>) -> Result<T> {
    let file = File::open(counter)?;
    file.lock()?;
    let backup = thread::spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "stands for another program")]
        thread::sleep(ticks(2));
        drop(file);
    });
    let done = work.await;
    // A blocking call as well; harmless, because the backup has released the lock and is over.
    backup.join().expect("it only sleeps");
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Variant;

    fn gap(variant: &Variant) -> Duration {
        Duration::from_secs_f64(variant.count("longest gap, ms").number() / 1e3)
    }

    #[tokio::test]
    async fn a_blocking_call_deep_down_gives_nobody_a_turn_until_the_lock_is_free() {
        let t = Timings::of(run).await;
        let blocked = &t["in the task"];
        assert!(gap(blocked) >= ticks(2));
        assert_eq!(*blocked.count("the ticker's turns"), 0);
        assert_eq!(blocked.lane("confirms").polls.len(), 1);
        assert_eq!(blocked.lane("invoice").polls.len(), 1);
    }

    #[tokio::test]
    async fn on_a_thread_it_waits_as_long_and_the_others_go_on() {
        let t = Timings::of(run).await;
        let on_a_thread = &t["spawn_blocking"];
        assert!(on_a_thread.elapsed >= ticks(2));
        assert_ne!(*on_a_thread.count("the ticker's turns"), 0);
        assert_eq!(on_a_thread.lane("confirms_on_a_thread").polls.len(), 2);
    }

    #[tokio::test]
    async fn either_way_each_order_gets_a_number_of_its_own() {
        let t = Timings::of(run).await;
        let given = |label| t[label].count("the customer gets");
        assert_eq!(*given("in the task"), "confirmed, invoice 42");
        assert_eq!(*given("spawn_blocking"), "confirmed, invoice 43");
    }

    #[test]
    fn without_a_second_program_the_call_has_nothing_to_wait_for() {
        let folder = Folder::temporary().unwrap();
        let counter = folder.path().join("last-invoice");
        fs::write(&counter, "9").unwrap();
        assert_eq!(next_number(&counter).unwrap(), 10);
        assert_eq!(next_number(&counter).unwrap(), 11);
    }
}
