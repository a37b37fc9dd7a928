//! OpenAI chat completions, the API that nearly every server speaks.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/chat>.

use serde::Serialize;
use serde_json::Value;

use super::wire::decode_reply;
use super::{DecodeError, Provider, Quirks};
use crate::chat::{Completion, CompletionRequest, Prompt, ResponseSchema};

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
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
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
        // JSON has no NaN or infinity: such a value is the same as none.
        let sampling = |value: Option<f64>| value.filter(|v| quirks.sampling && v.is_finite());
        Self {
            max_tokens: (!quirks.max_completion_tokens).then_some(limit),
            max_completion_tokens: quirks.max_completion_tokens.then_some(limit),
            temperature: sampling(request.temperature),
            top_p: sampling(request.top_p),
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

fn messages(prompt: &Prompt) -> Vec<Message<'_>> {
    match prompt {
        Prompt::Text(text) => vec![Message { role: "user", content: text }],
        Prompt::Messages(messages) => messages
            .iter()
            .map(|message| Message { role: message.role.as_str(), content: &message.content })
            .collect(),
    }
}

/// The JSON of a body. Its buffer has room for the prompt's escapes and the parameters from the
/// start, so that it is not copied while it grows.
pub(super) fn to_json(body: &impl Serialize, prompt: &Prompt) -> Vec<u8> {
    let text_bytes = match prompt {
        Prompt::Text(text) => text.len(),
        Prompt::Messages(messages) => messages.iter().map(|message| message.content.len()).sum(),
    };
    let mut json = Vec::with_capacity(text_bytes + text_bytes / 8 + 1_024);
    serde_json::to_writer(&mut json, body).expect("strings and numbers always serialize");
    json
}

impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn about(&self) -> &'static str {
        "OpenAI chat completions, and every server that speaks them (set --base-url)"
    }

    fn path(&self) -> &'static str {
        "chat/completions"
    }

    fn default_base_url(&self) -> &'static str {
        "https://api.openai.com/v1"
    }

    fn api_key_env(&self) -> &'static str {
        "OPENAI_API_KEY"
    }

    fn encode(&self, request: &CompletionRequest, quirks: &Quirks) -> Vec<u8> {
        let schema = request.response_schema.as_ref().filter(|_| quirks.response_schema);
        let body = Request {
            model: &request.model,
            messages: messages(&request.prompt),
            parameters: Parameters::new(request, *quirks),
            response_format: schema.map(ResponseFormat::new),
        };
        to_json(&body, &request.prompt)
    }

    fn decode(&self, body: &[u8]) -> Result<Completion, DecodeError> {
        decode_reply(body)
    }
}
