//! Anthropic Messages.
//!
//! Reference: <https://platform.claude.com/docs/en/api/messages>.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::{ANTHROPIC_LIMITS, Access, ApiVersion, KeyHeader, VersionPlace};
use super::body::{conversation, sampling, to_json};
use super::lenient::{Lenient, from_object};
use super::reply::{self, field};
use super::usage::Counts;
use super::{AnthropicBatches, BatchApi, DecodeError, Provider, Quirks};
use crate::chat::{Completion, CompletionRequest, FinishReason, ReasoningEffort, TokenUsage};

/// `POST messages`.
#[derive(Debug, Clone, Copy)]
pub struct Anthropic;

const ACCESS: Access = Access {
    base_url: Some("https://api.anthropic.com/v1"),
    base_url_env: None,
    api_key_env: "ANTHROPIC_API_KEY",
    key_header: KeyHeader::Named("x-api-key"),
    version: Some(ApiVersion {
        place: VersionPlace::Header,
        name: "anthropic-version",
        default: "2023-06-01",
    }),
    limits: ANTHROPIC_LIMITS,
    table_name: Some("anthropic"),
    self_hosted: false,
};

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<System>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig<'a>,
}

/// The standing instructions: a text, or one block when it is to be cached up to its end.
#[derive(Serialize)]
#[serde(untagged)]
enum System {
    Text(String),
    Cached([Block; 1]),
}

#[derive(Serialize)]
struct Block {
    r#type: &'static str,
    text: String,
    cache_control: CacheControl,
}

/// The cache keeps what it is given for five minutes from its last use.
#[derive(Serialize)]
struct CacheControl {
    r#type: &'static str,
}

impl System {
    fn new(text: String, is_cached: bool) -> Self {
        if !is_cached {
            return Self::Text(text);
        }
        let cache_control = CacheControl { r#type: "ephemeral" };
        Self::Cached([Block { r#type: "text", text, cache_control }])
    }
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
}

#[derive(Serialize)]
struct Format<'a> {
    r#type: &'static str,
    schema: &'a Value,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        self.format.is_none() && self.effort.is_none()
    }
}

/// The API's word for an effort. It has none for no effort: thinking is off unless it is asked for.
fn effort_name(effort: ReasoningEffort) -> Option<&'static str> {
    match effort {
        ReasoningEffort::None => None,
        ReasoningEffort::Minimal => Some("low"),
        other => Some(other.as_str()),
    }
}

/// Temperature and nucleus mass. Models since Claude 4.5 refuse both at once, so that a mass of 1,
/// which does nothing, is left out, and a temperature of 1, the default, beside another mass.
fn one_of(request: &CompletionRequest, quirks: Quirks) -> (Option<f64>, Option<f64>) {
    let changes = |value: &f64| (value - 1.0).abs() > f64::EPSILON;
    let (temperature, top_p) = sampling(request, quirks);
    let top_p = top_p.filter(changes);
    (temperature.filter(|value| top_p.is_none() || changes(value)), top_p)
}

/// A reply, as far as it matters.
#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    content: Lenient<Vec<Value>>,
    #[serde(default)]
    stop_reason: Lenient<String>,
    #[serde(default)]
    usage: Lenient<Usage>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: Lenient<u64>,
    #[serde(default)]
    cache_read_input_tokens: Lenient<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Lenient<u64>,
    #[serde(default)]
    output_tokens: Lenient<u64>,
    #[serde(default)]
    output_tokens_details: Lenient<OutputDetails>,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Lenient<u64>,
}

from_object!(Reply, Usage, OutputDetails);

impl reply::Reply for Reply {
    fn completion(self) -> Option<Completion> {
        let blocks = self.content.0?;
        let is = |block: &&Value, kind| field(block, "type") == Some(kind);
        let text: String = blocks
            .iter()
            .filter(|block| is(block, "text"))
            .filter_map(|block| field(block, "text"))
            .collect();
        let thought = blocks
            .iter()
            .any(|block| field(block, "type").is_some_and(|kind| kind.ends_with("thinking")));
        let mut usage = self.usage.0.as_ref().and_then(token_usage);
        if let Some(usage) = usage.as_mut().filter(|_| thought && text.is_empty()) {
            // Where thinking is not counted apart, it is all there was.
            usage.reasoning = usage.output;
        }
        Some(Completion {
            text,
            finish_reason: finish_reason(self.stop_reason.0.as_deref()),
            usage,
        })
    }
}

fn finish_reason(reason: Option<&str>) -> FinishReason {
    match reason {
        None | Some("") => FinishReason::Missing,
        Some("end_turn" | "stop_sequence") => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("refusal") => FinishReason::ContentFilter,
        Some(other) => FinishReason::Other(other.to_owned()),
    }
}

/// The counts by price class; `input_tokens` are those that no cache has to do with.
fn token_usage(usage: &Usage) -> Option<TokenUsage> {
    let details = usage.output_tokens_details.0.as_ref();
    let thinking = details.and_then(|details| details.thinking_tokens.0).unwrap_or(0);
    let output = usage.output_tokens.0?;
    let written = Counts { output, reasoning: thinking, ..Counts::default() };
    Some(TokenUsage {
        input: usage.input_tokens.0?,
        cached_input: usage.cache_read_input_tokens.0.unwrap_or(0),
        cache_write: usage.cache_creation_input_tokens.0.unwrap_or(0),
        ..written.usage()
    })
}

impl Provider for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn about(&self) -> &'static str {
        "Anthropic Messages"
    }

    fn access(&self) -> Access {
        ACCESS
    }

    fn path(&self, _model: &str) -> String {
        "messages".to_owned()
    }

    fn encode(&self, request: &CompletionRequest, quirks: &Quirks) -> Vec<u8> {
        let (system, turns) = conversation(&request.prompt, *quirks);
        let (temperature, top_p) = one_of(request, *quirks);
        let schema = request.response_schema.as_deref().filter(|_| quirks.response_schema);
        // A stop text of white space alone is refused.
        let stops = request.stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty());
        let body = Request {
            model: &request.model,
            max_tokens: request.max_output_tokens,
            system: system.map(|text| System::new(text, request.cache_key.is_some())),
            messages: turns
                .into_iter()
                .map(|turn| Message { role: turn.role.as_str(), content: turn.text })
                .collect(),
            temperature,
            top_p,
            stop_sequences: stops.filter(|_| quirks.stop).collect(),
            output_config: OutputConfig {
                format: schema
                    .map(|schema| Format { r#type: "json_schema", schema: &schema.schema }),
                effort: quirks.effort(request).and_then(effort_name),
            },
        };
        to_json(&body, &request.prompt)
    }

    fn decode(&self, body: &[u8]) -> Result<Completion, DecodeError> {
        reply::decode::<Reply>(body)
    }

    fn batches(&self) -> Option<&'static dyn BatchApi> {
        Some(&AnthropicBatches)
    }
}
