//! From a request to its answer.

mod broken;
mod call;
mod chat;
mod data;
mod download;
mod echo;
mod multipart;
mod redirects;
mod refusal;
mod stand_in;
mod status;
mod waiting;
mod wrong;

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
    http::request::Parts,
};

use crate::{
    body::Body,
    connection::Connection,
    pairs::{Pairs, Plus, decode},
};
use call::Call;
pub(crate) use refusal::Refusal;

/// What a route makes of a call.
type Answer = Result<Response<Body>, Refusal>;

const STATS: &str = "/stand-in/stats";

/// The answer to a request, with all that every answer has.
pub(crate) async fn answer(connection: &Connection, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    // Whoever watches the figures must not find itself in them.
    let in_flight = (head.uri.path() != STATS).then(|| connection.begin_request());
    let answer = route(connection, &head, body).await;
    let mut response = answer.unwrap_or_else(Refusal::into_response);
    response.body_mut().hold(in_flight);
    share_with_any_origin(&head, response.headers_mut());
    response
}

async fn route(connection: &Connection, head: &Parts, body: Incoming) -> Answer {
    let path = decode(head.uri.path(), Plus::IsPlus)?;
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let Some(methods) = methods(&parts) else {
        return Err(Refusal::not_found());
    };
    if head.method == Method::OPTIONS {
        return Ok(refusal::with_allow(StatusCode::OK, methods, ""));
    }
    if !methods.contains(&head.method) {
        return Ok(refusal::method_not_allowed(methods));
    }

    let call = Call {
        connection,
        head,
        query: Pairs::parse(head.uri.query().unwrap_or_default())?,
    };
    // HEAD is answered as GET is: hyper sends the head of it.
    match (&head.method, &*parts) {
        (_, [""]) => Ok(status::text(StatusCode::OK, START_PAGE)),
        (_, ["get"]) => Ok(echo::get(&call)),
        (_, ["post" | "put" | "patch" | "delete"]) => echo::post(&call, body).await,
        (_, ["headers"]) => Ok(echo::headers(&call)),
        (_, ["user-agent"]) => Ok(echo::user_agent(&call)),
        (_, ["ip"]) => Ok(echo::ip(&call)),
        (_, ["delay", seconds]) => waiting::delay(&call, seconds, body).await,
        (_, ["drip"]) => waiting::drip(&call).await,
        (_, ["status", codes]) => status::status(codes),
        (_, ["bytes", n]) => data::bytes(&call, int(n)?),
        (_, ["range", n]) => data::range(&call, int(n)?),
        (_, ["stream", n]) => Ok(echo::stream(&call, int(n)?)),
        (_, ["json"]) => Ok(data::json()),
        (_, ["redirect", n]) => redirects::redirect(&call, int(n)?),
        (_, ["relative-redirect", n]) => redirects::relative(int(n)?),
        (_, ["absolute-redirect", n]) => redirects::absolute(&call, int(n)?),
        (_, ["links", n]) => Ok(redirects::first_links(int(n)?)),
        (_, ["links", n, offset]) => Ok(redirects::links(int(n)?, int(offset)?)),
        (_, ["stand-in", "users", id]) => Ok(stand_in::user(id)),
        (_, ["stand-in", "download", n]) => download::download(&call, int(n)?).await,
        (_, ["stand-in", "broken", kind]) => broken::broken(&call, kind),
        (_, ["stand-in", "flaky", key]) => stand_in::flaky(&call, key),
        (_, ["stand-in", "chat", room]) => chat::chat(&call, room),
        (_, ["stand-in", "wrong", kind]) => wrong::wrong(kind),
        (&Method::DELETE, ["stand-in", "stats"]) => Ok(stand_in::reset_stats(&call)),
        (_, ["stand-in", "stats"]) => Ok(stand_in::stats(&call)),
        _ => Err(Refusal::not_found()),
    }
}

/// The methods a path has, OPTIONS aside, which all have. None where there is no such path.
fn methods(parts: &[&str]) -> Option<&'static [Method]> {
    const READ: &[Method] = &[Method::GET, Method::HEAD];
    const ANY: &[Method] = &[
        Method::DELETE,
        Method::GET,
        Method::HEAD,
        Method::PATCH,
        Method::POST,
        Method::PUT,
        Method::TRACE,
    ];
    match parts {
        ["" | "get" | "headers" | "user-agent" | "ip" | "drip" | "json"] => Some(READ),
        ["bytes" | "range" | "stream" | "links", _] | ["links", _, _] => Some(READ),
        ["redirect" | "relative-redirect" | "absolute-redirect", _] => Some(READ),
        ["post"] => Some(&[Method::POST]),
        ["put"] => Some(&[Method::PUT]),
        ["patch"] => Some(&[Method::PATCH]),
        ["delete"] => Some(&[Method::DELETE]),
        ["delay" | "status", _] | ["stand-in", "flaky", _] => Some(ANY),
        ["stand-in", "users" | "download", _] => Some(READ),
        ["stand-in", "wrong", kind] if wrong::KINDS.contains(kind) => Some(READ),
        ["stand-in", "chat", _] => Some(&[Method::GET]),
        // No HEAD: it is their bodies that are broken.
        ["stand-in", "broken", kind] if broken::KINDS.contains(kind) => Some(&[Method::GET]),
        ["stand-in", "stats"] => Some(&[Method::DELETE, Method::GET, Method::HEAD]),
        _ => None,
    }
}

/// A whole number as part of a path. What is none makes it another path, which doesn't exist.
fn int(part: &str) -> Result<u64, Refusal> {
    if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::not_found());
    }
    // Digits alone fail only by being too many, and every route has a limit far below.
    Ok(part.parse().unwrap_or(u64::MAX))
}

/// Lets scripts of any page read the answer, as httpbin does.
fn share_with_any_origin(head: &Parts, headers: &mut HeaderMap) {
    const ANY: HeaderValue = HeaderValue::from_static("*");
    const TRUE: HeaderValue = HeaderValue::from_static("true");
    const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE, PATCH, OPTIONS");
    const ONE_HOUR: HeaderValue = HeaderValue::from_static("3600");

    let asked = |name: HeaderName| head.headers.get(name).cloned();
    let origin = asked(header::ORIGIN).unwrap_or(ANY);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    if head.method == Method::OPTIONS {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, ONE_HOUR);
        if let Some(wanted) = asked(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
    }
}

const START_PAGE: &str = include_str!("routes/start_page.txt");
