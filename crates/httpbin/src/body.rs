//! Bodies in both directions: an answer's, whole or in pieces, and a request's, read up to a limit.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Stream, stream};
use hyper::{
    StatusCode,
    body::{Body as _, Bytes, Frame, Incoming, SizeHint},
};
use tokio::time::{Instant, sleep_until};

use crate::{raw::Raw, routes::Refusal, stats::InFlight};

/// The largest request body that is kept, in bytes.
const LIMIT: usize = 16 << 20;

/// An answer's body, and the request's place among those in flight: hyper drops it with the last byte handed over, or
/// when the client goes away.
pub(crate) struct Body {
    content: Content,
    in_flight: Option<InFlight>,
}

enum Content {
    Whole(Bytes),
    Pieces {
        pieces: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
        /// Bytes still to come, where that is known beforehand: the answer then has a Content-Length, otherwise it is
        /// chunked.
        left: Option<u64>,
    },
    /// Never seen by hyper.
    Raw(Box<Raw>),
}

impl Body {
    pub(crate) fn pieces(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Content::Pieces {
            pieces: Box::pin(pieces),
            left: None,
        }
        .into()
    }

    /// `length` bytes in pieces, the first after `first`, each further one `pause` after the one before.
    pub(crate) fn paced(
        length: u64,
        first: Duration,
        pause: Duration,
        pieces: impl Iterator<Item = Bytes> + Send + 'static,
    ) -> Self {
        Content::Pieces {
            pieces: Box::pin(paced(first, pause, pieces)),
            left: Some(length),
        }
        .into()
    }

    pub(crate) fn raw(raw: Raw) -> Self {
        Content::Raw(Box::new(raw)).into()
    }

    pub(crate) fn is_raw(&self) -> bool {
        matches!(self.content, Content::Raw(_))
    }

    /// The script for the bare socket, if that is what this body is, and the request's place among those in flight.
    pub(crate) fn into_raw(self) -> (Option<Raw>, Option<InFlight>) {
        let raw = match self.content {
            Content::Raw(raw) => Some(*raw),
            Content::Whole(_) | Content::Pieces { .. } => None,
        };
        (raw, self.in_flight)
    }

    /// Keeps the request in flight for as long as this body lasts.
    pub(crate) fn hold(&mut self, in_flight: Option<InFlight>) {
        self.in_flight = in_flight;
    }
}

/// The first piece after `first`, each further one `pause` after the one before.
pub(crate) fn paced(
    first: Duration,
    pause: Duration,
    pieces: impl Iterator<Item = Bytes> + Send + 'static,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let due = Instant::now() + first;
    stream::unfold((pieces, due), move |(mut pieces, due)| async move {
        let piece = pieces.next()?;
        // Moments, not spans: what one piece is late by is not added to the next.
        sleep_until(due).await;
        Some((piece, (pieces, due + pause)))
    })
}

impl From<Content> for Body {
    fn from(content: Content) -> Self {
        Self {
            content,
            in_flight: None,
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(whole: T) -> Self {
        Content::Whole(whole.into()).into()
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => None,
            Content::Whole(bytes) => Some(std::mem::take(bytes)),
            Content::Pieces { pieces, left } => {
                let piece = ready!(pieces.as_mut().poll_next(cx));
                if let (Some(piece), Some(left)) = (&piece, left) {
                    *left -= piece.len() as u64;
                }
                piece
            }
            Content::Raw(_) => None,
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Pieces { left, .. } => *left == Some(0),
            Content::Raw(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces { left, .. } => left.map_or_else(SizeHint::new, SizeHint::with_exact),
            Content::Raw(_) => SizeHint::new(),
        }
    }
}

/// The whole of a request's body.
pub(crate) async fn read(mut incoming: Incoming) -> Result<Vec<u8>, Refusal> {
    let mut whole = Vec::new();
    let mut seen = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
        let frame = frame
            .map_err(|error| Refusal::bad(format!("the request's body is broken: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue; // trailers
        };
        seen += data.len();
        if seen <= LIMIT {
            whole.extend_from_slice(&data);
        } else if seen > 4 * LIMIT {
            break;
        }
        // Between the two what comes is read and forgotten: a client writes its whole body before it looks for an
        // answer, and a connection closed under its hands would be all it sees.
    }
    if seen > LIMIT {
        let text = format!("the request's body is larger than {LIMIT} bytes");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(whole)
}
