//! # A server that stops and cuts no answer off
//!
//! Three clients wait for a page, two have a connection and ask for nothing. Then the server is told to stop, and a
//! sixth client comes: it is refused. With 10 ticks of grace all 3 pages are answered, and the server ends with the last
//! of them. With 2 ticks, 2 are answered and 1 is cut off; with none, all 3 are cut off. The idle connections are closed
//! at once, since their clients may keep them open for as long as they like.
//!
//! asyncio: start_server, Server.close, Server.wait_closed, Server.close_clients
//!
//! real clock: real sockets
//!
//! ```python
//! server = await asyncio.start_server(serve, "127.0.0.1", 0)
//! server.close()                    # new clients are refused
//! async with asyncio.timeout(2):
//!     await server.wait_closed()    # until all clients are gone, idle ones too (3.12)
//! server.close_clients()            # closes what is left (3.13)
//! ```
//!
//! Not the same: an asyncio Server knows its connections and not what they do, so it can't tell an idle one from one
//! that is being answered. Up to 3.11 `wait_closed` waits for neither. tokio has a listener and no server; this file has
//! one. A token tells each connection to stop, and the connection looks at it between two requests, never inside one.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use anyhow::Result;
use futures_util::future::try_join_all;
use timing::{Timings, law::exactly, ticks};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
    try_join,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::instrument;

use crate::options::Options;

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    for (label, grace, law) in [
        ("10 ticks of grace", 10, exactly(5)),
        ("2 ticks of grace", 2, exactly(3)),
        ("no grace", 0, exactly(1)),
    ] {
        let ends = t
            .time(label, law, stops_amid_requests(ticks(grace)))
            .await?;
        for end in [End::Answered, End::CutOff, End::IdleClosed, End::Refused] {
            let clients = ends.iter().filter(|&&other| other == end).count();
            t.count(format!("{end:?}"), clients);
        }
    }
    Ok(())
}

async fn stops_amid_requests(grace: Duration) -> Result<Vec<End>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::default();
    let accepting = tokio::spawn(server.clone().accepts(listener));

    let clients = [Some(2), Some(2), Some(5), None, None].map(|page| asks(address, page));
    let stop = async {
        sleep(ticks(1)).await;
        server.stop.cancel();
        accepting.await?; // the listener is gone with its task, and the system refuses new clients by itself
        let late = asks(address, Some(2)).await?; // while the others are being answered
        server.drains(grace).await;
        Ok(late)
    };
    let (mut ends, late) = try_join!(try_join_all(clients), stop)?;
    ends.push(late);
    Ok(ends)
}

/// A clone is another handle of the same two tokens and the same tracker.
#[derive(Clone, Default)]
struct Server {
    /// Take on nothing new; end when what was taken on is done.
    stop: CancellationToken,
    /// End where you are.
    cut: CancellationToken,
    /// Knows how many tasks there are, and keeps nothing of those that have ended.
    connections: TaskTracker,
}

impl Server {
    async fn accepts(self, listener: TcpListener) {
        // `accept` is cancel-safe: a client that it has taken is returned. One that is still in the system's queue is
        // refused with all that come later.
        while let Some(accepted) = self.stop.run_until_cancelled(listener.accept()).await {
            let Ok((stream, _)) = accepted else {
                // That client has given up, or there are no open files left. Then the next `accept` fails too, and
                // without a pause this would keep the thread busy until a connection ends.
                sleep(ticks(0.1)).await;
                continue;
            };
            let connection = serves(stream, self.stop.clone());
            // Drops the connection where it stands, when the second token says so.
            let connection = self.cut.clone().run_until_cancelled_owned(connection);
            self.connections.spawn(connection);
        }
    }

    /// Until every connection has ended by itself, or is cut off at the end of the grace.
    async fn drains(&self, grace: Duration) {
        self.connections.close(); // says that no task will come; without it `wait` waits even if there is none
        if timeout(grace, self.connections.wait()).await.is_err() {
            self.cut.cancel();
            self.connections.wait().await;
        }
    }
}

#[instrument(ret, err, skip_all)]
async fn serves(stream: TcpStream, stop: CancellationToken) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        // Here alone it can be told to stop: everything that it was asked for is answered.
        let read = stop.run_until_cancelled(stream.read_line(&mut line)).await;
        let Some(1..) = read.transpose()? else {
            return Ok(()); // told to stop, or left by its client
        };
        sleep(ticks(line.trim().parse::<u32>()?)).await;
        stream.write_all(b"a page\n").await?;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Answered,
    CutOff,
    IdleClosed,
    Refused,
}

/// A client asks for a page that takes so many ticks, or for nothing, and waits until the server answers or closes.
#[instrument(ret, err, skip(server))]
async fn asks(server: SocketAddr, page: Option<u32>) -> Result<End> {
    let mut stream = match TcpStream::connect(server).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(End::Refused),
        connected => connected?,
    };
    if let Some(time) = page {
        stream.write_all(format!("{time}\n").as_bytes()).await?;
    }
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(match page {
        _ if answer.ends_with('\n') => End::Answered,
        Some(_) => End::CutOff,
        None => End::IdleClosed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{
        Ended::{self, Cancelled, Returned},
        Variant,
    };

    async fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t, &Options::default()).await.unwrap();
        t
    }

    #[track_caller]
    fn assert_ends(variant: &Variant, answered: usize, cut_off: usize) {
        assert_eq!(*variant.count("Answered"), answered);
        assert_eq!(*variant.count("CutOff"), cut_off);
        assert_eq!(*variant.count("IdleClosed"), 2);
        assert_eq!(*variant.count("Refused"), 1);
        assert!(variant.elapsed >= variant.law.as_ref().unwrap().bound);
    }

    fn connections(variant: &Variant, ended: Ended) -> usize {
        let lanes = variant.lanes.iter();
        lanes
            .filter(|lane| lane.label.contains("serves") && lane.ended == ended)
            .count()
    }

    #[tokio::test]
    async fn with_enough_grace_every_request_is_answered() {
        let t = measured().await;
        assert_ends(&t["10 ticks of grace"], 3, 0);
        assert_eq!(connections(&t["10 ticks of grace"], Returned), 5);
    }

    #[tokio::test]
    async fn what_is_not_done_by_the_end_of_the_grace_is_cut_off() {
        let t = measured().await;
        assert_ends(&t["2 ticks of grace"], 2, 1);
        assert_eq!(connections(&t["2 ticks of grace"], Cancelled), 1);
        assert_ends(&t["no grace"], 0, 3);
    }

    #[tokio::test]
    async fn idle_clients_are_not_waited_for() {
        let t = measured().await;
        let graceful = &t["10 ticks of grace"];
        let [idle, answered] =
            ["asks(None)", "asks(Some(2))"].map(|client| graceful.lane(client).end);
        assert!(idle < answered);
    }
}
