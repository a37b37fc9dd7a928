//! Novelty: whether a candidate is too similar to a task already in the pool.
//!
//! A [`Similarity`] scores two texts; its [`NoveltyIndex`] holds every text of the pool and judges
//! a new one against all of them, exactly: the verdict and the nearest text are those of a scan
//! over all pairs, however the index finds them. Nothing here does I/O.
//!
//! Both similarities are ROUGE-L, as Stanford Alpaca uses it, and differ in what a token is:
//!
//! - `rouge-l` cuts a text as Python's `rouge_score` does, so its verdicts are the original's,
//!   down to the rounding of scores that equal the threshold. It sees only ASCII letters and
//!   digits: a text in another script has no tokens and is never a duplicate.
//! - `rouge-l-unicode` cuts a text into the words of any script.

mod index;
mod lcs;
mod rouge_l;
mod signature;
mod tokenize;

use std::fmt::Debug;

use self::rouge_l::RougeL;
use self::tokenize::Tokenizer;

/// A way to say how similar two texts are.
pub trait Similarity: Debug + Send + Sync {
    /// The name used on the command line and in configuration, such as `rouge-l`.
    fn name(&self) -> &'static str;

    /// One line for `--help`.
    fn about(&self) -> &'static str;

    /// An empty index in which a text is a duplicate when its score with any entry is above
    /// `threshold`, a number from 0.0 to 1.0. At 1.0 nothing is a duplicate.
    fn index(&self, threshold: f64) -> Box<dyn NoveltyIndex>;

    /// How similar two texts are, from 0.0 (no token in common, or no tokens) to 1.0 (the same
    /// tokens in the same order). `score(a, b)` and `score(b, a)` are the same double.
    fn score(&self, a: &str, b: &str) -> f64;
}

/// The texts of a pool, against which new ones are judged.
pub trait NoveltyIndex: Debug + Send {
    /// How many texts have been inserted, those without tokens included.
    fn len(&self) -> usize;

    /// Whether nothing has been inserted.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a text, whether or not it is a duplicate, and returns its entry number: how many were
    /// inserted before it.
    fn insert(&mut self, text: &str) -> u32;

    /// Judges a text against every entry and leaves the index as it was.
    fn check(&self, text: &str) -> Finding;
}

/// What a [`NoveltyIndex`] has to say about a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    /// Whether the score with the nearest entry is above the threshold. A score equal to the
    /// threshold is none above it.
    pub duplicate: bool,
    /// The entry with the highest score and that score; the lowest entry number where several
    /// have it. `None` when no entry shares a token with the text.
    pub nearest: Option<(u32, f64)>,
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
];

/// The similarity of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Similarity> {
    SIMILARITIES.iter().copied().find(|similarity| similarity.name() == name)
}

#[cfg(test)]
mod tests;
