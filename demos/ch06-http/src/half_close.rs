//! # Half-close: nothing more to send, an answer to come
//!
//! A client sends a list of pages, and the server answers when the list is complete. The client says so by closing
//! the direction in which it sends, with `shutdown`, and reads the answer from the other. Dropping the stream closes
//! both: the server has read all 3 pages and answers, and nobody is there to read it. If the client closes neither,
//! both sides wait, the server for a fourth page and the client for the answer, until the client gives up after 2
//! ticks. A stream can also be split into two halves with `into_split`: dropping the half that writes is a `shutdown`.
//! After `split` or `tokio::io::split` it is not.
//!
//! asyncio: StreamWriter.write_eof, StreamWriter.close, StreamReader.read
//!
//! real clock: real sockets
//!
//! ```python
//! writer.write(b"tea\nstew\nrice\n")
//! writer.write_eof()               # the server's readline() returns b"" after the last line
//! answer = await reader.read()     # until the server closes
//! writer.close()
//! await writer.wait_closed()
//! ```
//!
//! Not the same: a StreamWriter that is freed closes both directions, and the reader gets `b""`. Recent Pythons have a
//! ResourceWarning for that, shown with `-X dev`, since `close` should have been called. In Rust dropping the write
//! half of `into_split` closes its direction alone. Dropping the whole stream closes both, and that is how a stream
//! is closed.

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
    try_join,
};
use tracing::{info, instrument};

use crate::options::Options;

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let talk = connect(shuts_down);
    let answer = t.time("shutdown", exactly(1), talk).await?;
    t.count("answer", answer);

    let talk = connect(drops_its_half);
    let answer = t.time("a half dropped", exactly(1), talk).await?;
    t.count("answer", answer);

    let talk = connect(drops_the_stream);
    let answer = t.time("the stream dropped", exactly(1), talk).await?;
    t.count("answer", answer);

    let talk = timeout(ticks(2), connect(keeps_it_open));
    let answer = match t.time("nothing closed", exactly(2), talk).await {
        Ok(answer) => answer?,
        Err(_elapsed) => "none in time".into(),
    };
    t.count("answer", answer);
    Ok(())
}

/// A connection with the server at its other end, which is done when both of them are.
async fn connect(client: impl AsyncFnOnce(TcpStream) -> Result<String>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (answer, ()) = try_join!(
        async { client(TcpStream::connect(address).await?).await },
        async { counts_pages(listener.accept().await?.0).await },
    )?;
    Ok(answer)
}

/// Can't answer before it knows that the list is complete.
#[instrument(ret, err, skip_all)]
async fn counts_pages(mut stream: TcpStream) -> Result<()> {
    let mut pages = 0;
    let mut lines = BufReader::new(&mut stream).lines();
    while let Some(page) = lines.next_line().await? {
        pages += 1;
        info!("page {pages}: {page}");
    }
    info!("the list is complete");
    // Meanwhile the client waits. Its direction is closed, and this one isn't.
    sleep(ticks(1)).await;
    // No error here, even if the client has closed both directions. The end of a direction says that nothing more is
    // sent there, and doesn't say whether anything is read. What says so is a reset, the answer to this: a second
    // write would fail.
    stream
        .write_all(format!("{pages} pages").as_bytes())
        .await?;
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn shuts_down(mut stream: TcpStream) -> Result<String> {
    sends(&mut stream).await?;
    stream.shutdown().await?; // <- the difference: the end of this direction, behind everything that was sent
    reads(stream).await
}

/// With halves, one task can write and another one read.
#[instrument(ret, err, skip_all)]
async fn drops_its_half(stream: TcpStream) -> Result<String> {
    let (read, mut write) = stream.into_split();
    sends(&mut write).await?;
    drop(write); // <- the difference
    reads(read).await
}

#[instrument(ret, err, skip_all)]
async fn drops_the_stream(mut stream: TcpStream) -> Result<String> {
    sends(&mut stream).await?;
    drop(stream); // <- the difference: nothing is left to read from
    Ok("nobody reads it".into())
}

#[instrument(ret, err, skip_all)]
async fn keeps_it_open(mut stream: TcpStream) -> Result<String> {
    sends(&mut stream).await?;
    reads(stream).await // <- the difference: nothing is closed
}

async fn sends(mut stream: impl AsyncWriteExt + Unpin) -> Result<()> {
    Ok(stream.write_all(b"tea\nstew\nrice\n").await?)
}

/// The end of the answer is the end of the other direction, which the server closes by dropping its stream.
async fn reads(mut stream: impl AsyncReadExt + Unpin) -> Result<String> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{
        Ended::{Cancelled, Returned},
        Variant,
    };

    /// How many pages the server has read, and whether it knows that there are no more.
    fn arrived(variant: &Variant) -> (usize, bool) {
        let said = |part| {
            variant
                .said
                .iter()
                .filter(move |said| said.text.contains(part))
        };
        (said("page ").count(), said("complete").count() == 1)
    }

    #[tokio::test]
    async fn the_answer_comes_after_one_direction_is_closed() {
        let t = Timings::of_default(run).await;
        for variant in ["shutdown", "a half dropped"] {
            assert_eq!(arrived(&t[variant]), (3, true), "{variant}");
            assert_eq!(*t[variant].count("answer"), "3 pages", "{variant}");
            assert!(t[variant].elapsed >= ticks(1), "{variant}");
        }
    }

    #[tokio::test]
    async fn a_dropped_stream_is_closed_in_both_directions() {
        let t = Timings::of_default(run).await;
        let dropped = &t["the stream dropped"];
        assert_eq!(arrived(dropped), (3, true));
        assert_eq!(*dropped.count("answer"), "nobody reads it");
        let server = dropped.lane("counts_pages");
        assert_eq!(server.ended, Returned, "it has sent one, without an error");
    }

    #[tokio::test]
    async fn with_both_directions_open_both_sides_wait() {
        let t = Timings::of_default(run).await;
        let open = &t["nothing closed"];
        assert_eq!(arrived(open), (3, false));
        assert_eq!(*open.count("answer"), "none in time");
        assert!(open.elapsed >= ticks(2));
        for lane in ["keeps_it_open", "counts_pages"] {
            assert_eq!(open.lane(lane).ended, Cancelled, "{lane}");
        }
    }

    #[tokio::test]
    async fn dropping_a_half_of_into_split_is_a_shutdown_and_of_split_it_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (mut client, mut server) = (client.unwrap(), accepted.unwrap().0);
        let (_reads, _writes) = client.split(); // `drop(_writes)` would do nothing: it has no `Drop`
        let read = timeout(ticks(1), server.read(&mut [0; 1])).await;
        assert!(read.is_err(), "nothing tells the server");
        let (_reads, writes) = client.into_split();
        drop(writes);
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0, "the end");
    }
}
