//! What comes with a refusal: the body, in any of its shapes, and the headers.

use std::time::{Duration, UNIX_EPOCH};

use instructmill::provider::{ApiError, MAX_WAIT, PROVIDERS, ResponseHeaders, classify};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{KEY, assert_presentable, choose, key, split};

/// The longest text, in characters.
const MAX_CHARS: usize = 300;

/// Two bytes are the status, the third chooses the provider; header lines follow, then a blank line, then
/// the body.
pub fn check(bytes: &[u8]) {
    let ([high, low, provider], rest) = split(bytes);
    let status = u16::from_be_bytes([high, low]);
    let head = rest.windows(2).position(|two| two == b"\n\n");
    let (head, body) = head.map_or((rest, &[][..]), |end| (&rest[..end], &rest[end + 2..]));
    body_is_read(status, body);
    body_is_read(status, rest);
    headers_are_read(head, provider);
}

fn body_is_read(status: u16, body: &[u8]) {
    let error = ApiError::from_body(status, body, Some(&key()));
    assert_eq!(error.status, status);
    let ApiError { code, kind, param, message, .. } = &error;
    for text in [code, kind, param].into_iter().flatten().chain([message, &error.to_string()]) {
        assert_presentable(text);
        assert!(!text.contains(KEY), "the key: {text}");
    }
    for text in [code, kind, param].into_iter().flatten().chain([message]) {
        assert!(text.chars().count() <= MAX_CHARS, "{text}");
    }
    assert!(error.retry_after.is_none_or(|wait| wait <= MAX_WAIT), "{error:?}");
    assert!(!classify(&error).hint().is_empty());
}

fn headers_are_read(head: &[u8], provider: u8) {
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let names = choose(PROVIDERS, provider).access().limits;
    let now = UNIX_EPOCH + Duration::from_hours(490_896);
    let read = ResponseHeaders::read(&headers, names, now, Some(&key()));
    let resets = read.limits.iter().map(|limit| limit.reset);
    for wait in resets.chain([read.retry_after, read.rate_limit_reset]).flatten() {
        assert!(wait <= MAX_WAIT, "{wait:?}");
    }
    for text in [&read.content_type, &read.request_id].into_iter().flatten() {
        assert_presentable(text);
        assert!(!text.contains(KEY) && text.chars().count() <= MAX_CHARS, "{text}");
    }
    assert!(read.limits.len() <= names.len());
}
