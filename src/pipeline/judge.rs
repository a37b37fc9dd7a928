//! The judge: what becomes of each item of a response. A pure function of the rules, the seeds and
//! the items judged before, so a journal can be judged again.

use std::fmt;
use std::sync::Arc;

use crate::benchmark::Benchmarks;
use crate::chat::{Completion, TokenUsage};
use crate::config::{ConfigError, Rules};
use crate::event::{Nearest, Rejection, Stage, Verdict};
use crate::filter::FilterChain;
use crate::novelty::{CombinedIndex, Contamination, Duplicate, Overlap, Similar};
use crate::pool::Pool;
use crate::provider::{DecodeError, Provider};
use crate::task::{Candidate, Compared, SeedTask, TaskRef};
use crate::template::{Item, Template};

/// The rule that turns away a response whose body is not a completion.
pub(super) const UNREADABLE: &str = "unreadable_response";
/// The rule of an answer whose whole output limit went into hidden reasoning.
pub(super) const LOST_TO_REASONING: &str = "lost_to_reasoning";
/// What to do about such answers.
pub(super) const REASON_LESS: &str = "raise --max-output-tokens or lower --reasoning-effort";
/// How much of a body that cannot be read is kept to look at, in characters.
const SAMPLE_CHARS: usize = 500;

/// Judges items in order and keeps the pool.
pub(super) struct Judge {
    filters: FilterChain,
    /// `None` without benchmarks: there is nothing to look for.
    contamination: Option<(Contamination, Arc<Benchmarks>)>,
    index: CombinedIndex,
    compared: Compared,
    record_nearest: bool,
    pool: Pool,
}

/// A candidate, and what the template or the filters have against it.
struct Filtered {
    candidate: Candidate,
    rejection: Option<Rejection>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("entries", &self.index.len()).finish_non_exhaustive()
    }
}

impl Judge {
    /// A judge who knows the seed tasks and nothing else.
    pub(super) fn new(rules: &Rules, seeds: Vec<SeedTask>) -> Result<Self, ConfigError> {
        let mut index = rules.duplicates.index();
        for seed in &seeds {
            index.insert(&rules.compared.text(&seed_as_task(seed)));
        }
        Ok(Self {
            filters: FilterChain::new(&rules.filters)?,
            contamination: contamination(rules),
            index,
            compared: rules.compared,
            record_nearest: rules.record_nearest,
            pool: Pool::new(seeds),
        })
    }

    /// Seeds and accepted tasks.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Takes a task that was accepted before, without judging it again.
    pub(super) fn admit(&mut self, task: Candidate) {
        self.index.insert(&self.compared.text(&task));
        self.pool.push(task);
    }

    /// Judges items of one response, the first of them its `first`-th, in order until `most` are
    /// accepted; accepted ones join the pool at once.
    pub(super) fn judge(&mut self, first: u32, items: Vec<Item>, most: u64) -> Vec<Verdict> {
        let filtered: Vec<Filtered> = items.into_iter().map(|item| self.filter(item)).collect();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut compared = self.compare(&filtered, most).into_iter();
        let mut verdicts = Vec::with_capacity(filtered.len());
        let mut accepted = 0;
        for (item_index, Filtered { candidate, rejection }) in (first..).zip(filtered) {
            if accepted == most {
                break;
            }
            let (rejection, nearest) = match rejection {
                Some(rejection) => (Some(rejection), None),
                None => match compared.next() {
                    Some((Ok(_), nearest)) => (None, nearest.map(|n| self.nearest(n))),
                    Some((Err(duplicate), _)) => self.duplicate(duplicate),
                    None => break,
                },
            };
            if rejection.is_none() {
                accepted += 1;
                self.pool.push(candidate.clone());
            }
            verdicts.push(Verdict { item_index, candidate, rejection, nearest });
        }
        verdicts
    }

    fn filter(&self, item: Item) -> Filtered {
        match item {
            Item::Defect { rule, sample } => Filtered {
                candidate: Candidate { instruction: sample, ..Candidate::default() },
                rejection: Some(Rejection { stage: Stage::Parse, rule, detail: String::new() }),
            },
            Item::Candidate(candidate) => {
                let rejection = self.filters.check(&candidate).err();
                let rejection = rejection.or_else(|| self.contaminated(&candidate));
                Filtered { candidate, rejection }
            }
        }
    }

    fn contaminated(&self, candidate: &Candidate) -> Option<Rejection> {
        let (contamination, benchmarks) = self.contamination.as_ref()?;
        let all = Compared::All.text(candidate);
        let Overlap { text, rule, detail } = contamination.find(&candidate.instruction, &all)?;
        let detail = format!("{detail} in {}", benchmarks.place(text));
        Some(Rejection { stage: Stage::Contaminated, rule, detail })
    }

    /// Compares what passed the filters, in order until `most` are novel; those are in the index
    /// afterwards. With each the most similar task, when that is asked for.
    fn compare(
        &mut self,
        filtered: &[Filtered],
        most: usize,
    ) -> Vec<(Result<u32, Duplicate>, Option<Similar>)> {
        let passed = filtered.iter().filter(|filtered| filtered.rejection.is_none());
        let texts: Vec<_> = passed.map(|f| self.compared.text(&f.candidate)).collect();
        if !self.record_nearest {
            let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            return self.index.admit_all(&texts, most).into_iter().map(|r| (r, None)).collect();
        }
        let mut results = Vec::with_capacity(texts.len());
        let mut novel = 0;
        for text in texts {
            if novel == most {
                break;
            }
            let nearest = self.index.most_similar(&text, 1).first().copied();
            let result = self.index.admit(&text);
            novel += usize::from(result.is_ok());
            results.push((result, nearest));
        }
        results
    }

    fn duplicate(&self, duplicate: Duplicate) -> (Option<Rejection>, Option<Nearest>) {
        let nearest = self.nearest(duplicate.of);
        let detail = format!("{:.3} to {}", nearest.score, nearest.task);
        let rejection = Rejection { stage: Stage::Novelty, rule: duplicate.by, detail };
        (Some(rejection), Some(nearest))
    }

    fn nearest(&self, similar: Similar) -> Nearest {
        Nearest { task: self.entry(similar.entry), score: similar.score }
    }

    /// The index numbers the seeds first and then the accepted tasks.
    fn entry(&self, entry: u32) -> TaskRef {
        let seeds = self.pool.seeds().len() as u64;
        match u64::from(entry).checked_sub(seeds) {
            None => TaskRef::Seed(u64::from(entry)),
            Some(accepted) => TaskRef::Accepted(accepted),
        }
    }
}

fn contamination(rules: &Rules) -> Option<(Contamination, Arc<Benchmarks>)> {
    let benchmarks = Arc::clone(&rules.benchmarks);
    let mut contamination = Contamination::new(rules.benchmark_threshold);
    benchmarks.texts().for_each(|text| contamination.insert(text));
    (!benchmarks.is_empty()).then_some((contamination, benchmarks))
}

/// A seed task with its first instance, as it is shown in prompts.
pub(super) fn seed_as_task(seed: &SeedTask) -> Candidate {
    let (input, output) =
        seed.instances.first().map(|i| (i.input.clone(), i.output.clone())).unwrap_or_default();
    Candidate { instruction: seed.instruction.clone(), input, output }
}

/// An answer of which nothing but reasoning came, as a defect that says what to do about it.
fn lost_to_reasoning(usage: &TokenUsage) -> Item {
    let TokenUsage { output, reasoning, .. } = usage;
    let sample = format!(
        "(no text: {reasoning} of {output} output tokens were hidden reasoning, up to the limit; \
         {REASON_LESS})"
    );
    Item::Defect { rule: LOST_TO_REASONING, sample }
}

/// Reads the items out of a raw body; a body that is no completion is one defect.
pub(super) fn read_body(
    provider: &dyn Provider,
    template: &dyn Template,
    body: &[u8],
    num_examples: usize,
) -> (Vec<Item>, Result<Completion, DecodeError>) {
    let decoded = provider.decode(body);
    let items = match &decoded {
        Ok(completion) => match completion.lost_to_reasoning() {
            Some(usage) => vec![lost_to_reasoning(&usage)],
            None => template.parse(completion, num_examples),
        },
        Err(_) => {
            let text = String::from_utf8_lossy(body);
            let sample = text.chars().take(SAMPLE_CHARS).collect();
            vec![Item::Defect { rule: UNREADABLE, sample }]
        }
    };
    (items, decoded)
}
