//! OpenAI Responses.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::openai::{bearer, error};
use super::{Answer, Api, Call, Counts, DEFAULT_MAX_TOKENS, Finish, Request};
use super::{limit_in, message_texts, parameters, texts};
use crate::simulator::cache::Caching;
use crate::simulator::refusal::Refusal;

/// `POST /v1/responses`.
#[derive(Debug)]
pub(in crate::simulator) struct Responses;

impl Api for Responses {
    fn path(&self) -> &'static str {
        "/v1/responses"
    }

    fn key<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        bearer(headers)
    }

    fn read(&self, call: &Call<'_>) -> Result<Request, &'static str> {
        let input = call.body.get("input").ok_or("you must provide an input parameter")?;
        let turns = match input {
            Value::String(text) => Some(vec![text.clone()]),
            messages => message_texts(messages, "content"),
        };
        let mut texts = call.body.get("instructions").map(texts).unwrap_or_default();
        texts.extend(turns.ok_or("'input' must be a text or a list of messages")?);
        Ok(Request {
            model: call.model()?,
            texts,
            max_tokens: limit_in(call.body, &["max_output_tokens"]).unwrap_or(DEFAULT_MAX_TOKENS),
            stop: Vec::new(),
            strict: call.body.get("text").is_some_and(|text| text.get("format").is_some()),
            parameters: parameters(call.body),
            caching: Caching::Automatic,
            vectors: None,
        })
    }

    fn answer(&self, answer: &Answer<'_>, usage: Value) -> Value {
        let (status, details) = match answer.finish {
            Finish::Stop => ("completed", Value::Null),
            Finish::Length => ("incomplete", json!({"reason": "max_output_tokens"})),
        };
        let number = answer.number;
        let part = json!({"type": "output_text", "text": answer.text, "annotations": []});
        let message = json!({
            "id": format!("msg-simulated-{number}"),
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [part],
        });
        json!({
            "id": format!("resp-simulated-{number}"),
            "object": "response",
            "created_at": 1_700_000_000,
            "model": answer.model,
            "status": status,
            "error": null,
            "incomplete_details": details,
            "output": [{"type": "reasoning", "summary": []}, message],
            "usage": usage,
        })
    }

    fn usage(&self, counts: &Counts) -> Value {
        json!({
            "input_tokens": counts.prompt,
            "input_tokens_details": {"cached_tokens": counts.cached},
            "output_tokens": counts.output,
            "output_tokens_details": {"reasoning_tokens": counts.reasoning},
            "total_tokens": counts.prompt + counts.output,
        })
    }

    fn refusal(&self, refusal: &Refusal) -> (StatusCode, Value) {
        error(refusal)
    }
}
