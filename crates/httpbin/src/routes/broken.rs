//! Answers that break off, never end, or never begin.

use std::{iter, time::Duration};

use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING},
};

use super::{Answer, Refusal, call::Call, status::text};
use crate::{
    body::{Body, paced},
    raw::{End, Head, Raw},
};

/// The most that is sent of an answer that breaks off, in bytes.
const MOST_SENT: u64 = 16 << 20;
/// The longest body that is announced, in bytes.
const LONGEST: u64 = 1_000_000_000_000;
/// The largest piece, in bytes.
const LARGEST_PIECE: u64 = 64 << 10;

pub(super) const KINDS: [&str; 8] = [
    "endless",
    "huge",
    "reset",
    "reset-body",
    "short",
    "silence",
    "slow-head",
    "stall",
];

pub(super) fn broken(call: &Call<'_>, kind: &str) -> Answer {
    match kind {
        "silence" => {
            let end = End::Silence(call.seconds("seconds", 60.0)?);
            Ok(raw(Head::Never, iter::empty(), Duration::ZERO, end))
        }
        "reset" => Ok(raw(Head::Never, iter::empty(), Duration::ZERO, End::Reset)),
        "slow-head" => slow_head(call),
        "reset-body" => breaks_off(call, End::Reset),
        "short" => breaks_off(call, End::Close),
        "stall" => breaks_off(call, End::Silence(call.seconds("seconds", 60.0)?)),
        "endless" => endless(call),
        "huge" => huge(call),
        _ => Err(Refusal::not_found()),
    }
}

fn slow_head(call: &Call<'_>) -> Answer {
    let lines = call.within("lines", 10, 1..=1000)?;
    let pause = call.seconds("pause", 0.1)?;
    let body = iter::once(Bytes::from_static(b"done\n"));
    let response = raw(
        Head::Slowly { lines, pause },
        body,
        Duration::ZERO,
        End::Close,
    );
    Ok(with(response, CONTENT_LENGTH, 5.into()))
}

/// Sends only the first bytes of those it announces.
fn breaks_off(call: &Call<'_>, end: End) -> Answer {
    let length = call.within("length", 1000, 1..=LONGEST)?;
    let most = MOST_SENT.min(length - 1);
    let sent = call.within("sent", most.min(10), 0..=most)?;
    let pieces = (0..sent).step_by(LARGEST_PIECE as usize);
    let pieces = pieces.map(move |at| stars(LARGEST_PIECE.min(sent - at)));
    let response = raw(Head::AtOnce, pieces, Duration::ZERO, end);
    Ok(with(response, CONTENT_LENGTH, length.into()))
}

fn endless(call: &Call<'_>) -> Answer {
    let (piece, pause) = pace(call)?;
    let size = format!("{:x}\r\n", piece.len());
    let chunk = Bytes::from([size.as_bytes(), &piece, b"\r\n"].concat());
    let response = raw(Head::AtOnce, iter::repeat(chunk), pause, End::Close);
    let chunked = HeaderValue::from_static("chunked");
    Ok(with(response, TRANSFER_ENCODING, chunked))
}

/// A body so long that a client does well to look at its length first.
fn huge(call: &Call<'_>) -> Answer {
    let length = call.within("length", 100_000_000_000, 1..=LONGEST)?;
    let (piece, pause) = pace(call)?;
    let pieces = (0..length).step_by(piece.len());
    let pieces = pieces.map(move |at| {
        let left = length - at;
        piece.slice(..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX)))
    });
    let response = raw(Head::AtOnce, pieces, pause, End::Close);
    Ok(with(response, CONTENT_LENGTH, length.into()))
}

/// A piece, and how long after it comes the next.
fn pace(call: &Call<'_>) -> Result<(Bytes, Duration), Refusal> {
    let piece = call.within("piece", 1024, 1..=LARGEST_PIECE)?;
    Ok((stars(piece), call.seconds("pause", 0.1)?))
}

fn stars(bytes: u64) -> Bytes {
    Bytes::from(vec![b'*'; bytes as usize])
}

fn raw(
    head: Head,
    pieces: impl Iterator<Item = Bytes> + Send + 'static,
    pause: Duration,
    end: End,
) -> Response<Body> {
    let raw = Raw {
        head,
        body: Box::pin(paced(Duration::ZERO, pause, pieces)),
        end,
    };
    text(StatusCode::OK, Body::raw(raw))
}

fn with(mut response: Response<Body>, name: HeaderName, value: HeaderValue) -> Response<Body> {
    response.headers_mut().insert(name, value);
    response
}
