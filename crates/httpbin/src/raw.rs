//! Answers that break HTTP's rules, or never begin: what a client has to survive.
//!
//! hyper keeps its own protocol: it completes a body, or gives up a connection together with what it still holds, and
//! it sends a head in one piece. So such an answer is a script for the bare socket. The handler ends with [`TakenOver`]
//! instead of a response, hyper gives the socket back without having written to it, and the connection's own task
//! plays the script.

use std::{fmt, io, pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt};
use hyper::{Response, body::Bytes, http::response::Parts};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::body::Body;

/// How an answer is sent. Its status and headers are those of the response around it.
pub(crate) struct Raw {
    pub(crate) head: Head,
    pub(crate) body: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    pub(crate) end: End,
}

pub(crate) enum Head {
    AtOnce,
    /// So many lines more than it has, each after a pause.
    Slowly {
        lines: u32,
        pause: Duration,
    },
    Never,
}

pub(crate) enum End {
    Close,
    /// Throws away what the kernel hasn't sent, and what it has sent may be thrown away at the other end.
    Reset,
    /// Sends nothing for that long, then closes.
    Silence(Duration),
    /// The connection is a member of a chat room from now on.
    #[cfg(feature = "websocket")]
    Chat(crate::chat::Seat),
}

/// Why hyper gets no response.
#[derive(Debug)]
pub(crate) struct TakenOver;

impl fmt::Display for TakenOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection's own task answers this request")
    }
}

impl std::error::Error for TakenOver {}

/// Plays an answer to its end, or until the client goes away. `ahead` is what hyper has read behind the request.
pub(crate) async fn play(mut stream: TcpStream, ahead: Bytes, response: Response<Body>) {
    let (head, body) = response.into_parts();
    // Held to the end: until then the request is in flight.
    let (raw, _in_flight) = body.into_raw();
    let Some(mut raw) = raw else {
        return; // no script: hyper sends such an answer itself
    };
    #[cfg(feature = "websocket")]
    if let End::Chat(seat) = raw.end {
        if send_head(&head, &raw.head, &mut stream).await.is_ok() {
            crate::chat::take_part(stream, ahead, seat).await;
        }
        return;
    }
    drop(ahead);
    let (mut read, mut write) = stream.split();
    let script = async {
        send_head(&head, &raw.head, &mut write).await?;
        while let Some(piece) = raw.body.next().await {
            write.write_all(&piece).await?;
        }
        if let End::Silence(span) = raw.end {
            sleep(span).await;
        }
        io::Result::Ok(())
    };
    // A client that is gone is no reason to do anything but end, and so is a failed write, which says the same.
    tokio::select! {
        _ = script => {}
        () = gone(&mut read) => {}
    }
    if let End::Reset = raw.end {
        // A socket that refuses is one that is closed already.
        let _ = stream.set_zero_linger();
    }
}

async fn send_head(
    parts: &Parts,
    how: &Head,
    write: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    if let Head::Never = how {
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    if let Head::Slowly { lines, pause } = how {
        for line in 1..=*lines {
            write.write_all(&head).await?;
            sleep(*pause).await;
            head = format!("x-line: {line}\r\n").into_bytes();
        }
    }
    head.extend(b"\r\n");
    write.write_all(&head).await
}

/// Returns when the client has closed its side. What it sends until then is read and forgotten: closed over unread
/// bytes, a connection ends by a reset.
async fn gone(read: &mut (impl AsyncRead + Unpin)) {
    let mut forgotten = [0; 1024];
    while read.read(&mut forgotten).await.is_ok_and(|n| n > 0) {}
}
