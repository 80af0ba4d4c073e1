//! A request as the routes see it, and the forms in which they tell it back.

use std::{borrow::Cow, fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
    http::request::Parts,
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::Refusal;
use crate::{connection::Connection, pairs::Pairs};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

pub(super) struct Call<'a> {
    pub(super) connection: &'a Connection,
    pub(super) head: &'a Parts,
    pub(super) query: Pairs<'a>,
}

impl<'a> Call<'a> {
    /// A header's value; bytes outside UTF-8 become replacement characters.
    pub(super) fn header(&self, name: &HeaderName) -> Option<Cow<'a, str>> {
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
        self.header(&X_FORWARDED_FOR)
            .unwrap_or(Cow::Borrowed(&self.connection.origin))
    }

    /// Scheme and host as the client named them, and a path.
    pub(super) fn url_of(&self, path: &str) -> String {
        let scheme = self.header(&X_FORWARDED_PROTO);
        let scheme = scheme.as_deref().unwrap_or("http");
        let host = self.header(&header::HOST);
        let host = host.unwrap_or_else(|| self.connection.shared.addr.to_string().into());
        [scheme, "://", &host, path].concat()
    }

    pub(super) fn url(&self) -> String {
        let path = self.head.uri.path_and_query();
        self.url_of(path.map_or("/", |path| path.as_str()))
    }

    /// A number from the query.
    pub(super) fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T, Refusal> {
        let Some(value) = self.query.get(name) else {
            return Ok(default);
        };
        let malformed = |_| Refusal::bad(format!("`{name}` is `{value}`, which is no number here"));
        value.parse().map_err(malformed)
    }

    /// A number from the query that has its limits.
    pub(super) fn within<T>(
        &self,
        name: &str,
        default: T,
        limits: RangeInclusive<T>,
    ) -> Result<T, Refusal>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(value) = self.query.get(name) else {
            return Ok(default);
        };
        let number = value.parse().ok().filter(|number| limits.contains(number));
        number.ok_or_else(|| {
            let (least, most) = limits.into_inner();
            Refusal::bad(format!(
                "`{name}` is `{value}`, which is no number from {least} to {most}"
            ))
        })
    }

    /// Seconds from the query, fractions allowed, up to a minute.
    pub(super) fn seconds(&self, name: &str, default: f64) -> Result<Duration, Refusal> {
        let seconds = self.within(name, default, 0.0..=60.0)?;
        Ok(Duration::from_secs_f64(seconds))
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

        // One buffer for all names: this is the hottest path there is.
        let mut title = String::with_capacity(32);
        let mut map = serializer.serialize_map(Some(names.len()))?;
        for name in names {
            let mut values = self.map.get_all(name).iter().map(text);
            let mut value = values.next().unwrap_or_default();
            for further in values {
                value.to_mut().push(',');
                value += further;
            }
            title_case(name.as_str(), &mut title);
            map.serialize_entry(&title, &value)?;
        }
        map.end()
    }
}

/// hyper hands names over in lower case; httpbin shows them as `Content-Type`.
fn title_case(name: &str, title: &mut String) {
    title.clear();
    for word in name.split_inclusive(|letter: char| !letter.is_ascii_alphabetic()) {
        let (first, others) = word.split_at(1);
        title.extend(first.chars().map(|letter| letter.to_ascii_uppercase()));
        title.push_str(others);
    }
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}
