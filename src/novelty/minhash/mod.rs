//! `minhash`: the Jaccard similarity of two texts' character n-grams, found through `MinHash` bands.
//!
//! It sees what a longest common subsequence of words does not: parts in another order, words
//! inflected, misspelt or joined. [`mod@ngrams`] says what an n-gram is, [`bands`] how candidates are
//! found. A candidate's score is not estimated but computed from the n-grams, so that no text is
//! called a duplicate which is not; a duplicate is overlooked with a probability of at most 0.5 % at
//! the threshold, and less above it.

mod bands;
mod ngrams;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::bands::{Bands, Shape};
use self::ngrams::ngrams;
use super::{NoveltyIndex, Similar, Similarity, admit_in_turn};

/// Measured on instructions in English and Chinese, see `docs/benchmarks.md`.
const DEFAULT_THRESHOLD: f64 = 0.65;

/// The similarity `minhash`.
#[derive(Debug)]
pub(super) struct MinHash;

impl Similarity for MinHash {
    fn name(&self) -> &'static str {
        "minhash"
    }

    fn about(&self) -> &'static str {
        "Jaccard of 4-letter or 2-ideograph runs, found by MinHash: also parts in another order"
    }

    fn default_threshold(&self) -> f64 {
        DEFAULT_THRESHOLD
    }

    fn index(&self, threshold: f64) -> Box<dyn NoveltyIndex> {
        let bands = Some(Bands::new(Shape::new(threshold)));
        Box::new(NgramIndex { threshold, sets: Sets::default(), bands })
    }

    fn exhaustive(&self, threshold: f64) -> Box<dyn NoveltyIndex> {
        Box::new(NgramIndex { threshold, sets: Sets::default(), bands: None })
    }

    fn score(&self, a: &str, b: &str) -> f64 {
        jaccard(&ngrams(a), &ngrams(b))
    }
}

/// Every entry's n-grams, packed.
#[derive(Debug, Default)]
struct Sets {
    ngrams: Vec<u32>,
    /// Where each entry's end.
    ends: Vec<usize>,
}

impl Sets {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn push(&mut self, ngrams: &[u32]) -> u32 {
        let entry = u32::try_from(self.ends.len()).expect("memory ends before 2^32 texts");
        self.ngrams.extend_from_slice(ngrams);
        self.ends.push(self.ngrams.len());
        entry
    }

    fn get(&self, entry: u32) -> &[u32] {
        let entry = entry as usize;
        let start = entry.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.ngrams[start..self.ends[entry]]
    }
}

/// A text to be judged.
struct Query {
    ngrams: Vec<u32>,
    /// Of its bands; empty where it has no n-grams or the index no bands.
    keys: Vec<u32>,
}

/// Compares a text with the entries that share a band with it, or without bands with all.
#[derive(Debug)]
struct NgramIndex {
    threshold: f64,
    sets: Sets,
    bands: Option<Bands>,
}

impl NgramIndex {
    fn query(&self, text: &str) -> Query {
        let ngrams = ngrams(text);
        let shape = self.bands.as_ref().map(Bands::shape).filter(|_| !ngrams.is_empty());
        Query { keys: shape.map(|shape| shape.keys(&ngrams)).unwrap_or_default(), ngrams }
    }

    fn find(&self, query: &Query) -> Option<Similar> {
        match &self.bands {
            Some(bands) => self.best(query, bands.candidates(&query.keys).into_iter()),
            None => self.best(query, self.all()),
        }
    }

    fn all(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.sets.len()).expect("memory ends before 2^32 texts")
    }

    fn best(&self, query: &Query, entries: impl Iterator<Item = u32>) -> Option<Similar> {
        let found = entries.filter_map(|entry| {
            let other = self.sets.get(entry);
            let within_reach = at_most(query.ngrams.len(), other.len()) > self.threshold;
            let score = if within_reach { jaccard(&query.ngrams, other) } else { 0.0 };
            (score > self.threshold).then_some(Similar { entry, score })
        });
        found.reduce(|best, new| if new.is_before(best) { new } else { best })
    }

    fn add(&mut self, query: &Query) -> u32 {
        let entry = self.sets.push(&query.ngrams);
        if let Some(bands) = &mut self.bands {
            bands.push(entry, &query.keys);
        }
        entry
    }

    fn admit_query(&mut self, query: &Query) -> Result<u32, Similar> {
        match self.find(query) {
            Some(similar) => Err(similar),
            None => Ok(self.add(query)),
        }
    }
}

impl NoveltyIndex for NgramIndex {
    fn len(&self) -> usize {
        self.sets.len()
    }

    fn insert(&mut self, text: &str) -> u32 {
        let query = self.query(text);
        self.add(&query)
    }

    fn duplicate_of(&self, text: &str) -> Option<Similar> {
        self.find(&self.query(text))
    }

    fn admit(&mut self, text: &str) -> Result<u32, Similar> {
        let query = self.query(text);
        self.admit_query(&query)
    }

    fn admit_all(&mut self, texts: &[&str], most: usize) -> Vec<Result<u32, Similar>> {
        // The signatures are most of the work, and need no entry.
        let queries: Vec<Query> = texts.par_iter().map(|text| self.query(text)).collect();
        admit_in_turn(queries.iter(), most, |query| self.admit_query(query))
    }

    /// Exact: the bands are cut for duplicates and would not find what is far from one.
    fn most_similar(&self, text: &str, count: usize) -> Vec<Similar> {
        let ngrams = ngrams(text);
        let mut best: Vec<Similar> = Vec::new();
        for entry in self.all() {
            let other = self.sets.get(entry);
            let bar = if best.len() < count { 0.0 } else { best.last().map_or(1.0, |b| b.score) };
            // Later entries take no place from an equal one.
            if at_most(ngrams.len(), other.len()) <= bar {
                continue;
            }
            let found = Similar { entry, score: jaccard(&ngrams, other) };
            if found.score > bar {
                let place = best.partition_point(|other| other.is_before(found));
                best.insert(place, found);
                best.truncate(count);
            }
        }
        best
    }
}

/// The highest Jaccard similarity of sets of these sizes.
fn at_most(a: usize, b: usize) -> f64 {
    ratio(a.min(b), a.max(b))
}

/// The Jaccard similarity of two sets in ascending order: the part of all n-grams that both have;
/// 0.0 when neither has any.
fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        shared += usize::from(a[i] == b[j]);
        let (step_a, step_b) = (a[i] <= b[j], b[j] <= a[i]);
        i += usize::from(step_a);
        j += usize::from(step_b);
    }
    ratio(shared, a.len() + b.len() - shared)
}

#[expect(clippy::cast_precision_loss, reason = "no text has 2^53 n-grams")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
