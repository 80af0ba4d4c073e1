//! Routes that tell the request back.

use std::borrow::Cow;

use futures_util::stream;
use hyper::{
    Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, USER_AGENT},
};
use serde::Serialize;
use serde_json::Value;

use super::{
    Answer,
    call::{Call, Headers},
    multipart,
};
use crate::{
    body::{self, Body},
    json,
    pairs::Pairs,
};

// The fields of these structs stand in the order in which they are written: httpbin sorts them.

#[derive(Serialize)]
struct Get<'a> {
    args: &'a Pairs<'a>,
    headers: Headers<'a>,
    origin: Cow<'a, str>,
    url: String,
}

pub(super) fn get(call: &Call<'_>) -> Response<Body> {
    let told = Get {
        args: &call.query,
        headers: call.headers(),
        origin: call.origin(),
        url: call.url(),
    };
    json::answer(StatusCode::OK, &told)
}

#[derive(Serialize)]
struct Post<'a> {
    args: &'a Pairs<'a>,
    data: Cow<'a, str>,
    files: Pairs<'a>,
    form: Pairs<'a>,
    headers: Headers<'a>,
    /// Absent from the answers of `/delay`; null where the body is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    origin: Cow<'a, str>,
    url: String,
}

pub(super) async fn post(call: &Call<'_>, body: Incoming) -> Answer {
    let body = body::read(body).await?;
    told_with_body(call, &body, Json::Told)
}

/// Whether an answer has the member `json`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Json {
    Told,
    LeftOut,
}

/// The answer of `/post`, with or without the body read as JSON.
pub(super) fn told_with_body(call: &Call<'_>, body: &[u8], json: Json) -> Answer {
    let content_type = call.header(&CONTENT_TYPE).unwrap_or_default();
    let encoded_form;
    let mut told = Post {
        args: &call.query,
        data: "".into(),
        files: Pairs::default(),
        form: Pairs::default(),
        headers: call.headers(),
        json: (json == Json::Told).then_some(Value::Null),
        origin: call.origin(),
        url: call.url(),
    };
    if content_type.starts_with("application/x-www-form-urlencoded") {
        encoded_form = String::from_utf8_lossy(body);
        told.form = Pairs::parse(&encoded_form)?;
    } else if content_type.starts_with("multipart/form-data") {
        (told.form, told.files) = multipart::parse(&content_type, body)?;
    } else {
        told.data = multipart::json_safe(body, "application/octet-stream");
        if let Some(json) = &mut told.json {
            // Whatever type the body claims to have: httpbin tries too.
            *json = serde_json::from_slice(body).unwrap_or_default();
        }
    }
    Ok(json::answer(StatusCode::OK, &told))
}

pub(super) fn headers(call: &Call<'_>) -> Response<Body> {
    #[derive(Serialize)]
    struct Told<'a> {
        headers: Headers<'a>,
    }
    let headers = call.headers();
    json::answer(StatusCode::OK, &Told { headers })
}

pub(super) fn user_agent(call: &Call<'_>) -> Response<Body> {
    #[derive(Serialize)]
    struct Told<'a> {
        #[serde(rename = "user-agent")]
        user_agent: Option<Cow<'a, str>>,
    }
    let user_agent = call.header(&USER_AGENT);
    json::answer(StatusCode::OK, &Told { user_agent })
}

pub(super) fn ip(call: &Call<'_>) -> Response<Body> {
    #[derive(Serialize)]
    struct Told<'a> {
        origin: Cow<'a, str>,
    }
    let origin = call.origin();
    json::answer(StatusCode::OK, &Told { origin })
}

pub(super) fn stream(call: &Call<'_>, n: u64) -> Response<Body> {
    // Not sorted: httpbin writes these lines by other means than its documents.
    #[derive(Serialize)]
    struct Line<'a> {
        url: &'a str,
        args: &'a Pairs<'a>,
        headers: &'a Headers<'a>,
        origin: &'a str,
        id: u64,
    }
    let (url, headers, origin) = (&call.url(), &call.headers(), &call.origin());
    let line = |id| {
        Bytes::from(json::line(&Line {
            url,
            args: &call.query,
            headers,
            origin,
            id,
        }))
    };
    // All made now, since they borrow from a request that is gone when the body is sent.
    let lines: Vec<Bytes> = (0..n.min(100)).map(line).collect();
    json::with_type(StatusCode::OK, Body::pieces(stream::iter(lines)))
}
