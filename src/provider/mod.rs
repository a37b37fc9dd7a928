//! Providers: the wire formats of LLM APIs, and the HTTP client that carries them.
//!
//! A [`Provider`] is a pure codec: it turns a request into a body and a body into a completion, and
//! knows nothing of sockets. So stored bodies can be decoded again without a network. [`HttpClient`]
//! carries bodies and says what each attempt may have cost ([`Outcome`]).
//!
//! A new provider is one file, one line in [`PROVIDERS`] and a folder of replies in `testdata/`;
//! the conformance tests in `conformance.rs` then run over it.

mod access;
mod anthropic;
mod azure;
mod base_url;
mod batch;
mod body;
mod embeddings;
mod error;
mod excerpt;
mod failure;
mod gemini;
mod headers;
mod http;
mod intake;
mod json;
mod key;
mod lenient;
mod objection;
mod openai;
mod openai_completions;
mod openai_responses;
mod outcome;
mod presets;
mod quirks;
mod refusal;
mod reply;
mod transport;
mod usage;
mod wire;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod http_tests;

use std::fmt;

pub use access::{Access, ApiVersion, Counted, KeyHeader, LimitHeaders, VersionPlace};
pub use anthropic::Anthropic;
pub use azure::Azure;
pub use base_url::{BaseUrlError, check_base_url, is_at_host, is_loopback};
pub use batch::{
    AnthropicBatches, BatchApi, BatchClient, BatchLimits, BatchStage, CallError, CustomId,
    LineResult, OpenAiBatches, Package, Page, RawLine, RemoteBatch, ResultLine, Results, Tag,
};
pub use embeddings::{Embeddings, EmbeddingsError, EmbeddingsReply, MOST_BYTES, MOST_TEXTS};
pub use error::ApiError;
pub use failure::{Failure, FailureKind};
pub use gemini::Gemini;
pub use headers::{MAX_WAIT, ResponseHeaders, Standing};
pub use http::{HttpClient, HttpError, HttpSettings};
pub use key::{ApiKey, ApiKeyError};
pub use openai::OpenAi;
pub use openai_completions::OpenAiCompletions;
pub use openai_responses::OpenAiResponses;
pub use outcome::Outcome;
pub use presets::Preset;
pub use quirks::Quirks;
pub use refusal::{Refusal, classify};
pub use transport::{Delivery, Transport};

use crate::chat::{Completion, CompletionRequest, ModelTraits, ReasoningEffort};

/// The wire format of one API.
pub trait Provider: fmt::Debug + Send + Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// One line for `--help`.
    fn about(&self) -> &'static str;

    /// Where the API is and how its requests are signed.
    fn access(&self) -> Access;

    /// The endpoint below the base URL, without a slash at either end; some have the model in it.
    fn path(&self, model: &str) -> String;

    /// What the server does not take, whatever the model.
    fn base_quirks(&self) -> Quirks {
        Quirks::COMMON
    }

    /// What the server and a model do not take, by what is known of the model.
    fn quirks(&self, model: &ModelTraits, _effort: Option<ReasoningEffort>) -> Quirks {
        self.base_quirks().with(model)
    }

    /// The JSON body of a request, without what the server does not take.
    fn encode(&self, request: &CompletionRequest, quirks: &Quirks) -> Vec<u8>;

    /// Reads the body of a 2xx response, whatever is in it.
    ///
    /// # Errors
    ///
    /// When the body holds no completion. It may have been billed all the same.
    fn decode(&self, body: &[u8]) -> Result<Completion, DecodeError>;

    /// Its batches, where it has some that are spoken here.
    fn batches(&self) -> Option<&'static dyn BatchApi> {
        None
    }
}

/// A 2xx body without a completion in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is not JSON: a web page, a stream, a cut text.
    #[error("the answer is not JSON: {excerpt}")]
    NotJson {
        /// The beginning of what a person would see of it.
        excerpt: String,
    },
    /// JSON without a choice.
    #[error("the answer is JSON without any choices")]
    NoChoices,
    /// An error object in place of choices.
    #[error("the answer is an error: {0}")]
    ErrorObject(ApiError),
}

/// All providers, in the order of the help text.
pub static PROVIDERS: &[&dyn Provider] = &[
    &OpenAi,
    &OpenAiResponses,
    &OpenAiCompletions,
    &Anthropic,
    &Gemini,
    &Azure,
    &presets::OLLAMA,
    &presets::VLLM,
    &presets::LLAMA_CPP,
    &presets::LM_STUDIO,
    &presets::OPEN_ROUTER,
    &presets::TOGETHER,
    &presets::GROQ,
    &presets::DEEPSEEK,
    &presets::MISTRAL,
    &presets::XAI,
    &presets::DASHSCOPE,
    &presets::MOONSHOT,
    &presets::CEREBRAS,
];

/// The provider with this name.
pub fn by_name(name: &str) -> Option<&'static dyn Provider> {
    PROVIDERS.iter().copied().find(|provider| provider.name() == name)
}
