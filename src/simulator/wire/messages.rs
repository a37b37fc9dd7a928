//! Anthropic Messages.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::{Answer, Api, Call, Counts, Finish, Request};
use super::{header, limit_in, message_texts, parameters, texts};
use crate::simulator::cache::Caching;
use crate::simulator::refusal::Refusal;

/// `POST /v1/messages`.
#[derive(Debug)]
pub(in crate::simulator) struct Messages;

/// The system blocks up to the last that is marked.
fn marked(body: &Map<String, Value>) -> Caching {
    let blocks = body.get("system").and_then(Value::as_array);
    let last = blocks.and_then(|all| all.iter().rposition(|b| b.get("cache_control").is_some()));
    last.map_or(Caching::Never, |last| Caching::Marked(last + 1))
}

impl Api for Messages {
    fn path(&self) -> &'static str {
        "/v1/messages"
    }

    fn key<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        header(headers, "x-api-key")
    }

    fn read(&self, call: &Call<'_>) -> Result<Request, &'static str> {
        if !call.headers.contains_key("anthropic-version") {
            return Err("anthropic-version: header is required");
        }
        let messages = call.body.get("messages");
        let turns = messages.and_then(|messages| message_texts(messages, "content"));
        let mut said = call.body.get("system").map(texts).unwrap_or_default();
        said.extend(turns.ok_or("messages: Field required")?);
        let config = call.body.get("output_config").and_then(Value::as_object);
        Ok(Request {
            model: call.model()?,
            texts: said,
            max_tokens: limit_in(call.body, &["max_tokens"]).ok_or("max_tokens: Field required")?,
            stop: call.body.get("stop_sequences").map(texts).unwrap_or_default(),
            strict: config.is_some_and(|config| config.contains_key("format")),
            parameters: parameters(call.body),
            caching: marked(call.body),
            vectors: None,
        })
    }

    fn answer(&self, answer: &Answer<'_>, usage: Value) -> Value {
        let stop_reason = match answer.finish {
            Finish::Stop => "end_turn",
            Finish::Length => "max_tokens",
        };
        let mut content = vec![json!({"type": "thinking", "thinking": "", "signature": ""})];
        if !answer.text.is_empty() {
            content.push(json!({"type": "text", "text": answer.text}));
        }
        json!({
            "id": format!("msg-simulated-{}", answer.number),
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": usage,
        })
    }

    /// What came from the cache is not among the input tokens.
    fn usage(&self, counts: &Counts) -> Value {
        json!({
            "input_tokens": counts.prompt - counts.cached - counts.written,
            "cache_creation_input_tokens": counts.written,
            "cache_read_input_tokens": counts.cached,
            "output_tokens": counts.output,
            "output_tokens_details": {"thinking_tokens": counts.reasoning},
        })
    }

    fn refusal(&self, refusal: &Refusal) -> (StatusCode, Value) {
        let message = match refusal.parameter.as_deref() {
            Some(name) => format!("{name}: Extra inputs are not permitted"),
            None => refusal.message.clone(),
        };
        let (status, kind) = match refusal.status.as_u16() {
            401 => (refusal.status, "authentication_error"),
            404 => (refusal.status, "not_found_error"),
            429 if refusal.code == "insufficient_quota" => {
                (StatusCode::BAD_REQUEST, "invalid_request_error")
            }
            429 => (refusal.status, "rate_limit_error"),
            503 => (StatusCode::from_u16(529).unwrap_or(refusal.status), "overloaded_error"),
            500.. => (refusal.status, "api_error"),
            200 => (refusal.status, "overloaded_error"),
            _ => (refusal.status, "invalid_request_error"),
        };
        let message = match refusal.code {
            "insufficient_quota" => {
                "Your credit balance is too low to access the Anthropic API.".to_owned()
            }
            _ => message,
        };
        (status, json!({"type": "error", "error": {"type": kind, "message": message}}))
    }

    fn limit_header(&self, counted: &str, part: &str) -> Option<String> {
        Some(format!("anthropic-ratelimit-{counted}-{part}"))
    }

    fn reset(&self, wait: Duration) -> String {
        let at = jiff::Timestamp::now().checked_add(wait);
        at.map(|at| at.round(jiff::Unit::Second).unwrap_or(at).to_string()).unwrap_or_default()
    }
}
