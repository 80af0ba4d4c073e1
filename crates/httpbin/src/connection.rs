//! The accept loop, and what one connection does from its first byte to its last.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::http1::{self, Parts},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};

use crate::{
    body::Body,
    raw::{self, TakenOver},
    routes,
    shared::Shared,
    slow_head::Socket,
    stats::InFlight,
};

/// How long a graceful shutdown waits for requests in flight.
const GRACE: Duration = Duration::from_secs(10);

/// The largest head of a request, in bytes. hyper allows a hundred headers in it.
const LARGEST_HEAD: usize = 64 << 10;

/// What the handle tells the accept loop and every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    No,
    Gracefully,
    AtOnce,
}

/// What the routes know of the connection a request came by.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    /// The client's address as text, made once for all its requests.
    pub(crate) origin: String,
    counted: AtomicBool,
    /// The answer that hyper doesn't send: the connection's last.
    raw: Mutex<Option<Response<Body>>>,
}

impl Connection {
    /// Takes an answer for the bare socket.
    pub(crate) fn take_over(&self, response: Response<Body>) -> TakenOver {
        *self.raw.lock().unwrap_or_else(PoisonError::into_inner) = Some(response);
        TakenOver
    }

    /// Counts a request, and with the first of them the connection.
    pub(crate) fn begin_request(&self) -> InFlight {
        let first = !self.counted.swap(true, Ordering::Relaxed);
        self.shared.counters.begin(first)
    }
}

/// Accepts until told to stop. Returns when every connection has ended or was cut.
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<Stop>,
) {
    // Dropping the set aborts its tasks, so no connection outlives this function.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, peer) = accept(&listener) => {
                connections.spawn(converse(stream, peer, Arc::clone(&shared), stop.clone()));
            }
            // Taken out as they end, or a long run would keep a record of every connection it ever had.
            Some(_) = connections.join_next() => {}
            () = told(&mut stop, Stop::Gracefully) => break,
        }
    }
    drop(listener);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = sleep(GRACE) => {}
        () = told(&mut stop, Stop::AtOnce) => {}
    }
}

/// The next connection, whatever goes wrong before it comes.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client gave up while it was waiting in the queue: its own affair, and the next one is there.
            Err(error) if is_of_the_client(&error) => {}
            // Out of file descriptors or memory. The connection stays in the queue, so asking again at once would
            // find the same error for ever; connections that end meanwhile make room.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// One connection, request after request.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<Stop>,
) {
    // Without it the pieces of a streamed answer wait for the client's delayed acknowledgement, 40 ms each. A socket
    // that refuses is one whose client is gone, which the first read will tell.
    let _ = stream.set_nodelay(true);
    let connection = Connection {
        shared,
        origin: peer.ip().to_string(),
        counted: AtomicBool::new(false),
        raw: Mutex::default(),
    };
    let service = service_fn(async |request: Request<Incoming>| {
        let response = routes::answer(&connection, request).await;
        if response.body().is_raw() {
            return Err(connection.take_over(response));
        }
        Ok(response)
    });
    let limit = connection.shared.head_timeout();
    let stream = Socket::new(stream);
    let mut http = http1::Builder::new();
    http.max_header_size(LARGEST_HEAD);
    if let Some(limit) = limit {
        http.timer(stream.timer(limit)).header_read_timeout(limit);
    }
    // Answers are small: copied behind its head into one buffer each costs a plain write, which the kernel does
    // faster than a vectored one.
    http.writev(false);
    let mut served = http.serve_connection(TokioIo::new(stream), service);
    // How a connection ended is the client's to know: it sees the same reset or broken request from its own side.
    tokio::select! {
        biased;
        _ = &mut served => {}
        () = told(&mut stop, Stop::Gracefully) => {
            Pin::new(&mut served).graceful_shutdown();
            let _ = (&mut served).await;
        }
    }
    let Parts { io, read_buf, .. } = served.into_parts();
    let raw = connection
        .raw
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(response) = raw {
        // Nothing in such an answer is worth waiting for at a shutdown, and some of them never end.
        tokio::select! {
            () = raw::play(io.into_inner().stream, read_buf, response) => {}
            () = told(&mut stop, Stop::Gracefully) => {}
        }
    }
}

/// Waits for that word or a stronger one. A handle that is gone can't say any, and counts as the strongest.
async fn told(stop: &mut watch::Receiver<Stop>, word: Stop) {
    let _ = stop.wait_for(|&now| now >= word).await;
}
