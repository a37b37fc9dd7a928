//! The plain definition: a text is laid beside every entry. What the index is measured and tested
//! against.

use std::collections::HashMap;

use super::lcs::Pattern;
use super::rouge_l::f1;
use super::tokenize::Tokenizer;
use super::{NoveltyIndex, Similar, admit_in_turn};

/// All entries' tokens, in order of insertion.
#[derive(Debug)]
pub(super) struct Exhaustive {
    tokenizer: Tokenizer,
    threshold: f64,
    numbers: HashMap<String, u32>,
    entries: Vec<Vec<u32>>,
}

impl Exhaustive {
    pub(super) fn new(tokenizer: Tokenizer, threshold: f64) -> Self {
        Self { tokenizer, threshold, numbers: HashMap::new(), entries: Vec::new() }
    }

    /// The entries with a score above `least`. Only a comparison of the lengths goes before the
    /// longest common subsequence.
    fn scores(&self, text: &str, least: f64) -> impl Iterator<Item = Similar> {
        let mut tokens = Vec::new();
        self.tokenizer.for_each_token(text, |token| tokens.push(self.numbers.get(token).copied()));
        let pattern = Pattern::new(&tokens);
        (0..).zip(&self.entries).filter_map(move |(entry, other)| {
            let score = |lcs| f1(lcs, tokens.len(), other.len());
            let can_be_above = score(tokens.len().min(other.len())) > least;
            let score = if can_be_above { score(pattern.lcs(other, 0)) } else { 0.0 };
            (score > least).then_some(Similar { entry, score })
        })
    }
}

impl NoveltyIndex for Exhaustive {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn insert(&mut self, text: &str) -> u32 {
        let mut tokens = Vec::new();
        let numbers = &mut self.numbers;
        self.tokenizer.for_each_token(text, |token| {
            let next = u32::try_from(numbers.len()).expect("memory ends before 2^32 tokens");
            tokens.push(*numbers.entry(token.to_owned()).or_insert(next));
        });
        self.entries.push(tokens);
        u32::try_from(self.entries.len() - 1).expect("memory ends before 2^32 texts")
    }

    fn duplicate_of(&self, text: &str) -> Option<Similar> {
        let above = self.scores(text, self.threshold);
        above.reduce(|best, new| if new.score > best.score { new } else { best })
    }

    fn admit_all(&mut self, texts: &[&str], most: usize) -> Vec<Result<u32, Similar>> {
        admit_in_turn(texts.iter(), most, |text| self.admit(text))
    }

    fn most_similar(&self, text: &str, count: usize) -> Vec<Similar> {
        let mut all: Vec<_> = self.scores(text, 0.0).collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.entry.cmp(&b.entry)));
        all.truncate(count);
        all
    }
}
