//! Redirects, and pages of links to follow.

use std::fmt::Write as _;

use hyper::{
    Response, StatusCode,
    header::{HeaderValue, LOCATION},
};

use super::{Answer, Refusal, call::Call, status::html};
use crate::body::Body;

pub(super) fn redirect(call: &Call<'_>, n: u64) -> Answer {
    let absolute = call.query.get("absolute").unwrap_or("false");
    if absolute.eq_ignore_ascii_case("true") {
        self::absolute(call, n)
    } else {
        relative(n)
    }
}

pub(super) fn relative(n: u64) -> Answer {
    Ok(found(&next("relative", n)?))
}

pub(super) fn absolute(call: &Call<'_>, n: u64) -> Answer {
    Ok(found(&call.url_of(&next("absolute", n)?)))
}

/// Where the first of `n` redirects leads.
fn next(kind: &str, n: u64) -> Result<String, Refusal> {
    match n {
        0 => Err(Refusal::bad("0 redirects; at least one leads to /get")),
        1 => Ok("/get".into()),
        n => Ok(format!("/{kind}-redirect/{}", n - 1)),
    }
}

pub(super) fn first_links(n: u64) -> Response<Body> {
    found(&format!("/links/{n}/0"))
}

/// A page with `n` links to pages like it; the one it is itself is no link.
pub(super) fn links(n: u64, offset: u64) -> Response<Body> {
    let n = n.clamp(1, 200);
    let mut page = String::from("<html><head><title>Links</title></head><body>");
    for i in 0..n {
        let written = if i == offset {
            write!(page, "{i} ")
        } else {
            write!(page, "<a href='/links/{n}/{i}'>{i}</a> ")
        };
        written.expect("a String takes all that is written to it");
    }
    page += "</body></html>";
    html(StatusCode::OK, page)
}

fn found(location: &str) -> Response<Body> {
    let page = "<!doctype html><title>Redirecting</title><p>The Location header says where to.\n";
    let mut response = html(StatusCode::FOUND, page);
    // A Host header may hold bytes outside ASCII, which a header takes as they are.
    let location = HeaderValue::from_bytes(location.as_bytes());
    response.headers_mut().insert(
        LOCATION,
        location.expect("it is made of digits, own paths and the value of a header"),
    );
    response
}
