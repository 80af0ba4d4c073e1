//! # A socket belongs to the runtime that made it
//!
//! A helper connects to a shop at start-up, on a runtime of its own, and hands the connection over. If that runtime
//! has ended, the first use is an error, and the shop receives 0 questions. If it stands still, because no thread is
//! in its `block_on`, the shop receives 1 question, but its answer is never noticed: a deadline of 2 ticks ends the
//! wait. On the runtime that uses the connection, or one with worker threads, the answer comes: "3 left".
//!
//! asyncio: open_connection, run, attached to a different loop
//!
//! real clock: real sockets, several runtimes
//!
//! How to see it: the error says "A Tokio 1.x context was found, but it is being shutdown." If the runtime stands
//! still, the only sign is in the timeline: `asks()` waits until its deadline. Neither rustc nor clippy warns.
//!
//! Cured in: `runtime/own-runtime`, `runtime/handle`
//!
//! ```python
//! reader, writer = asyncio.run(asyncio.open_connection(host, port))    # this loop is closed now
//! async def ask(): writer.write(b"lamp\n"); return await reader.readline()
//! asyncio.run(ask())    # RuntimeError: … got Future … attached to a different loop
//! ```
//!
//! Not the same: asyncio compares the loops where something has to wait, and raises whether the other loop is closed
//! or only stands still. tokio compares nothing. A socket of another runtime may be awaited, and that works as long
//! as something drives the other runtime, since its wake-ups come from there.

use std::{
    io::{self, BufRead, Write},
    net::{SocketAddr, TcpListener},
    thread::{self, JoinHandle},
};

use anyhow::Result;
use timing::{
    Timings,
    law::{at_least, none},
    ticks,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    runtime::{Builder, Runtime},
    time::{error::Elapsed, timeout},
};
use tracing::instrument;

pub fn run(t: &mut Timings) -> Result<()> {
    let shop = Shop::open()?;
    let answer = || new_runtime()?.block_on(asks(connects(shop.address)?));
    let answer = t.time_blocking("its runtime has ended", none(), answer);
    count(t, &answer, shop)?;

    let shop = Shop::open()?;
    let answer = || {
        let (_kept, connection) = connects_and_keeps(new_runtime()?, shop.address)?;
        new_runtime()?.block_on(asks(connection))
    };
    let answer = t.time_blocking("its runtime stands still", at_least(2), answer);
    count(t, &answer, shop)?;

    let shop = Shop::open()?;
    let answer = || {
        // <- the difference: one runtime connects, and waits for the answer
        new_runtime()?.block_on(async { asks(TcpStream::connect(shop.address).await?).await })
    };
    let answer = t.time_blocking("made where it is used", none(), answer);
    count(t, &answer, shop)?;

    let shop = Shop::open()?;
    let answer = || {
        // <- the difference: worker threads wait for its sockets, and call wakers, while nobody is in its `block_on`
        let (_kept, connection) = connects_and_keeps(Runtime::new()?, shop.address)?;
        new_runtime()?.block_on(asks(connection))
    };
    let answer = t.time_blocking("its runtime has worker threads", none(), answer);
    count(t, &answer, shop)?;
    Ok(())
}

/// For callers that aren't `async`. Its type promises a connection, and there is one.
fn connects(shop: SocketAddr) -> io::Result<TcpStream> {
    let (_ends_here, connection) = connects_and_keeps(new_runtime()?, shop)?; // <- the difference
    Ok(connection)
}

/// The caller has to keep the runtime as long as the connection. A `current_thread` one only works in `block_on`, so
/// keeping it isn't enough.
fn connects_and_keeps(runtime: Runtime, shop: SocketAddr) -> io::Result<(Runtime, TcpStream)> {
    let connection = runtime.block_on(TcpStream::connect(shop))?;
    Ok((runtime, connection))
}

/// The deadline belongs to the runtime that polls this, so it passes, whatever becomes of the socket.
#[instrument(ret, err, skip_all)]
async fn asks(mut shop: TcpStream) -> Result<String> {
    let answer = async {
        shop.write_all(b"lamp\n").await?;
        let mut answer = String::new();
        BufReader::new(shop).read_line(&mut answer).await?;
        Ok(answer.trim_end().to_owned())
    };
    timeout(ticks(2), answer).await?
}

fn new_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Answers one question, on a thread that needs no runtime.
struct Shop {
    address: SocketAddr,
    serving: JoinHandle<io::Result<usize>>,
}

impl Shop {
    fn open() -> io::Result<Self> {
        let door = TcpListener::bind("127.0.0.1:0")?;
        let address = door.local_addr()?;
        let serving = thread::spawn(move || serves(&door));
        Ok(Self { address, serving })
    }
}

/// Returns how many questions came.
fn serves(door: &TcpListener) -> io::Result<usize> {
    let (mut customer, _) = door.accept()?;
    let mut question = String::new();
    // Also returns when the customer has gone without a word.
    io::BufReader::new(&customer).read_line(&mut question)?;
    if question.is_empty() {
        return Ok(0);
    }
    customer.write_all(b"3 left\n")?;
    Ok(1)
}

fn count(t: &mut Timings, answer: &Result<String>, shop: Shop) -> Result<()> {
    let received = shop.serving.join().expect("the shop doesn't panic")?;
    t.count("questions received", received);
    let outcome = match answer {
        Ok(answer) => answer.as_str(),
        Err(error) if error.is::<Elapsed>() => "none in 2 ticks",
        Err(_) => "an error",
    };
    t.count("answer", outcome);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[test]
    fn on_a_runtime_that_has_ended_the_first_use_is_an_error() {
        let t = Timings::of_blocking(run);
        let ended = &t["its runtime has ended"];
        assert_eq!(*ended.count("answer"), "an error");
        assert_eq!(*ended.count("questions received"), 0);
        assert_eq!(ended.lane("asks").ended, Ended::Failed);
        let said = ended.said.iter();
        let text = "A Tokio 1.x context was found, but it is being shutdown";
        assert_eq!(said.filter(|line| line.text.contains(text)).count(), 1);
    }

    #[test]
    fn on_a_runtime_that_stands_still_the_answer_is_never_noticed() {
        let t = Timings::of_blocking(run);
        let still = &t["its runtime stands still"];
        assert_eq!(*still.count("questions received"), 1);
        assert_eq!(*still.count("answer"), "none in 2 ticks");
        assert!(still.elapsed >= ticks(2));
    }

    #[test]
    fn where_something_drives_the_runtime_the_answer_comes() {
        let t = Timings::of_blocking(run);
        for label in ["made where it is used", "its runtime has worker threads"] {
            assert_eq!(*t[label].count("questions received"), 1, "{label}");
            assert_eq!(*t[label].count("answer"), "3 left", "{label}");
        }
    }

    #[test]
    fn a_runtime_that_stands_still_only_has_to_be_driven() {
        let shop = Shop::open().unwrap();
        let runtime = new_runtime().unwrap();
        let (runtime, connection) = connects_and_keeps(runtime, shop.address).unwrap();
        let other = Runtime::new().unwrap();
        let asking = other.spawn(asks(connection));
        assert_eq!(runtime.block_on(asking).unwrap().unwrap(), "3 left");
        assert_eq!(shop.serving.join().unwrap().unwrap(), 1);
    }
}
