//! Names with values, of which a name may have several: a query string, a form.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::routes::Refusal;

/// Sorted by name; values of one name keep the order they came in.
///
/// In JSON a name with one value has a string, one with several an array.
#[derive(Debug, Default)]
pub(crate) struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Pairs<'a> {
    pub(crate) fn new(mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Self {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        Self(pairs)
    }

    /// What `application/x-www-form-urlencoded` holds.
    pub(crate) fn parse(encoded: &'a str) -> Result<Self, Refusal> {
        let pairs = encoded.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name, Plus::IsSpace)?, decode(value, Plus::IsSpace)?))
        });
        decoded.collect::<Result<_, _>>().map(Self::new)
    }

    /// The first value of a name. Upper and lower case are the same, as in httpbin's own parameters.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for group in self.0.chunk_by(|a, b| a.0 == b.0) {
            match group {
                [(name, value)] => map.serialize_entry(name, value)?,
                several => {
                    let values: Vec<_> = several.iter().map(|(_, value)| value).collect();
                    map.serialize_entry(&several[0].0, &values)?;
                }
            }
        }
        map.end()
    }
}

/// What a `+` means: a space in a query or a form, itself in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    IsSpace,
    IsPlus,
}

/// Undoes percent-encoding. Bytes that are no UTF-8 become replacement characters.
pub(crate) fn decode(encoded: &str, plus: Plus) -> Result<Cow<'_, str>, Refusal> {
    let is_plain = |byte| byte != b'%' && (byte != b'+' || plus == Plus::IsPlus);
    if encoded.bytes().all(is_plain) {
        return Ok(Cow::Borrowed(encoded));
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        decoded.push(match byte {
            b'%' => {
                let (digits, tail) = tail.split_at_checked(2).ok_or_else(|| malformed(encoded))?;
                rest = tail;
                let value = hex(digits[0]).zip(hex(digits[1]));
                value
                    .map(|(high, low)| high << 4 | low)
                    .ok_or_else(|| malformed(encoded))?
            }
            b'+' if plus == Plus::IsSpace => b' ',
            other => *other,
        });
    }
    Ok(Cow::Owned(String::from_utf8_lossy(&decoded).into_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

fn malformed(encoded: &str) -> Refusal {
    Refusal::bad(format!(
        "`{encoded}` is not percent-encoded: two hexadecimal digits follow each %"
    ))
}
