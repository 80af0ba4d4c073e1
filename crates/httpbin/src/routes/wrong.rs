//! Answers that are sound HTTP with the wrong thing inside. The right one would be a user, as of `/stand-in/users/1`.

use hyper::{Response, StatusCode};

use super::{Answer, Refusal, status::text};
use crate::{body::Body, json};

pub(super) const KINDS: [&str; 4] = ["json-as-text", "malformed-json", "not-utf8", "other-json"];

const USER: &str = r#"{"email": "ada.miller@example.org", "id": 1, "name": "Ada Miller"}
"#;
const OTHER: &str = r#"{"id": "one", "names": ["Ada", "Miller"]}
"#;
/// As a program writes it that takes every letter for one byte.
const LATIN_1: &[u8] = b"Ada orders a caf\xe9.\n";

pub(super) fn wrong(kind: &str) -> Answer {
    let ok = StatusCode::OK;
    let response: Response<Body> = match kind {
        "malformed-json" => json::with_type(ok, &USER[..USER.len() / 2]),
        "other-json" => json::with_type(ok, OTHER),
        "json-as-text" => text(ok, USER),
        "not-utf8" => text(ok, LATIN_1),
        _ => return Err(Refusal::not_found()),
    };
    Ok(response)
}
