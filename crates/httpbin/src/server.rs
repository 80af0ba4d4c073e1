use std::{
    io,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    Stats,
    connection::{Stop, serve},
    listen::{LOOPBACK, bind, bind_on_new_runtime},
    shared::Shared,
};

/// A running server.
///
/// Dropping it stops it at once: requests in flight are cut. [`shutdown`](Self::shutdown) lets them finish.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = httpbin::Server::start().await?;
/// assert!(server.url().starts_with("http://127.0.0.1:"));
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    url: String,
    shared: Arc<Shared>,
    stop: watch::Sender<Stop>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// How long the head of a request may take, from its first byte, on a server that has a thread of its own: 10 s.
    pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

    /// Starts on the caller's runtime, on 127.0.0.1 and a port the system chooses.
    ///
    /// On a paused clock `/delay` waits in virtual time, since server and client share the one runtime.
    ///
    /// # Errors
    ///
    /// When no socket can be had, for instance because the process has used up its file descriptors.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = httpbin::Server::start().await?;
    /// assert_ne!(server.addr().port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start() -> io::Result<Self> {
        Self::start_on(LOOPBACK).await
    }

    /// Starts on the caller's runtime and on a given address.
    ///
    /// # Errors
    ///
    /// When the address can't be had: its port is taken, or it isn't this machine's.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let first = httpbin::Server::start().await?;
    /// let taken = httpbin::Server::start_on(first.addr()).await.unwrap_err();
    /// assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start_on(addr: SocketAddr) -> io::Result<Self> {
        let listener = bind(addr)?;
        let addr = listener.local_addr()?;
        let (server, stopped) = Self::new(addr);
        tokio::spawn(serve(listener, Arc::clone(&server.shared), stopped));
        Ok(server)
    }

    /// Starts on a thread of its own with a runtime of its own, on 127.0.0.1 and a port the system chooses: a client
    /// that blocks its thread can't stall this server, and the caller needs no runtime.
    ///
    /// # Errors
    ///
    /// When no thread or no socket can be had.
    ///
    /// ```
    /// use std::io::{Read, Write};
    ///
    /// let server = httpbin::Server::on_thread()?;
    /// let mut client = std::net::TcpStream::connect(server.addr())?;
    /// client.write_all(b"GET /status/204 HTTP/1.0\r\n\r\n")?;
    /// let mut answer = String::new();
    /// client.read_to_string(&mut answer)?;
    /// assert!(answer.starts_with("HTTP/1.0 204"));
    /// server.shutdown_blocking();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_thread() -> io::Result<Self> {
        let (started, start) = mpsc::sync_channel::<io::Result<_>>(1);
        let run = move || {
            // Made here and not by the caller: a runtime must not be dropped inside another one, which is where a
            // caller may stand when something goes wrong.
            let (runtime, listener) = match bind_on_new_runtime() {
                Ok(both) => both,
                Err(error) => return drop(started.send(Err(error))),
            };
            let addr = match listener.local_addr() {
                Ok(addr) => addr,
                Err(error) => return drop(started.send(Err(error))),
            };
            let (server, stopped) = Self::new(addr);
            server.set_head_timeout(Some(Self::HEAD_TIMEOUT));
            let shared = Arc::clone(&server.shared);
            if started.send(Ok(server)).is_ok() {
                runtime.block_on(serve(listener, shared, stopped));
            }
        };
        let thread = thread::Builder::new().name("httpbin".into()).spawn(run)?;
        let mut server = start
            .recv()
            .map_err(|_| io::Error::other("the server's thread ended before it could start"))??;
        server.thread = Some(thread);
        Ok(server)
    }

    fn new(addr: SocketAddr) -> (Self, watch::Receiver<Stop>) {
        let (stop, stopped) = watch::channel(Stop::No);
        let server = Self {
            addr,
            url: format!("http://{addr}"),
            shared: Arc::new(Shared::new(addr)),
            stop,
            thread: None,
        };
        (server, stopped)
    }

    /// Where the server is found: `http://127.0.0.1:PORT`, without a slash at the end.
    ///
    /// ```
    /// let server = httpbin::Server::on_thread()?;
    /// assert_eq!(server.url(), format!("http://{}", server.addr()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address the server listens on.
    ///
    /// ```
    /// let server = httpbin::Server::on_thread()?;
    /// assert!(server.addr().ip().is_loopback());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Limits how long the head of a request may take, from its first byte, on connections that are accepted from now
    /// on; one that takes longer has its connection closed. Connections on which nothing comes stay open.
    ///
    /// A server on the caller's runtime has no limit at first, since that runtime's clock may be paused: while a head
    /// is on its way nothing else may be going on, and the limit would be the next thing to happen.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let server = httpbin::Server::on_thread()?;
    /// server.set_head_timeout(Some(Duration::from_millis(500)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_head_timeout(&self, limit: Option<Duration>) {
        self.shared.set_head_timeout(limit);
    }

    /// What the server has counted so far.
    ///
    /// ```
    /// let server = httpbin::Server::on_thread()?;
    /// assert_eq!(server.stats().peak_in_flight, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// Counts from zero again. What is in flight stays so, and is the peak from which the next one is counted.
    ///
    /// ```
    /// let server = httpbin::Server::on_thread()?;
    /// server.reset_stats();
    /// assert_eq!(server.stats(), httpbin::Stats::default());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset_stats(&self) {
        self.shared.counters.reset();
    }

    /// Stops gracefully: accepts nothing more, ends idle connections, lets requests in flight finish and ends their
    /// connections after that. What hasn't finished within 10 s is cut. On return the port is free.
    ///
    /// Needs no runtime in particular, and a server on a thread of its own may be shut down from any. Dropping the
    /// future before it is done cuts what is left.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = httpbin::Server::start().await?;
    /// let addr = server.addr();
    /// server.shutdown().await;
    /// assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown(self) {
        self.stop.send_replace(Stop::Gracefully);
        // The accept loop and every connection hold a receiver: when the last is gone, so are they.
        self.stop.closed().await;
    }

    /// [`shutdown`](Self::shutdown) for callers without a runtime, on a server that was started by
    /// [`on_thread`](Self::on_thread): blocks until its thread has ended.
    ///
    /// A server on the caller's runtime has no thread to wait for, and waiting would keep that runtime from finishing
    /// anything; such a server is stopped at once, as if dropped.
    ///
    /// ```
    /// let server = httpbin::Server::on_thread()?;
    /// let addr = server.addr();
    /// server.shutdown_blocking();
    /// assert!(std::net::TcpStream::connect(addr).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_blocking(mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.send_replace(Stop::Gracefully);
            join(thread);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(Stop::AtOnce);
        if let Some(thread) = self.thread.take() {
            // Waits for as long as that thread needs to let go of its sockets, so that none outlives the server.
            join(thread);
        }
    }
}

fn join(thread: thread::JoinHandle<()>) {
    // A panic there was printed by its hook; handed on from a `drop` it would abort the process.
    drop(thread.join());
}
