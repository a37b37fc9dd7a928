//! The APIs that the simulator speaks: requests, answers, refusals and limits in the JSON and the
//! headers of each.

mod embeddings;
mod gemini;
mod messages;
mod openai;
mod responses;

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::cache::Caching;
use super::embeddings::Form;
use super::limits::header_duration;
use super::refusal::Refusal;

pub(super) use embeddings::Embeddings;
pub(super) use gemini::GenerateContent;
pub(super) use messages::Messages;
pub(super) use openai::{AzureChat, Chat, Completions};
pub(super) use responses::Responses;

/// One API: how a request for a completion is read, and how it is answered.
pub(super) trait Api: fmt::Debug + Send + Sync {
    /// The path, as the journal names it.
    fn path(&self) -> &'static str;

    /// The key in a request's headers.
    fn key<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str>;

    /// Reads a request, or says what is missing in it.
    fn read(&self, call: &Call<'_>) -> Result<Request, &'static str>;

    /// The body of an answer; `usage` is what [`usage`](Self::usage) made, or a faulty one.
    fn answer(&self, answer: &Answer<'_>, usage: Value) -> Value;

    /// Token counts in the API's names.
    fn usage(&self, counts: &Counts) -> Value;

    /// A refusal with the API's status and words.
    fn refusal(&self, refusal: &Refusal) -> (StatusCode, Value);

    /// The header that says the limit, what remains of it or when it is reset; `None` where the
    /// API has none.
    fn limit_header(&self, counted: &str, part: &str) -> Option<String> {
        Some(format!("x-ratelimit-{part}-{counted}"))
    }

    /// When a limit is reset, as the API writes it.
    fn reset(&self, wait: Duration) -> String {
        header_duration(wait)
    }

    /// Whether requests count against the limits, which are those of a model for completions.
    fn is_limited(&self) -> bool {
        true
    }

    /// Whether a refusal says in a header how long to wait.
    fn names_wait(&self) -> bool {
        true
    }
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The model that the path names.
    pub(super) model: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a str,
    pub(super) body: &'a Map<String, Value>,
}

/// A request as far as the simulator needs it.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) model: String,
    pub(super) texts: Vec<String>,
    pub(super) max_tokens: u64,
    pub(super) stop: Vec<String>,
    pub(super) strict: bool,
    pub(super) parameters: Vec<String>,
    /// Which part of the prompt may come from a cache.
    pub(super) caching: Caching,
    /// The form of the vectors, where embeddings are asked for.
    pub(super) vectors: Option<Form>,
}

/// Output tokens when the request names no limit.
const DEFAULT_MAX_TOKENS: u64 = 4_096;
/// A higher limit on output tokens counts as this one: no model writes more, and sums stay sums.
const MOST_MAX_TOKENS: u64 = 1 << 32;

impl Call<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.body.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    fn model(&self) -> Result<String, &'static str> {
        let model = self.model.map(str::to_owned).or_else(|| self.text("model"));
        model.ok_or("you must provide a model parameter")
    }
}

/// The names of the fields, and those of their own fields behind a dot.
fn parameters(fields: &Map<String, Value>) -> Vec<String> {
    let nested = |(name, value): (&String, &Value)| {
        let inner = value.as_object().into_iter().flat_map(Map::keys);
        let inner = inner.map(|inner| format!("{name}.{inner}"));
        inner.chain([name.clone()]).collect::<Vec<_>>()
    };
    fields.iter().flat_map(nested).collect()
}

/// A limit on output tokens, as one of `names` says it.
fn limit_in(fields: &Map<String, Value>, names: &[&str]) -> Option<u64> {
    let limit = names.iter().find_map(|name| fields.get(*name).and_then(Value::as_u64));
    limit.map(|most| most.min(MOST_MAX_TOKENS))
}

/// A text, or a list of texts or of parts with a text.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(part) => part.get("text").map(texts).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The content of each message of a list, its parts joined.
fn message_texts(messages: &Value, content: &str) -> Option<Vec<String>> {
    let text = |message: &Value| Some(texts(message.get(content)?).concat());
    messages.as_array()?.iter().map(text).collect()
}

/// Reads a body: JSON, and an object.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, &'static str> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("The body must be a JSON object."),
        Err(_) => Err("We could not parse the JSON body of your request."),
    }
}

impl Request {
    /// Four bytes a token, and what a chat template adds.
    pub(super) fn prompt_tokens(&self) -> u64 {
        if self.vectors.is_some() {
            return self.texts.iter().map(|text| tokens(text.len())).sum();
        }
        let bytes: usize = self.texts.iter().map(String::len).sum();
        tokens(bytes) + 4 * self.texts.len() as u64 + 3
    }

    /// What counts against a limit on tokens before the answer is known.
    pub(super) fn tokens_at_admission(&self) -> u64 {
        self.prompt_tokens() + self.max_tokens
    }
}

/// Four bytes a token, rounded up.
pub(super) fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

/// Why a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    Length,
}

/// A text cut at the first stop text and at the token limit.
pub(super) fn limit_text(mut text: String, stop: &[String], max_tokens: u64) -> (String, Finish) {
    let first_stop = stop.iter().filter(|s| !s.is_empty()).filter_map(|s| text.find(s.as_str()));
    if let Some(end) = first_stop.min() {
        text.truncate(end);
    }
    let most = usize::try_from(max_tokens).unwrap_or(usize::MAX).saturating_mul(4);
    if text.len() <= most {
        return (text, Finish::Stop);
    }
    cut(&mut text, most);
    (text, Finish::Length)
}

/// Cuts a text to at most so many bytes, at a character's boundary.
pub(super) fn cut(text: &mut String, most: usize) {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}

/// What an answer says.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) number: u64,
    pub(super) model: &'a str,
    pub(super) text: &'a str,
    pub(super) finish: Finish,
    pub(super) request: &'a Request,
}

/// The tokens of an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// All prompt tokens.
    pub(super) prompt: u64,
    /// Those of them that came from a cache.
    pub(super) cached: u64,
    /// Those of them that went into a cache at a price.
    pub(super) written: u64,
    /// All output tokens.
    pub(super) output: u64,
    /// Those of them that nobody sees.
    pub(super) reasoning: u64,
}

/// A usage in which every count is below zero.
pub(super) fn negative(usage: Value) -> Value {
    match usage {
        Value::Number(_) => Value::from(-1),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, negative(value))).collect()
        }
        other => other,
    }
}

/// The bare key in a header.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
