//! Bodies of `multipart/form-data`, and what of a body can stand in JSON.

use std::borrow::Cow;

use super::Refusal;
use crate::pairs::Pairs;

/// Fields and files. Enough for what HTTP clients send: quoted names without semicolons, no nested parts.
pub(super) fn parse(
    content_type: &str,
    body: &[u8],
) -> Result<(Pairs<'static>, Pairs<'static>), Refusal> {
    let Some(boundary) = parameter(content_type, "boundary") else {
        return Err(Refusal::bad("multipart/form-data without a boundary"));
    };
    let cut_short = || Refusal::bad("the multipart body ends before its last boundary");
    // With a line break in front of the body each boundary stands alike, the first one too.
    let body = [b"\r\n", body].concat();
    let boundary = format!("\r\n--{boundary}");
    let (mut fields, mut files) = (Vec::new(), Vec::new());
    let (_, mut rest) = split(&body, boundary.as_bytes()).ok_or_else(cut_short)?;
    while !rest.starts_with(b"--") {
        let (part, after) = split(rest, boundary.as_bytes()).ok_or_else(cut_short)?;
        rest = after;
        let Some((head, content)) = split(part, b"\r\n\r\n") else {
            return Err(Refusal::bad(
                "a part of the multipart body has no end to its head",
            ));
        };
        let head = String::from_utf8_lossy(head);
        let Some(disposition) = field(&head, "content-disposition") else {
            return Err(Refusal::bad(
                "a part of the multipart body has no Content-Disposition",
            ));
        };
        let name = parameter(disposition, "name")
            .unwrap_or_default()
            .to_owned();
        if parameter(disposition, "filename").is_some() {
            let content_type = field(&head, "content-type").unwrap_or("application/octet-stream");
            let content = json_safe(content, content_type).into_owned();
            files.push((Cow::Owned(name), Cow::Owned(content)));
        } else {
            let content = String::from_utf8_lossy(content).into_owned();
            fields.push((Cow::Owned(name), Cow::Owned(content)));
        }
    }
    Ok((Pairs::new(fields), Pairs::new(files)))
}

/// Text as it is, anything else as a `data:` URL.
pub(super) fn json_safe<'a>(bytes: &'a [u8], content_type: &str) -> Cow<'a, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => format!("data:{content_type};base64,{}", base64(bytes)).into(),
    }
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..start], &bytes[start + at.len()..]))
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(n, _)| n.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = value.split(';').filter_map(|one| one.split_once('='));
    let (_, value) = parameters.find(|(n, _)| n.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"'))
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i| u32::from(three.get(i).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            // n bytes fill n + 1 digits.
            text.push(if digit <= three.len() {
                char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63])
            } else {
                '='
            });
        }
    }
    text
}
