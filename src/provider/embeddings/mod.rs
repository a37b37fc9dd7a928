//! Embeddings in the OpenAI wire format, which nearly every server of embeddings speaks.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/embeddings>.

mod reply;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::error::ApiError;
use crate::chat::TokenUsage;
use crate::embedding::{Embedding, EmbeddingError};

/// `POST embeddings`: what it is asked for, and what this server takes of it.
#[derive(Debug)]
pub struct Embeddings {
    /// The model's name as the server knows it.
    pub model: String,
    /// Asks for vectors of this length; `None` leaves it to the model.
    pub dimensions: Option<u32>,
    /// Vectors as base64 are a third of the bytes that numbers in digits are.
    base64: AtomicBool,
}

/// Texts in one request, at most: OpenAI allows 2,048, and other servers fewer.
pub const MOST_TEXTS: usize = 512;
/// Bytes of the texts of one request, at most. OpenAI allows 300,000 tokens, and no tokenizer makes
/// more tokens than a text has bytes.
pub const MOST_BYTES: usize = 300_000;
/// Bytes of a text that are sent, its beginning: so many tokens every model of OpenAI's takes.
const MOST_TEXT_BYTES: usize = 8_000;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

/// What a 2xx body holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingsReply {
    /// An embedding for each text, in the order of the texts.
    pub embeddings: Result<Vec<Embedding>, EmbeddingsError>,
    /// The tokens, all of them of the prompt; `None` when the body has no count that can be
    /// believed.
    pub usage: Option<TokenUsage>,
}

/// A 2xx body without the embeddings that were asked for. It may have been billed all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingsError {
    /// The body is not JSON: a web page, a stream, a cut text.
    #[error("the answer is not JSON: {excerpt}")]
    NotJson {
        /// The beginning of what a person would see of it.
        excerpt: String,
    },
    /// An error object in place of embeddings.
    #[error("the answer is an error: {0}")]
    ErrorObject(ApiError),
    /// More or fewer embeddings than texts.
    #[error("the answer has {found} embeddings for {asked} texts")]
    Count {
        /// The texts.
        asked: usize,
        /// The embeddings.
        found: usize,
    },
    /// The numbers that say which embedding is whose do not.
    #[error(
        "the answer does not say whose its embeddings are: index {index} is beyond the texts or comes twice"
    )]
    Index {
        /// The number.
        index: u64,
    },
    /// A place without a vector.
    #[error("embedding {place} of the answer is no vector")]
    NoVector {
        /// Which, from 0.
        place: usize,
    },
    /// A vector without a direction.
    #[error("embedding {place} of the answer cannot be used: {reason}")]
    Unusable {
        /// Which, from 0.
        place: usize,
        /// Why.
        reason: EmbeddingError,
    },
    /// A vector of another length.
    #[error("embedding {place} of the answer has {found} dimensions instead of {expected}")]
    Dimensions {
        /// Which, from 0.
        place: usize,
        /// As many as were asked for, or as earlier ones have.
        expected: usize,
        /// As many as it has.
        found: usize,
    },
}

impl Embeddings {
    /// Asks a model for embeddings, in base64 until the server refuses that.
    pub fn new(model: String, dimensions: Option<u32>) -> Self {
        Self { model, dimensions, base64: AtomicBool::new(true) }
    }

    /// The endpoint below the base URL.
    pub fn path(&self) -> &'static str {
        "embeddings"
    }

    /// The JSON body that asks for the embeddings of texts; of a long text its beginning.
    ///
    /// # Panics
    /// Never.
    pub fn encode(&self, texts: &[String]) -> Vec<u8> {
        let request = Request {
            model: &self.model,
            input: texts.iter().map(|text| beginning(text)).collect(),
            encoding_format: self.base64.load(Ordering::Relaxed).then_some("base64"),
            dimensions: self.dimensions,
        };
        serde_json::to_vec(&request).expect("strings and numbers always serialize")
    }

    /// Takes a lesson from a refusal; true when the request should be sent again, in its new form.
    pub fn learn(&self, error: &ApiError) -> bool {
        let named = |text: &str| text.contains("encoding_format") || text.contains("base64");
        let is_about_base64 = error.param.as_deref().is_some_and(named) || named(&error.message);
        matches!(error.status, 400 | 422)
            && is_about_base64
            && self.base64.swap(false, Ordering::Relaxed)
    }

    /// Reads the body of a 2xx response, whatever is in it. `dimensions` is the length of earlier
    /// embeddings.
    pub fn decode(&self, body: &[u8], texts: usize, dimensions: Option<usize>) -> EmbeddingsReply {
        let asked = self.dimensions.map(|dimensions| dimensions as usize);
        reply::decode(body, texts, asked.or(dimensions))
    }
}

/// As much of a text as is sent.
fn beginning(text: &str) -> &str {
    let end = text.floor_char_boundary(MOST_TEXT_BYTES);
    text.split_at(end).0
}
