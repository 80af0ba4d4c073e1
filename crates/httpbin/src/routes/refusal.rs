//! Answers that say no, in a sentence.

use hyper::{
    Method, Response, StatusCode,
    header::{ALLOW, HeaderValue},
};

use super::status::text;
use crate::body::Body;

/// Why a request isn't served.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no such path here; the start page (/) lists those there are",
        )
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        text(self.status, self.text + "\n")
    }
}

pub(super) fn method_not_allowed(methods: &[Method]) -> Response<Body> {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    with_allow(
        status,
        methods,
        "this path has other methods; Allow names them\n",
    )
}

/// An answer that names a path's methods.
pub(super) fn with_allow(
    status: StatusCode,
    methods: &[Method],
    body: &'static str,
) -> Response<Body> {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allow = names.join(", ") + ", OPTIONS";
    let mut response = text(status, body);
    response.headers_mut().insert(
        ALLOW,
        HeaderValue::try_from(allow).expect("method names are ASCII letters"),
    );
    response
}
