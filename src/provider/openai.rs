//! OpenAI chat completions, the API that nearly every server speaks.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/chat>.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::access::{Access, OPENAI};
use super::body::{conversation, sampling, to_json};
use super::wire::decode_reply;
use super::{BatchApi, DecodeError, OpenAiBatches, Provider, Quirks, quirks};
use crate::chat::{
    Completion, CompletionRequest, ModelTraits, Prompt, ReasoningEffort, ResponseSchema, Role,
};

/// `POST chat/completions`.
#[derive(Debug, Clone, Copy)]
pub struct OpenAi;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(flatten)]
    parameters: Parameters<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}

/// The parameters that chat and legacy completions share.
#[derive(Serialize)]
pub(super) struct Parameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
}

impl<'a> Parameters<'a> {
    /// The parameters of `request` that this server takes.
    pub(super) fn new(request: &'a CompletionRequest, quirks: Quirks) -> Self {
        let limit = request.max_output_tokens;
        let (temperature, top_p) = sampling(request, quirks);
        Self {
            max_tokens: (!quirks.max_completion_tokens).then_some(limit),
            max_completion_tokens: quirks.max_completion_tokens.then_some(limit),
            temperature,
            top_p,
            stop: if quirks.stop { &request.stop } else { &[] },
        }
    }
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    r#type: &'static str,
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'static str,
    strict: bool,
    schema: &'a Value,
}

impl<'a> ResponseFormat<'a> {
    fn new(schema: &'a ResponseSchema) -> Self {
        let json_schema = JsonSchema { name: schema.name, strict: true, schema: &schema.schema };
        Self { r#type: "json_schema", json_schema }
    }
}

/// The turns as they are, or without system messages where the model takes none.
fn messages(prompt: &Prompt, quirks: Quirks) -> Vec<Message<'_>> {
    let message = |role: Role, content| Message { role: role.as_str(), content };
    match prompt {
        Prompt::Messages(messages) if quirks.system_messages => {
            messages.iter().map(|m| message(m.role, Cow::Borrowed(&*m.content))).collect()
        }
        _ => {
            let (_, turns) = conversation(prompt, quirks);
            turns.into_iter().map(|turn| message(turn.role, turn.text)).collect()
        }
    }
}

/// The body of a request, for every API of this wire format.
pub(super) fn encode_chat(request: &CompletionRequest, quirks: Quirks) -> Vec<u8> {
    let schema = request.response_schema.as_deref().filter(|_| quirks.response_schema);
    let body = Request {
        model: &request.model,
        messages: messages(&request.prompt, quirks),
        parameters: Parameters::new(request, quirks),
        response_format: schema.map(ResponseFormat::new),
        reasoning_effort: quirks.effort(request).map(ReasoningEffort::as_str),
        prompt_cache_key: quirks.cache_key(request),
    };
    to_json(&body, &request.prompt)
}

impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn about(&self) -> &'static str {
        "OpenAI chat completions, and every server that speaks them (set --base-url)"
    }

    fn access(&self) -> Access {
        OPENAI
    }

    fn path(&self, _model: &str) -> String {
        "chat/completions".to_owned()
    }

    fn quirks(&self, model: &ModelTraits, effort: Option<ReasoningEffort>) -> Quirks {
        quirks::of_openai(model, effort)
    }

    fn encode(&self, request: &CompletionRequest, quirks: &Quirks) -> Vec<u8> {
        encode_chat(request, *quirks)
    }

    fn decode(&self, body: &[u8]) -> Result<Completion, DecodeError> {
        decode_reply(body)
    }

    fn batches(&self) -> Option<&'static dyn BatchApi> {
        Some(&OpenAiBatches { endpoint: "/v1/chat/completions" })
    }
}
