//! `embedding`: the cosine of two texts' embeddings, which sees likeness in meaning where no word is
//! shared.
//!
//! The embeddings come from outside; nothing here asks for them. The search is exact: it gives the
//! answers of a scan over all entries ([`rows`] says what it leaves out).

mod rows;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::rows::{Query, Rows};
use super::Similar;
use crate::embedding::Embedding;

/// The name of the similarity.
pub(super) const NAME: &str = "embedding";
/// One line for `--help`.
pub(super) const ABOUT: &str =
    "cosine of embeddings from an API, which cost money: like in meaning";
/// What paraphrases of one instruction reach, and instructions for different things seldom do; see
/// `docs/benchmarks.md`. Models differ: some give unrelated texts 0.7.
pub(super) const DEFAULT_THRESHOLD: f64 = 0.9;

/// The embeddings of a pool's texts, against which new ones are judged.
///
/// A text may have none, being blank: it is an entry, and never near another.
#[derive(Debug)]
pub(super) struct EmbeddingIndex {
    threshold: f64,
    entries: u32,
    rows: Rows,
    /// The entry of each row.
    entry_of_row: Vec<u32>,
}

/// Work of fewer multiplications is done sooner than handed to other threads. In tests little is to
/// be enough.
const PARALLEL_FROM: usize = if cfg!(test) { 512 } else { 1 << 21 };

impl EmbeddingIndex {
    pub(super) fn new(threshold: f64) -> Self {
        Self { threshold, entries: 0, rows: Rows::default(), entry_of_row: Vec::new() }
    }

    /// How many entries have been inserted.
    pub(super) fn len(&self) -> u32 {
        self.entries
    }

    /// Adds an entry, whether or not it is a duplicate, and returns its number.
    pub(super) fn insert(&mut self, embedding: Option<&Embedding>) -> u32 {
        let entry = self.entries;
        if let Some(embedding) = embedding
            && self.rows.push(embedding)
        {
            self.entry_of_row.push(entry);
        }
        self.entries += 1;
        entry
    }

    /// The entry from `first` on of which a text is a duplicate: the most similar one, the lowest
    /// number where several are.
    pub(super) fn duplicate_of(&self, embedding: &Embedding, first: u32) -> Option<Similar> {
        let query = self.rows.query(embedding)?;
        let first = self.entry_of_row.partition_point(|entry| *entry < first);
        self.nearest(&query, first, self.threshold)
    }

    /// [`Self::duplicate_of`] for several texts among all entries, several threads taking part.
    pub(super) fn duplicates_of(&self, embeddings: &[Option<&Embedding>]) -> Vec<Option<Similar>> {
        let one = |embedding: &Option<&Embedding>| self.duplicate_of((*embedding)?, 0);
        embeddings.par_iter().map(one).collect()
    }

    /// The `count` entries that are most similar to a text, the most similar first.
    pub(super) fn most_similar(&self, embedding: &Embedding, count: usize) -> Vec<Similar> {
        let Some(query) = self.rows.query(embedding) else { return Vec::new() };
        let mut best: Vec<Similar> = Vec::new();
        for block in 0..self.rows.blocks() {
            let mut least =
                if best.len() < count { 0.0 } else { best.last().map_or(1.0, |b| b.score) };
            self.rows.scan(&query, block, 0, &mut least, |row, score, least| {
                let found = Similar { entry: self.entry_of_row[row], score };
                let place = best.partition_point(|other| other.is_before(found));
                best.insert(place, found);
                best.truncate(count);
                if best.len() == count {
                    *least = best.last().map_or(1.0, |worst| worst.score);
                }
            });
        }
        best
    }

    fn nearest(&self, query: &Query<'_>, first: usize, threshold: f64) -> Option<Similar> {
        let nearest_in = |block| {
            let (mut best, mut least) = (None, threshold);
            self.rows.scan(query, block, first, &mut least, |row, score, least| {
                best = Some(Similar { entry: self.entry_of_row[row], score });
                *least = score;
            });
            best
        };
        let sooner = |a: Similar, b: Similar| if b.is_before(a) { b } else { a };
        let blocks = self.rows.block_of(first)..self.rows.blocks();
        if (self.entry_of_row.len() - first) * query.len() < PARALLEL_FROM {
            return blocks.filter_map(nearest_in).reduce(sooner);
        }
        blocks.into_par_iter().filter_map(nearest_in).reduce_with(sooner)
    }
}
