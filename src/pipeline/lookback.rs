//! How similar each accepted task is to all before it, as Stanford Alpaca's generator records it.

use crate::config::Rules;
use crate::novelty::{Measure, NoveltyIndex, SIMILARITIES};
use crate::task::{AcceptedTask, Candidate, Compared, PoolSimilarity, SeedTask};

/// How many of the most similar tasks the original names.
const MOST_SIMILAR: usize = 10;

/// The tasks so far. Each new one is laid beside all of them, with no index to help, because the
/// average needs every score: about 2 ms a task at 50,000 tasks, and twice that at twice as many.
#[derive(Debug)]
pub struct Lookback {
    index: Box<dyn NoveltyIndex>,
    compared: Compared,
    instructions: Vec<String>,
}

impl Lookback {
    /// Before the first accepted task there are the seed tasks.
    pub fn new(rules: &Rules, seeds: &[SeedTask]) -> Self {
        let first = rules.duplicates.first();
        // Embeddings cost money: without another similarity, this one is the original's.
        let similarity = match first.measure {
            Measure::Text(similarity) => similarity,
            Measure::Embedding => SIMILARITIES[0],
        };
        let mut lookback = Self {
            index: similarity.exhaustive(first.threshold),
            compared: rules.compared,
            instructions: Vec::new(),
        };
        for seed in seeds {
            lookback.push(&super::judge::seed_as_task(seed));
        }
        lookback
    }

    /// Tells an accepted task how similar it is to those before it.
    pub fn compare(&mut self, accepted: &mut AcceptedTask) {
        let text = self.compared.text(&accepted.task);
        let similar = self.index.most_similar(&text, usize::MAX);
        // Tasks that share no token are not named and score 0.
        let sum: f64 = similar.iter().map(|similar| similar.score).sum();
        #[expect(clippy::cast_precision_loss, reason = "no pool has 2^53 tasks")]
        let average = if self.index.is_empty() { 0.0 } else { sum / self.index.len() as f64 };
        let named = similar.iter().take(MOST_SIMILAR).filter_map(|similar| {
            let instruction = self.instructions.get(usize::try_from(similar.entry).ok()?)?;
            Some((instruction.clone(), similar.score))
        });
        accepted.similarity = Some(PoolSimilarity { most_similar: named.collect(), average });
        self.push(&accepted.task);
    }

    fn push(&mut self, task: &Candidate) {
        self.index.insert(&self.compared.text(task));
        self.instructions.push(task.instruction.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::filter::FilterSettings;
    use crate::novelty::Combination;
    use crate::task::Provenance;

    #[test]
    fn every_task_sees_those_before_it() {
        let rules = Rules {
            filters: FilterSettings::default(),
            benchmarks: Arc::default(),
            benchmark_threshold: 0.7,
            duplicates: Combination::parse("rouge-l", None).unwrap(),
            compared: Compared::Instruction,
            record_nearest: false,
        };
        let mut lookback = Lookback::new(&rules, &[]);
        let similarities = ["a b c d", "a b", "e f"].map(|instruction| {
            let task = Candidate { instruction: instruction.to_owned(), ..Candidate::default() };
            let provenance = Provenance::default();
            let mut accepted = AcceptedTask { id: 0, task, provenance, similarity: None };
            lookback.compare(&mut accepted);
            accepted.similarity.unwrap()
        });
        let [first, second, third] = similarities;
        assert_eq!(first, PoolSimilarity::default());
        let score = 2.0 * 0.5 / 1.5;
        assert_eq!(second.most_similar, [("a b c d".to_owned(), score)]);
        assert!((second.average - score).abs() < 1e-15);
        assert_eq!(third, PoolSimilarity::default());
    }
}
