//! The two ways in which httpbin lays out its JSON.

use std::io;

use hyper::{Response, StatusCode, header::CONTENT_TYPE, header::HeaderValue};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::body::Body;

const TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// An answer with `value` over several lines, ended by a line break, as Flask's `jsonify` makes it.
pub(crate) fn answer(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut text = Vec::with_capacity(512);
    serde_json::to_writer_pretty(&mut text, value).expect("maps here have strings for keys");
    text.push(b'\n');
    with_type(status, text)
}

/// An answer whose body is JSON already.
pub(crate) fn with_type(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TYPE);
    response
}

/// `value` on one line, ended by a line break, as Python's `json.dumps` makes it.
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    value
        .serialize(&mut Serializer::with_formatter(&mut text, OneLine))
        .expect("maps here have strings for keys");
    text.push(b'\n');
    text
}

/// A space after every comma and colon.
struct OneLine;

impl OneLine {
    fn comma<W: io::Write + ?Sized>(writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
}

impl Formatter for OneLine {
    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        Self::comma(writer, first)
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        Self::comma(writer, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
