//! Routes httpbin doesn't have.

use hyper::{Response, StatusCode};
use serde::Serialize;

use super::{Answer, call::Call};
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
    let attempt = call.connection.shared.attempt(key.to_owned());
    let status = if attempt <= fail {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    Ok(json::answer(status, &Told { attempt, fail, key }))
}

pub(super) fn stats(call: &Call<'_>) -> Response<Body> {
    json::answer(StatusCode::OK, &call.connection.shared.counters.snapshot())
}

/// Answers with the figures that hold from now on.
pub(super) fn reset_stats(call: &Call<'_>) -> Response<Body> {
    call.connection.shared.counters.reset();
    stats(call)
}
