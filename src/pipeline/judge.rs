//! The judge: what becomes of each item of a response. A pure function of the rules, the seeds and
//! the items judged before, so a journal can be judged again.

use std::fmt;

use crate::chat::Completion;
use crate::config::{ConfigError, Rules};
use crate::event::{Nearest, Rejection, Stage, Verdict};
use crate::filter::FilterChain;
use crate::novelty::NoveltyIndex;
use crate::pool::Pool;
use crate::provider::{DecodeError, Provider};
use crate::task::{Candidate, SeedTask, TaskRef};
use crate::template::{Item, Template};

/// The rule that turns away a response whose body is not a completion.
pub(super) const UNREADABLE: &str = "unreadable_response";
/// How much of a body that cannot be read is kept to look at, in characters.
const SAMPLE_CHARS: usize = 500;

/// Judges items in order and keeps the pool.
pub(super) struct Judge {
    filters: FilterChain,
    index: Box<dyn NoveltyIndex>,
    similarity: &'static str,
    pool: Pool,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("entries", &self.index.len()).finish_non_exhaustive()
    }
}

impl Judge {
    /// A judge who knows the seed tasks and nothing else.
    pub(super) fn new(rules: &Rules, seeds: Vec<SeedTask>) -> Result<Self, ConfigError> {
        let mut index = rules.similarity.index(rules.threshold);
        for seed in &seeds {
            index.insert(&seed.instruction);
        }
        Ok(Self {
            filters: FilterChain::new(&rules.filters)?,
            index,
            similarity: rules.similarity.name(),
            pool: Pool::new(seeds),
        })
    }

    /// Seeds and accepted tasks.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Takes a task that was accepted before, without judging it again.
    pub(super) fn admit(&mut self, task: Candidate) {
        self.index.insert(&task.instruction);
        self.pool.push(task);
    }

    /// Judges one item; an accepted one joins the pool at once.
    pub(super) fn judge(&mut self, item_index: u32, item: Item) -> Verdict {
        let (candidate, rejection, nearest) = match item {
            Item::Defect { rule, sample } => {
                let rejection = Rejection { stage: Stage::Parse, rule, detail: String::new() };
                let raw = Candidate { instruction: sample, ..Candidate::default() };
                (raw, Some(rejection), None)
            }
            Item::Candidate(candidate) => match self.filters.check(&candidate) {
                Err(rejection) => (candidate, Some(rejection), None),
                Ok(()) => {
                    let (rejection, nearest) = self.compare(&candidate);
                    (candidate, rejection, nearest)
                }
            },
        };
        if rejection.is_none() {
            self.admit(candidate.clone());
        }
        Verdict { item_index, candidate, rejection, nearest }
    }

    fn compare(&self, candidate: &Candidate) -> (Option<Rejection>, Option<Nearest>) {
        let finding = self.index.check(&candidate.instruction);
        let nearest =
            finding.nearest.map(|(entry, score)| Nearest { task: self.entry(entry), score });
        let rejection = finding.duplicate.then(|| Rejection {
            stage: Stage::Novelty,
            rule: self.similarity,
            detail: nearest.map(|n| format!("{:.3} to {}", n.score, n.task)).unwrap_or_default(),
        });
        (rejection, nearest)
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

/// Reads the items out of a raw body; a body that is no completion is one defect.
pub(super) fn read_body(
    provider: &dyn Provider,
    template: &dyn Template,
    body: &[u8],
    num_examples: usize,
) -> (Vec<Item>, Result<Completion, DecodeError>) {
    let decoded = provider.decode(body);
    let items = match &decoded {
        Ok(completion) => template.parse(completion, num_examples),
        Err(_) => {
            let text = String::from_utf8_lossy(body);
            let sample = text.chars().take(SAMPLE_CHARS).collect();
            vec![Item::Defect { rule: UNREADABLE, sample }]
        }
    };
    (items, decoded)
}
