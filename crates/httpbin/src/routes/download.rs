//! A download that can be cut, resumed, and checked against its digest.

use std::{
    ops::{Range, RangeInclusive},
    time::Duration,
};

use hmac_sha256::Hash;
use hyper::{
    Method, Response, StatusCode,
    body::Bytes,
    header::{
        ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, HeaderValue, IF_RANGE,
        RANGE,
    },
};
use tokio::task::yield_now;

use super::{Answer, Refusal, call::Call, data::octets, multipart::base64, status::text};
use crate::{
    body::{self, Body},
    random::Random,
    raw::{End, Head, Raw},
};

/// The largest download, in bytes.
const LARGEST: u64 = 64 << 20;
/// What is made and sent at once, in bytes.
const PIECE: u64 = 64 << 10;
/// How many pieces a second a paced download has, where that makes them smaller.
const PIECES_A_SECOND: u64 = 20;
/// RFC 9530: the digest of the whole, whatever part of it an answer holds.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// `n` bytes that are the same every time, or the part of them which the Range header asks for.
pub(super) async fn download(call: &Call<'_>, n: u64) -> Answer {
    if n == 0 || n > LARGEST {
        return Err(Refusal::bad(format!(
            "`{n}` is no number of bytes from 1 to {LARGEST}"
        )));
    }
    let seed = call.number("seed", 0_u64)?;
    let rate = call.within("rate", u64::MAX, 1..=1_000_000_000)?;
    let cut = cut(call, n)?;

    let etag = value(format!("\"{n}-{seed}\""));
    // Asked with a tag that is no longer this one, the whole is what the client can use.
    let matches = call
        .head
        .headers
        .get(IF_RANGE)
        .is_none_or(|tag| tag == etag);
    let asked = if matches { call.header(&RANGE) } else { None };
    let mut response = match asked.map_or(Part::Whole, |asked| part(&asked, n)) {
        Part::Whole => sent(seed, 0..n, rate, cut),
        Part::Some(part) => {
            let content_range = format!("bytes {}-{}/{n}", part.start(), part.end());
            let mut response = sent(seed, *part.start()..part.end() + 1, rate, cut);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            response
                .headers_mut()
                .insert(CONTENT_RANGE, value(content_range));
            response
        }
        Part::Beyond => {
            let sentence = format!("there are {n} bytes, and none where the Range begins\n");
            let mut response = text(StatusCode::RANGE_NOT_SATISFIABLE, sentence);
            let content_range = value(format!("bytes */{n}"));
            response.headers_mut().insert(CONTENT_RANGE, content_range);
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(ETAG, etag);
    headers.insert(REPR_DIGEST, digest(call, seed, n).await);
    Ok(response)
}

/// After how many bytes this answer is to be cut, if it is.
fn cut(call: &Call<'_>, n: u64) -> Result<Option<u64>, Refusal> {
    if call.query.get("cut").is_none() {
        return Ok(None);
    }
    let cut = call.within("cut", 0, 0..=n - 1)?;
    let Some(key) = call.query.get("key") else {
        return Err(Refusal::bad(
            "`cut` without a `key`: it is the first request of a key that is cut",
        ));
    };
    // HEAD has no body to cut. The slash keeps these keys apart from those of `/stand-in/flaky`, which have none.
    let first = call.head.method == Method::GET
        && call.connection.shared.attempt(format!("download/{key}")) == 1;
    Ok(first.then_some(cut))
}

fn sent(seed: u64, part: Range<u64>, rate: u64, cut: Option<u64>) -> Response<Body> {
    let length = part.end - part.start;
    let (piece, pause) = if rate == u64::MAX {
        (PIECE, Duration::ZERO)
    } else {
        let piece = (rate / PIECES_A_SECOND).clamp(1, PIECE);
        (piece, Duration::from_secs_f64(piece as f64 / rate as f64))
    };
    let end = cut.map_or(part.end, |cut| part.end.min(part.start + cut));
    let pieces = (part.start..end).step_by(piece as usize);
    let pieces = pieces.map(move |at| content(seed, at..end.min(at + piece)));
    if end == part.end {
        return octets(Body::paced(length, Duration::ZERO, pause, pieces));
    }
    // Closed and not reset: all that was sent before arrives.
    let mut response = octets(Body::raw(Raw {
        head: Head::AtOnce,
        body: Box::pin(body::paced(Duration::ZERO, pause, pieces)),
        end: End::Close,
    }));
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// Part of the bytes that a seed stands for. Any part is made without those before it.
fn content(seed: u64, part: Range<u64>) -> Bytes {
    let mut random = Random::nth(seed, part.start / 8);
    let skipped = (part.start % 8) as usize;
    let length = (part.end - part.start) as usize;
    let mut bytes = Vec::with_capacity(skipped + length + 8);
    while bytes.len() < skipped + length {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    Bytes::from(bytes).slice(skipped..skipped + length)
}

/// What the bytes hash to. Computed once for each download, since 64 MiB take as long as many an answer.
async fn digest(call: &Call<'_>, seed: u64, n: u64) -> HeaderValue {
    let shared = &call.connection.shared;
    if let Some(known) = shared.digest(seed, n) {
        return known;
    }
    let mut hash = Hash::new();
    for at in (0..n).step_by(PIECE as usize) {
        hash.update(content(seed, at..n.min(at + PIECE)));
        // The other connections are served meanwhile.
        yield_now().await;
    }
    let digest = value(format!("sha-256=:{}:", base64(&hash.finalize())));
    shared.keep_digest(seed, n, digest.clone());
    digest
}

enum Part {
    Whole,
    Some(RangeInclusive<u64>),
    Beyond,
}

/// The part of `n` bytes that a Range header asks for, by RFC 9110: what reaches beyond the end is cut off there, and a
/// header that can't be read, or asks for several parts, asks for everything.
fn part(asked: &str, n: u64) -> Part {
    let range = asked.trim().strip_prefix("bytes=");
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return Part::Whole;
    };
    let number = |side: &str| side.parse::<u64>();
    match (number(first), number(last)) {
        (Ok(first), Ok(last)) if first > last => Part::Whole,
        (Ok(first), _) if first >= n => Part::Beyond,
        (Ok(first), Ok(last)) => Part::Some(first..=last.min(n - 1)),
        (Ok(first), Err(_)) if last.is_empty() => Part::Some(first..=n - 1),
        (Err(_), Ok(0)) if first.is_empty() => Part::Beyond,
        (Err(_), Ok(count)) if first.is_empty() => Part::Some(n.saturating_sub(count)..=n - 1),
        _ => Part::Whole,
    }
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("letters, digits and punctuation")
}
