//! # A server that stops: drain, then cut
//!
//! Three clients wait for a page, one has sent half a request, and one nothing. Then the server begins a graceful
//! shutdown (see `queues/graceful-drain`), and a sixth client comes: it is refused. With 10 ticks of grace all 3
//! pages are answered, and the server ends once the last is sent. With 2 ticks, 2 are answered and 1 is cut off; with
//! none, all 3 are cut off. The two that haven't asked yet are closed at once, since nobody knows when they will.
//!
//! asyncio: start_server, Server.close, Server.wait_closed, Server.close_clients
//!
//! real clock: real sockets
//!
//! ```python
//! server = await asyncio.start_server(serve, "127.0.0.1", 0)
//! server.close()                # new clients are refused
//! try:
//!     await asyncio.wait_for(server.wait_closed(), 2)    # until all clients are gone, idle ones too (3.12)
//! except TimeoutError:
//!     server.close_clients()    # closes what is left (3.13)
//! ```
//!
//! Not the same: an asyncio Server knows its connections but not what they do, so it can't tell an idle one from one
//! that is being answered. Up to 3.11 `wait_closed` waits for no client at all. tokio has a listener and no server;
//! this file has one. A `CancellationToken` (see `tasks/cancel`) tells each connection to stop, and the connection
//! looks at it only while it waits for a request. A request that hasn't been read by then is not answered.

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

/// What becomes of a client.
const ANSWERED: &str = "answered";
const CUT_OFF: &str = "cut off";
const NOT_ASKED: &str = "not asked"; // closed before a whole request had arrived
const REFUSED: &str = "refused";

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    for (label, grace, law) in [
        ("10 ticks of grace", 10, exactly(5)),
        ("2 ticks of grace", 2, exactly(3)),
        ("no grace", 0, exactly(1)),
    ] {
        let stopped = stop_amid_requests(ticks(grace));
        let ends = t.time(label, law, stopped).await?;
        for end in [ANSWERED, CUT_OFF, NOT_ASKED, REFUSED] {
            let clients = ends.iter().filter(|&&other| other == end).count();
            t.count(end, clients);
        }
    }
    Ok(())
}

async fn stop_amid_requests(grace: Duration) -> Result<Vec<&'static str>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::default();
    let accepting = tokio::spawn(server.clone().accept_clients(listener));

    let clients = ["2\n", "2\n", "5\n", "2", ""].map(|request| ask(address, request));
    let stop = async {
        sleep(ticks(1)).await;
        server.stop.cancel();
        accepting.await?; // the listener is gone with its task, and the system refuses new clients by itself
        let late = ask(address, "2\n").await?; // while the others are being answered
        server.drain(grace).await;
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
    async fn accept_clients(self, listener: TcpListener) {
        let mut client = 0;
        // `accept` is cancel-safe (see `tasks/select`): a client that it has taken is returned. One that is still in
        // the system's queue is connected, as far as it knows, and gets a reset. Those that come later are refused.
        while let Some(stream) = self.stop.run_until_cancelled(accept(&listener)).await {
            client += 1;
            let connection = serve(client, stream, self.stop.clone());
            // Drops the connection where it stands, when the second token says so.
            let connection = self.cut.clone().run_until_cancelled_owned(connection);
            self.connections.spawn(connection);
        }
    }

    /// Until every connection has ended by itself, or is cut off at the end of the grace.
    async fn drain(&self, grace: Duration) {
        self.connections.close(); // no more tasks will come: `wait` waits for that too
        if timeout(grace, self.connections.wait()).await.is_err() {
            self.cut.cancel();
            self.connections.wait().await;
        }
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // No open files left, for instance. The next `accept` would fail too, and without a pause for ever.
            Err(_) => sleep(ticks(0.1)).await,
        }
    }
}

#[instrument(ret, err, skip(stream, stop))]
async fn serve(client: u32, stream: TcpStream, stop: CancellationToken) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        // Here alone it can be told to stop, so a request that was read is answered, and half of one is dropped.
        // There is no cap on the line here. A server for strangers needs one (see `http/tcp`).
        let read = stop.run_until_cancelled(stream.read_line(&mut line)).await;
        read.transpose()?;
        if !line.ends_with('\n') {
            return Ok(()); // told to stop, or left by its client, perhaps in the middle of a request
        }
        sleep(ticks(line.trim().parse::<u32>()?)).await;
        stream.write_all(b"a page\n").await?;
    }
}

/// A client sends what it asks for, a page that takes so many ticks, and waits until the server answers or closes.
#[instrument(ret, err, skip(server))]
async fn ask(server: SocketAddr, request: &str) -> Result<&'static str> {
    let mut stream = match TcpStream::connect(server).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(REFUSED),
        connected => connected?,
    };
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(match request.ends_with('\n') {
        _ if answer.ends_with('\n') => ANSWERED,
        true => CUT_OFF,
        false => NOT_ASKED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{
        Ended::{self, Cancelled, Returned},
        Variant,
    };

    #[track_caller]
    fn assert_ends(variant: &Variant, answered: usize, cut_off: usize) {
        assert_eq!(*variant.count(ANSWERED), answered);
        assert_eq!(*variant.count(CUT_OFF), cut_off);
        assert_eq!(*variant.count(NOT_ASKED), 2);
        assert_eq!(*variant.count(REFUSED), 1);
        assert!(variant.elapsed >= variant.law.as_ref().unwrap().bound);
    }

    fn connections(variant: &Variant, ended: Ended) -> usize {
        let lanes = variant.lanes.iter();
        lanes
            .filter(|lane| lane.label.contains("serve(") && lane.ended == ended)
            .count()
    }

    #[tokio::test]
    async fn with_enough_grace_every_request_is_answered() {
        let t = Timings::of_default(run).await;
        assert_ends(&t["10 ticks of grace"], 3, 0);
        assert_eq!(connections(&t["10 ticks of grace"], Returned), 5);
    }

    #[tokio::test]
    async fn what_is_not_done_by_the_end_of_the_grace_is_cut_off() {
        let t = Timings::of_default(run).await;
        assert_ends(&t["2 ticks of grace"], 2, 1);
        assert_eq!(connections(&t["2 ticks of grace"], Cancelled), 1);
        assert_ends(&t["no grace"], 0, 3);
    }

    #[tokio::test]
    async fn clients_that_have_not_asked_are_not_waited_for() {
        let t = Timings::of_default(run).await;
        let lane = |client| t["10 ticks of grace"].lane(client);
        let answered = lane(r#"ask("2\n")"#).end;
        for not_asked in [r#"ask("2")"#, r#"ask("")"#] {
            assert!(lane(not_asked).end < answered, "{not_asked}");
        }
    }
}
