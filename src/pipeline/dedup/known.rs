//! The texts seen so far, and what they say about new ones. The only place in `dedup` that asks a
//! novelty index.

use crate::novelty::{NoveltyIndex, Similar, Similarity};

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// It is like nothing before, and is an entry of the index from now on.
    Novel,
    /// It is a duplicate of that entry, with that score.
    Duplicate { of: u32, score: f64 },
}

/// The texts against which new ones are compared, as entries numbered from 0.
#[derive(Debug)]
pub(super) struct Known {
    index: Box<dyn NoveltyIndex>,
}

impl Known {
    pub(super) fn new(similarity: &dyn Similarity, threshold: f64) -> Self {
        Self { index: similarity.index(threshold) }
    }

    /// Takes texts without judging them; each is an entry.
    pub(super) fn insert<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        for text in texts {
            self.index.insert(text);
        }
    }

    /// Judges texts in their order, each also against the novel ones before it.
    pub(super) fn judge<'t>(
        &mut self,
        texts: impl Iterator<Item = &'t str>,
        verdicts: &mut Vec<Verdict>,
    ) {
        let texts: Vec<&str> = texts.collect();
        let results = self.index.admit_all(&texts, usize::MAX).into_iter();
        verdicts.clear();
        verdicts.extend(results.map(|result| match result {
            Ok(_) => Verdict::Novel,
            Err(Similar { entry, score }) => Verdict::Duplicate { of: entry, score },
        }));
    }
}
