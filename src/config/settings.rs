//! Settings: what flags, environment, file and an existing run may each say, all of it optional.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::endpoint::EndpointSettings;
use super::money::Money;
use super::phase::{PhaseSettings, TWO_PHASES};
use crate::event::Phase;

/// Defines the settings once: the struct, the list of its keys, and how two layers are merged.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $key:ident: $kind:ty,)+) => {
        /// What one source (flags, a file, an existing run) says. A missing value leaves the
        /// decision to the next source.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$kind>,
            )+
        }

        impl Settings {
            /// Every key, in the order of the documentation.
            pub const KEYS: &[&str] = &[$(stringify!($key)),+];

            /// Takes from `other` what `self` leaves open.
            #[must_use]
            pub fn or(self, other: Self) -> Self {
                let other = other.with_threshold_for(self.similarity.as_deref());
                let instructions = either(self.instructions.as_ref(), other.instructions.as_ref());
                let responses = either(self.responses.as_ref(), other.responses.as_ref());
                let merged = Self { $($key: self.$key.or(other.$key),)+ };
                Self { instructions, responses, ..merged }
            }
        }
    };
}

/// Both tables as one: what the first leaves open, the second says.
fn either(first: Option<&PhaseSettings>, second: Option<&PhaseSettings>) -> Option<PhaseSettings> {
    match (first.cloned(), second.cloned()) {
        (Some(first), Some(second)) => Some(first.or(second)),
        (first, second) => first.or(second),
    }
}

settings! {
    /// The seed tasks: a JSONL or JSON file.
    seeds: PathBuf,
    /// The provider: `simulated`, or one of those that `--help` lists.
    provider: String,
    /// The model's name as the server knows it.
    model: String,
    /// Where the API is, up to and including `/v1`.
    base_url: String,
    /// The environment variable that holds the API key.
    api_key_env: String,
    /// The version of the API, where it has versions: Anthropic's header, Azure's query parameter.
    api_version: String,
    /// Several places where the model is to be had, in place of the one address and key.
    endpoints: Vec<EndpointSettings>,
    /// Accepted tasks wanted.
    target: u64,
    /// The most that may be spent, in USD.
    budget: Money,
    /// USD per million prompt tokens.
    price_in: Money,
    /// USD per million output tokens.
    price_out: Money,
    /// The price table's name of the model, where the server has another for it: an Azure
    /// deployment, an alias of a gateway.
    price_model: String,
    /// A price table in LiteLLM's format, instead of the bundled one.
    prices: PathBuf,
    /// What bounds the prompt tokens of a request before it is sent: its `bytes`, or a count by the
    /// model's vocabulary, `auto` or named.
    token_bound: String,
    /// Requests per minute that the account allows.
    rpm: u64,
    /// Tokens per minute that the account allows.
    tpm: u64,
    /// Whether the server counts `max_tokens` against the tokens per minute at admission (`true`)
    /// or the tokens really used (`false`).
    tpm_counts_max_tokens: bool,
    /// Requests under way at once.
    concurrency: u32,
    /// Whether the requests under way follow what the server gets done, up to `concurrency`; by
    /// default at servers of one's own for which neither limits nor `concurrency` are given.
    adapt_concurrency: bool,
    /// Whether requests go in batches, at the price of batches.
    batch: bool,
    /// Requests in one batch, at most.
    batch_requests: u32,
    /// Batches at the provider at once, at most.
    batch_concurrency: u32,
    /// Prompt tokens in batches at once, at most.
    batch_tokens: u64,
    /// Stop after this many requests of the run.
    max_requests: u64,
    /// Attempts per request before it is given up.
    max_attempts: u32,
    /// Stop after this many responses in a row without an accepted task.
    max_stalled_responses: u64,
    /// Seconds to establish a connection.
    connect_timeout: u64,
    /// Seconds without a byte from the server.
    read_timeout: u64,
    /// Seconds for a whole attempt.
    request_timeout: u64,
    /// What requests ask for: `tasks`, or `instructions+responses`.
    phases: String,
    /// What is said of requests for instructions alone.
    instructions: PhaseSettings,
    /// What is said of requests for outputs alone.
    responses: PhaseSettings,
    /// The prompt template: `json` or `alpaca`.
    template: String,
    /// Standing instructions in place of the template's own, the shape of the answer aside; of requests
    /// for instructions, where outputs are bought apart.
    system: String,
    /// In-context examples per request.
    num_examples: u32,
    /// Tasks asked for per request.
    tasks_per_request: u32,
    /// The most output tokens per request.
    max_output_tokens: u32,
    /// Sampling temperature.
    temperature: f64,
    /// Nucleus sampling mass.
    top_p: f64,
    /// Whether the response schema is sent with each request; decided by the model's facts when
    /// left out.
    response_schema: bool,
    /// How much the model reasons: `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`, of
    /// which each model takes some; the server's default when left out.
    reasoning_effort: String,
    /// Whether `temperature` and `top_p` are sent; decided by the model's facts when left out.
    sampling: bool,
    /// Whether system messages are sent as such; decided by the model's facts when left out.
    system_messages: bool,
    /// Whether the output limit is named `max_completion_tokens`; decided by the model's facts when
    /// left out.
    max_completion_tokens: bool,
    /// Whether a long constant part of the prompts is put into the provider's cache: `auto` where it
    /// saves money, or `off`.
    prompt_cache: String,
    /// The similarities of the novelty check, such as `rouge-l` or `rouge-l+minhash@0.8`.
    similarity: String,
    /// A candidate more similar than this to a task in the pool is a duplicate, by the first
    /// similarity.
    threshold: f64,
    /// The model of the similarity `embedding`.
    embedding_model: String,
    /// Where embeddings come from, instead of `base_url`.
    embedding_base_url: String,
    /// The environment variable that holds the key for embeddings, instead of the run's.
    embedding_api_key_env: String,
    /// USD per million tokens of texts that are embedded.
    embedding_price: Money,
    /// Asks for embeddings of this length.
    embedding_dimensions: u32,
    /// Requests for embeddings per minute that the account allows.
    embedding_rpm: u64,
    /// Tokens of embedded texts per minute that the account allows.
    embedding_tpm: u64,
    /// Which text must be novel: `instruction`, `instruction+input` or `all`.
    compare: String,
    /// Whether the most similar task is stored with accepted tasks too, and not with duplicates only.
    record_nearest: bool,
    /// Benchmark files: what they hold must not be in the data.
    decontaminate: Vec<PathBuf>,
    /// Seeds all random choices of the run.
    seed: u64,
    /// Filter rules to switch off.
    disable_filters: Vec<String>,
    /// Fewest words of an instruction.
    min_words: u32,
    /// Most words of an instruction.
    max_words: u32,
    /// The words of the `keyword` rule, instead of the original's 18.
    keywords: Vec<String>,
    /// Mean latency of the simulated provider, in milliseconds.
    simulated_latency_ms: u64,
    /// Faults of the simulated provider, such as `429:0.02,drop:0.01`.
    simulated_faults: String,
    /// How stderr is written: `text` or `json`. Of a session, not of a run.
    log_format: String,
    /// Where metrics are served, an address or a port. Of a session, not of a run.
    metrics: String,
}

/// Settings that decide what the tasks of a run are. They cannot change once a run has begun: its
/// tasks would no longer be a function of one configuration.
const FIXED: &[&str] = &[
    "provider",
    "model",
    "price_in",
    "price_out",
    "price_model",
    "batch",
    "phases",
    "template",
    "system",
    "num_examples",
    "tasks_per_request",
    "temperature",
    "top_p",
    "similarity",
    "threshold",
    "embedding_model",
    "embedding_price",
    "embedding_dimensions",
    "compare",
    "record_nearest",
    "seed",
    "disable_filters",
    "min_words",
    "max_words",
    "keywords",
];

/// Settings that say where requests go, and with which key.
const ADDRESS: &[&str] = &["base_url", "api_key_env", "endpoints"];

/// A setting that differs from what a run began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The setting's key, behind its table's name and a dot in a table.
    pub key: String,
    /// Its value when the run began.
    pub before: String,
    /// The value asked for now.
    pub now: String,
}

impl Settings {
    /// Takes what `self` leaves open from what a run began with. Where `self` names other phases, their
    /// change is what has to be told, and not what the run said of the phases that it had.
    #[must_use]
    pub fn or_begun(self, mut begun: Self) -> Self {
        if self.phases.is_some() && self.phases != begun.phases {
            (begun.instructions, begun.responses) = (None, None);
        }
        self.or(begun)
    }

    /// The fixed settings in which `self` differs from what the run began with.
    pub fn changes_since(&self, begun: &Self) -> Vec<Change> {
        let at_top = FIXED.iter().map(|key| ((*key).to_owned(), format!("/{key}")));
        let in_tables = ["instructions", "responses"].into_iter().flat_map(|table| {
            let of_phase = FIXED.iter().filter(|key| PhaseSettings::KEYS.contains(key));
            of_phase.map(move |key| (format!("{table}.{key}"), format!("/{table}/{key}")))
        });
        changes(begun, self, at_top.chain(in_tables))
    }

    /// Where requests of a phase would go, in as far as they went elsewhere in the session that `begun`
    /// is of.
    pub fn moves_since(&self, begun: &Self, phase: Phase) -> Vec<Change> {
        let places = ADDRESS.iter().map(|key| ((*key).to_owned(), format!("/{key}")));
        changes(&begun.of_phase(phase), &self.of_phase(phase), places)
    }

    /// What holds for one phase.
    fn of_phase(&self, phase: Phase) -> Self {
        let table = match phase {
            Phase::Instructions => self.instructions.as_ref(),
            Phase::Responses => self.responses.as_ref(),
            Phase::Tasks | Phase::Embeddings => None,
        };
        table.map_or_else(|| self.clone(), |table| table.over(self))
    }

    /// The model that writes tasks, or the instructions of a run that buys outputs apart.
    pub fn first_model(&self) -> Option<&str> {
        self.model_in(self.instructions.as_ref())
    }

    /// The model that writes the outputs.
    pub fn output_model(&self) -> Option<&str> {
        self.model_in(self.responses.as_ref())
    }

    fn model_in<'a>(&'a self, table: Option<&'a PhaseSettings>) -> Option<&'a str> {
        table.and_then(|phase| phase.model.as_deref()).or(self.model.as_deref())
    }

    /// Whether it is a run that buys outputs apart from instructions.
    pub fn has_two_phases(&self) -> bool {
        self.phases.as_deref() == Some(TWO_PHASES)
    }

    /// Without a threshold that was meant for another similarity than the one chosen since, or that
    /// was written behind its name since.
    fn with_threshold_for(mut self, chosen: Option<&str>) -> Self {
        let first = |text: &str| text.split('+').next().unwrap_or_default().to_owned();
        let name = |text: &str| text.split('@').next().unwrap_or_default().trim().to_owned();
        if let Some(chosen) = chosen.map(first) {
            let own = self.similarity.as_deref().map(|own| name(&first(own)));
            if chosen.contains('@') || own.is_some_and(|own| own != name(&chosen)) {
                self.threshold = None;
            }
        }
        self
    }

    /// The settings as a JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
    }
}

/// What differs of some settings, each named with its place in the JSON object of all.
fn changes(
    begun: &Settings,
    now: &Settings,
    places: impl Iterator<Item = (String, String)>,
) -> Vec<Change> {
    let (before, now) = (begun.to_json(), now.to_json());
    let show = |value: Option<&serde_json::Value>| {
        value.map_or_else(|| "unset".to_owned(), ToString::to_string)
    };
    places
        .map(|(key, place)| (key, before.pointer(&place), now.pointer(&place)))
        .filter(|(_, before, now)| before != now)
        .map(|(key, before, now)| Change { key, before: show(before), now: show(now) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_source_wins_over_a_later_one() {
        let flags = Settings { target: Some(5), ..Settings::default() };
        let file = Settings { target: Some(9), rpm: Some(60), ..Settings::default() };
        let merged = flags.or(file);
        assert_eq!((merged.target, merged.rpm, merged.tpm), (Some(5), Some(60), None));
    }

    #[test]
    fn a_threshold_stays_with_its_similarity() {
        let settings = |similarity: &str, threshold| Settings {
            similarity: Some(similarity.to_owned()).filter(|text| !text.is_empty()),
            threshold,
            ..Settings::default()
        };
        for (now, before, threshold) in [
            ("", "rouge-l", Some(0.6)),
            ("rouge-l", "rouge-l", Some(0.6)),
            ("rouge-l", "", Some(0.6)),
            ("rouge-l+minhash", "rouge-l+minhash@0.65", Some(0.6)),
            ("minhash", "rouge-l", None),
            ("minhash", "rouge-l+minhash@0.8", None),
            ("rouge-l@0.5", "rouge-l", None),
        ] {
            let merged = settings(now, None).or(settings(before, Some(0.6)));
            assert_eq!(merged.threshold, threshold, "{now} over {before}");
            assert_eq!(
                settings(now, Some(0.4)).or(settings(before, Some(0.6))).threshold,
                Some(0.4)
            );
        }
    }

    #[test]
    fn fixed_settings_are_settings() {
        for key in FIXED {
            assert!(Settings::KEYS.contains(key), "{key}");
        }
    }

    #[test]
    fn tables_are_merged_and_compared_by_their_keys() {
        let table = |model: Option<&str>, rpm| PhaseSettings {
            model: model.map(str::to_owned),
            rpm,
            ..PhaseSettings::default()
        };
        let flags = Settings { responses: Some(table(Some("a"), None)), ..Settings::default() };
        let file = Settings { responses: Some(table(Some("b"), Some(5))), ..Settings::default() };
        let merged = flags.or(file.clone());
        assert_eq!(merged.responses, Some(table(Some("a"), Some(5))));
        let changes = merged.changes_since(&file);
        assert_eq!(changes.len(), 1);
        assert_eq!(
            (changes[0].key.as_str(), changes[0].now.as_str()),
            ("responses.model", "\"a\"")
        );
        assert_eq!((merged.first_model(), merged.output_model()), (None, Some("a")));
        let first = PhaseSettings { model: Some("c".to_owned()), ..PhaseSettings::default() };
        let model = Some("d".to_owned());
        let both = Settings { model, instructions: Some(first), ..Settings::default() };
        assert_eq!((both.first_model(), both.output_model()), (Some("c"), Some("d")));
    }

    #[test]
    fn only_what_the_tasks_depend_on_is_fixed() {
        let begun = Settings { threshold: Some(0.7), target: Some(10), ..Settings::default() };
        let now = Settings { threshold: Some(0.8), target: Some(20), ..Settings::default() };
        let change = Change { key: "threshold".into(), before: "0.7".into(), now: "0.8".into() };
        assert_eq!(now.changes_since(&begun), [change]);
    }
}
