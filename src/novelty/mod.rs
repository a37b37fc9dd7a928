//! Novelty: whether a candidate is too similar to a task already in the pool.
//!
//! A [`Similarity`] scores two texts; its [`NoveltyIndex`] holds every text of the pool and judges
//! a new one against all of them. Nothing here does I/O.
//!
//! Two similarities are ROUGE-L, as Stanford Alpaca uses it, and exact: the verdict and the nearest
//! text are those of a scan over all pairs, however the index finds them. They differ in what a
//! token is:
//!
//! - `rouge-l` cuts a text as Python's `rouge_score` does, so its verdicts are the original's,
//!   down to the rounding of scores that equal the threshold. It sees only ASCII letters and
//!   digits: a text in another script has no tokens and is never a duplicate.
//! - `rouge-l-unicode` cuts a text into the words of any script.
//!
//! The third, `minhash`, compares runs of characters, whatever their order, and is approximate: what
//! it calls a duplicate is one, and it overlooks a few.
//!
//! A [`Combination`] asks several of them, and last of all, where it is wanted, how near their
//! embeddings are, which come from outside ([`Measure`]).

mod combination;
mod combined;
mod common;
mod contamination;
mod cutoff;
mod embedding;
mod entries;
mod exhaustive;
mod index;
mod lcs;
mod listing;
mod measure;
mod meetings;
mod minhash;
mod postings;
mod rouge_l;
mod signature;
mod tokenize;
mod tree;
mod vocabulary;

use std::fmt::Debug;

pub use self::combination::{Combination, CombinationError, Part};
pub use self::combined::{CombinedIndex, Duplicate, NoEmbedding, Subject, is_embeddable};
pub use self::common::{Common, common};
pub use self::contamination::{Contamination, Overlap};
pub use self::measure::Measure;

use self::minhash::MinHash;
use self::rouge_l::RougeL;
use self::tokenize::Tokenizer;

/// A way to say how similar two texts are.
pub trait Similarity: Debug + Send + Sync {
    /// The name used on the command line and in configuration, such as `rouge-l`.
    fn name(&self) -> &'static str;

    /// One line for `--help`.
    fn about(&self) -> &'static str;

    /// The threshold where none is given, a number from 0.0 to 1.0.
    fn default_threshold(&self) -> f64;

    /// An empty index in which a text is a duplicate when its score with any entry is above
    /// `threshold`, a number from 0.0 to 1.0. At 1.0 nothing is a duplicate.
    fn index(&self, threshold: f64) -> Box<dyn NoveltyIndex>;

    /// An index that compares a text with every entry: the definition, to measure and to test
    /// [`Self::index`] against, whose answers are the same unless the similarity says what it misses.
    fn exhaustive(&self, threshold: f64) -> Box<dyn NoveltyIndex>;

    /// How similar two texts are, from 0.0 (nothing in common, or nothing to compare) to 1.0 (alike
    /// in all that counts). `score(a, b)` and `score(b, a)` are the same double.
    fn score(&self, a: &str, b: &str) -> f64;
}

/// The texts of a pool, against which new ones are judged.
pub trait NoveltyIndex: Debug + Send + Sync {
    /// How many texts have been inserted, those without tokens included.
    fn len(&self) -> usize;

    /// Whether nothing has been inserted.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a text, whether or not it is a duplicate, and returns its entry number: how many were
    /// inserted before it.
    fn insert(&mut self, text: &str) -> u32;

    /// The entry of which a text is a duplicate: the most similar one, the lowest number where
    /// several are. `None` when the text is novel.
    fn duplicate_of(&self, text: &str) -> Option<Similar>;

    /// Inserts a text if it is novel.
    ///
    /// # Errors
    /// The entry of which it is a duplicate.
    fn admit(&mut self, text: &str) -> Result<u32, Similar> {
        match self.duplicate_of(text) {
            Some(similar) => Err(similar),
            None => Ok(self.insert(text)),
        }
    }

    /// Inserts those texts that are novel, one after the other, until `most` are in; gives a result
    /// for each text that was looked at.
    ///
    /// The results are those of [`Self::admit`], text by text, however many threads take part.
    fn admit_all(&mut self, texts: &[&str], most: usize) -> Vec<Result<u32, Similar>>;

    /// The `count` entries that are most similar to a text, whether or not it is a duplicate, the
    /// most similar first and the lower number first where two are alike. Entries that share no
    /// token with the text are never among them.
    ///
    /// A threshold is of no help here: this lays the text beside most entries of about its length.
    fn most_similar(&self, text: &str, count: usize) -> Vec<Similar>;
}

/// What [`NoveltyIndex::admit_all`] promises: texts are admitted one after the other until `most` are
/// in, with a result for each that was looked at.
fn admit_in_turn<T, E>(
    texts: impl ExactSizeIterator<Item = T>,
    most: usize,
    mut admit: impl FnMut(T) -> Result<u32, E>,
) -> Vec<Result<u32, E>> {
    let mut admitted = 0;
    let mut results = Vec::with_capacity(texts.len());
    for text in texts {
        if admitted == most {
            break;
        }
        let result = admit(text);
        admitted += usize::from(result.is_ok());
        results.push(result);
    }
    results
}

/// An entry of a [`NoveltyIndex`] and how similar a text is to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similar {
    /// The entry's number.
    pub entry: u32,
    /// From 0.0 to 1.0.
    pub score: f64,
}

impl Similar {
    /// Whether this one is named first: it is more similar, or was inserted earlier.
    fn is_before(self, other: Self) -> bool {
        self.score > other.score || (self.score >= other.score && self.entry < other.entry)
    }
}

/// Every similarity there is, the original's first.
pub static SIMILARITIES: &[&dyn Similarity] = &[
    &RougeL {
        name: "rouge-l",
        about: "ROUGE-L F1 over runs of ASCII letters and digits, exactly as Alpaca",
        tokenizer: Tokenizer::Ascii,
    },
    &RougeL {
        name: "rouge-l-unicode",
        about: "ROUGE-L F1 over the words of any script; each Chinese character is a word",
        tokenizer: Tokenizer::Unicode,
    },
    &MinHash,
];

/// The similarity of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Similarity> {
    SIMILARITIES.iter().copied().find(|similarity| similarity.name() == name)
}

#[cfg(test)]
mod tests;
