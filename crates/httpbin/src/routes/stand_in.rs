//! Routes httpbin doesn't have.

use hyper::{Response, StatusCode, header::RETRY_AFTER};
use serde::Serialize;

use super::{Answer, Refusal, call::Call};
use crate::{body::Body, json};

const GIVEN: [&str; 10] = [
    "Ada", "Grace", "Edsger", "Barbara", "Donald", "Frances", "Tony", "Radia", "Dennis", "Lynn",
];
const FAMILY: [&str; 10] = [
    "Miller", "Cook", "Baker", "Smith", "Carter", "Fisher", "Weaver", "Potter", "Mason", "Turner",
];

pub(super) fn user(id: &str) -> Response<Body> {
    #[derive(Serialize)]
    struct User {
        email: String,
        id: usize,
        name: String,
    }
    #[derive(Serialize)]
    struct Unknown {
        error: String,
    }
    match id.parse::<usize>() {
        Ok(id @ 1..=100) => {
            let given = GIVEN[(id - 1) % 10];
            let family = FAMILY[(id - 1) / 10];
            let user = User {
                email: format!(
                    "{}.{}@example.org",
                    given.to_lowercase(),
                    family.to_lowercase()
                ),
                id,
                name: format!("{given} {family}"),
            };
            json::answer(StatusCode::OK, &user)
        }
        _ => {
            let error = format!("there is no user {id}; the first is 1, the last is 100");
            json::answer(StatusCode::NOT_FOUND, &Unknown { error })
        }
    }
}

pub(super) fn flaky(call: &Call<'_>, key: &str) -> Answer {
    #[derive(Serialize)]
    struct Told<'a> {
        attempt: u64,
        fail: u64,
        key: &'a str,
    }
    let fail = call.number("fail", 1)?;
    let failed = match call.query.get("status").unwrap_or("503") {
        "503" => StatusCode::SERVICE_UNAVAILABLE,
        "429" => StatusCode::TOO_MANY_REQUESTS,
        other => {
            let text =
                format!("`status` is `{other}`; a client that is to come later gets 429 or 503");
            return Err(Refusal::bad(text));
        }
    };
    // None where it isn't asked for, since a client treats an answer without the header in another way.
    let retry_after = match call.query.get("retry_after") {
        Some(_) => Some(call.within("retry_after", 0_u64, 0..=86_400)?),
        None => None,
    };
    let attempt = call.connection.shared.attempt(key.to_owned());
    let told = Told { attempt, fail, key };
    if attempt > fail {
        return Ok(json::answer(StatusCode::OK, &told));
    }
    let mut response = json::answer(failed, &told);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

pub(super) fn stats(call: &Call<'_>) -> Response<Body> {
    json::answer(StatusCode::OK, &call.connection.shared.counters.snapshot())
}

/// Answers with the figures that hold from now on.
pub(super) fn reset_stats(call: &Call<'_>) -> Response<Body> {
    call.connection.shared.counters.reset();
    stats(call)
}
