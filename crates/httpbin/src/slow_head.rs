//! The time a client has for the head of a request, counted from its first byte.
//!
//! hyper's own timeout counts from the end of the request before, so it closes connections that are merely idle, which
//! a client keeps for its next request. Here hyper asks for its timer as always, but the timer starts to run when the
//! socket has had something to read; as long as nothing has come there is no timer at all.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time,
};

/// Whether anything was read since hyper began to wait for a head.
type Begun = Arc<AtomicBool>;

/// A socket that notes when something was read from it.
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    begun: Begun,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let begun = Begun::default();
        Self { stream, begun }
    }

    /// The timer for hyper.
    pub(crate) fn timer(&self, limit: Duration) -> HeadTimer {
        let begun = Arc::clone(&self.begun);
        HeadTimer { begun, limit }
    }
}

pub(crate) struct HeadTimer {
    begun: Begun,
    limit: Duration,
}

/// What hyper polls whenever a head isn't complete.
struct Wait {
    begun: Begun,
    limit: Duration,
    running: Option<Pin<Box<time::Sleep>>>,
}

impl rt::Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.begun.store(false, Ordering::Relaxed);
        Box::pin(Wait {
            begun: Arc::clone(&self.begun),
            limit: self.limit,
            running: None,
        })
    }

    /// hyper counts from now; the deadline it has in mind is not the one that is kept here.
    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep(self.limit)
    }
}

impl rt::Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.running.is_none() {
            if !self.begun.load(Ordering::Relaxed) {
                // Nobody has to be woken: what is read next wakes the connection, which comes back here.
                return Poll::Pending;
            }
            self.running = Some(Box::pin(time::sleep(self.limit)));
        }
        match &mut self.running {
            Some(running) => running.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.begun.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
