//! Routes that serve data.

use std::{ops::RangeInclusive, time::Duration};

use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, RANGE},
};

use super::{Answer, call::Call, status::text, waiting::duration};
use crate::{body::Body, json, random::Random};

/// The most bytes of `/bytes` and `/range`.
const LARGEST: u64 = 100 << 10;

pub(super) fn bytes(call: &Call<'_>, n: u64) -> Answer {
    let mut random = match call.query.get("seed") {
        Some(_) => Random::seeded(call.number("seed", 0_i64)?.cast_unsigned()),
        None => Random::fresh(),
    };
    let bytes: Vec<u8> = (0..n.min(LARGEST)).map(|_| random.next() as u8).collect();
    Ok(octets(bytes))
}

pub(super) fn octets(body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    let octets = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, octets);
    response
}

/// `n` bytes of the alphabet over and over, or that part of them which the Range header asks for.
pub(super) fn range(call: &Call<'_>, n: u64) -> Answer {
    if n == 0 || n > LARGEST {
        let sentence = format!("`{n}` is no number of bytes from 1 to {LARGEST}\n");
        return Ok(ranged(text(StatusCode::NOT_FOUND, sentence), n, None));
    }
    let piece = call.number("chunk_size", 10 << 10)?.max(1_usize);
    let over = duration("`duration`", call.number("duration", 0.0)?)?;

    let asked = call.header(&RANGE).unwrap_or_default();
    let Some(part) = part(&asked, n) else {
        let mut refused = text(StatusCode::RANGE_NOT_SATISFIABLE, "");
        refused.headers_mut().remove(CONTENT_TYPE);
        return Ok(ranged(refused, n, Some(format!("bytes */{n}"))));
    };
    let (first, last) = (*part.start(), *part.end());
    let content: Bytes = part.map(|i| b'a' + (i % 26) as u8).collect();
    let length = content.len();
    let body = if over == Duration::ZERO {
        content.into()
    } else {
        let pause = over.mul_f64(piece.min(length) as f64 / n as f64);
        let pieces = (0..length).step_by(piece);
        let pieces = pieces.map(move |i| content.slice(i..length.min(i.saturating_add(piece))));
        Body::paced(length as u64, pause, pause, pieces)
    };
    let mut response = octets(body);
    if length as u64 != n {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(ranged(
        response,
        n,
        Some(format!("bytes {first}-{last}/{n}")),
    ))
}

fn ranged(mut response: Response<Body>, n: u64, content_range: Option<String>) -> Response<Body> {
    let value = |text| HeaderValue::try_from(text).expect("letters and digits");
    let headers = response.headers_mut();
    headers.insert(ETAG, value(format!("range{n}")));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(content_range) = content_range {
        headers.insert(CONTENT_RANGE, value(content_range));
    }
    response
}

/// The part of `n` bytes that a Range header asks for; None where it reaches beyond them. One that can't be read asks
/// for everything.
///
/// httpbin is stricter than RFC 9110 here: a last byte behind the end isn't moved to the end but refused.
fn part(asked: &str, n: u64) -> Option<RangeInclusive<u64>> {
    let mut sides = match asked.trim().strip_prefix("bytes=") {
        Some(range) if !range.contains('=') => range.split('-'),
        _ => "".split('-'),
    };
    let mut side = || sides.next()?.trim().parse::<u64>().ok();
    let (first, last) = match (side(), side()) {
        (None, None) => (0, n - 1),
        (None, Some(count)) => (n.saturating_sub(count), n - 1),
        (Some(first), last) => (first, last.unwrap_or(n - 1)),
    };
    (first <= last && last < n).then_some(first..=last)
}

/// A document in the shape of httpbin's.
pub(super) fn json() -> Response<Body> {
    json::with_type(StatusCode::OK, SLIDESHOW)
}

const SLIDESHOW: &str = r#"{
  "slideshow": {
    "author": "The Cook",
    "date": "date of publication",
    "slides": [
      {
        "title": "What is for dinner",
        "type": "all"
      },
      {
        "items": [
          "First the <em>rice</em>",
          "Then the tea"
        ],
        "title": "In which order",
        "type": "all"
      }
    ],
    "title": "A Kitchen in Slides"
  }
}
"#;
