//! Requests and answers in the OpenAI API's JSON.

use serde_json::{Map, Value, json};

/// Both generation endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Chat,
    Completions,
}

/// A request as far as the simulator needs it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) model: String,
    pub(super) texts: Vec<String>,
    pub(super) max_tokens: u64,
    pub(super) stop: Vec<String>,
    pub(super) strict: bool,
    pub(super) parameters: Vec<String>,
}

/// Output tokens when the request names no limit.
const DEFAULT_MAX_TOKENS: u64 = 4_096;
/// A higher limit on output tokens counts as this one: no model writes more, and sums stay sums.
const MOST_MAX_TOKENS: u64 = 1 << 32;

/// Reads a request, or says what is missing in it.
pub(super) fn read(endpoint: Endpoint, body: &[u8]) -> Result<Request, &'static str> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|_ignored| "We could not parse the JSON body of your request.")?;
    let Value::Object(object) = value else { return Err("The body must be a JSON object.") };
    let model = object.get("model").and_then(Value::as_str);
    let model = model.ok_or("you must provide a model parameter")?.to_owned();
    let texts = match endpoint {
        Endpoint::Chat => messages(&object).ok_or("'messages' must be a list of messages")?,
        Endpoint::Completions => {
            let prompt = object.get("prompt").and_then(Value::as_str);
            vec![prompt.ok_or("you must provide a prompt parameter")?.to_owned()]
        }
    };
    let limit = |key| object.get(key).and_then(Value::as_u64);
    Ok(Request {
        model,
        texts,
        max_tokens: limit("max_completion_tokens")
            .or_else(|| limit("max_tokens"))
            .map_or(DEFAULT_MAX_TOKENS, |most| most.min(MOST_MAX_TOKENS)),
        stop: stop_texts(object.get("stop")),
        strict: object.contains_key("response_format"),
        parameters: object.keys().cloned().collect(),
    })
}

fn messages(object: &Map<String, Value>) -> Option<Vec<String>> {
    let messages = object.get("messages")?.as_array()?;
    let content = |message: &Value| Some(message.get("content")?.as_str()?.to_owned());
    messages.iter().map(content).collect()
}

fn stop_texts(stop: Option<&Value>) -> Vec<String> {
    match stop {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => {
            texts.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

impl Request {
    /// Four bytes a token, and what a chat template adds.
    pub(super) fn prompt_tokens(&self) -> u64 {
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

/// A text cut at the first stop text and at the token limit, with its finish reason.
pub(super) fn limit_text(
    mut text: String,
    stop: &[String],
    max_tokens: u64,
) -> (String, &'static str) {
    let first_stop = stop.iter().filter(|s| !s.is_empty()).filter_map(|s| text.find(s.as_str()));
    if let Some(end) = first_stop.min() {
        text.truncate(end);
    }
    let most = usize::try_from(max_tokens).unwrap_or(usize::MAX).saturating_mul(4);
    if text.len() <= most {
        return (text, "stop");
    }
    cut(&mut text, most);
    (text, "length")
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
    pub(super) finish_reason: &'static str,
    pub(super) usage: Value,
}

impl Answer<'_> {
    pub(super) fn to_json(&self, endpoint: Endpoint) -> Vec<u8> {
        let (object, prefix, choice) = match endpoint {
            Endpoint::Chat => (
                "chat.completion",
                "chatcmpl",
                json!({
                    "index": 0,
                    "message": {"role": "assistant", "content": self.text, "refusal": null},
                    "logprobs": null,
                    "finish_reason": self.finish_reason,
                }),
            ),
            Endpoint::Completions => (
                "text_completion",
                "cmpl",
                json!({
                    "index": 0,
                    "text": self.text,
                    "logprobs": null,
                    "finish_reason": self.finish_reason,
                }),
            ),
        };
        json!({
            "id": format!("{prefix}-simulated-{}", self.number),
            "object": object,
            "created": 1_700_000_000,
            "model": self.model,
            "choices": [choice],
            "usage": self.usage,
            "system_fingerprint": "simulated",
        })
        .to_string()
        .into_bytes()
    }
}

/// Usage as OpenAI reports it.
pub(super) fn usage(prompt_tokens: u64, completion_tokens: u64) -> Value {
    json!({
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    })
}

/// An error as OpenAI writes it.
pub(super) fn error(kind: &str, code: &str, param: Option<&str>, message: &str) -> Vec<u8> {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
        .to_string()
        .into_bytes()
}
