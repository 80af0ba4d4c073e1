//! Statuses on demand.

use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue, LOCATION, PROXY_AUTHENTICATE, WWW_AUTHENTICATE},
};

use super::{Answer, Refusal};
use crate::{body::Body, random::Random};

/// That status, or one of several: `200`, `200,500`, `200:0.9,500:0.1`. A status without a weight weighs 1.
pub(super) fn status(codes: &str) -> Answer {
    let choices = codes
        .split(',')
        .map(|choice| {
            let (status, weight) = choice.split_once(':').unwrap_or((choice, "1"));
            let heavy = weight.parse().ok().filter(|w| (0.0..1e9).contains(w));
            let no_weight = || Refusal::bad(format!("`{weight}` is no weight"));
            Ok((code(status)?, heavy.ok_or_else(no_weight)?))
        })
        .collect::<Result<Vec<(StatusCode, f64)>, Refusal>>()?;

    let all: f64 = choices.iter().map(|(_, weight)| weight).sum();
    let mut left = Random::fresh().fraction() * all;
    let chosen = choices.iter().find(|(_, weight)| {
        left -= weight;
        left < 0.0
    });
    match chosen {
        Some((status, _)) => Ok(with_its_headers(*status)),
        None => Err(Refusal::bad("all weights are 0")),
    }
}

/// A status by its number.
pub(super) fn code(text: &str) -> Result<StatusCode, Refusal> {
    let code = text.trim().parse().ok().filter(|code| *code >= 200);
    // Below 200 are statuses that announce another one, which an answer can't end with.
    code.and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| Refusal::bad(format!("`{text}` is no status from 200 to 999")))
}

fn with_its_headers(status: StatusCode) -> Response<Body> {
    let mut response = html(status, "");
    let headers = response.headers_mut();
    match status.as_u16() {
        301 | 302 | 303 | 305 | 307 | 308 => {
            headers.insert(LOCATION, HeaderValue::from_static("/redirect/1"));
        }
        401 => {
            headers.insert(WWW_AUTHENTICATE, REALM);
        }
        406 => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *response.body_mut() = Body::from(NOT_ACCEPTABLE);
        }
        407 => {
            headers.insert(PROXY_AUTHENTICATE, REALM);
        }
        418 => *response.body_mut() = Body::from(TEAPOT),
        _ => {}
    }
    response
}

const REALM: HeaderValue = HeaderValue::from_static(r#"Basic realm="Fake Realm""#);

const NOT_ACCEPTABLE: &str = r#"{"message": "Client did not request a supported media type.", "accept": ["image/webp", "image/svg+xml", "image/jpeg", "image/png", "image/*"]}"#;

const TEAPOT: &str = r"
    ___
  _(___)__  __
 (       _)/ /
  \_____(___/   short and stout
";

/// What Flask calls a page, whatever is in it.
pub(super) fn html(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    typed(
        status,
        HeaderValue::from_static("text/html; charset=utf-8"),
        body,
    )
}

pub(super) fn text(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    typed(
        status,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        body,
    )
}

fn typed(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
