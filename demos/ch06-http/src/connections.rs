//! # A thousand connections, one thread
//!
//! A server answers each line after 1 tick, with the same line. One client gets its line back after 1 tick, and a
//! thousand clients at once get theirs after 1 tick too, plus the work for a thousand answers: each connection is a
//! task, and all of them wait on one thread. Both ends of a connection together take some 1 200 bytes of this
//! process, besides the buffers of the system. The limit on open files decides how many connections there can be. A
//! shell may set it to 1 024; the lesson raises it to 4 000, or as far as it may.
//!
//! asyncio: start_server, open_connection, StreamReader.readline, StreamWriter.drain
//!
//! real clock: real sockets
//!
//! ```python
//! async def echo(reader, writer):
//!     while line := await reader.readline():
//!         await asyncio.sleep(1)
//!         writer.write(line); await writer.drain()
//!     writer.close()    # `start_server` doesn't: the open file would stay until the garbage collector comes
//! server = await asyncio.start_server(echo, "127.0.0.1", 0)
//! ```
//!
//! Not the same: `start_server` accepts and makes the tasks for you, and logs an exception in one of them. Here the
//! server keeps its tasks in a `JoinSet`, and each ends with a `Result`. The buffers are yours too: `BufReader::new`
//! would take 8 KiB for each connection, and the lines of this server have 80 bytes at most.

use std::{
    collections::HashSet,
    thread::{self, ThreadId},
};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use timing::{
    Timings,
    law::{exactly, max},
    memory::Usage,
    ticks,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
    try_join,
};
use tracing::{info, instrument};

use crate::options::Options;

const WANTED: u32 = 1_000;

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let many = allowed()?;
    let before = Usage::now();
    let (mut clients, server) = connect(many).await?;
    let bytes = before.growth().asked / clients.len();

    let back = t
        .time("one asks", exactly(1), ask(&mut clients[..1]))
        .await?;
    t.count("connections", clients.len());
    t.count("lines back", back.len());

    let law = max(vec![1; many as usize]);
    let back = t.time("all ask at once", law, ask(&mut clients)).await?;
    t.count("connections", clients.len());
    t.count("lines back", back.len());
    t.count("bytes each", bytes);

    drop(clients); // the server's tasks end with their connections
    t.count("server threads", threads_of(server).await?.len());
    Ok(())
}

/// As many as are wanted, if the limit on open files can be raised that far; otherwise fewer.
pub fn allowed() -> Result<u32> {
    // A process may raise it by itself up to a second, hard limit. What comes back is the limit it has now.
    let wanted = 4 * u64::from(WANTED);
    let limit = rlimit::increase_nofile_limit(wanted).context("the limit on open files")?;
    let many = possible(limit);
    if many < WANTED {
        info!("{many} connections: the open files end at {limit}");
        info!("after \"ulimit -n 2100\" there are {WANTED}");
    }
    Ok(many)
}

/// Both ends of a connection are open files of this process, and some more are open already.
fn possible(limit: u64) -> u32 {
    let connections = limit.saturating_sub(50) / 2;
    u32::try_from(connections)
        .unwrap_or(WANTED)
        .clamp(1, WANTED)
}

type Server = JoinSet<Result<ThreadId>>;

async fn connect(many: u32) -> Result<(Vec<TcpStream>, Server)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (mut clients, mut server) = (Vec::new(), Server::new());
    for _ in 0..many {
        let (client, (stream, _)) = try_join!(TcpStream::connect(address), listener.accept())?;
        clients.push(client);
        // The buffer is most of what a connection costs.
        server.spawn(echoes(BufReader::with_capacity(80, stream)));
    }
    Ok((clients, server))
}

/// One connection of the server, until its client leaves. Returns the thread it ran on.
async fn echoes(mut stream: BufReader<TcpStream>) -> Result<ThreadId> {
    let mut line = String::new();
    while (&mut stream).take(80).read_line(&mut line).await? > 0 {
        sleep(ticks(1)).await; // the other connections are served meanwhile
        stream.write_all(line.as_bytes()).await?;
        line.clear();
    }
    Ok(thread::current().id())
}

/// All clients at once; each result is a line that has come back.
async fn ask(clients: &mut [TcpStream]) -> Result<Vec<()>> {
    try_join_all((0..).zip(clients).map(|(n, client)| asks(n, client))).await
}

#[instrument(ret, err, skip(stream))]
async fn asks(client: u32, stream: &mut TcpStream) -> Result<()> {
    let line = format!("client {client}\n");
    stream.write_all(line.as_bytes()).await?;
    let mut back = vec![0; line.len()];
    stream.read_exact(&mut back).await?;
    // A line of another client would be as long, so it isn't enough that something has come back.
    ensure!(back == line.as_bytes(), "another line came back");
    Ok(())
}

/// Waits for the end of every connection. A failed one is an error of the server.
async fn threads_of(mut server: Server) -> Result<HashSet<ThreadId>> {
    let mut threads = HashSet::new();
    while let Some(connection) = server.join_next().await {
        threads.insert(connection??);
    }
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended::Returned;

    #[tokio::test]
    async fn a_thousand_wait_at_the_same_time_and_every_line_comes_back() {
        let t = Timings::of_default(run).await;
        let all = &t["all ask at once"];
        assert_eq!(*all.count("connections"), WANTED);
        assert_eq!(*all.count("lines back"), WANTED);
        assert_eq!(all.lanes.len(), WANTED as usize);
        assert!(all.lanes.iter().all(|lane| lane.ended == Returned));
        // One after another they would take a thousand ticks. A busy machine may take its time for the work.
        assert!((ticks(1)..ticks(100)).contains(&all.elapsed));
    }

    #[tokio::test]
    async fn one_thread_serves_them_all() {
        let t = Timings::of_default(run).await;
        assert_eq!(*t["all ask at once"].count("server threads"), 1);
    }

    #[test]
    fn the_limit_on_open_files_decides_how_many_there_are() {
        assert_eq!(possible(u64::MAX), WANTED);
        assert_eq!(possible(4_000), WANTED);
        assert_eq!(possible(256), 103);
        assert_eq!(possible(0), 1);
    }
}
