//! From a run's journal to the figures of its report.

use crate::chat::TokenUsage;
use crate::config::{Environment, RunConfig, SEEDS_KEY, Settings};
use crate::event::Phase;
use crate::ledger::{Price, cost_of};
use crate::novelty::{Measure, SIMILARITIES, Similarity, by_name};
use crate::pool::mostly_ascii;
use crate::report::RunReport;
use crate::report::figures::{
    ActiveTime, AttemptFigures, CandidateFigures, Distribution, JudgedText, NearestSeed,
    RunFigures, SentAttempt, TokenClass,
};
use crate::store::{AttemptRow, CandidateRow, RunReader, SessionSpan, StoreError};
use crate::usd::Usd;

/// Accepted tasks that are laid beside the seed tasks.
const COMPARED_TASKS: u64 = 5_000;
/// Pairs of an accepted and a seed task, which take about a microsecond each.
const COMPARED_PAIRS: u64 = 2_000_000;
/// Characters of an instruction that are compared.
const COMPARED_CHARS: usize = 2_000;

/// Everything that a report says about a run, read in two passes over its journal. Call it within
/// [`RunReader::snapshot`] while the run may go on.
///
/// What needs a file that may be gone by now, such as the seed tasks, is left out with its reason.
///
/// # Errors
/// [`StoreError`] when the journal cannot be read.
pub fn run_figures(
    reader: &RunReader,
    settings: &Settings,
    totals: RunReport,
) -> Result<RunFigures, StoreError> {
    let sessions = reader.sessions()?;
    // A report sends nothing, so it needs no key: a placeholder stands in for it.
    let environment = Environment { get: &|_name| Some("unused-by-report".to_owned()) };
    let config = RunConfig::resolve(settings.clone(), environment);
    let config = config.map_err(|error| error.to_string());
    let attempts = attempts(reader, &sessions)?;
    let mut spread = Spread::new(totals.summary.accepted, &config);
    let candidates = candidates(reader, &totals, &mut spread)?;
    let (classes, no_class_costs) = classes(&totals, config.as_ref().map(|c| &c.price));
    let seeds_sha256 = reader.meta(SEEDS_KEY)?;
    Ok(RunFigures {
        settings: named(settings),
        began_at_ms: sessions.first().map(|session| session.started_at_ms),
        seen_at_ms: sessions.last().map(|session| session.seen_at_ms),
        sessions: sessions.len(),
        requests_per_minute: settings.rpm,
        tokens_per_minute: settings.tpm,
        classes,
        no_class_costs,
        attempts,
        candidates,
        nearest_seed: nearest_seed(&config, seeds_sha256.as_deref(), &spread.texts),
        totals,
    })
}

/// Settings with their values as people would write them.
fn named(settings: &Settings) -> Vec<(String, String)> {
    let serde_json::Value::Object(all) = settings.to_json() else { return Vec::new() };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    all.into_iter().map(|(name, value)| (name, text(value))).collect()
}

fn attempts(reader: &RunReader, sessions: &[SessionSpan]) -> Result<AttemptFigures, StoreError> {
    let time = ActiveTime::new(sessions.iter().map(|s| (s.id, s.started_at_ms, s.seen_at_ms)));
    let mut figures = AttemptFigures::new(time.total_ms());
    reader.for_each_attempt(|attempt| figures.note(sent(&attempt, &time)))?;
    Ok(figures)
}

fn sent(attempt: &AttemptRow, time: &ActiveTime) -> SentAttempt {
    let at = |unix_ms| time.at(attempt.session_id, unix_ms);
    SentAttempt {
        sent_ms: at(attempt.sent_at_ms),
        settled_ms: attempt.ended_at_ms.map(at),
        cost: attempt.cost,
        unconfirmed: attempt.unconfirmed,
        tokens: attempt.usage.total(),
        latency_ms: attempt.latency_ms,
        rate_limited: attempt.http_status == Some(429),
    }
}

fn candidates(
    reader: &RunReader,
    totals: &RunReport,
    spread: &mut Spread,
) -> Result<CandidateFigures, StoreError> {
    let mut figures = CandidateFigures::new(&totals.summary);
    reader.for_each_candidate(|candidate| {
        figures.note(&judged(&candidate));
        if candidate.rejected_by.is_none() {
            spread.note(candidate.instruction);
        }
    })?;
    Ok(figures)
}

fn judged<'a>(candidate: &CandidateRow<'a>) -> JudgedText<'a> {
    let CandidateRow { rejected_by, detail, instruction, input, output, score } = *candidate;
    JudgedText { rejected_by, detail, instruction, input, output, score }
}

/// Instructions of accepted tasks at even distances.
struct Spread {
    every: u64,
    seen: u64,
    texts: Vec<String>,
}

impl Spread {
    fn new(accepted: u64, config: &Result<RunConfig, String>) -> Self {
        let seeds = config.as_ref().map_or(0, |config| config.seeds.tasks.len());
        let affordable = COMPARED_PAIRS / u64::try_from(seeds).unwrap_or(u64::MAX).max(1);
        let most = COMPARED_TASKS.min(affordable).max(1);
        Self { every: accepted.div_ceil(most).max(1), seen: 0, texts: Vec::new() }
    }

    fn note(&mut self, instruction: &str) {
        if self.seen.is_multiple_of(self.every) {
            self.texts.push(instruction.chars().take(COMPARED_CHARS).collect());
        }
        self.seen += 1;
    }
}

/// Whether another model than the one of the price was asked too.
fn has_several_prices(totals: &RunReport) -> bool {
    totals.output_model.is_some() || totals.summary.by_phase.contains_key(&Phase::Embeddings)
}

/// Tokens by class with what they cost; without costs, and the reason, where the price is not known
/// any more or is another than the one that was paid.
fn classes(
    totals: &RunReport,
    price: Result<&Price, &String>,
) -> (Vec<TokenClass>, Option<String>) {
    let usage = totals.summary.usage;
    let reasoning = usage.reasoning.min(usage.output);
    let only = TokenUsage::default();
    let parts = [
        ("input", usage.input, TokenUsage { input: usage.input, ..only }),
        (
            "cached input",
            usage.cached_input,
            TokenUsage { cached_input: usage.cached_input, ..only },
        ),
        ("cache write", usage.cache_write, TokenUsage { cache_write: usage.cache_write, ..only }),
        (
            "output",
            usage.output - reasoning,
            TokenUsage { output: usage.output - reasoning, ..only },
        ),
        ("reasoning", reasoning, TokenUsage { output: reasoning, reasoning, ..only }),
    ];
    let (price, reason) = match price {
        Err(error) => (None, Some(format!("What each class cost cannot be told: {error}."))),
        Ok(price) if cost_of(price, &usage) != totals.summary.spent => {
            let reason = if has_several_prices(totals) {
                "several models have a price each"
            } else {
                "the price known now is not the one paid"
            };
            (None, Some(format!("What each class cost cannot be told: {reason}.")))
        }
        Ok(price) => (Some(price), None),
    };
    let there = parts
        .into_iter()
        .filter(|(name, tokens, _)| *tokens > 0 || *name == "input" || *name == "output");
    let classes = there.map(|(name, tokens, usage)| {
        let cost: Option<Usd> = price.map(|price| cost_of(price, &usage));
        TokenClass { name, tokens, cost }
    });
    (classes.collect(), reason)
}

fn nearest_seed(
    config: &Result<RunConfig, String>,
    seeds_sha256: Option<&str>,
    instructions: &[String],
) -> NearestSeed {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            return NearestSeed::Unknown(format!(
                "The seed tasks cannot be read any more: {error}."
            ));
        }
    };
    if seeds_sha256 != Some(&config.seeds.sha256) {
        return NearestSeed::Unknown(
            "The seed file is not the one that the run began with.".into(),
        );
    }
    let similarity = rouge_l(config);
    let mut seeds = similarity.index(similarity.default_threshold());
    for seed in &config.seeds.tasks {
        seeds.insert(&seed.instruction);
    }
    let mut scores = Distribution::default();
    for instruction in instructions {
        let nearest = seeds.most_similar(instruction, 1);
        let score = nearest.first().map_or(0.0, |similar| similar.score);
        scores.note_score(score);
    }
    NearestSeed::Compared { similarity: similarity.name(), scores }
}

/// The run's own similarity when it is a ROUGE-L, else the one that suits the seeds' script.
fn rouge_l(config: &RunConfig) -> &'static dyn Similarity {
    if let Measure::Text(own) = config.rules.duplicates.first().measure
        && own.name().starts_with("rouge-l")
    {
        return own;
    }
    let name = if mostly_ascii(&config.seeds.tasks) { "rouge-l" } else { "rouge-l-unicode" };
    by_name(name).unwrap_or(SIMILARITIES[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::{RunState, Summary};

    fn totals(usage: TokenUsage, spent: Usd) -> RunReport {
        RunReport {
            run: "run".into(),
            provider: "openai".into(),
            model: "m".into(),
            output_model: None,
            simulated: false,
            target: 1,
            budget: None,
            state: RunState::Stopped,
            stop_reason: None,
            message: None,
            summary: Summary { usage, spent, ..Summary::default() },
        }
    }

    #[test]
    fn classes_add_up_to_what_was_spent_or_say_why_not() {
        let usage = TokenUsage { input: 10, output: 7, reasoning: 3, ..TokenUsage::default() };
        let price = Price::flat(Usd::from_pico(2), Usd::from_pico(5));
        let totals = totals(usage, Usd::from_pico(55));
        let (known, reason) = classes(&totals, Ok(&price));
        let pico = |class: &TokenClass| (class.name, class.tokens, class.cost.map(Usd::pico));
        let expected =
            [("input", 10, Some(20)), ("output", 4, Some(20)), ("reasoning", 3, Some(15))];
        assert_eq!(known.iter().map(pico).collect::<Vec<_>>(), expected);
        assert_eq!(reason, None);
        let dearer = Price::flat(Usd::from_pico(3), Usd::from_pico(5));
        let (unknown, reason) = classes(&totals, Ok(&dearer));
        assert!(unknown.iter().all(|class| class.cost.is_none()));
        assert!(reason.unwrap().contains("not the one paid"));
        let two = RunReport { output_model: Some("n".to_owned()), ..totals.clone() };
        let (_, reason) = classes(&two, Ok(&dearer));
        assert!(reason.unwrap().contains("several models"));
        assert!(classes(&totals, Err(&"gone".to_owned())).1.unwrap().contains("gone"));
    }

    #[test]
    fn instructions_are_taken_at_even_distances() {
        let mut spread = Spread::new(12_000, &Err(String::new()));
        (0..12_000).for_each(|n: u32| spread.note(&n.to_string()));
        assert_eq!(spread.texts.len(), 4_000);
        assert_eq!(spread.texts.get(1).map(String::as_str), Some("3"));
    }
}
