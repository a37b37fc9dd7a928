//! What a server says when it refuses, its many shapes read into one.

use std::time::Duration;

use serde_json::Value;

use super::excerpt::{one_line, shorten, visible_text};
use super::headers::unit_wait;
use super::json::parse_json;
use super::key::ApiKey;

/// A server's refusal, read tolerantly from whatever body it sent.
///
/// Every text is one line without terminal escapes, at most 300 characters long, without the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HTTP {status}{}: {message}", self.label())]
pub struct ApiError {
    /// The HTTP status; 200 for an error object inside a successful response.
    pub status: u16,
    /// The server's code, such as `insufficient_quota`; numbers as decimal text.
    pub code: Option<String>,
    /// The server's error type, such as `invalid_request_error`.
    pub kind: Option<String>,
    /// The parameter of the request that the server objects to.
    pub param: Option<String>,
    /// The server's explanation, or an excerpt of the body.
    pub message: String,
    /// How long the body asks to wait: Google's `RetryInfo`.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// Reads a refusal from a body of any kind: `{"error": {...}}` of OpenAI and its followers,
    /// `{"error": "text"}`, `{"message": ...}`, `{"detail": ...}` of `FastAPI`, a list holding one of
    /// these (Google), a web page, plain text, nothing.
    pub fn from_body(status: u16, body: &[u8], key: Option<&ApiKey>) -> Self {
        let parsed = parse_json(body).and_then(|value| Self::from_value(status, &value, key));
        parsed.unwrap_or_else(|| {
            let text = visible_text(&String::from_utf8_lossy(body));
            let text = if text.is_empty() { "the server gave no reason".to_owned() } else { text };
            Self::from_message(status, &text, key)
        })
    }

    /// A refusal known only by its message.
    pub(super) fn from_message(status: u16, message: &str, key: Option<&ApiKey>) -> Self {
        let message = presentable(message, key);
        Self { status, code: None, kind: None, param: None, message, retry_after: None }
    }

    /// Reads an error object; `None` when `value` does not look like one.
    pub(super) fn from_value(status: u16, value: &Value, key: Option<&ApiKey>) -> Option<Self> {
        let outer = match value {
            Value::Array(items) => items.first()?,
            other => other,
        };
        let error = outer.get("error").filter(|error| !error.is_null());
        let message = explanation(error.unwrap_or(outer))?;
        let field = |name: &str| {
            let places = [error.filter(|error| error.is_object()), Some(outer)];
            // Only one level counts: Anthropic's outer `type` is the word "error".
            let value = places.into_iter().flatten().next()?.get(name)?;
            let text = scalar_text(value).map(|text| presentable(&text, key));
            text.filter(|text| !text.is_empty())
        };
        Some(Self {
            status,
            code: field("code"),
            kind: field("type").or_else(|| field("status")),
            param: field("param"),
            message: presentable(&message, key),
            retry_after: error.and_then(|error| error.get("details")).and_then(retry_delay),
        })
    }

    /// ` code`, ` kind` or nothing, for the message; a number only repeats the status.
    fn label(&self) -> String {
        let mut labels = [&self.code, &self.kind].into_iter().flatten();
        let telling = labels.find(|label| label.parse::<u16>().is_err());
        telling.map(|label| format!(" {label}")).unwrap_or_default()
    }

    /// Whether the server's code or type is one of `names`.
    pub(super) fn is_named(&self, names: &[&str]) -> bool {
        let labels = [&self.code, &self.kind];
        labels
            .into_iter()
            .flatten()
            .any(|label| names.iter().any(|name| label.eq_ignore_ascii_case(name)))
    }

    /// The status, or the one that a gateway wrote into the body of a successful response.
    pub(super) fn effective_status(&self) -> u16 {
        let inner = self.code.as_ref().and_then(|code| code.parse().ok());
        match (self.status, inner) {
            (200..=299, Some(inner @ 400..=599)) => inner,
            _ => self.status,
        }
    }
}

/// The `retryDelay` among Google's details of an error.
fn retry_delay(details: &Value) -> Option<Duration> {
    let delay = |detail: &Value| detail.get("retryDelay")?.as_str().and_then(unit_wait);
    details.as_array()?.iter().find_map(delay)
}

/// One line, without the key, shortened; in this order, so that no part of a key is left at a cut.
pub(super) fn presentable(text: &str, key: Option<&ApiKey>) -> String {
    let line = one_line(text);
    shorten(&key.map_or_else(|| line.clone(), |key| key.scrub(&line)))
}

/// The human-readable part of an error value; `None` when it has none.
fn explanation(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.trim().is_empty()).then(|| text.clone()),
        Value::Array(items) => {
            let parts: Vec<String> = items.iter().filter_map(explanation).collect();
            (!parts.is_empty()).then(|| parts.join("; "))
        }
        Value::Object(_) => {
            let text = ["message", "msg", "detail", "error"]
                .iter()
                .find_map(|name| value.get(name).and_then(explanation))?;
            Some(match value.get("loc").and_then(location) {
                Some(place) => format!("{place}: {text}"),
                None => text,
            })
        }
        _ => None,
    }
}

/// `FastAPI`'s `loc` list (`["body", "stop"]`) as a path.
fn location(loc: &Value) -> Option<String> {
    let parts: Vec<String> = loc.as_array()?.iter().filter_map(scalar_text).collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

/// A string or a number as text.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> ApiError {
        ApiError::from_body(status, body.as_bytes(), None)
    }

    #[test]
    fn every_known_shape_is_read() {
        let bodies = [
            r#"{"error":{"message":"Rate limit","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
            r#"{"error":{"code":500,"message":"context shift","type":"server_error"}}"#,
            r#"{"error":"model 'x' not found"}"#,
            r#"{"object":"error","message":"too long","type":"BadRequestError","param":"max_tokens","code":400}"#,
            r#"{"detail":"Not Found"}"#,
            r#"{"detail":[{"type":"extra_forbidden","loc":["body","stop",0],"msg":"Extra inputs are not permitted","input":"x"},{"msg":"second"}]}"#,
            r#"{"object":"error","message":{"detail":[{"loc":["body","n"],"msg":"bad"}]},"type":"invalid_request_error"}"#,
            r#"[{"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED"}}]"#,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            "<html><head><title>502 Bad Gateway</title></head></html>",
            "upstream\u{1b}[2J timed out\r\n",
            r#"{"ok":false}"#,
            "[]",
            "",
        ];
        let lines: Vec<String> = bodies
            .iter()
            .map(|body| {
                let error = read(500, body);
                format!("{error} | kind {:?} param {:?}", error.kind, error.param)
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        HTTP 500 rate_limit_exceeded: Rate limit | kind Some("requests") param None
        HTTP 500 server_error: context shift | kind Some("server_error") param None
        HTTP 500: model 'x' not found | kind None param None
        HTTP 500 BadRequestError: too long | kind Some("BadRequestError") param Some("max_tokens")
        HTTP 500: Not Found | kind None param None
        HTTP 500: body.stop.0: Extra inputs are not permitted; second | kind None param None
        HTTP 500 invalid_request_error: body.n: bad | kind Some("invalid_request_error") param None
        HTTP 500 RESOURCE_EXHAUSTED: Quota | kind Some("RESOURCE_EXHAUSTED") param None
        HTTP 500 overloaded_error: Overloaded | kind Some("overloaded_error") param None
        HTTP 500: 502 Bad Gateway | kind None param None
        HTTP 500: upstream timed out | kind None param None
        HTTP 500: {"ok":false} | kind None param None
        HTTP 500: [] | kind None param None
        HTTP 500: the server gave no reason | kind None param None
        "#);
    }

    #[test]
    fn a_key_is_scrubbed_before_the_message_is_cut() {
        let key = ApiKey::new("sk-0123456789abcdef".to_owned()).unwrap();
        let message = format!("{}sk-0123456789abcdef", "x".repeat(290));
        let body =
            serde_json::json!({"error": {"message": message, "code": "sk-0123456789abcdef"}});
        let error = ApiError::from_body(401, body.to_string().as_bytes(), Some(&key));
        assert!(!format!("{error:?}").contains("sk-"), "{error:?}");
        let plain = ApiError::from_body(401, b"bad key sk-0123456789abcdef", Some(&key));
        assert_eq!(plain.message, "bad key (redacted)");
    }
}
