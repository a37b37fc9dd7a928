//! The texts seen so far, and what they say about new ones. The only place in `dedup` that asks a
//! novelty index.

use crate::novelty::{Combination, CombinedIndex, Duplicate, Subject};

/// What became of a text: it is novel, and an entry from now on, or a duplicate.
pub(super) type Verdict = Result<u32, Duplicate>;

/// The texts against which new ones are compared, as entries numbered from 0.
#[derive(Debug)]
pub(super) struct Known {
    index: CombinedIndex,
}

impl Known {
    pub(super) fn new(duplicates: &Combination) -> Self {
        Self { index: duplicates.index() }
    }

    /// Takes texts without judging them; each is an entry.
    pub(super) fn insert<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        for text in texts {
            self.index.insert(text);
        }
    }

    /// Judges texts in their order, each also against the novel ones before it.
    pub(super) fn judge<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> Vec<Verdict> {
        let texts: Vec<Subject<'_>> = texts.map(Subject::from).collect();
        self.index.admit_all(&texts, usize::MAX).expect("embeddings are refused before")
    }
}
