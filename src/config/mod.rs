//! Configuration: flags, environment and file, resolved and checked before anything is spent.
//!
//! Each source gives a [`Settings`] with what it says; the sources are merged, flags first, and
//! [`RunConfig::resolve`] turns the result into a configuration with nothing left open. Its
//! settings are stored in the run, without secrets, and are the last source when the run goes on.

mod batch;
mod cache;
mod embedding;
mod endpoint;
mod error;
mod file;
mod money;
mod phase;
mod phases;
mod prices;
mod resolve;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod token_bound;

use std::sync::Arc;
use std::time::Duration;

use crate::benchmark::Benchmarks;
use crate::chat::ReasoningEffort;
use crate::event::Phase;
use crate::filter::FilterSettings;
use crate::ledger::{Encoding, Price};
use crate::limit::Limits;
use crate::novelty::Combination;
use crate::pool::SeedFile;
use crate::provider::{ApiKey, Provider, Quirks};
use crate::task::Compared;
use crate::template::Template;
use crate::usd::Usd;

pub use batch::BatchPace;
pub use cache::{CacheConfig, PROMPT_CACHE};
pub use embedding::EmbeddingConfig;
pub use endpoint::{EndpointConfig, EndpointSettings};
pub use error::ConfigError;
pub use file::{FileError, read_settings};
pub use money::Money;
pub use phase::{PHASES, PhaseSettings, TWO_PHASES};
pub use resolve::{Environment, SIMULATED, check_similarity, provider_names};
pub use settings::{Change, Settings};
pub use token_bound::TOKEN_BOUNDS;

/// The version of the stored settings' meaning.
pub const SETTINGS_KEY: &str = "settings";
/// The name under which a run stores the SHA-256 of its seed file.
pub const SEEDS_KEY: &str = "seeds_sha256";
/// The name under which a run stores whether its tasks are made up: by its own settings, or by a
/// server that says so.
pub const SIMULATED_KEY: &str = "simulated";
/// The name under which a run stores the SHA-256 of its benchmarks' texts.
pub const BENCHMARKS_KEY: &str = "benchmarks_sha256";

/// A run's configuration, with nothing left open.
#[derive(Debug)]
pub struct RunConfig {
    /// The seed tasks, read and checked.
    pub seeds: SeedFile,
    /// Where the completions come from.
    pub source: Source,
    /// The model's name as the server knows it.
    pub model: String,
    /// What tokens cost.
    pub price: Price,
    /// Where the price comes from, for people.
    pub price_origin: String,
    /// The encoding by which prompts are counted for the worst case; `None`: by their bytes.
    pub encoding: Option<Encoding>,
    /// The cap; `None` only when nothing costs anything.
    pub budget: Option<Usd>,
    /// Whether the cap is that of a pilot, a part of the budget that the settings have.
    pub is_pilot: bool,
    /// Accepted tasks wanted.
    pub target: u64,
    /// Requests after which the run stops.
    pub max_requests: Option<u64>,
    /// Responses in a row without an accepted task after which the run stops.
    pub max_stalled_responses: u64,
    /// What a request looks like.
    pub request: RequestConfig,
    /// What is asked of a candidate.
    pub rules: Rules,
    /// Where embeddings come from; `None` when the rules need none.
    pub embedding: Option<EmbeddingConfig>,
    /// How fast requests may leave.
    pub pace: Pace,
    /// The version of the API, where it has versions.
    pub api_version: Option<String>,
    /// Where outputs are bought, when they are bought apart; `request` is then for instructions.
    pub responses: Option<ResponsesConfig>,
    /// The settings that lead to this configuration, every one of them given.
    pub settings: Settings,
}

/// How outputs are bought for instructions that passed.
#[derive(Debug)]
pub struct ResponsesConfig {
    /// Where the completions come from.
    pub source: Source,
    /// The version of the API, where it has versions.
    pub api_version: Option<String>,
    /// The model's name as the server knows it.
    pub model: String,
    /// What tokens cost.
    pub price: Price,
    /// Where the price comes from, for people.
    pub price_origin: String,
    /// The encoding by which prompts are counted for the worst case; `None`: by their bytes.
    pub encoding: Option<Encoding>,
    /// How fast requests may leave.
    pub pace: Pace,
    /// Whether these requests and those for instructions share API, model and limits.
    pub same_lane: bool,
    /// Outputs asked for per request.
    pub tasks_per_request: u32,
    /// The most output tokens for one task.
    pub max_output_tokens: u32,
    /// Sampling temperature.
    pub temperature: f64,
    /// Nucleus sampling mass.
    pub top_p: f64,
    /// How much the model reasons; `None` leaves the server's default.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// What the model's API takes.
    pub quirks: Quirks,
    /// Whether the constant part of prompts is cached.
    pub cache: Option<CacheConfig>,
    /// Standing instructions in place of the program's own.
    pub system: Option<String>,
}

/// One API of a run: what a request to it needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Api<'a> {
    /// Where the completions come from.
    pub source: &'a Source,
    /// The version of the API, where it has versions.
    pub version: Option<&'a str>,
    /// The model's name as the server knows it.
    pub model: &'a str,
    /// What tokens cost.
    pub price: &'a Price,
    /// The encoding by which prompts are counted for the worst case; `None`: by their bytes.
    pub encoding: Option<Encoding>,
    /// How fast requests may leave.
    pub pace: &'a Pace,
    /// What the model's API takes.
    pub quirks: Quirks,
}

impl Api<'_> {
    /// What each account allows.
    pub fn limits(&self) -> Vec<Limits> {
        match self.source.endpoints() {
            [] => vec![self.pace.limits],
            several => several.iter().map(|endpoint| endpoint.limits(self.pace.limits)).collect(),
        }
    }
}

impl RunConfig {
    /// What requests ask for first: whole tasks or instructions.
    pub fn first_phase(&self) -> Phase {
        if self.responses.is_some() { Phase::Instructions } else { Phase::Tasks }
    }

    /// The API that requests of a phase go to.
    pub fn api(&self, phase: Phase) -> Api<'_> {
        match (&self.responses, phase) {
            (Some(outputs), Phase::Responses) => Api {
                source: &outputs.source,
                version: outputs.api_version.as_deref(),
                model: &outputs.model,
                price: &outputs.price,
                encoding: outputs.encoding,
                pace: &outputs.pace,
                quirks: outputs.quirks,
            },
            _ => Api {
                source: &self.source,
                version: self.api_version.as_deref(),
                model: &self.model,
                price: &self.price,
                encoding: self.encoding,
                pace: &self.pace,
                quirks: self.request.quirks,
            },
        }
    }

    /// The model that writes the outputs.
    pub fn output_model(&self) -> &str {
        self.api(Phase::Responses).model
    }
}

/// Where the completions come from.
#[derive(Debug)]
pub enum Source {
    /// A server of this process that makes its answers up.
    Simulated {
        /// Mean latency in milliseconds.
        latency_ms: u64,
        /// Faults to inject.
        faults: String,
    },
    /// An API.
    Api {
        /// Its wire format.
        provider: &'static dyn Provider,
        /// Where it is.
        base_url: String,
        /// The key; a server on this machine may need none.
        api_key: Option<ApiKey>,
        /// Where requests go, when the model is to be had in several places: then address and key
        /// above are those of the first.
        endpoints: Vec<EndpointConfig>,
    },
}

impl Source {
    /// The provider's name in settings and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Simulated { .. } => SIMULATED,
            Self::Api { provider, .. } => provider.name(),
        }
    }

    /// Where the API is; `None` for the simulator, which has no place of its own yet.
    pub fn base_url(&self) -> Option<&str> {
        match self {
            Self::Simulated { .. } => None,
            Self::Api { base_url, .. } => Some(base_url),
        }
    }

    /// How long an answer takes on average, in milliseconds, where that is known beforehand.
    pub fn latency_ms(&self) -> Option<u64> {
        match self {
            Self::Simulated { latency_ms, .. } => Some(*latency_ms),
            Self::Api { .. } => None,
        }
    }

    /// The places among which requests are spread, if there are several.
    pub fn endpoints(&self) -> &[EndpointConfig] {
        match self {
            Self::Simulated { .. } => &[],
            Self::Api { endpoints, .. } => endpoints,
        }
    }

    /// The addresses that requests go to.
    pub fn addresses(&self) -> Vec<&str> {
        match self.endpoints() {
            [] => self.base_url().into_iter().collect(),
            several => several.iter().map(|endpoint| &*endpoint.base_url).collect(),
        }
    }

    /// Whether the completions are made up.
    pub fn is_simulated(&self) -> bool {
        matches!(self, Self::Simulated { .. })
    }
}

/// What a request looks like.
#[derive(Debug, Clone)]
pub struct RequestConfig {
    /// Renders prompts and reads completions.
    pub template: &'static dyn Template,
    /// Standing instructions in place of the template's own.
    pub system: Option<String>,
    /// In-context examples per request.
    pub num_examples: usize,
    /// How many of them are accepted tasks, as far as there are any.
    pub accepted_examples: usize,
    /// Tasks asked for per request.
    pub tasks_per_request: u32,
    /// The most output tokens per request.
    pub max_output_tokens: u32,
    /// Sampling temperature.
    pub temperature: f64,
    /// Nucleus sampling mass.
    pub top_p: f64,
    /// How much the model reasons; `None` leaves the server's default.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// What the model's API takes.
    pub quirks: Quirks,
    /// Whether the constant part of prompts is cached.
    pub cache: Option<CacheConfig>,
    /// Seeds all random choices of the run.
    pub seed: u64,
}

/// What is asked of a candidate.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The filters.
    pub filters: FilterSettings,
    /// The texts that the data must not contain.
    pub benchmarks: Arc<Benchmarks>,
    /// An instruction with a ROUGE-L above this to one of them contains it.
    pub benchmark_threshold: f64,
    /// What makes a candidate a duplicate of a task in the pool.
    pub duplicates: Combination,
    /// The text that is compared.
    pub compared: Compared,
    /// Whether the most similar task is looked for even when a candidate is no duplicate.
    pub record_nearest: bool,
}

/// How fast requests may leave, and how patiently they are waited for.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Requests and tokens per minute.
    pub limits: Limits,
    /// Requests under way at once; the most, where the number is found by trying.
    pub concurrency: usize,
    /// Whether the number is found by trying.
    pub adapts: bool,
    /// Attempts per request before it is given up.
    pub max_attempts: u32,
    /// To establish a connection.
    pub connect_timeout: Duration,
    /// Without a byte from the server.
    pub read_timeout: Duration,
    /// For a whole attempt.
    pub request_timeout: Duration,
    /// How requests go in batches; `None` when each goes alone.
    pub batch: Option<BatchPace>,
}
