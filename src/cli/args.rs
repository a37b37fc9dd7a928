//! The flags of every command.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args, Parser, Subcommand};

use super::dedup::DedupArgs;
use super::estimate::EstimateArgs;
use super::export::ExportArgs;
use super::init::InitArgs;
use super::models::ModelsArgs;
use super::report::ReportArgs;
use super::shell::{CompletionsArgs, ManArgs};
use super::simulate::SimulateArgs;
use super::view::ViewArgs;
use crate::chat::ReasoningEffort;
use crate::config::{
    Money, PHASES, PROMPT_CACHE, PhaseSettings, SIMULATED, Settings, TOKEN_BOUNDS,
    check_similarity, provider_names,
};
use crate::export::EXPORTERS;
use crate::filter::FILTERS;
use crate::novelty::Measure;
use crate::provider::PROVIDERS;
use crate::task::Compared;
use crate::template::TEMPLATES;

/// Expand seed tasks into a deduplicated instruction-tuning data set through an LLM API, under a
/// budget that is never exceeded.
#[derive(Debug, Parser)]
#[command(name = "instructmill", version = super::VERSION, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    /// Log more to stderr: -v what happens, -vv details
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// How stderr is written: for people, or a JSON object a line [default: text]
    #[arg(long, global = true, value_name = "FORMAT", env = "INSTRUCTMILL_LOG_FORMAT")]
    #[arg(value_parser = PossibleValuesParser::new(super::logs::FORMATS))]
    pub(super) log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run, or go on with, a run: ask a model for new tasks until the target or the budget
    Generate(Box<GenerateArgs>),
    /// Say what a run would cost, or what a budget would buy; nothing is sent
    Estimate(Box<EstimateArgs>),
    /// Show a run's progress, spend and rejections; works while it runs
    Status(StatusArgs),
    /// Derive the accepted tasks of a run again from its journal, at no cost
    Replay(ReplayArgs),
    /// Write the accepted tasks of a run; works while it runs
    Export(Box<ExportArgs>),
    /// Write one HTML page about a run: money, rejections, novelty, variety, speed, samples
    Report(ReportArgs),
    /// Look at a run's rows in a browser on this machine: page, search, filter, mark as bad; works
    /// while it runs
    View(ViewArgs),
    /// Remove the duplicates from any JSON, JSONL, CSV or Parquet file
    Dedup(Box<DedupArgs>),
    /// Search the price table: prices, limits and abilities of models
    Models(ModelsArgs),
    /// Run the simulated provider as a server
    Simulate(SimulateArgs),
    /// Write a commented configuration file and seed tasks to start from
    Init(InitArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Write the man pages
    Man(ManArgs),
    /// Print docs/configuration.md
    #[command(hide = true)]
    Reference,
}

#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(super) struct GenerateArgs {
    /// The run directory; the same command again goes on with it [default: output/MODEL]
    #[arg(long, value_name = "DIR", env = "INSTRUCTMILL_RUN")]
    pub(super) run: Option<PathBuf>,
    /// A TOML file with any of these settings by their names, with underscores
    #[arg(long, value_name = "FILE", env = "INSTRUCTMILL_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Work on a run that is on NFS, SMB or another network file system: only when no other machine
    /// uses it meanwhile, not even to look
    #[arg(long, env = "INSTRUCTMILL_ALLOW_NETWORK_FS")]
    pub(super) allow_network_fs: bool,
    /// Do not ask before the first request
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Spend up to this first, estimate the whole from that, and ask before going on; without a
    /// terminal the run goes on with --yes only
    #[arg(long, value_name = "USD")]
    pub(super) pilot: Option<Money>,
    /// Export the accepted tasks at the end
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// The format of --output
    #[arg(long, default_value = "alpaca", value_parser = exporters())]
    pub(super) format: String,
    /// Write here at the end, also of a failure, how it ended, as JSON (`-` for stdout)
    #[arg(long, value_name = "FILE")]
    pub(super) summary: Option<PathBuf>,
    /// Serve metrics for Prometheus over HTTP at this address: a port of this machine, or IP:PORT
    #[arg(long, value_name = "ADDR", env = "INSTRUCTMILL_METRICS")]
    pub(super) metrics: Option<String>,
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(flatten)]
    pub(super) responses: ResponsesArgs,
}

fn exporters() -> PossibleValuesParser {
    PossibleValuesParser::new(EXPORTERS.iter().map(|e| e.name()))
}

fn templates() -> PossibleValuesParser {
    PossibleValuesParser::new(TEMPLATES.iter().map(|t| t.name()))
}

/// Beside the names themselves, combinations of them are values.
fn similarity_help() -> String {
    let each = Measure::all().map(|s| format!("- {}: {}\n", s.name(), s.about()));
    format!(
        "The similarity of the novelty check, or several as in rouge-l+minhash@0.8, where a \
         duplicate by any of them is one and @ gives a threshold\n{}\
         [default: rouge-l, or rouge-l-unicode by the seeds]",
        each.collect::<String>()
    )
}

/// One line a provider; the default follows from what else is given.
fn provider_help() -> String {
    let each = PROVIDERS.iter().map(|p| format!("- {}: {}\n", p.name(), p.about()));
    format!(
        "Where completions come from\n- {SIMULATED}: made-up answers of this program, for rehearsals\n{}\
         [default: the model's by the price table, else openai; simulated without key and model]",
        each.collect::<String>()
    )
}

fn efforts() -> PossibleValuesParser {
    PossibleValuesParser::new(ReasoningEffort::ALL.map(ReasoningEffort::as_str))
}

fn compared() -> PossibleValuesParser {
    PossibleValuesParser::new(Compared::ALL.map(Compared::name))
}

fn filters() -> PossibleValuesParser {
    PossibleValuesParser::new(FILTERS.iter().map(|f| f.name))
}

/// Defines the flags that are settings, with the conversion into [`Settings`].
macro_rules! settings_args {
    ($($(#[$attribute:meta])* $key:ident: ($($kind:tt)+),)+) => {
        #[derive(Debug, Args)]
        pub(super) struct SettingsArgs {
            $($(#[$attribute])* pub(super) $key: Option<$($kind)+>,)+
        }

        impl From<SettingsArgs> for Settings {
            fn from(args: SettingsArgs) -> Self {
                Self { $($key: args.$key,)+ ..Self::default() }
            }
        }
    };
}

settings_args! {
    /// Seed tasks: JSONL or JSON [default: the 175 that come with the program]
    #[arg(long, value_name = "FILE", env = "INSTRUCTMILL_SEEDS")]
    seeds: (PathBuf),
    #[arg(long, value_name = "NAME", env = "INSTRUCTMILL_PROVIDER", hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(provider_names()), help = provider_help())]
    provider: (String),
    /// The model's name as the server knows it
    #[arg(long, env = "INSTRUCTMILL_MODEL")]
    model: (String),
    /// The API's root, up to and including /v1 [default: the provider's own, or `OPENAI_BASE_URL`]
    #[arg(long, value_name = "URL", env = "INSTRUCTMILL_BASE_URL")]
    base_url: (String),
    /// The environment variable that holds the API key [default: the provider's, `OPENAI_API_KEY`]
    #[arg(long, value_name = "VAR", env = "INSTRUCTMILL_API_KEY_ENV")]
    api_key_env: (String),
    /// The version of the API, where it has versions [default: anthropic 2023-06-01, azure 2024-10-21]
    #[arg(long, value_name = "DATE", env = "INSTRUCTMILL_API_VERSION")]
    api_version: (String),
    /// Accepted tasks wanted [default: 100]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_TARGET", allow_negative_numbers = true)]
    target: (u64),
    /// The most that may be spent; required unless the price is zero
    #[arg(long, value_name = "USD", env = "INSTRUCTMILL_BUDGET", allow_hyphen_values = true)]
    budget: (Money),
    /// USD per million prompt tokens, instead of the table's
    #[arg(long, value_name = "USD", env = "INSTRUCTMILL_PRICE_IN", allow_hyphen_values = true)]
    price_in: (Money),
    /// USD per million output tokens, instead of the table's
    #[arg(long, value_name = "USD", env = "INSTRUCTMILL_PRICE_OUT", allow_hyphen_values = true)]
    price_out: (Money),
    /// The table's name of the model, where the server has another: an Azure deployment, an alias
    #[arg(long, value_name = "NAME", env = "INSTRUCTMILL_PRICE_MODEL")]
    price_model: (String),
    /// A price table in LiteLLM's format, instead of the bundled one
    #[arg(long, value_name = "FILE", env = "INSTRUCTMILL_PRICES")]
    prices: (PathBuf),
    /// What bounds the prompt tokens of a request before it is sent: its bytes, which holds for every
    /// model, or a count by the vocabulary that OpenAI publishes for the model (auto, at OpenAI's own
    /// API) or by one that you know the model to have: closer, so that less money waits [default: bytes]
    #[arg(long, env = "INSTRUCTMILL_TOKEN_BOUND", value_parser = PossibleValuesParser::new(TOKEN_BOUNDS))]
    token_bound: (String),
    /// Requests per minute that the account allows [default: no limit]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_RPM", allow_negative_numbers = true)]
    rpm: (u64),
    /// Tokens per minute that the account allows [default: no limit]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_TPM", allow_negative_numbers = true)]
    tpm: (u64),
    /// Whether the server counts `max_tokens` against --tpm, as OpenAI does, or what was used
    #[arg(long, value_name = "BOOL", env = "INSTRUCTMILL_TPM_COUNTS_MAX_TOKENS")]
    tpm_counts_max_tokens: (bool),
    /// Requests under way at once [default: 32]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_CONCURRENCY", allow_negative_numbers = true)]
    concurrency: (u32),
    /// Follow what the server gets done, with up to --concurrency requests under way [default: at
    /// servers of your own, unless --concurrency, --rpm or --tpm is given; then up to 256]
    #[arg(long, value_name = "BOOL", env = "INSTRUCTMILL_ADAPT_CONCURRENCY")]
    adapt_concurrency: (bool),
    /// Send requests in batches, which are answered within a day, at the price of batches
    #[arg(long, value_name = "BOOL", env = "INSTRUCTMILL_BATCH")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    batch: (bool),
    /// Requests in one batch, at most [default: 1000]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_BATCH_REQUESTS", allow_negative_numbers = true)]
    batch_requests: (u32),
    /// Batches at the provider at once, at most [default: 4]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_BATCH_CONCURRENCY", allow_negative_numbers = true)]
    batch_concurrency: (u32),
    /// Prompt tokens in batches at once that the account allows: OpenAI's enqueued tokens [default: no limit]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_BATCH_TOKENS", allow_negative_numbers = true)]
    batch_tokens: (u64),
    /// Stop after this many requests of the run
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_MAX_REQUESTS", allow_negative_numbers = true)]
    max_requests: (u64),
    /// Attempts per request before it is given up [default: 5]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_MAX_ATTEMPTS", allow_negative_numbers = true)]
    max_attempts: (u32),
    /// Stop after so many responses in a row without an accepted task [default: 100]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_MAX_STALLED_RESPONSES", allow_negative_numbers = true)]
    max_stalled_responses: (u64),
    /// Seconds to establish a connection [default: 10]
    #[arg(long, value_name = "S", env = "INSTRUCTMILL_CONNECT_TIMEOUT", allow_negative_numbers = true)]
    connect_timeout: (u64),
    /// Seconds without a byte from the server, its thinking included [default: 300]
    #[arg(long, value_name = "S", env = "INSTRUCTMILL_READ_TIMEOUT", allow_negative_numbers = true)]
    read_timeout: (u64),
    /// Seconds for a whole attempt [default: 600]
    #[arg(long, value_name = "S", env = "INSTRUCTMILL_REQUEST_TIMEOUT", allow_negative_numbers = true)]
    request_timeout: (u64),
    /// Ask for whole tasks, or for instructions first and for outputs of those that passed
    /// [default: the latter from a --target of 5000 on, at a price and with the template json]
    #[arg(long, env = "INSTRUCTMILL_PHASES", value_parser = PossibleValuesParser::new(PHASES))]
    phases: (String),
    /// The prompt template [default: json for chat models, alpaca for openai-completions]
    #[arg(long, env = "INSTRUCTMILL_TEMPLATE", value_parser = templates())]
    template: (String),
    /// Standing instructions in place of the template's own, the shape of the answer aside; alpaca puts
    /// them in front of its own. With two phases they are those of requests for instructions
    #[arg(long, value_name = "TEXT", env = "INSTRUCTMILL_SYSTEM")]
    system: (String),
    /// In-context examples per request [default: the template's, 8 or 3]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_NUM_EXAMPLES", allow_negative_numbers = true)]
    num_examples: (u32),
    /// Tasks asked for per request [default: the template's, 10 or 20]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_TASKS_PER_REQUEST", allow_negative_numbers = true)]
    tasks_per_request: (u32),
    /// The most output tokens per request [default: the template's, 4000 or 3072]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_MAX_OUTPUT_TOKENS", allow_negative_numbers = true)]
    max_output_tokens: (u32),
    /// Sampling temperature [default: 1.0]
    #[arg(long, value_name = "F", env = "INSTRUCTMILL_TEMPERATURE", allow_negative_numbers = true)]
    temperature: (f64),
    /// Nucleus sampling mass [default: 1.0]
    #[arg(long, value_name = "F", env = "INSTRUCTMILL_TOP_P", allow_negative_numbers = true)]
    top_p: (f64),
    /// Send a response schema with each request [default: where the model takes one]
    #[arg(long, value_name = "BOOL", env = "INSTRUCTMILL_RESPONSE_SCHEMA")]
    response_schema: (bool),
    /// How much the model reasons before it answers; each model takes some of these
    #[arg(long, env = "INSTRUCTMILL_REASONING_EFFORT", value_parser = efforts())]
    reasoning_effort: (String),
    /// Send `temperature` and `top_p` [default: where the model takes them]
    #[arg(long, value_name = "BOOL", env = "INSTRUCTMILL_SAMPLING")]
    sampling: (bool),
    /// Send system messages as such [default: where the model takes them]
    #[arg(long, value_name = "BOOL", env = "INSTRUCTMILL_SYSTEM_MESSAGES")]
    system_messages: (bool),
    /// Name the output limit `max_completion_tokens` [default: for OpenAI's models that reason]
    #[arg(long, value_name = "BOOL", env = "INSTRUCTMILL_MAX_COMPLETION_TOKENS")]
    max_completion_tokens: (bool),
    /// Put a long constant part of the prompts into the provider's cache where that saves money
    /// [default: auto]
    #[arg(long, env = "INSTRUCTMILL_PROMPT_CACHE", value_parser = PossibleValuesParser::new(PROMPT_CACHE))]
    prompt_cache: (String),
    #[arg(long, env = "INSTRUCTMILL_SIMILARITY", value_parser = check_similarity, help = similarity_help())]
    similarity: (String),
    /// More similar than this is a duplicate, by the first similarity [default: 0.7 for rouge-l]
    #[arg(long, value_name = "F", env = "INSTRUCTMILL_THRESHOLD", allow_negative_numbers = true)]
    threshold: (f64),
    /// The model of the similarity embedding, such as text-embedding-3-small
    #[arg(long, value_name = "MODEL", env = "INSTRUCTMILL_EMBEDDING_MODEL")]
    embedding_model: (String),
    /// The root of the API of embeddings [default: that of --base-url]
    #[arg(long, value_name = "URL", env = "INSTRUCTMILL_EMBEDDING_BASE_URL")]
    embedding_base_url: (String),
    /// The environment variable that holds the key for embeddings [default: that of the run]
    #[arg(long, value_name = "VAR", env = "INSTRUCTMILL_EMBEDDING_API_KEY_ENV")]
    embedding_api_key_env: (String),
    /// USD per million tokens of texts that are embedded, instead of the table's
    #[arg(long, value_name = "USD", env = "INSTRUCTMILL_EMBEDDING_PRICE", allow_hyphen_values = true)]
    embedding_price: (Money),
    /// Ask for embeddings of this length [default: the model's own]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_EMBEDDING_DIMENSIONS", allow_negative_numbers = true)]
    embedding_dimensions: (u32),
    /// Requests for embeddings per minute that the account allows [default: no limit]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_EMBEDDING_RPM", allow_negative_numbers = true)]
    embedding_rpm: (u64),
    /// Tokens of embedded texts per minute that the account allows [default: no limit]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_EMBEDDING_TPM", allow_negative_numbers = true)]
    embedding_tpm: (u64),
    /// Which text must be novel [default: instruction]
    #[arg(long, env = "INSTRUCTMILL_COMPARE", value_parser = compared())]
    compare: (String),
    /// Store the most similar task with accepted tasks too; compares each with most of the pool
    #[arg(long, value_name = "BOOL", env = "INSTRUCTMILL_RECORD_NEAREST")]
    record_nearest: (bool),
    /// Benchmarks that the data must not contain: JSONL, JSON, or plain text with one text a line
    #[arg(long, value_name = "FILE", num_args = 1..)]
    decontaminate: (Vec<PathBuf>),
    /// Seeds all random choices of the run [default: 0]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_SEED", allow_negative_numbers = true)]
    seed: (u64),
    /// Filter rules to switch off
    #[arg(long = "disable-filter", value_name = "RULE", value_delimiter = ',', value_parser = filters())]
    disable_filters: (Vec<String>),
    /// Fewest words of an instruction [default: 4]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_MIN_WORDS", allow_negative_numbers = true)]
    min_words: (u32),
    /// Most words of an instruction [default: 150]
    #[arg(long, value_name = "N", env = "INSTRUCTMILL_MAX_WORDS", allow_negative_numbers = true)]
    max_words: (u32),
    /// The words of the keyword rule, instead of the original's 18
    #[arg(long = "keyword", value_name = "WORD", value_delimiter = ',')]
    keywords: (Vec<String>),
    /// Mean latency of the simulated provider, in milliseconds [default: 200]
    #[arg(long, value_name = "MS", env = "INSTRUCTMILL_SIMULATED_LATENCY_MS", allow_negative_numbers = true)]
    simulated_latency_ms: (u64),
    /// Faults of the simulated provider, such as 429:0.02,drop:0.01
    #[arg(long, value_name = "LIST", env = "INSTRUCTMILL_SIMULATED_FAULTS")]
    simulated_faults: (String),
}

/// The commonest settings of `[responses]`; the others stand in the configuration file.
#[derive(Debug, Args)]
pub(super) struct ResponsesArgs {
    /// The model that writes the outputs of --phases instructions+responses [default: --model]
    #[arg(
        id = "responses_model",
        long = "responses-model",
        value_name = "MODEL",
        env = "INSTRUCTMILL_RESPONSES_MODEL"
    )]
    model: Option<String>,
    /// USD per million prompt tokens of --responses-model
    #[arg(
        id = "responses_price_in",
        long = "responses-price-in",
        value_name = "USD",
        env = "INSTRUCTMILL_RESPONSES_PRICE_IN",
        allow_hyphen_values = true
    )]
    price_in: Option<Money>,
    /// USD per million output tokens of --responses-model
    #[arg(
        id = "responses_price_out",
        long = "responses-price-out",
        value_name = "USD",
        env = "INSTRUCTMILL_RESPONSES_PRICE_OUT",
        allow_hyphen_values = true
    )]
    price_out: Option<Money>,
    /// Outputs asked for per request [default: 1]
    #[arg(
        id = "responses_tasks_per_request",
        long = "responses-tasks-per-request",
        value_name = "N",
        env = "INSTRUCTMILL_RESPONSES_TASKS_PER_REQUEST",
        allow_negative_numbers = true
    )]
    tasks_per_request: Option<u32>,
    /// The most output tokens for one task [default: --max-output-tokens, or 2000]
    #[arg(
        id = "responses_max_output_tokens",
        long = "responses-max-output-tokens",
        value_name = "N",
        env = "INSTRUCTMILL_RESPONSES_MAX_OUTPUT_TOKENS",
        allow_negative_numbers = true
    )]
    max_output_tokens: Option<u32>,
}

impl From<ResponsesArgs> for Settings {
    fn from(args: ResponsesArgs) -> Self {
        let phase = PhaseSettings {
            model: args.model,
            price_in: args.price_in,
            price_out: args.price_out,
            tasks_per_request: args.tasks_per_request,
            max_output_tokens: args.max_output_tokens,
            ..PhaseSettings::default()
        };
        let responses = Some(phase).filter(|phase| *phase != PhaseSettings::default());
        Self { responses, ..Self::default() }
    }
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The run directory
    #[arg(long, value_name = "DIR", default_value = "output/simulated", env = "INSTRUCTMILL_RUN")]
    pub(super) run: PathBuf,
    /// Print JSON; money is in decimal strings
    #[arg(long)]
    pub(super) json: bool,
    /// Show so many samples of what each rule rejected
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) samples: u32,
    /// Show it again every second, or every S seconds, until the run ends: on a terminal in place,
    /// elsewhere a line for each change, with --json an object
    #[arg(long, value_name = "S", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400), conflicts_with = "samples")]
    pub(super) watch: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The run directory
    #[arg(long, value_name = "DIR", default_value = "output/simulated", env = "INSTRUCTMILL_RUN")]
    pub(super) run: PathBuf,
    /// Write the tasks here (`-` for stdout); without it they are only counted and compared
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// The format of --output
    #[arg(long, default_value = "alpaca", value_parser = exporters())]
    pub(super) format: String,
    /// Fail (exit code 1) unless the tasks equal those of the run
    #[arg(long)]
    pub(super) check: bool,
    /// The seed tasks that the run began with, where they are not at their old place
    #[arg(long, value_name = "FILE")]
    pub(super) seeds: Option<PathBuf>,
    /// Accepted tasks wanted, instead of the run's target
    #[arg(long, value_name = "N")]
    pub(super) target: Option<u64>,
    /// Another similarity, or several as in rouge-l+minhash@0.8
    #[arg(long, value_parser = check_similarity)]
    pub(super) similarity: Option<String>,
    /// Another threshold
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub(super) threshold: Option<f64>,
    /// Another text to compare
    #[arg(long, value_parser = compared())]
    pub(super) compare: Option<String>,
    /// Other benchmarks that the data must not contain
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) decontaminate: Option<Vec<PathBuf>>,
    /// Look for the most similar task of accepted tasks too
    #[arg(long, value_name = "BOOL")]
    pub(super) record_nearest: Option<bool>,
    /// Filter rules to switch off, instead of the run's
    #[arg(long = "disable-filter", value_name = "RULE", value_delimiter = ',', value_parser = filters())]
    pub(super) disable_filters: Option<Vec<String>>,
    /// Another fewest words of an instruction
    #[arg(long, value_name = "N")]
    pub(super) min_words: Option<u32>,
    /// Another most words of an instruction
    #[arg(long, value_name = "N")]
    pub(super) max_words: Option<u32>,
    /// Other words of the keyword rule
    #[arg(long = "keyword", value_name = "WORD", value_delimiter = ',')]
    pub(super) keywords: Option<Vec<String>>,
}
