//! From settings to a configuration: defaults, checks, and what follows from what.

use std::sync::Arc;
use std::time::Duration;

use super::batch;
use super::cache;
use super::embedding::{self, EmbeddingConfig};
use super::file::suggestion;
use super::phases;
use super::prices::{Priced, REHEARSED_MODEL};
use super::{
    ConfigError, EndpointSettings, Money, Pace, RequestConfig, ResponsesConfig, Rules, RunConfig,
    Settings, Source,
};
use crate::benchmark::Benchmarks;
use crate::chat::ReasoningEffort;
use crate::filter::{FilterChain, FilterSettings};
use crate::limit::Limits;
use crate::novelty::{Combination, CombinationError};
use crate::pool::{self, SeedFile};
use crate::provider::{PROVIDERS, Quirks};
use crate::task::Compared;
use crate::template::{self, TEMPLATES, Template};
use crate::usd::Usd;

/// The provider that makes its answers up.
pub const SIMULATED: &str = "simulated";
/// As Alpaca's `num_instructions_to_generate`.
const DEFAULT_TARGET: u64 = 100;
/// The ROUGE-L that tells a benchmark's text, in a run that does not compare by ROUGE-L.
const BENCHMARK_THRESHOLD: f64 = 0.7;
const DEFAULT_CONCURRENCY: u32 = 32;
/// The most where the number is found by trying: as many as vLLM serves at once by default
/// (`max_num_seqs`).
const MOST_FOUND: u32 = 256;
const MAX_CONCURRENCY: u32 = 10_000;
/// More tasks than a run can number.
const MAX_TARGET: u64 = 1_000_000_000;
/// What a simulated run may "spend" when nothing is said.
const SIMULATED_BUDGET: &str = "5";
/// More than this cannot be meant, and keeps sums of money far from their limits.
const MAX_BUDGET: &str = "1000000";

/// The environment variables that matter, read once.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// Looks a variable up.
    pub get: &'a dyn Fn(&str) -> Option<String>,
}

impl std::fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// The values that `--provider` takes.
pub fn provider_names() -> Vec<&'static str> {
    let mut names = vec![SIMULATED];
    names.extend(PROVIDERS.iter().map(|provider| provider.name()));
    names
}

impl RunConfig {
    /// Resolves settings into a configuration and checks all of it.
    ///
    /// # Errors
    /// [`ConfigError`], each with its mend. Nothing has been sent or spent then.
    pub fn resolve(
        mut settings: Settings,
        environment: Environment<'_>,
    ) -> Result<Self, ConfigError> {
        let seeds = seeds(&settings)?;
        let (first, responses) = phases::resolve(&mut settings, environment)?;
        pool::ensure_enough(&seeds.tasks, first.request.num_examples)?;
        let rules = rules(&mut settings, first.request.template, &seeds)?;
        let embedding =
            embedding::resolve(&mut settings, &first.source, &rules.duplicates, environment)?;
        let budget = budget(&mut settings, &first, responses.as_ref(), embedding.as_ref())?;
        let phases::First { source, model, priced, request, pace, api_version, encoding } = first;
        let target = *settings.target.get_or_insert(DEFAULT_TARGET);
        let target = within("target", at_least_one("target", target)?, 1, MAX_TARGET)?;
        if let Some(max) = settings.max_requests {
            at_least_one("max-requests", max)?;
        }
        let stalled = *settings.max_stalled_responses.get_or_insert(100);
        let max_stalled_responses = at_least_one("max-stalled-responses", stalled)?;
        Ok(Self {
            seeds,
            model,
            price: priced.price,
            price_origin: priced.origin,
            encoding,
            budget,
            is_pilot: false,
            target,
            max_requests: settings.max_requests,
            max_stalled_responses,
            request,
            rules,
            embedding,
            pace,
            source,
            api_version,
            responses,
            settings,
        })
    }
}

pub(super) fn value(flag: &'static str, message: impl Into<String>) -> ConfigError {
    ConfigError::Value { flag, message: message.into() }
}

fn at_least_one(flag: &'static str, number: u64) -> Result<u64, ConfigError> {
    if number == 0 { Err(value(flag, "must be at least 1")) } else { Ok(number) }
}

pub(super) fn within<T: PartialOrd + std::fmt::Display + Copy>(
    flag: &'static str,
    number: T,
    low: T,
    high: T,
) -> Result<T, ConfigError> {
    // Written so that NaN is out of every range.
    if number >= low && number <= high {
        return Ok(number);
    }
    Err(value(flag, format!("{number} is not between {low} and {high}")))
}

pub(super) fn unknown(flag: &'static str, name: &str, names: &[&str]) -> ConfigError {
    value(flag, format!("`{name}` is not known{}", suggestion(name, names)))
}

fn seeds(settings: &Settings) -> Result<SeedFile, ConfigError> {
    Ok(match &settings.seeds {
        Some(path) => pool::read_seed_tasks(path)?,
        None => pool::bundled_seed_tasks()?,
    })
}

pub(super) fn model(settings: &mut Settings, source: &Source) -> Result<String, ConfigError> {
    if source.is_simulated() {
        return Ok(settings.model.get_or_insert_with(|| SIMULATED.to_owned()).clone());
    }
    match settings.model.as_deref().map(str::trim) {
        None | Some("") => Err(ConfigError::NoModel),
        Some(model) => Ok(model.to_owned()),
    }
}

/// A simulated run without a model's name rehearses at a cheap model's price.
pub(super) fn price_name<'a>(model: &'a str, source: &Source) -> &'a str {
    if source.is_simulated() && model == SIMULATED { REHEARSED_MODEL } else { model }
}

fn budget(
    settings: &mut Settings,
    first: &phases::First,
    responses: Option<&ResponsesConfig>,
    embedding: Option<&EmbeddingConfig>,
) -> Result<Option<Usd>, ConfigError> {
    let simulated =
        first.source.is_simulated() && responses.is_none_or(|r| r.source.is_simulated());
    let default = simulated.then(|| SIMULATED_BUDGET.parse().ok().map(Money)).flatten();
    settings.budget = settings.budget.or(default);
    let costly = match (responses, embedding) {
        _ if !first.priced.price.is_free() => Some(&first.model),
        (Some(outputs), _) if !outputs.price.is_free() => Some(&outputs.model),
        (_, Some(embedding)) if !embedding.price.is_zero() => Some(&embedding.model),
        _ => None,
    };
    match (settings.budget, costly) {
        (None, None) => Ok(None),
        (None, Some(model)) => Err(ConfigError::NoBudget { model: model.clone() }),
        (Some(Money(budget)), Some(_)) if budget.is_zero() => {
            Err(value("budget", "a budget of 0 buys nothing: give an amount in USD"))
        }
        (Some(Money(budget)), _) if MAX_BUDGET.parse().is_ok_and(|max: Usd| budget > max) => {
            Err(value("budget", format!("{budget} USD is more than the {MAX_BUDGET} allowed")))
        }
        (Some(Money(budget)), _) => Ok(Some(budget)),
    }
}

pub(super) fn request(
    settings: &mut Settings,
    source: &Source,
    priced: &Priced,
) -> Result<RequestConfig, ConfigError> {
    let completions =
        matches!(source, Source::Api { provider, .. } if provider.name() == "openai-completions");
    let default = if completions { "alpaca" } else { "json" };
    let name = settings.template.get_or_insert_with(|| default.to_owned()).clone();
    let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name()).collect();
    let template = template::by_name(&name).ok_or_else(|| unknown("template", &name, &names))?;
    let template = phases::of_template(settings, template)?;
    let defaults = template.defaults();

    let num_examples = settings.num_examples.get_or_insert(narrow(defaults.num_examples));
    let num_examples = within("num-examples", *num_examples, 1, 100)?;
    let tasks = settings.tasks_per_request.get_or_insert(defaults.tasks_per_request);
    let tasks_per_request = within("tasks-per-request", *tasks, 1, 100)?;
    let temperature = settings.temperature.get_or_insert(defaults.temperature);
    let temperature = within("temperature", *temperature, 0.0, 2.0)?;
    let top_p = within("top-p", *settings.top_p.get_or_insert(defaults.top_p), 0.0, 1.0)?;
    let most = most_output_tokens(priced);
    let tokens = settings.max_output_tokens.get_or_insert(defaults.max_output_tokens.min(most));
    let max_output_tokens = within("max-output-tokens", *tokens, 16, most)?;
    let reasoning_effort = effort(settings)?;
    let quirks = quirks(settings, source, priced, reasoning_effort);
    let seed = *settings.seed.get_or_insert(0);
    Ok(RequestConfig {
        template,
        system: system(settings)?,
        num_examples: num_examples as usize,
        accepted_examples: defaults.accepted_examples.min(num_examples as usize),
        tasks_per_request,
        max_output_tokens,
        temperature,
        top_p,
        reasoning_effort,
        quirks,
        cache: cache::resolve(settings, source, priced, "first")?,
        seed,
    })
}

/// Standing instructions of the user's own.
fn system(settings: &Settings) -> Result<Option<String>, ConfigError> {
    match &settings.system {
        Some(text) if text.trim().is_empty() => {
            Err(value("system", "is empty: leave it out for the program's own instructions"))
        }
        text => Ok(text.clone()),
    }
}

pub(super) fn effort(settings: &Settings) -> Result<Option<ReasoningEffort>, ConfigError> {
    let Some(name) = settings.reasoning_effort.as_deref() else { return Ok(None) };
    let known = ReasoningEffort::ALL.map(ReasoningEffort::as_str);
    ReasoningEffort::by_name(name)
        .map(Some)
        .ok_or_else(|| unknown("reasoning-effort", name, &known))
}

/// What the API takes: by the settings, else by what is known of provider and model.
pub(super) fn quirks(
    settings: &Settings,
    source: &Source,
    priced: &Priced,
    effort: Option<ReasoningEffort>,
) -> Quirks {
    let model = priced.facts.as_ref().map(|facts| facts.traits).unwrap_or_default();
    let known = match source {
        Source::Simulated { .. } => Quirks::COMMON,
        Source::Api { provider, .. } => provider.quirks(&model, effort),
    };
    Quirks {
        max_completion_tokens: settings
            .max_completion_tokens
            .unwrap_or(known.max_completion_tokens),
        sampling: settings.sampling.unwrap_or(known.sampling),
        response_schema: settings.response_schema.unwrap_or(known.response_schema),
        system_messages: settings.system_messages.unwrap_or(known.system_messages),
        // Other servers of this wire format may refuse what they do not know.
        prompt_cache_key: is_at(source, &["api.openai.com"]),
        ..known
    }
}

/// The most output tokens that the model writes.
pub(super) fn most_output_tokens(priced: &Priced) -> u32 {
    let facts = priced.facts.as_ref();
    facts.and_then(|facts| facts.max_output_tokens).map_or(u32::MAX, narrow)
}

pub(super) fn narrow<T: TryInto<u32>>(number: T) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

fn rules(
    settings: &mut Settings,
    template: &dyn Template,
    seeds: &SeedFile,
) -> Result<Rules, ConfigError> {
    let default = if pool::mostly_ascii(&seeds.tasks) { "rouge-l" } else { "rouge-l-unicode" };
    let name = settings.similarity.get_or_insert_with(|| default.to_owned()).clone();
    let duplicates = duplicates(&name, settings.threshold)?;
    settings.similarity = Some(duplicates.to_text());
    settings.threshold = Some(duplicates.first().threshold);
    let compared = settings.compare.get_or_insert_with(|| "instruction".to_owned());
    let compared = Compared::by_name(compared)
        .ok_or_else(|| unknown("compare", compared, &Compared::ALL.map(Compared::name)))?;
    phases::check_compared(settings, compared)?;
    let record_nearest = *settings.record_nearest.get_or_insert(false);
    let has = |name| duplicates.parts().iter().any(|part| part.name() == name);
    let originals = FilterSettings::default();
    let filters = FilterSettings {
        disabled: settings.disable_filters.get_or_insert_default().clone(),
        min_words: *settings.min_words.get_or_insert(narrow(originals.min_words)) as usize,
        max_words: *settings.max_words.get_or_insert(narrow(originals.max_words)) as usize,
        keywords: settings.keywords.clone(),
        unicode: !has("rouge-l") && (has("rouge-l-unicode") || default == "rouge-l-unicode"),
        content: template.defaults().content_filters,
    };
    FilterChain::new(&filters)?;
    let benchmarks = Benchmarks::read(settings.decontaminate.get_or_insert_default())?;
    let rouge = duplicates.parts().iter().find(|part| part.name().starts_with("rouge-l"));
    let benchmark_threshold = rouge.map_or(BENCHMARK_THRESHOLD, |part| part.threshold);
    Ok(Rules {
        filters,
        benchmarks: Arc::new(benchmarks),
        benchmark_threshold,
        duplicates,
        compared,
        record_nearest,
    })
}

fn duplicates(similarity: &str, threshold: Option<f64>) -> Result<Combination, ConfigError> {
    Combination::parse(similarity, threshold).map_err(|error| {
        // What stands in --similarity was read before, unless that alone is at fault.
        let alone = Combination::parse(similarity, None).is_err();
        let flag = if alone || threshold.is_none() { "similarity" } else { "threshold" };
        value(flag, error.to_string())
    })
}

/// Checks a value of `--similarity`: names joined by `+`, with `@` and a threshold where it is not
/// the default.
///
/// # Errors
/// [`CombinationError`].
pub fn check_similarity(text: &str) -> Result<String, CombinationError> {
    Combination::parse(text, None).map(|_| text.to_owned())
}

pub(super) fn pace(settings: &mut Settings, source: &Source) -> Result<Pace, ConfigError> {
    for (flag, limit) in [("rpm", settings.rpm), ("tpm", settings.tpm)] {
        if limit == Some(0) {
            return Err(value(flag, "0 would send nothing: leave it out for no limit"));
        }
    }
    let counts_max_tokens =
        *settings.tpm_counts_max_tokens.get_or_insert(counts_at_admission(source));
    let adapts = *settings.adapt_concurrency.get_or_insert(
        settings.concurrency.is_none() && is_unlimited(settings) && is_self_hosted(source),
    );
    let default = if adapts { MOST_FOUND } else { DEFAULT_CONCURRENCY };
    let concurrency = *settings.concurrency.get_or_insert(default);
    let attempts = *settings.max_attempts.get_or_insert(5);
    let seconds = |flag, setting: &mut Option<u64>, default| {
        within(flag, *setting.get_or_insert(default), 1, 86_400).map(Duration::from_secs)
    };
    Ok(Pace {
        limits: Limits {
            requests_per_minute: settings.rpm,
            tokens_per_minute: settings.tpm,
            count_reserved_tokens: counts_max_tokens,
        },
        concurrency: within("concurrency", concurrency, 1, MAX_CONCURRENCY)? as usize,
        adapts,
        max_attempts: within("max-attempts", attempts, 1, 100)?,
        connect_timeout: seconds("connect-timeout", &mut settings.connect_timeout, 10)?,
        read_timeout: seconds("read-timeout", &mut settings.read_timeout, 300)?,
        request_timeout: seconds("request-timeout", &mut settings.request_timeout, 600)?,
        batch: batch::resolve(settings, source)?,
    })
}

/// OpenAI and Cerebras count `max_tokens` when a request comes in, and so does the simulator;
/// others are taken to count what was used.
fn counts_at_admission(source: &Source) -> bool {
    match source {
        Source::Simulated { .. } => true,
        Source::Api { .. } => is_at(source, &["api.openai.com", "api.cerebras.ai"]),
    }
}

/// Whether requests go to one of these hosts.
fn is_at(source: &Source, hosts: &[&str]) -> bool {
    source.addresses().iter().any(|url| hosts.iter().any(|host| url.contains(host)))
}

fn is_self_hosted(source: &Source) -> bool {
    matches!(source, Source::Api { provider, .. } if provider.access().self_hosted)
}

/// Whether nothing is said of limits.
fn is_unlimited(settings: &Settings) -> bool {
    let one = |e: &EndpointSettings| e.requests_per_minute.or(e.tokens_per_minute).is_none();
    let endpoints = settings.endpoints.iter().flatten();
    settings.rpm.or(settings.tpm).is_none() && endpoints.into_iter().all(one)
}
