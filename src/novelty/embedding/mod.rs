//! `embedding`: the cosine of two texts' embeddings, which sees likeness in meaning where no word is
//! shared.
//!
//! The embeddings come from outside; nothing here asks for them. The search is exact: it gives the
//! answers of a scan over all entries ([`rows`] says what it leaves out). With the feature `hnsw`
//! this ends at 200,000 entries: beyond, a graph proposes entries, and may overlook one.

#[cfg(feature = "hnsw")]
mod graph;
#[cfg(not(feature = "hnsw"))]
#[path = "no_graph.rs"]
mod graph;
mod rows;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::graph::Graph;
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
    graph: Graph,
    /// The entry of each row.
    entry_of_row: Vec<u32>,
}

/// A scan of so many entries takes some hundredths of a second.
const EXACT_UP_TO: usize = 200_000;

/// Work of fewer multiplications is done sooner than handed to other threads. In tests little is to
/// be enough.
const PARALLEL_FROM: usize = if cfg!(test) { 512 } else { 1 << 21 };

impl EmbeddingIndex {
    pub(super) fn new(threshold: f64) -> Self {
        Self::with_graph_from(threshold, EXACT_UP_TO)
    }

    /// An index that is scanned up to so many entries.
    fn with_graph_from(threshold: f64, exact_up_to: usize) -> Self {
        let (rows, graph) = (Rows::default(), Graph::new(exact_up_to));
        Self { threshold, entries: 0, rows, graph, entry_of_row: Vec::new() }
    }

    /// How many entries have been inserted.
    pub(super) fn len(&self) -> usize {
        self.entries as usize
    }

    /// Adds an entry, whether or not it is a duplicate, and returns its number.
    pub(super) fn insert(&mut self, embedding: Option<&Embedding>) -> u32 {
        let entry = self.entries;
        if let Some(embedding) = embedding
            && self.rows.push(embedding)
        {
            self.entry_of_row.push(entry);
            self.graph.follow(&self.rows);
        }
        self.entries += 1;
        entry
    }

    /// The entry from `first` on of which a text is a duplicate: the most similar one, the lowest
    /// number where several are.
    pub(super) fn duplicate_of(&self, embedding: &Embedding, first: u32) -> Option<Similar> {
        let query = self.rows.query(embedding)?;
        let first = self.entry_of_row.partition_point(|entry| *entry < first);
        self.nearest(&[query], first).pop().flatten()
    }

    /// [`Self::duplicate_of`] for several texts among all entries: each row is fetched once for all
    /// of them.
    pub(super) fn duplicates_of(&self, embeddings: &[Option<&Embedding>]) -> Vec<Option<Similar>> {
        let queries: Vec<Option<Query<'_>>> =
            embeddings.iter().map(|embedding| self.rows.query((*embedding)?)).collect();
        let is_asked: Vec<bool> = queries.iter().map(Option::is_some).collect();
        let asked: Vec<Query<'_>> = queries.into_iter().flatten().collect();
        let mut found = self.nearest(&asked, 0).into_iter();
        is_asked.iter().map(|asked| if *asked { found.next().flatten() } else { None }).collect()
    }

    /// The `count` entries that are most similar to a text, the most similar first.
    pub(super) fn most_similar(&self, embedding: &Embedding, count: usize) -> Vec<Similar> {
        let Some(query) = self.rows.query(embedding) else { return Vec::new() };
        let mut best: Vec<Similar> = Vec::new();
        for block in 0..self.rows.blocks() {
            let least = if best.len() < count { 0.0 } else { best.last().map_or(1.0, |b| b.score) };
            let mut probe = [self.rows.probe(&query, least)];
            self.rows.scan(&mut probe, block, 0, |_, row, score| {
                let found = Similar { entry: self.entry_of_row[row], score };
                let place = best.partition_point(|other| other.is_before(found));
                best.insert(place, found);
                best.truncate(count);
                if best.len() < count { 0.0 } else { best.last().map_or(1.0, |b| b.score) }
            });
        }
        best
    }

    /// For each text the most similar row from `first` on that it is a duplicate of.
    fn nearest(&self, queries: &[Query<'_>], first: usize) -> Vec<Option<Similar>> {
        if first == 0 {
            let proposed = queries.par_iter().map(|query| self.nearest_proposed(query));
            if let Some(nearest) = proposed.collect() {
                return nearest;
            }
        }
        self.nearest_of_all(queries, first)
    }

    /// The most similar of the rows that the graph proposes; `None` without a graph.
    #[expect(clippy::option_option, reason = "without a graph, or without a similar row")]
    fn nearest_proposed(&self, query: &Query<'_>) -> Option<Option<Similar>> {
        let rows = self.graph.propose(query.components())?.into_iter();
        let scored = rows.map(|row| Similar {
            entry: self.entry_of_row[row],
            score: self.rows.score(query, row),
        });
        let above = scored.filter(|similar| similar.score > self.threshold);
        Some(above.reduce(|a, b| if b.is_before(a) { b } else { a }))
    }

    fn nearest_of_all(&self, queries: &[Query<'_>], first: usize) -> Vec<Option<Similar>> {
        let nearest_in = |block| {
            let mut best = vec![None; queries.len()];
            let probes = queries.iter().map(|query| self.rows.probe(query, self.threshold));
            self.rows.scan(&mut probes.collect::<Vec<_>>(), block, first, |query, row, score| {
                best[query] = Some(Similar { entry: self.entry_of_row[row], score });
                score
            });
            best
        };
        let sooner = |a: Vec<Option<Similar>>, b: Vec<Option<Similar>>| {
            let pairs = a.into_iter().zip(b);
            pairs.map(|(a, b)| a.filter(|a| b.is_none_or(|b| !b.is_before(*a))).or(b)).collect()
        };
        let nothing = || vec![None; queries.len()];
        let blocks = self.rows.block_of(first)..self.rows.blocks();
        let components: usize = queries.iter().map(Query::len).sum();
        if (self.entry_of_row.len() - first) * components < PARALLEL_FROM {
            return blocks.map(nearest_in).fold(nothing(), sooner);
        }
        blocks.into_par_iter().map(nearest_in).reduce(nothing, sooner)
    }
}
