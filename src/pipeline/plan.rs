//! The plan: what a run will take, estimated before its first request.

use std::time::Duration;

use super::endpoint::codec;
use super::judge::Judge;
use super::request::{OutputRequests, render};
use crate::config::{BatchPace, ConfigError, EmbeddingConfig, Pace, ResponsesConfig, RunConfig};
use crate::event::Phase;
use crate::ledger::{Price, Totals};
use crate::limit::Limits;
use crate::novelty::Combination;
use crate::summary::Summary;
use crate::task::{Candidate, Compared};
use crate::usd::Usd;

/// Bytes of English text in a token, roughly.
const BYTES_PER_TOKEN: u64 = 4;
/// Of a hundred tasks asked for, so many are expected to be accepted before any response has told.
const EXPECTED_PERCENT: u64 = 75;
/// Of a hundred outputs bought apart, so many.
const EXPECTED_OUTPUTS_PERCENT: u64 = 97;
/// A task's JSON keys and quotes, or its numbered lines.
const FIELD_TOKENS: u64 = 12;
/// Output tokens that a hosted model writes in a second, roughly.
const TOKENS_PER_SECOND: u64 = 60;

/// What lies ahead of a run. Estimates are from the seed tasks, or from the run's own history where
/// it has one.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whether the completions are made up.
    pub simulated: bool,
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
    /// What each phase is expected to take, the first phase first.
    pub phases: Vec<PhasePlan>,
    /// Whether all phases go to one API by one set of limits.
    pub one_lane: bool,
    /// Where embeddings come from, where the rules need them.
    pub embeddings: Option<EmbeddingConfig>,
    /// Tokens of texts that are expected to be embedded.
    pub embedded_tokens: u64,
}

/// What lies ahead of one phase.
#[derive(Debug, Clone)]
pub struct PhasePlan {
    /// Which one.
    pub phase: Phase,
    /// The provider's name.
    pub provider: &'static str,
    /// Where the API is; `None` for a simulated one.
    pub base_url: Option<String>,
    /// The model's name.
    pub model: String,
    /// What tokens cost, in USD per token.
    pub price: Price,
    /// Where the price comes from.
    pub price_origin: String,
    /// Requests and tokens per minute.
    pub limits: Limits,
    /// Requests under way at once.
    pub concurrency: usize,
    /// How requests go in batches; `None` when each goes alone.
    pub batch: Option<BatchPace>,
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
        let missing = config.target.saturating_sub(so_far.accepted);
        let phases = match &config.responses {
            None => {
                let each = per_request(config, judge, so_far);
                let requests =
                    missing.saturating_mul(1_000).div_ceil(each.accepted_per_thousand.max(1));
                vec![PhasePlan::new(config, Phase::Tasks, requests, &each)]
            }
            Some(responses) => two_phases(config, responses, judge, so_far, missing),
        };
        Self {
            simulated: config.source.is_simulated(),
            template: config.request.template.name(),
            duplicates: config.rules.duplicates.clone(),
            benchmarks: config.rules.benchmarks.len(),
            seeds: config.seeds.tasks.len(),
            accepted: so_far.accepted,
            target: config.target,
            money,
            phases,
            one_lane: config.responses.as_ref().is_none_or(|responses| responses.same_lane),
            embeddings: config.embedding.clone(),
            embedded_tokens: embedded_tokens(config, so_far, missing),
        }
    }

    /// What everything is expected to cost.
    pub fn cost(&self) -> Usd {
        let phases: Usd = self.phases.iter().map(|phase| phase.cost).sum();
        phases.saturating_add(self.embedding_cost())
    }

    /// What embeddings are expected to cost.
    pub fn embedding_cost(&self) -> Usd {
        let price = self.embeddings.as_ref().map_or(Usd::ZERO, |embedding| embedding.price);
        price.saturating_mul(self.embedded_tokens)
    }

    /// What everything would cost if `accepted` of a hundred candidates were accepted and outputs
    /// were `length` per cent as long as expected.
    pub fn cost_if(&self, accepted: u64, length: u64) -> Usd {
        let cost = |phase: &PhasePlan| {
            let tokens = |tokens: u64, price: Usd| {
                // Outputs that are bought apart are bought for what was accepted already.
                let expected =
                    if phase.phase == Phase::Responses { accepted } else { EXPECTED_PERCENT };
                let scaled =
                    u128::from(tokens) * u128::from(expected) / u128::from(accepted.max(1));
                price.saturating_mul(u64::try_from(scaled).unwrap_or(u64::MAX))
            };
            let written = phase.output_tokens.saturating_mul(length) / 100;
            tokens(phase.prompt_tokens, phase.price.input)
                .saturating_add(tokens(written, phase.price.output))
        };
        let phases: Usd = self.phases.iter().map(cost).sum();
        phases.saturating_add(self.embedding_cost())
    }

    /// How long everything is expected to take: phases that have an API of their own overlap. `None`
    /// when some of it goes in batches: a provider promises a day for each, and takes what it takes.
    pub fn duration(&self) -> Option<Duration> {
        if self.phases.iter().any(|phase| phase.batch.is_some()) {
            return None;
        }
        let each = self.phases.iter().map(|phase| phase.duration);
        if self.one_lane { Some(each.sum()) } else { each.max() }
    }
}

/// What a run of this configuration would take from its beginning, by its seed tasks alone.
///
/// # Errors
/// [`ConfigError`] when a rule cannot be set up.
pub fn estimate(config: &RunConfig) -> Result<Plan, ConfigError> {
    let judge = Judge::new(&config.rules, config.seeds.tasks.clone(), config.first_phase())?;
    let money = Totals { budget: config.budget, ..Totals::default() };
    Ok(Plan::new(config, &judge, &Summary::default(), money))
}

impl PhasePlan {
    fn new(config: &RunConfig, phase: Phase, requests: u64, each: &PerRequest) -> Self {
        let api = config.api(phase);
        let (prompt_tokens, output_tokens) = (
            requests.saturating_mul(each.prompt_tokens),
            requests.saturating_mul(each.output_tokens),
        );
        let input_cost = api.price.input.saturating_mul(prompt_tokens);
        let origin = match &config.responses {
            Some(responses) if phase == Phase::Responses => &responses.price_origin,
            _ => &config.price_origin,
        };
        Self {
            phase,
            provider: api.source.name(),
            base_url: api.source.base_url().map(str::to_owned),
            model: api.model.to_owned(),
            price: *api.price,
            price_origin: origin.clone(),
            limits: api.pace.limits,
            concurrency: api.pace.concurrency,
            batch: api.pace.batch,
            requests,
            prompt_tokens,
            output_tokens,
            cost: input_cost.saturating_add(api.price.output.saturating_mul(output_tokens)),
            duration: duration(api.pace, requests, each),
        }
    }
}

/// What one request is expected to take and bring.
struct PerRequest {
    prompt_tokens: u64,
    output_tokens: u64,
    /// The most that the server may be asked to write.
    max_output_tokens: u64,
    /// Accepted tasks from a thousand requests.
    accepted_per_thousand: u64,
}

fn per_request(config: &RunConfig, judge: &Judge, so_far: &Summary) -> PerRequest {
    let answered = so_far.attempts.answered;
    let max_output_tokens = u64::from(config.request.max_output_tokens);
    if answered > 0 && so_far.accepted > 0 {
        return PerRequest {
            prompt_tokens: so_far.usage.prompt_total() / answered,
            output_tokens: so_far.usage.output / answered,
            max_output_tokens,
            accepted_per_thousand: so_far.accepted * 1_000 / answered,
        };
    }
    let seed = SeedTokens::of(config);
    let tasks = u64::from(config.request.tasks_per_request);
    let task_tokens = seed.question + seed.output + FIELD_TOKENS;
    PerRequest {
        prompt_tokens: to_u64(typical_body_bytes(config, judge)) / BYTES_PER_TOKEN,
        output_tokens: (tasks * task_tokens).min(max_output_tokens),
        max_output_tokens,
        accepted_per_thousand: tasks * 10 * EXPECTED_PERCENT,
    }
}

/// Requests for instructions and for outputs, from the seed tasks.
fn two_phases(
    config: &RunConfig,
    responses: &ResponsesConfig,
    judge: &Judge,
    so_far: &Summary,
    missing: u64,
) -> Vec<PhasePlan> {
    let seed = SeedTokens::of(config);
    let outputs = (missing * 100).div_ceil(EXPECTED_OUTPUTS_PERCENT);
    let wanted = outputs.saturating_sub(so_far.open_tasks);
    let asked = u64::from(config.request.tasks_per_request);
    let max_output_tokens = u64::from(config.request.max_output_tokens);
    let instructions = PerRequest {
        prompt_tokens: to_u64(typical_body_bytes(config, judge)) / BYTES_PER_TOKEN,
        output_tokens: (asked * (seed.question + FIELD_TOKENS)).min(max_output_tokens),
        max_output_tokens,
        accepted_per_thousand: asked * 10 * EXPECTED_PERCENT,
    };
    let tasks = u64::from(responses.tasks_per_request);
    let frame = OutputRequests::new(responses).render(&responses.model, &[&Candidate::default()]);
    let frame = codec(config, Phase::Responses).encode(&frame, &responses.quirks).len();
    let max_output_tokens = u64::from(responses.max_output_tokens);
    let answer = PerRequest {
        prompt_tokens: to_u64(frame) / BYTES_PER_TOKEN + tasks * seed.question,
        output_tokens: tasks * seed.output.min(max_output_tokens),
        max_output_tokens: tasks * max_output_tokens,
        accepted_per_thousand: tasks * 10 * EXPECTED_OUTPUTS_PERCENT,
    };
    let requests = (wanted * 1_000).div_ceil(instructions.accepted_per_thousand);
    vec![
        PhasePlan::new(config, Phase::Instructions, requests, &instructions),
        PhasePlan::new(config, Phase::Responses, outputs.div_ceil(tasks), &answer),
    ]
}

/// Tokens of texts to be embedded: of the candidates that the missing tasks take, as if nothing else
/// turned any away, and at the beginning of the seed tasks.
fn embedded_tokens(config: &RunConfig, so_far: &Summary, missing: u64) -> u64 {
    if config.embedding.is_none() {
        return 0;
    }
    let seed = SeedTokens::of(config);
    let each = match config.rules.compared {
        Compared::All => seed.question + seed.output,
        Compared::Instruction | Compared::InstructionAndInput => seed.question,
    };
    let seeds = if so_far.attempts.sent == 0 { to_u64(config.seeds.tasks.len()) } else { 0 };
    let candidates = missing.saturating_mul(100) / EXPECTED_PERCENT;
    seeds.saturating_add(candidates).saturating_mul(each.max(1))
}

/// Tokens of a seed task, on average.
struct SeedTokens {
    /// Of instruction and input.
    question: u64,
    output: u64,
}

impl SeedTokens {
    fn of(config: &RunConfig) -> Self {
        let (mut question, mut output) = (0, 0);
        for seed in &config.seeds.tasks {
            question += seed.instruction.len();
            if let Some(instance) = seed.instances.first() {
                question += instance.input.len();
                output += instance.output.len();
            }
        }
        let seeds = config.seeds.tasks.len().max(1);
        let tokens = |bytes: usize| to_u64(bytes / seeds) / BYTES_PER_TOKEN;
        Self { question: tokens(question), output: tokens(output) }
    }
}

fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The slowest of: requests per minute, tokens per minute, concurrency.
fn duration(pace: &Pace, requests: u64, each: &PerRequest) -> Duration {
    let limits = pace.limits;
    let written =
        if limits.count_reserved_tokens { each.max_output_tokens } else { each.output_tokens };
    let counted = each.prompt_tokens + written;
    let minutes = |amount: u64, per_minute: Option<u64>| {
        per_minute.map_or(0, |limit| amount.saturating_mul(60_000) / limit.max(1))
    };
    let latency_ms = 1_000 * each.output_tokens / TOKENS_PER_SECOND;
    let waves = requests.div_ceil(to_u64(pace.concurrency));
    let millis = minutes(requests, limits.requests_per_minute)
        .max(minutes(requests.saturating_mul(counted), limits.tokens_per_minute))
        .max(waves.saturating_mul(latency_ms));
    Duration::from_millis(millis)
}

/// The size of the first request's body.
pub(super) fn typical_body_bytes(config: &RunConfig, judge: &Judge) -> usize {
    let (_, request) = render(&config.request, &config.model, judge.pool(), 0);
    codec(config, config.first_phase()).encode(&request, &config.request.quirks).len()
}
