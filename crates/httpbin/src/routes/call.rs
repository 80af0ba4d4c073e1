//! A request as the routes see it, and the forms in which they tell it back.

use std::{borrow::Cow, str::FromStr};

use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
    http::request::Parts,
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::Refusal;
use crate::{connection::Connection, pairs::Pairs};

pub(super) struct Call<'a> {
    pub(super) connection: &'a Connection,
    pub(super) head: &'a Parts,
    pub(super) query: Pairs<'a>,
}

impl<'a> Call<'a> {
    /// A header's value; bytes outside UTF-8 become replacement characters.
    pub(super) fn header(&self, name: impl header::AsHeaderName) -> Option<Cow<'a, str>> {
        self.head.headers.get(name).map(text)
    }

    pub(super) fn headers(&self) -> Headers<'a> {
        Headers {
            map: &self.head.headers,
            show_env: self.query.get("show_env").is_some(),
        }
    }

    /// Where the request came from.
    pub(super) fn origin(&self) -> Cow<'a, str> {
        self.header("x-forwarded-for")
            .unwrap_or(Cow::Borrowed(&self.connection.origin))
    }

    /// Scheme and host as the client named them.
    pub(super) fn base(&self) -> String {
        let scheme = self.header("x-forwarded-proto");
        let scheme = scheme.as_deref().unwrap_or("http");
        match self.header(header::HOST) {
            Some(host) => format!("{scheme}://{host}"),
            None => format!("{scheme}://{}", self.connection.shared.addr),
        }
    }

    pub(super) fn url(&self) -> String {
        let mut url = self.base();
        url += self
            .head
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str());
        url
    }

    /// A number from the query.
    pub(super) fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T, Refusal> {
        let Some(value) = self.query.get(name) else {
            return Ok(default);
        };
        let malformed = |_| Refusal::bad(format!("`{name}` is `{value}`, which is no number here"));
        value.parse().map_err(malformed)
    }
}

/// A request's headers as JSON: names in Title-Case and sorted, several values of one name joined by commas.
pub(super) struct Headers<'a> {
    map: &'a HeaderMap,
    show_env: bool,
}

/// What proxies on the way add. httpbin doesn't show it, unless the query has `show_env`.
const ENV: [&str; 15] = [
    "connect-time",
    "total-route-time",
    "via",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-ssl",
    "x-heroku-dynos-in-use",
    "x-heroku-queue-depth",
    "x-heroku-queue-wait-time",
    "x-real-ip",
    "x-request-id",
    "x-request-start",
    "x-varnish",
];

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = |name: &&HeaderName| self.show_env || !ENV.contains(&name.as_str());
        let mut names: Vec<&HeaderName> = self.map.keys().filter(shown).collect();
        names.sort_unstable_by_key(|name| name.as_str());

        let mut map = serializer.serialize_map(Some(names.len()))?;
        for name in names {
            let mut values = self.map.get_all(name).iter().map(text);
            let mut value = values.next().unwrap_or_default();
            for further in values {
                value.to_mut().push(',');
                value += further;
            }
            map.serialize_entry(&title_case(name.as_str()), &value)?;
        }
        map.end()
    }
}

/// hyper hands names over in lower case; httpbin shows them as `Content-Type`.
fn title_case(name: &str) -> String {
    let mut after_letter = false;
    let capital = |letter: char| {
        let capital = if after_letter {
            letter
        } else {
            letter.to_ascii_uppercase()
        };
        after_letter = letter.is_ascii_alphabetic();
        capital
    };
    name.chars().map(capital).collect()
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}
