//! # Lines over TCP: a read is not a message
//!
//! A client asks for three pages, one on each line. TCP carries its bytes and knows no lines: here the first line
//! arrives in two pieces, and the other two in one piece. A server that takes each read for a request gets 3 requests
//! too, and 0 of them are right. A server that reads up to the line break gets 3 right ones. It needs a cap on the
//! length of a line. Without one it keeps all 1 048 576 bytes that a client sends without a line break, and would
//! keep more; with a cap of 80 it refuses such a line at 80.
//!
//! asyncio: start_server, open_connection, StreamReader.readline, StreamReader.read, StreamWriter.drain
//!
//! real clock: real sockets
//!
//! ```python
//! async def serve(reader, writer):           # asyncio.start_server(serve, "127.0.0.1", 0)
//!     while line := await reader.readline():    # the last may be cut off, without its b"\n"
//!         print("asked for", line.decode().strip())
//!     writer.close()    # `start_server` doesn't: the client would wait for the end
//! ```
//!
//! Not the same: asyncio's `readline` raises ValueError after 64 KiB, unless `start_server` got another `limit`.
//! tokio's `read_line` has no cap. It makes a String, so bytes that aren't UTF-8 are an error. asyncio's StreamReader
//! has a buffer; a `TcpStream` has none, and gets one from `BufReader`. `writer.write` puts bytes into a buffer, and
//! `drain` waits until there is room in it; `write_all` waits by itself, so the wait can't be forgotten.

use anyhow::{Result, ensure};
use timing::{
    Timings,
    law::{none, sum},
    ticks,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::sleep,
    try_join,
};
use tracing::{info, instrument};

use crate::options::Options;

const PAGES: [&str; 3] = ["tea", "stew", "rice"];
const PIECES: [&str; 3] = ["te", "a\n", "stew\nrice\n"];

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let law = || sum([0.5; 3]);
    let requests = connect(sends_pieces, takes_reads);
    let requests = t.time("a read is a request", law(), requests).await?;
    count(t, &requests);

    let requests = connect(sends_pieces, |stream| takes_lines(stream, 80));
    let requests = t.time("a line is a request", law(), requests).await?;
    count(t, &requests);

    for (label, longest) in [("no cap", u64::MAX), ("a cap", 80)] {
        let requests = connect(sends_no_line_break, |stream| takes_lines(stream, longest));
        let requests = t.time(label, none(), requests).await;
        let error = requests.map_or_else(|error| error.to_string(), |_| "none".into());
        t.count("error", error);
    }
    Ok(())
}

/// A connection, with a client at one end of it and a server at the other.
async fn connect(
    client: impl AsyncFnOnce(TcpStream) -> Result<()>,
    server: impl AsyncFnOnce(TcpStream) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?; // 0: the system chooses a port that is free
    let address = listener.local_addr()?;
    // `start_server` makes a task for each connection. `accept` makes none: it hands the connection over. Here both
    // ends are parts of one future, and when one of them fails, `try_join!` drops the other.
    let ((), requests) = try_join!(
        async { client(TcpStream::connect(address).await?).await },
        async { server(listener.accept().await?.0).await },
    )?;
    Ok(requests)
}

#[instrument(ret, err, skip_all)]
async fn takes_reads(mut stream: TcpStream) -> Result<Vec<String>> {
    let mut requests = Vec::new();
    let mut bytes = [0; 1024];
    loop {
        // Returns what has arrived, less than a line or more. 0 bytes mean that the client has closed.
        let length = stream.read(&mut bytes).await?; // <- the difference
        if length == 0 {
            return Ok(requests);
        }
        let request = String::from_utf8_lossy(&bytes[..length]);
        info!("asked for {request:?}");
        requests.push(request.trim_end().into());
    }
}

#[instrument(ret, err, skip_all)]
async fn takes_lines(stream: TcpStream, longest: u64) -> Result<Vec<String>> {
    let mut requests = Vec::new();
    // What a read brings beyond the line break stays in this buffer, and the next line begins with it.
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        // The cap. `take` says after so many bytes that this is the end, and `read_line` returns without a line
        // break. Each line needs a new `take`, which counts its bytes from when it is made.
        let length = (&mut stream).take(longest).read_line(&mut line).await?;
        if length == 0 {
            return Ok(requests);
        }
        // This also rejects a line that is cut off by the end of the stream: "te" is not what the client wanted.
        ensure!(line.ends_with('\n'), "{length} bytes and no line break");
        info!("asked for {line:?}");
        requests.push(line.trim_end().into());
    }
}

/// Where a network cuts the bytes can't be foreseen. The pauses decide it here: the server has read each piece before
/// the next one is sent.
#[instrument(ret, err, skip_all)]
async fn sends_pieces(mut stream: TcpStream) -> Result<()> {
    // By default the system may hold a small piece back until the one before it is acknowledged.
    stream.set_nodelay(true)?;
    for piece in PIECES {
        stream.write_all(piece.as_bytes()).await?;
        sleep(ticks(0.5)).await;
    }
    Ok(()) // the stream is dropped, and that closes the connection
}

#[instrument(ret, err, skip_all)]
async fn sends_no_line_break(mut stream: TcpStream) -> Result<()> {
    for _ in 0..1024 {
        stream.write_all(&[b'a'; 1024]).await?;
    }
    Ok(())
}

fn count(t: &mut Timings, requests: &[String]) {
    let right = requests
        .iter()
        .filter(|page| PAGES.contains(&page.as_str()));
    t.count("requests", requests.len());
    t.count("right", right.count());
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended::Failed, Variant};

    fn said(variant: &Variant) -> Vec<&str> {
        variant.said.iter().map(|said| &*said.text).collect()
    }

    #[tokio::test]
    async fn there_are_as_many_reads_as_lines_and_none_of_them_is_a_line() {
        let t = Timings::of_default(run).await;
        let reads = &t["a read is a request"];
        let asked = [
            r#"asked for "te""#,
            r#"asked for "a\n""#,
            r#"asked for "stew\nrice\n""#,
        ];
        assert_eq!(said(reads), asked);
        assert_eq!(*reads.count("requests"), 3);
        assert_eq!(*reads.count("right"), 0);
    }

    #[tokio::test]
    async fn lines_are_whole_however_they_arrive() {
        let t = Timings::of_default(run).await;
        let lines = &t["a line is a request"];
        assert_eq!(*lines.count("requests"), 3);
        assert_eq!(*lines.count("right"), 3);
        assert!(lines.elapsed >= ticks(1.5));
    }

    #[tokio::test]
    async fn a_line_without_a_break_is_read_to_its_last_byte_unless_there_is_a_cap() {
        let t = Timings::of_default(run).await;
        for (variant, bytes) in [("no cap", 1_048_576), ("a cap", 80)] {
            let error = format!("{bytes} bytes and no line break");
            assert_eq!(*t[variant].count("error"), error.as_str());
            assert_eq!(t[variant].lane("takes_lines").ended, Failed);
        }
    }

    #[tokio::test]
    async fn a_line_that_is_cut_off_and_one_that_is_not_utf_8_are_errors() {
        for (bytes, expected) in [
            (&b"tea\nst"[..], "2 bytes and no line break"),
            (
                b"caf\xe9\n",
                "invalid utf-8 sequence of 1 bytes from index 3",
            ),
        ] {
            let client = async |mut stream: TcpStream| Ok(stream.write_all(bytes).await?);
            let requests = connect(client, |stream| takes_lines(stream, 80)).await;
            assert_eq!(requests.unwrap_err().to_string(), expected);
        }
    }
}
