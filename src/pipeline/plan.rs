//! The plan: what a run will take, estimated before its first request.

use std::time::Duration;

use super::endpoint::codec;
use super::judge::Judge;
use super::request::render;
use crate::config::RunConfig;
use crate::ledger::{Price, Totals};
use crate::limit::Limits;
use crate::novelty::Combination;
use crate::summary::Summary;
use crate::usd::Usd;

/// Bytes of English text in a token, roughly.
const BYTES_PER_TOKEN: u64 = 4;
/// Of a hundred tasks asked for, so many are expected to be accepted before any response has told.
const EXPECTED_PERCENT: u64 = 75;
/// Output tokens that a hosted model writes in a second, roughly.
const TOKENS_PER_SECOND: u64 = 60;

/// What lies ahead of a run. Estimates are from the seed tasks, or from the run's own history where
/// it has one.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The provider's name.
    pub provider: &'static str,
    /// Whether the completions are made up.
    pub simulated: bool,
    /// The model's name.
    pub model: String,
    /// What tokens cost, in USD per token.
    pub price: Price,
    /// Where the price comes from.
    pub price_origin: String,
    /// The template's name.
    pub template: &'static str,
    /// What makes a task a duplicate.
    pub duplicates: Combination,
    /// Benchmark texts that the data must not contain.
    pub benchmarks: usize,
    /// Seed tasks.
    pub seeds: usize,
    /// Accepted tasks so far.
    pub accepted: u64,
    /// Accepted tasks wanted.
    pub target: u64,
    /// The account.
    pub money: Totals,
    /// Requests and tokens per minute.
    pub limits: Limits,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Requests expected to the target.
    pub requests: u64,
    /// Prompt tokens expected in all these requests.
    pub prompt_tokens: u64,
    /// Output tokens expected in all these requests.
    pub output_tokens: u64,
    /// What they are expected to cost.
    pub cost: Usd,
    /// How long they are expected to take.
    pub duration: Duration,
}

impl Plan {
    pub(super) fn new(config: &RunConfig, judge: &Judge, so_far: &Summary, money: Totals) -> Self {
        let each = per_request(config, judge, so_far);
        let missing = config.target.saturating_sub(so_far.accepted);
        let requests = (missing * 1_000).div_ceil(each.accepted_per_thousand.max(1));
        let prompt_tokens = requests * each.prompt_tokens;
        let output_tokens = requests * each.output_tokens;
        let input_cost = config.price.input.saturating_mul(prompt_tokens);
        let cost = input_cost.saturating_add(config.price.output.saturating_mul(output_tokens));
        Self {
            provider: config.source.name(),
            simulated: config.source.is_simulated(),
            model: config.model.clone(),
            price: config.price,
            price_origin: config.price_origin.clone(),
            template: config.request.template.name(),
            duplicates: config.rules.duplicates.clone(),
            benchmarks: config.rules.benchmarks.len(),
            seeds: config.seeds.tasks.len(),
            accepted: so_far.accepted,
            target: config.target,
            money,
            limits: config.pace.limits,
            concurrency: config.pace.concurrency,
            requests,
            prompt_tokens,
            output_tokens,
            cost,
            duration: duration(config, requests, &each),
        }
    }
}

/// What one request is expected to take and bring.
struct PerRequest {
    prompt_tokens: u64,
    output_tokens: u64,
    /// Accepted tasks from a thousand requests.
    accepted_per_thousand: u64,
}

fn per_request(config: &RunConfig, judge: &Judge, so_far: &Summary) -> PerRequest {
    let answered = so_far.attempts.answered;
    if answered > 0 && so_far.accepted > 0 {
        return PerRequest {
            prompt_tokens: so_far.usage.prompt_total() / answered,
            output_tokens: so_far.usage.output / answered,
            accepted_per_thousand: so_far.accepted * 1_000 / answered,
        };
    }
    let bytes: usize = config
        .seeds
        .tasks
        .iter()
        .map(|seed| {
            let instance = seed.instances.first();
            seed.instruction.len() + instance.map_or(0, |i| i.input.len() + i.output.len())
        })
        .sum();
    let seeds = config.seeds.tasks.len().max(1);
    // A task's JSON keys and quotes, or its numbered lines, are about twelve tokens.
    let task_tokens = to_u64(bytes / seeds) / BYTES_PER_TOKEN + 12;
    let tasks = u64::from(config.request.tasks_per_request);
    PerRequest {
        prompt_tokens: to_u64(typical_body_bytes(config, judge)) / BYTES_PER_TOKEN,
        output_tokens: (tasks * task_tokens).min(u64::from(config.request.max_output_tokens)),
        accepted_per_thousand: tasks * 10 * EXPECTED_PERCENT,
    }
}

fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The slowest of: requests per minute, tokens per minute, concurrency.
fn duration(config: &RunConfig, requests: u64, each: &PerRequest) -> Duration {
    let limits = config.pace.limits;
    let counted = if limits.count_reserved_tokens {
        each.prompt_tokens + u64::from(config.request.max_output_tokens)
    } else {
        each.prompt_tokens + each.output_tokens
    };
    let minutes = |amount: u64, per_minute: Option<u64>| {
        per_minute.map_or(0, |limit| amount.saturating_mul(60_000) / limit.max(1))
    };
    let latency_ms = 1_000 * each.output_tokens / TOKENS_PER_SECOND;
    let waves = requests.div_ceil(to_u64(config.pace.concurrency));
    let millis = minutes(requests, limits.requests_per_minute)
        .max(minutes(requests.saturating_mul(counted), limits.tokens_per_minute))
        .max(waves.saturating_mul(latency_ms));
    Duration::from_millis(millis)
}

/// The size of the first request's body.
pub(super) fn typical_body_bytes(config: &RunConfig, judge: &Judge) -> usize {
    let (_, request) = render(&config.request, &config.model, judge.pool(), 0);
    codec(config).encode(&request, &config.request.quirks).len()
}
