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

    fn all_scores(&self, text: &str) -> impl Iterator<Item = Similar> {
        let mut tokens = Vec::new();
        self.tokenizer.for_each_token(text, |token| tokens.push(self.numbers.get(token).copied()));
        let pattern = Pattern::new(&tokens);
        (0..).zip(&self.entries).map(move |(entry, other)| {
            let score = f1(pattern.lcs(other), tokens.len(), other.len());
            Similar { entry, score }
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
        self.all_scores(text).filter(|similar| similar.score > self.threshold).reduce(
            |best, new| {
                if new.score > best.score { new } else { best }
            },
        )
    }

    fn admit_all(&mut self, texts: &[&str], most: usize) -> Vec<Result<u32, Similar>> {
        admit_in_turn(self, texts, most)
    }

    fn most_similar(&self, text: &str, count: usize) -> Vec<Similar> {
        let mut all: Vec<_> = self.all_scores(text).filter(|similar| similar.score > 0.0).collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.entry.cmp(&b.entry)));
        all.truncate(count);
        all
    }
}
