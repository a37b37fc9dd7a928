//! Why a run could not go on, and what a person can do about it.

use std::time::Duration;

use crate::config::ConfigError;
use crate::provider::{ApiError, EmbeddingsError, HttpError, Refusal, classify};
use crate::store::StoreError;

/// Why a run could not begin or go on. Whatever was paid for is in the journal.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RunError {
    /// The journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run holds more accepted tasks than are wanted.
    #[error("the run has {accepted} accepted tasks already, more than the target of {target}")]
    TargetBelow {
        /// Accepted tasks.
        accepted: u64,
        /// The target asked for.
        target: u64,
    },
    /// The run has spent more than the budget.
    #[error("the run has spent {spent} USD already, more than the budget of {budget} USD")]
    BudgetBelow {
        /// Spent and unconfirmed, in USD.
        spent: crate::usd::Usd,
        /// The budget asked for, in USD.
        budget: crate::usd::Usd,
    },
    /// The settings stored in the run cannot be read.
    #[error("the settings stored in the run cannot be read: {message}")]
    StoredSettings {
        /// Why.
        message: String,
    },
    /// A request can never pass the limit.
    #[error(
        "one request counts up to {needed} tokens, more than the {limit} tokens per minute of \
         --tpm allow"
    )]
    RequestOverLimit {
        /// Tokens of one request, at most.
        needed: u64,
        /// Tokens per minute.
        limit: u64,
    },
    /// Not even one request fits into the budget.
    #[error(
        "the worst case of one request is {needed} USD, more than the {left} USD left of the budget"
    )]
    RequestOverBudget {
        /// The worst-case cost.
        needed: crate::usd::Usd,
        /// What is left.
        left: crate::usd::Usd,
    },
    /// The server refused for good.
    #[error("the server refused: {error}")]
    Refused {
        /// What it said.
        error: ApiError,
        /// The mend.
        hint: &'static str,
    },
    /// The server cannot be reached, or fails every time.
    #[error("the server at {base_url} does not answer: {message}")]
    Unreachable {
        /// Where it should be.
        base_url: String,
        /// What happened last.
        message: String,
        /// Whether the connection failed for its certificate.
        certificate: bool,
    },
    /// The answers are no completions.
    #[error("{base_url} answers, but not with completions: {message}")]
    Unreadable {
        /// Where it is.
        base_url: String,
        /// What came instead.
        message: String,
    },
    /// The answers are not the embeddings that were asked for.
    #[error("{base_url} answers, but not with embeddings: {error}")]
    Embeddings {
        /// Where it is.
        base_url: String,
        /// What is wrong with them.
        error: EmbeddingsError,
    },
    /// A text can only be judged by its embedding, which the run does not have.
    #[error("the run has no embedding of `{text}`")]
    NoEmbedding {
        /// The beginning of the text.
        text: String,
    },
    /// The server asks for patience beyond measure.
    #[error("the server's rate limit asks to wait {} minutes", .wait.as_secs().div_ceil(60))]
    RateLimited {
        /// How long it asks to wait, or how long it has let nothing pass.
        wait: Duration,
    },
    /// The server does not know the address of batches.
    #[error("the server at {base_url} has no batches: {error}")]
    NoBatches {
        /// Where it is.
        base_url: String,
        /// What it said.
        error: ApiError,
    },
    /// A batch, or a request in it.
    #[error("a batch came to nothing: {message}")]
    Batch {
        /// Why.
        message: String,
    },
    /// The HTTP client could not be made.
    #[error("{0}")]
    Http(String),
    /// The simulator could not start.
    #[error("the simulator cannot start: {0}")]
    Simulator(String),
}

impl From<HttpError> for RunError {
    fn from(error: HttpError) -> Self {
        Self::Http(error.to_string())
    }
}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> Self {
        Self::StoredSettings { message: error.to_string() }
    }
}

impl RunError {
    /// A text whose embedding is missing.
    pub(super) fn no_embedding(text: &str) -> Self {
        Self::NoEmbedding { text: text.chars().take(80).collect() }
    }

    /// What a person can do about it; empty when the message says it already.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(error) => error.hint(),
            Self::TargetBelow { .. } => {
                "raise --target, or export what is there with `instructmill export`"
            }
            Self::BudgetBelow { .. } => "raise --budget; it counts all sessions of the run",
            Self::StoredSettings { .. } => "the run may come from another version of the program",
            Self::RequestOverLimit { .. } => {
                "lower --max-output-tokens or --tasks-per-request, or correct --tpm"
            }
            Self::RequestOverBudget { .. } => {
                "raise --budget (or --pilot), or lower --max-output-tokens"
            }
            Self::Refused { hint, .. } => hint,
            Self::Unreachable { certificate: true, .. } => {
                "its certificate is not trusted: check the host name in --base-url, or add the \
                 issuer to the system's certificates (package ca-certificates)"
            }
            Self::Unreachable { .. } => {
                "check --base-url and that the server is up; the same command goes on"
            }
            Self::Unreadable { .. } => {
                "check --base-url: it should be the API's root, usually ending in /v1"
            }
            Self::Embeddings { error: EmbeddingsError::Dimensions { .. }, .. } => {
                "another model answers than before, or the server does not take \
                 --embedding-dimensions: the embeddings of a run are all of one kind"
            }
            Self::Embeddings { .. } => {
                "check --embedding-base-url and --embedding-model; the same command goes on"
            }
            Self::NoEmbedding { .. } => {
                "a replay buys nothing: it can only judge by rules that need no other embeddings \
                 than the run has bought"
            }
            Self::RateLimited { .. } => {
                "run the same command again later: it goes on where it stopped"
            }
            Self::NoBatches { .. } => "check --base-url, or start another run without --batch",
            Self::Batch { .. } => "the same command goes on, and asks again for what did not come",
            Self::Http(_) | Self::Simulator(_) => "",
        }
    }

    /// Whether the server says that no other request would fare better: a key, a model or an account
    /// is wrong.
    pub fn is_final(&self) -> bool {
        use Refusal::{BadKey, Forbidden, NotFound, QuotaExhausted};
        let Self::Refused { error, .. } = self else { return false };
        matches!(classify(error), BadKey | Forbidden | NotFound | QuotaExhausted)
    }

    /// Whether the command or the configuration is at fault, rather than the world.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::TargetBelow { .. }
                | Self::BudgetBelow { .. }
                | Self::RequestOverLimit { .. }
                | Self::RequestOverBudget { .. }
        )
    }
}
