//! The plan: what a run will take, estimated before its first request.

use std::time::Duration;

use super::endpoint::codec;
use super::footprint::footprint;
use super::judge::Judge;
use super::request::{OutputRequests, render};
use crate::config::{BatchPace, ConfigError, EmbeddingConfig, Money, ResponsesConfig, RunConfig};
use crate::event::Phase;
use crate::ledger::{Encoding, Price, Totals};
use crate::limit::{Limits, together};
use crate::novelty::Combination;
use crate::summary::{Estimate, Summary};
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
    /// The whole budget, where the account holds a pilot's part of it.
    pub pilot_of: Option<Usd>,
    /// What each phase is expected to take, the first phase first.
    pub phases: Vec<PhasePlan>,
    /// Whether all phases go to one API by one set of limits.
    pub one_lane: bool,
    /// Where embeddings come from, where the rules need them.
    pub embeddings: Option<EmbeddingConfig>,
    /// What the run has taken so far.
    pub so_far: Summary,
    /// Whether that is what the estimates are from, rather than the seed tasks.
    pub calibrated: bool,
    /// Tokens of texts that are expected to be embedded.
    pub embedded_tokens: u64,
    /// Bytes of memory that the tasks to come are expected to take.
    pub memory: u64,
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
    /// The endpoints, where there are several.
    pub endpoints: Vec<String>,
    /// The model's name.
    pub model: String,
    /// What tokens cost, in USD per token.
    pub price: Price,
    /// Where the price comes from.
    pub price_origin: String,
    /// The encoding by which prompts are counted for the worst case; `None`: by their bytes.
    pub encoding: Option<Encoding>,
    /// Requests and tokens per minute.
    pub limits: Limits,
    /// Requests under way at once, at most.
    pub concurrency: usize,
    /// Whether their number is found by trying.
    pub adapts: bool,
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
        let has_history = |phase| History::of(so_far, phase).is_some();
        let last = if config.responses.is_some() { Phase::Responses } else { Phase::Tasks };
        let calibrated =
            so_far.accepted > 0 && has_history(config.first_phase()) && has_history(last);
        let phases = match &config.responses {
            None => {
                let each = per_request(config, judge, so_far);
                let requests =
                    missing.saturating_mul(1_000).div_ceil(each.accepted_per_thousand.max(1));
                vec![PhasePlan::new(config, Phase::Tasks, requests, &each)]
            }
            Some(responses) => two_phases(config, responses, judge, so_far, missing),
        };
        let whole = config.settings.budget.map(|Money(budget)| budget);
        Self {
            simulated: config.source.is_simulated(),
            template: config.request.template.name(),
            duplicates: config.rules.duplicates.clone(),
            benchmarks: config.rules.benchmarks.len(),
            seeds: config.seeds.tasks.len(),
            accepted: so_far.accepted,
            target: config.target,
            money,
            pilot_of: whole.filter(|_| config.is_pilot),
            phases,
            one_lane: config.responses.as_ref().is_none_or(|responses| responses.same_lane),
            embeddings: config.embedding.clone(),
            embedded_tokens: embedded_tokens(config, so_far, missing),
            memory: footprint(config, missing),
            so_far: so_far.clone(),
            calibrated,
        }
    }

    /// What the whole run is expected to take, with what it has taken already.
    pub fn estimate(&self) -> Estimate {
        let spent = self.so_far.spent.saturating_add(self.so_far.unconfirmed);
        let ahead =
            self.duration().map(|ahead| u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX));
        Estimate {
            tasks: self.target,
            cost: spent.saturating_add(self.cost()),
            active_ms: ahead.map(|ahead| self.so_far.active_ms.saturating_add(ahead)),
            calibrated: self.calibrated,
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
        let by_tokens = input_cost.saturating_add(api.price.output.saturating_mul(output_tokens));
        let origin = match &config.responses {
            Some(responses) if phase == Phase::Responses => &responses.price_origin,
            _ => &config.price_origin,
        };
        Self {
            phase,
            provider: api.source.name(),
            base_url: api.source.base_url().map(str::to_owned),
            endpoints: api.source.endpoints().iter().map(|one| one.name.clone()).collect(),
            model: api.model.to_owned(),
            price: *api.price,
            price_origin: origin.clone(),
            encoding: api.encoding,
            limits: together(api.limits()),
            concurrency: api.pace.concurrency,
            adapts: api.pace.adapts,
            batch: api.pace.batch,
            requests,
            prompt_tokens,
            output_tokens,
            cost: each.cost.map_or(by_tokens, |each| each.saturating_mul(requests)),
            duration: duration(together(api.limits()), api.pace.concurrency, requests, each),
        }
    }
}

/// What a request of a phase has taken so far, on average.
#[derive(Clone, Copy)]
struct History {
    answered: u64,
    prompt_tokens: u64,
    output_tokens: u64,
    /// What came from a cache is in it at its own price.
    cost: Usd,
    latency_ms: u64,
}

impl History {
    /// `None` before the first answer.
    fn of(so_far: &Summary, phase: Phase) -> Option<Self> {
        let totals = so_far.by_phase.get(&phase)?;
        let each = |sum: u64| sum.checked_div(totals.answered);
        Some(Self {
            answered: totals.answered,
            prompt_tokens: each(totals.usage.prompt_total())?,
            output_tokens: each(totals.usage.output)?,
            cost: Usd::from_pico(each(totals.spent.pico())?),
            latency_ms: each(totals.waited_ms)?,
        })
    }

    /// What another request is expected to take that brings so many tasks in a thousand requests.
    fn per_request(self, max_output_tokens: u64, accepted_per_thousand: u64) -> PerRequest {
        PerRequest {
            prompt_tokens: self.prompt_tokens,
            output_tokens: self.output_tokens,
            max_output_tokens,
            accepted_per_thousand: accepted_per_thousand.max(1),
            cost: Some(self.cost),
            latency_ms: Some(self.latency_ms),
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
    /// What it costs, where one has shown it.
    cost: Option<Usd>,
    /// How long an answer takes, where one has shown it or a simulator is told.
    latency_ms: Option<u64>,
}

fn per_request(config: &RunConfig, judge: &Judge, so_far: &Summary) -> PerRequest {
    let max_output_tokens = u64::from(config.request.max_output_tokens);
    let history = History::of(so_far, Phase::Tasks).filter(|_| so_far.accepted > 0);
    if let Some(history) = history {
        return history.per_request(max_output_tokens, so_far.accepted * 1_000 / history.answered);
    }
    let seed = SeedTokens::of(config);
    let tasks = u64::from(config.request.tasks_per_request);
    let task_tokens = seed.question + seed.output + FIELD_TOKENS;
    PerRequest {
        prompt_tokens: to_u64(typical_body_bytes(config, judge)) / BYTES_PER_TOKEN,
        output_tokens: (tasks * task_tokens).min(max_output_tokens),
        max_output_tokens,
        accepted_per_thousand: tasks * 10 * EXPECTED_PERCENT,
        cost: None,
        latency_ms: config.source.latency_ms(),
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
    let asked = u64::from(config.request.tasks_per_request);
    let max_output_tokens = u64::from(config.request.max_output_tokens);
    let instructions = PerRequest {
        prompt_tokens: to_u64(typical_body_bytes(config, judge)) / BYTES_PER_TOKEN,
        output_tokens: (asked * (seed.question + FIELD_TOKENS)).min(max_output_tokens),
        max_output_tokens,
        accepted_per_thousand: asked * 10 * EXPECTED_PERCENT,
        cost: None,
        latency_ms: config.source.latency_ms(),
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
        cost: None,
        latency_ms: responses.source.latency_ms(),
    };
    let (instructions, answer) = by_history(so_far, tasks, instructions, answer);
    let answers = missing.saturating_mul(1_000).div_ceil(answer.accepted_per_thousand);
    let outputs = answers * tasks;
    let wanted = outputs.saturating_sub(so_far.open_tasks);
    let requests = (wanted * 1_000).div_ceil(instructions.accepted_per_thousand);
    vec![
        PhasePlan::new(config, Phase::Instructions, requests, &instructions),
        PhasePlan::new(config, Phase::Responses, answers, &answer),
    ]
}

/// Both phases as they went so far, where they did.
fn by_history(
    so_far: &Summary,
    tasks: u64,
    instructions: PerRequest,
    answer: PerRequest,
) -> (PerRequest, PerRequest) {
    let first = History::of(so_far, Phase::Instructions);
    let second = History::of(so_far, Phase::Responses).filter(|_| so_far.accepted > 0);
    let (Some(first), Some(second)) = (first, second) else { return (instructions, answer) };
    let passed = second.answered * tasks + so_far.open_tasks;
    (
        first.per_request(instructions.max_output_tokens, passed * 1_000 / first.answered),
        second.per_request(answer.max_output_tokens, so_far.accepted * 1_000 / second.answered),
    )
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
fn duration(limits: Limits, concurrency: usize, requests: u64, each: &PerRequest) -> Duration {
    let written =
        if limits.count_reserved_tokens { each.max_output_tokens } else { each.output_tokens };
    let counted = each.prompt_tokens + written;
    let minutes = |amount: u64, per_minute: Option<u64>| {
        per_minute.map_or(0, |limit| amount.saturating_mul(60_000) / limit.max(1))
    };
    let written_in = 1_000 * each.output_tokens / TOKENS_PER_SECOND;
    let latency_ms = each.latency_ms.unwrap_or(written_in);
    let waves = requests.div_ceil(to_u64(concurrency));
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
