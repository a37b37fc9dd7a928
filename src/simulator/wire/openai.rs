//! OpenAI chat completions, by themselves and at Azure, and legacy completions.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::{Answer, Api, Call, Counts, DEFAULT_MAX_TOKENS, Finish, Request};
use super::{header, limit_in, message_texts};
use crate::simulator::cache::Caching;
use crate::simulator::refusal::Refusal;

/// `POST /v1/chat/completions`.
#[derive(Debug)]
pub(in crate::simulator) struct Chat;

/// `POST /openai/deployments/DEPLOYMENT/chat/completions?api-version=VERSION`.
#[derive(Debug)]
pub(in crate::simulator) struct AzureChat;

/// `POST /v1/completions`.
#[derive(Debug)]
pub(in crate::simulator) struct Completions;

/// The key behind `Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "))
}

/// An error as OpenAI writes it.
pub(super) fn error(refusal: &Refusal) -> (StatusCode, Value) {
    let Refusal { status, kind, code, parameter, message, .. } = refusal;
    let error = json!({"message": message, "type": kind, "param": parameter, "code": code});
    (*status, json!({"error": error}))
}

fn request(call: &Call<'_>, texts: Vec<String>) -> Result<Request, &'static str> {
    Ok(Request {
        model: call.model()?,
        texts,
        max_tokens: limit_in(call.body, &["max_completion_tokens", "max_tokens"])
            .unwrap_or(DEFAULT_MAX_TOKENS),
        stop: call.body.get("stop").map(super::texts).unwrap_or_default(),
        strict: call.body.contains_key("response_format"),
        parameters: call.body.keys().cloned().collect(),
        caching: Caching::Automatic,
        vectors: None,
    })
}

fn messages(body: &Map<String, Value>) -> Result<Vec<String>, &'static str> {
    let texts = body.get("messages").and_then(|messages| message_texts(messages, "content"));
    texts.ok_or("'messages' must be a list of messages")
}

fn chat_answer(answer: &Answer<'_>, usage: &Value) -> Value {
    let message = json!({"role": "assistant", "content": answer.text, "refusal": null});
    whole(answer, "chat.completion", "chatcmpl", "message", &message, usage)
}

fn whole(
    answer: &Answer<'_>,
    object: &str,
    prefix: &str,
    name: &str,
    said: &Value,
    usage: &Value,
) -> Value {
    let finish_reason = match answer.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    };
    json!({
        "id": format!("{prefix}-simulated-{}", answer.number),
        "object": object,
        "created": 1_700_000_000,
        "model": answer.model,
        "choices": [{"index": 0, name: said, "logprobs": null, "finish_reason": finish_reason}],
        "usage": usage,
        "system_fingerprint": "simulated",
    })
}

fn token_counts(counts: &Counts) -> Value {
    json!({
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.output,
        "total_tokens": counts.prompt + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    })
}

impl Api for Chat {
    fn path(&self) -> &'static str {
        "/v1/chat/completions"
    }

    fn key<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        bearer(headers)
    }

    fn read(&self, call: &Call<'_>) -> Result<Request, &'static str> {
        request(call, messages(call.body)?)
    }

    fn answer(&self, answer: &Answer<'_>, usage: Value) -> Value {
        chat_answer(answer, &usage)
    }

    fn usage(&self, counts: &Counts) -> Value {
        token_counts(counts)
    }

    fn refusal(&self, refusal: &Refusal) -> (StatusCode, Value) {
        error(refusal)
    }
}

impl Api for AzureChat {
    fn path(&self) -> &'static str {
        "/openai/deployments/*/chat/completions"
    }

    fn key<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        header(headers, "api-key")
    }

    fn read(&self, call: &Call<'_>) -> Result<Request, &'static str> {
        if !call.query.split('&').any(|pair| pair.starts_with("api-version=2")) {
            return Err("Missing required query parameter: api-version");
        }
        request(call, messages(call.body)?)
    }

    fn answer(&self, answer: &Answer<'_>, usage: Value) -> Value {
        chat_answer(answer, &usage)
    }

    fn usage(&self, counts: &Counts) -> Value {
        token_counts(counts)
    }

    fn refusal(&self, refusal: &Refusal) -> (StatusCode, Value) {
        error(refusal)
    }
}

impl Api for Completions {
    fn path(&self) -> &'static str {
        "/v1/completions"
    }

    fn key<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        bearer(headers)
    }

    fn read(&self, call: &Call<'_>) -> Result<Request, &'static str> {
        let prompt = call.text("prompt").ok_or("you must provide a prompt parameter")?;
        request(call, vec![prompt])
    }

    fn answer(&self, answer: &Answer<'_>, usage: Value) -> Value {
        whole(answer, "text_completion", "cmpl", "text", &Value::from(answer.text), &usage)
    }

    fn usage(&self, counts: &Counts) -> Value {
        token_counts(counts)
    }

    fn refusal(&self, refusal: &Refusal) -> (StatusCode, Value) {
        error(refusal)
    }
}
