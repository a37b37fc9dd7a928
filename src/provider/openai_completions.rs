//! OpenAI legacy completions: one text to continue, as text-davinci-003 did for Alpaca, and as
//! local servers still do for base models.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/completions>.

use std::borrow::Cow;

use serde::Serialize;

use super::access::{Access, OPENAI};
use super::body::to_json;
use super::openai::Parameters;
use super::wire::decode_reply;
use super::{BatchApi, DecodeError, OpenAiBatches, Provider, Quirks};
use crate::chat::{Completion, CompletionRequest, Prompt};

/// `POST completions`.
#[derive(Debug, Clone, Copy)]
pub struct OpenAiCompletions;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    prompt: Cow<'a, str>,
    #[serde(flatten)]
    parameters: Parameters<'a>,
}

fn prompt_text(prompt: &Prompt) -> Cow<'_, str> {
    match prompt {
        Prompt::Text(text) => Cow::Borrowed(text),
        Prompt::Messages(messages) => {
            let contents: Vec<&str> =
                messages.iter().map(|message| message.content.as_str()).collect();
            Cow::Owned(contents.join("\n\n"))
        }
    }
}

impl Provider for OpenAiCompletions {
    fn name(&self) -> &'static str {
        "openai-completions"
    }

    fn about(&self) -> &'static str {
        "OpenAI legacy completions: base models that continue a text (set --base-url)"
    }

    fn access(&self) -> Access {
        OPENAI
    }

    fn path(&self, _model: &str) -> String {
        "completions".to_owned()
    }

    /// The API has no `response_format`: a schema in the request is left out.
    fn encode(&self, request: &CompletionRequest, quirks: &Quirks) -> Vec<u8> {
        let body = Request {
            model: &request.model,
            prompt: prompt_text(&request.prompt),
            parameters: Parameters::new(request, *quirks),
        };
        to_json(&body, &request.prompt)
    }

    fn decode(&self, body: &[u8]) -> Result<Completion, DecodeError> {
        decode_reply(body)
    }

    fn batches(&self) -> Option<&'static dyn BatchApi> {
        Some(&OpenAiBatches { endpoint: "/v1/completions" })
    }
}
