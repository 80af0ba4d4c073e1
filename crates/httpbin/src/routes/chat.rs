//! The handshake that leads into a chat room.

use super::{Answer, Refusal, call::Call};

/// Without WebSockets in the build, an answer that says so.
#[cfg(not(feature = "websocket"))]
pub(super) fn chat(_: &Call<'_>, _: &str) -> Answer {
    let text = "this server is built without its feature `websocket`";
    Err(Refusal::new(hyper::StatusCode::NOT_IMPLEMENTED, text))
}

#[cfg(feature = "websocket")]
pub(super) fn chat(call: &Call<'_>, room: &str) -> Answer {
    use std::{borrow::Cow, sync::Arc};

    use futures_util::stream;
    use hyper::{
        Response, StatusCode,
        header::{
            CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
            SEC_WEBSOCKET_VERSION, UPGRADE,
        },
    };
    use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

    use crate::{
        body::Body,
        raw::{End, Head, Raw},
    };

    const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

    let has = |name: &HeaderName, word: &str| {
        let value = call.header(name).unwrap_or_default();
        value
            .split(',')
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    if !has(&CONNECTION, "upgrade") || !has(&UPGRADE, "websocket") {
        let mut refused = super::status::text(
            StatusCode::UPGRADE_REQUIRED,
            "a chat room is entered by a WebSocket handshake\n",
        );
        refused.headers_mut().insert(UPGRADE, WEBSOCKET);
        return Ok(refused);
    }
    if !has(&SEC_WEBSOCKET_VERSION, "13") {
        return Err(Refusal::bad("Sec-WebSocket-Version is not 13"));
    }
    let key = call.header(&SEC_WEBSOCKET_KEY).unwrap_or(Cow::Borrowed(""));
    // 16 bytes in base64; what they are is the client's affair.
    if key.len() != 24 {
        return Err(Refusal::bad(format!(
            "Sec-WebSocket-Key is `{key}`, which is not 16 bytes in base64"
        )));
    }
    // Taken before the answer: who has read that misses nothing that is said from then on.
    let seat = Arc::clone(&call.connection.shared.rooms).enter(room);
    let mut response = Response::new(Body::raw(Raw {
        head: Head::AtOnce,
        body: Box::pin(stream::empty()),
        end: End::Chat(seat),
    }));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept.expect("base64 is ASCII"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
    Ok(response)
}
