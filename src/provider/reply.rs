//! Reading a reply, whatever its wire format: from its bytes into structs, mended where it has
//! faults, and told apart from errors and web pages.

use serde::Deserialize;
use serde_json::Value;

use super::DecodeError;
use super::error::ApiError;
use super::excerpt::{shorten, visible_text};
use super::json::{is_simple, parse_json};
use super::lenient::{FromAny, Lenient};
use crate::chat::{Completion, TokenUsage};

/// The reply of one wire format.
pub(super) trait Reply: FromAny {
    /// What it says; `None` when there is no answer in it.
    fn completion(self) -> Option<Completion>;
}

/// Decodes a reply.
///
/// A reply without faults is read straight into the structs; any other goes the long way through
/// the reader that mends faults and keeps the last of repeated keys.
pub(super) fn decode<R: Reply>(body: &[u8]) -> Result<Completion, DecodeError> {
    if !is_simple(body) {
        return Err(DecodeError::NoChoices);
    }
    if let Ok(Some(completion)) = serde_json::from_slice(body).map(completion_of::<R>) {
        return Ok(completion);
    }
    let Some(value) = parse_json(body) else {
        let text = visible_text(&String::from_utf8_lossy(body));
        let text = if text.is_empty() { "(an empty body)".to_owned() } else { text };
        return Err(DecodeError::NotJson { excerpt: shorten(&text) });
    };
    if let Ok(Some(completion)) = Lenient::deserialize(&value).map(completion_of::<R>) {
        return Ok(completion);
    }
    let error = looks_like_error(&value).then(|| ApiError::from_value(200, &value, None)).flatten();
    Err(error.map_or(DecodeError::NoChoices, DecodeError::ErrorObject))
}

/// The answer in a reply with the reply's usage.
pub(super) fn completion_of<R: Reply>(reply: Lenient<R>) -> Option<Completion> {
    let mut completion = reply.0?.completion()?;
    // A text that took no token was not counted: such a usage says nothing about the bill.
    let counted = |usage: &TokenUsage| usage.output > 0 || completion.text.is_empty();
    completion.usage = completion.usage.filter(counted);
    Some(completion)
}

/// Whether a body without an answer reports an error: `error`, or vLLM's older `"object": "error"`,
/// or a list of such (Google).
fn looks_like_error(value: &Value) -> bool {
    let object = value.get(0).unwrap_or(value);
    let reported =
        ["error", "detail"].iter().any(|name| object.get(name).is_some_and(|it| !it.is_null()));
    reported || object.get("object").is_some_and(|kind| kind == "error")
}

/// The string of an object's field.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}
