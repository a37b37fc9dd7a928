//! Batches: many requests handed over at once and answered within a day, at about half the price.
//!
//! A [`BatchApi`] is a pure codec, as [`Provider`](super::Provider) is: what is sent, and what an
//! answer says. [`BatchClient`] carries it. How a batch is found again when the answer to its
//! creation was lost is a matter of the API: OpenAI's batches carry a [`Tag`], Anthropic's are known
//! by the names of their requests ([`CustomId`]), which are told when they have ended.
//!
//! A new API is one file and one line in [`Provider::batches`](super::Provider::batches) of its
//! provider.

mod anthropic;
mod call;
mod client;
mod custom_id;
mod openai;
mod results;

use std::fmt;

use bytes::Bytes;
use serde_json::Value;

pub use anthropic::AnthropicBatches;
pub use call::CallError;
pub use client::{BatchClient, Page};
pub use custom_id::{CustomId, Tag};
pub use openai::OpenAiBatches;
pub use results::{RawLine, Results};

use super::error::ApiError;

/// The batches of one API.
pub trait BatchApi: fmt::Debug + Send + Sync {
    /// What one batch may hold.
    fn limits(&self) -> BatchLimits;

    /// Bytes of a request in a batch beyond those of its body, at most.
    fn overhead_bytes(&self) -> usize;

    /// All requests, each with its name, as the API takes them in.
    fn pack(&self, tag: &Tag, requests: &[(CustomId, Bytes)]) -> Package;

    /// The endpoint of batches below the base URL.
    fn path(&self) -> &'static str;

    /// The body that creates a batch from an uploaded file, where files are uploaded.
    fn creation(&self, file_id: &str, tag: &Tag) -> Vec<u8>;

    /// The parameter that names the last batch of the page before, and the most of a page.
    fn paging(&self) -> (&'static str, u32);

    /// Whether a batch carries the tag that it was created with.
    fn keeps_tags(&self) -> bool;

    /// Reads a batch; `None` when it is none.
    fn read(&self, batch: &Value) -> Option<RemoteBatch>;

    /// Reads a line of a batch's results; `None` when it is none.
    fn read_result(&self, line: &[u8]) -> Option<ResultLine>;
}

/// What one batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Requests.
    pub requests: usize,
    /// Bytes of all of them together.
    pub bytes: usize,
}

/// The requests of a batch, ready to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Package {
    /// A file that is uploaded first; its batch is created from its name.
    File {
        /// Where it goes, below the base URL.
        path: &'static str,
        /// The media type of the body, with its boundary.
        content_type: String,
        /// The body of the upload.
        body: Bytes,
    },
    /// The body that creates the batch.
    Inline(Bytes),
}

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchStage {
    /// Not at its end.
    Open,
    /// At its end, whole or not; its results tell.
    Ended,
    /// It was not accepted: none of its requests was carried out.
    Failed,
}

/// A batch as the server tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteBatch {
    /// The server's name for it: letters, digits, `-` and `_`.
    pub id: String,
    /// How far it is.
    pub stage: BatchStage,
    /// The server's word for that.
    pub label: String,
    /// Its requests, as far as the server says.
    pub requests: Option<u64>,
    /// Of these those that were answered so far.
    pub completed: u64,
    /// Of these those that failed so far.
    pub failed: u64,
    /// The tag that it was created with, where the API keeps one.
    pub tag: Option<Tag>,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_at_ms: Option<i64>,
    /// Where its results are, below the base URL.
    pub results: Vec<String>,
    /// Why it failed.
    pub errors: Vec<ApiError>,
    /// It ended before all of its requests had their turn: expired, or cancelled.
    pub is_cut_short: bool,
}

impl RemoteBatch {
    /// Whether it was not accepted because the account has too many tokens in batches already
    /// (<https://github.com/openai/openai-python/issues/2084>).
    pub fn is_over_token_limit(&self) -> bool {
        let is_it = |error: &ApiError| error.is_named(&["token_limit_exceeded"]);
        self.stage == BatchStage::Failed && self.errors.iter().any(is_it)
    }
}

/// What became of one request of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultLine {
    /// The request's name, as it was given.
    pub custom_id: String,
    /// What became of it.
    pub result: LineResult,
}

/// What became of one request of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineResult {
    /// It was answered, and is billed.
    Answered {
        /// The HTTP status that it would have had.
        status: u16,
        /// The body that it would have had.
        body: Bytes,
    },
    /// It was refused, free of charge.
    Refused(ApiError),
    /// The batch expired or was cancelled before its turn: free of charge.
    Lapsed(&'static str),
}

/// A server's name for a thing, if it can be a part of an address.
fn identifier(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_one = !text.is_empty() && text.len() <= 200 && text.chars().all(fits);
    is_one.then(|| text.to_owned())
}

/// A server's word for a state, for people.
fn label(value: Option<&Value>) -> String {
    let word = value.and_then(Value::as_str).unwrap_or_default();
    word.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect()
}

fn count(counts: Option<&Value>, name: &str) -> u64 {
    counts.and_then(|counts| counts.get(name)).and_then(Value::as_u64).unwrap_or(0)
}
