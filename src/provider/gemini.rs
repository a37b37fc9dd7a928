//! Google Gemini, `generateContent`.
//!
//! Reference: <https://ai.google.dev/api/generate-content>.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::{Access, KeyHeader};
use super::body::{conversation, path_segment, sampling, to_json};
use super::lenient::{First, Lenient, from_object};
use super::reply::{self, field};
use super::usage::Counts;
use super::{DecodeError, Provider, Quirks};
use crate::chat::{Completion, CompletionRequest, FinishReason, ReasoningEffort, Role, TokenUsage};

/// `POST models/MODEL:generateContent`.
#[derive(Debug, Clone, Copy)]
pub struct Gemini;

const ACCESS: Access = Access {
    base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
    base_url_env: None,
    api_key_env: "GEMINI_API_KEY",
    key_header: KeyHeader::Named("x-goog-api-key"),
    version: None,
    // The API names none: a refusal's body says how long to wait.
    limits: &[],
    table_name: Some("gemini"),
    self_hosted: false,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    generation_config: GenerationConfig<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
struct Part<'a> {
    text: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    max_output_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

/// Models since Gemini 3 take a level, those before it a number of tokens.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ThinkingConfig {
    ThinkingLevel(&'static str),
    ThinkingBudget(u32),
}

impl ThinkingConfig {
    fn new(effort: ReasoningEffort, quirks: Quirks) -> Self {
        use ReasoningEffort::{High, Low, Max, Medium, Minimal, None, XHigh};
        if quirks.thinking_budget {
            // What Google's own translation of OpenAI's efforts takes.
            return Self::ThinkingBudget(match effort {
                None => 0,
                Minimal | Low => 1_024,
                Medium => 8_192,
                High | XHigh | Max => 24_576,
            });
        }
        Self::ThinkingLevel(match effort {
            None | Minimal => "minimal",
            Low => "low",
            Medium => "medium",
            High | XHigh | Max => "high",
        })
    }
}

impl<'a> Content<'a> {
    fn new(role: Option<&'static str>, text: impl Into<Cow<'a, str>>) -> Self {
        Self { role, parts: [Part { text: text.into() }] }
    }
}

/// A reply, as far as it matters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    #[serde(default)]
    candidates: Lenient<First<Candidate>>,
    #[serde(default)]
    prompt_feedback: Lenient<PromptFeedback>,
    #[serde(default)]
    usage_metadata: Lenient<Usage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    content: Lenient<Parts>,
    #[serde(default)]
    finish_reason: Lenient<String>,
}

#[derive(Debug, Deserialize)]
struct Parts {
    #[serde(default)]
    parts: Lenient<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    #[serde(default)]
    block_reason: Lenient<String>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    #[serde(default, rename = "promptTokenCount")]
    prompt: Lenient<u64>,
    #[serde(default, rename = "cachedContentTokenCount")]
    cached: Value,
    #[serde(default, rename = "candidatesTokenCount")]
    candidates: Value,
    #[serde(default, rename = "thoughtsTokenCount")]
    thoughts: Value,
    #[serde(default, rename = "totalTokenCount")]
    total: Lenient<u64>,
}

from_object!(Reply, Candidate, Parts, PromptFeedback, Usage);

impl reply::Reply for Reply {
    /// The first candidate; a prompt that was blocked has none, and is billed all the same.
    fn completion(self) -> Option<Completion> {
        let usage = self.usage_metadata.0.as_ref().and_then(token_usage);
        let Some(First(candidate)) = self.candidates.0 else {
            self.prompt_feedback.0?.block_reason.0?;
            let finish_reason = FinishReason::ContentFilter;
            return Some(Completion { text: String::new(), finish_reason, usage });
        };
        let parts = candidate.content.0.and_then(|content| content.parts.0).unwrap_or_default();
        let thought = |part: &Value| part.get("thought").and_then(Value::as_bool) == Some(true);
        let shown = parts.iter().filter(|part| !thought(part));
        let text = shown.filter_map(|part| field(part, "text")).collect();
        Some(Completion {
            text,
            finish_reason: finish_reason(candidate.finish_reason.0.as_deref()),
            usage,
        })
    }
}

fn finish_reason(reason: Option<&str>) -> FinishReason {
    match reason {
        None | Some("" | "FINISH_REASON_UNSPECIFIED") => FinishReason::Missing,
        Some("STOP") => FinishReason::Stop,
        Some("MAX_TOKENS") => FinishReason::Length,
        Some(
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE",
        ) => FinishReason::ContentFilter,
        Some(other) => FinishReason::Other(other.to_owned()),
    }
}

/// The counts by price class: cached tokens are a part of the prompt's, thoughts are counted beside
/// the candidates and billed as output. The API leaves out a count of zero.
fn token_usage(usage: &Usage) -> Option<TokenUsage> {
    let prompt = usage.prompt.0?;
    let thoughts = count_or_zero(&usage.thoughts)?;
    let written = count_or_zero(&usage.candidates)?.saturating_add(thoughts);
    let rest = usage.total.0.and_then(|total| total.checked_sub(prompt));
    let counts = Counts {
        prompt,
        cached_input: count_or_zero(&usage.cached)?,
        cache_write: 0,
        output: written.max(rest.unwrap_or(0)),
        reasoning: thoughts,
    };
    Some(counts.usage())
}

/// A count that may be missing, but not be something else.
fn count_or_zero(value: &Value) -> Option<u64> {
    match value {
        Value::Null => Some(0),
        other => Lenient::<u64>::deserialize(other).ok()?.0,
    }
}

impl Provider for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn about(&self) -> &'static str {
        "Google Gemini, generateContent"
    }

    fn access(&self) -> Access {
        ACCESS
    }

    fn path(&self, model: &str) -> String {
        let name = model.strip_prefix("models/").unwrap_or(model);
        format!("models/{}:generateContent", path_segment(name))
    }

    fn encode(&self, request: &CompletionRequest, quirks: &Quirks) -> Vec<u8> {
        let (system, turns) = conversation(&request.prompt, *quirks);
        let (temperature, top_p) = sampling(request, *quirks);
        let schema = request.response_schema.as_deref().filter(|_| quirks.response_schema);
        let role = |role| if role == Role::Assistant { "model" } else { "user" };
        let body = Request {
            system_instruction: system.map(|system| Content::new(None, system)),
            contents: turns
                .into_iter()
                .map(|turn| Content::new(Some(role(turn.role)), turn.text))
                .collect(),
            generation_config: GenerationConfig {
                max_output_tokens: request.max_output_tokens,
                temperature,
                top_p,
                stop_sequences: if quirks.stop { &request.stop } else { &[] },
                response_mime_type: schema.map(|_| "application/json"),
                response_json_schema: schema.map(|schema| &schema.schema),
                thinking_config: quirks
                    .effort(request)
                    .map(|effort| ThinkingConfig::new(effort, *quirks)),
            },
        };
        to_json(&body, &request.prompt)
    }

    fn decode(&self, body: &[u8]) -> Result<Completion, DecodeError> {
        reply::decode::<Reply>(body)
    }
}
