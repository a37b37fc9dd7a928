//! Embeddings, as OpenAI serves them.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::openai::{bearer, error};
use super::{Answer, Api, Call, Counts, Request};
use crate::simulator::cache::Caching;
use crate::simulator::embeddings;
use crate::simulator::refusal::Refusal;

/// `POST /v1/embeddings`.
#[derive(Debug)]
pub(in crate::simulator) struct Embeddings;

impl Api for Embeddings {
    fn path(&self) -> &'static str {
        "/v1/embeddings"
    }

    fn key<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        bearer(headers)
    }

    fn read(&self, call: &Call<'_>) -> Result<Request, &'static str> {
        let (texts, form) = embeddings::read(call.body)?;
        Ok(Request {
            model: call.model()?,
            texts,
            max_tokens: 0,
            stop: Vec::new(),
            strict: false,
            parameters: call.body.keys().cloned().collect(),
            caching: Caching::Never,
            vectors: Some(form),
        })
    }

    fn answer(&self, answer: &Answer<'_>, usage: Value) -> Value {
        let Request { texts, vectors, .. } = answer.request;
        let data = vectors.map(|form| embeddings::data(texts, form));
        json!({"object": "list", "data": data, "model": answer.model, "usage": usage})
    }

    fn usage(&self, counts: &Counts) -> Value {
        json!({"prompt_tokens": counts.prompt, "total_tokens": counts.prompt})
    }

    fn refusal(&self, refusal: &Refusal) -> (StatusCode, Value) {
        error(refusal)
    }

    fn is_limited(&self) -> bool {
        false
    }
}
