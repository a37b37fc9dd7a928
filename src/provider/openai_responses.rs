//! OpenAI Responses: the API that newer models of OpenAI are offered on first.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/responses>.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::{Access, OPENAI};
use super::body::{conversation, sampling, to_json};
use super::lenient::{Lenient, from_object};
use super::reply::{self, field};
use super::usage::Counts;
use super::{BatchApi, DecodeError, OpenAiBatches, Provider, Quirks, quirks};
use crate::chat::{
    Completion, CompletionRequest, FinishReason, ModelTraits, ReasoningEffort, ResponseSchema,
    TokenUsage,
};

/// `POST responses`.
#[derive(Debug, Clone, Copy)]
pub struct OpenAiResponses;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    input: Vec<Message<'a>>,
    max_output_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    /// The server keeps nothing: a run has its own journal.
    store: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}

#[derive(Serialize)]
struct Text<'a> {
    format: Format<'a>,
}

#[derive(Serialize)]
struct Format<'a> {
    r#type: &'static str,
    name: &'static str,
    strict: bool,
    schema: &'a Value,
}

#[derive(Serialize)]
struct Reasoning {
    effort: &'static str,
}

impl<'a> Text<'a> {
    fn new(schema: &'a ResponseSchema) -> Self {
        let ResponseSchema { name, schema } = schema;
        Self { format: Format { r#type: "json_schema", name, strict: true, schema } }
    }
}

/// A reply, as far as it matters.
#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    output: Lenient<Vec<Value>>,
    #[serde(default)]
    status: Lenient<String>,
    #[serde(default)]
    incomplete_details: Lenient<Incomplete>,
    #[serde(default)]
    usage: Lenient<Usage>,
}

#[derive(Debug, Deserialize)]
struct Incomplete {
    #[serde(default)]
    reason: Lenient<String>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: Lenient<u64>,
    #[serde(default)]
    output_tokens: Lenient<u64>,
    #[serde(default)]
    total_tokens: Lenient<u64>,
    #[serde(default)]
    input_tokens_details: Lenient<InputDetails>,
    #[serde(default)]
    output_tokens_details: Lenient<OutputDetails>,
}

#[derive(Debug, Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Lenient<u64>,
    #[serde(default)]
    cache_write_tokens: Lenient<u64>,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    reasoning_tokens: Lenient<u64>,
}

from_object!(Reply, Incomplete, Usage, InputDetails, OutputDetails);

impl reply::Reply for Reply {
    fn completion(self) -> Option<Completion> {
        let items = self.output.0?;
        let status = self.status.0.unwrap_or_default();
        if status == "failed" {
            return None;
        }
        let reason = self.incomplete_details.0.and_then(|details| details.reason.0);
        let finish_reason = finish_reason(&status, reason);
        let usage = self.usage.0.as_ref().and_then(token_usage);
        Some(Completion { text: text_of(&items), finish_reason, usage })
    }
}

/// The text of the messages among the items, or the model's refusal where there is none.
fn text_of(items: &[Value]) -> String {
    let messages = items.iter().filter(|item| field(item, "type") == Some("message"));
    let parts: Vec<&Value> =
        messages.filter_map(|item| item.get("content")?.as_array()).flatten().collect();
    let texts = |kind: &str, name: &str| -> String {
        let of_kind = parts.iter().filter(|part| field(part, "type") == Some(kind));
        of_kind.filter_map(|part| field(part, name)).collect()
    };
    let text = texts("output_text", "text");
    if text.is_empty() { texts("refusal", "refusal") } else { text }
}

fn finish_reason(status: &str, reason: Option<String>) -> FinishReason {
    match (status, reason.as_deref()) {
        ("completed", _) => FinishReason::Stop,
        (_, Some("max_output_tokens")) => FinishReason::Length,
        (_, Some("content_filter")) => FinishReason::ContentFilter,
        ("", None) => FinishReason::Missing,
        _ => FinishReason::Other(reason.unwrap_or_else(|| status.to_owned())),
    }
}

/// The counts by price class; cached tokens are a part of `input_tokens`, and reasoning is one of
/// `output_tokens`.
fn token_usage(usage: &Usage) -> Option<TokenUsage> {
    let prompt = usage.input_tokens.0?;
    let rest = usage.total_tokens.0.and_then(|total| total.checked_sub(prompt));
    let output = usage.output_tokens.0?.max(rest.unwrap_or(0));
    let details = usage.input_tokens_details.0.as_ref();
    let cached_input = details.and_then(|details| details.cached_tokens.0).unwrap_or(0);
    let cache_write = details.and_then(|details| details.cache_write_tokens.0).unwrap_or(0);
    let details = usage.output_tokens_details.0.as_ref();
    let reasoning = details.and_then(|details| details.reasoning_tokens.0).unwrap_or(0);
    Some(Counts { prompt, cached_input, cache_write, output, reasoning }.usage())
}

impl Provider for OpenAiResponses {
    fn name(&self) -> &'static str {
        "openai-responses"
    }

    fn about(&self) -> &'static str {
        "OpenAI Responses; stop texts have no place in it"
    }

    fn access(&self) -> Access {
        OPENAI
    }

    fn path(&self, _model: &str) -> String {
        "responses".to_owned()
    }

    fn quirks(&self, model: &ModelTraits, effort: Option<ReasoningEffort>) -> Quirks {
        quirks::of_openai(model, effort)
    }

    fn encode(&self, request: &CompletionRequest, quirks: &Quirks) -> Vec<u8> {
        let (instructions, turns) = conversation(&request.prompt, *quirks);
        let (temperature, top_p) = sampling(request, *quirks);
        let schema = request.response_schema.as_deref().filter(|_| quirks.response_schema);
        let body = Request {
            model: &request.model,
            instructions,
            input: turns
                .into_iter()
                .map(|turn| Message { role: turn.role.as_str(), content: turn.text })
                .collect(),
            max_output_tokens: request.max_output_tokens,
            temperature,
            top_p,
            text: schema.map(Text::new),
            reasoning: quirks.effort(request).map(|effort| Reasoning { effort: effort.as_str() }),
            prompt_cache_key: quirks.cache_key(request),
            store: false,
        };
        to_json(&body, &request.prompt)
    }

    fn decode(&self, body: &[u8]) -> Result<Completion, DecodeError> {
        reply::decode::<Reply>(body)
    }

    fn batches(&self) -> Option<&'static dyn BatchApi> {
        Some(&OpenAiBatches { endpoint: "/v1/responses" })
    }
}
