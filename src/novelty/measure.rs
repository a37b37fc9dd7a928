//! The ways to compare that a combination is made of.

use super::embedding;
use super::{SIMILARITIES, Similarity};

/// A way to say how similar two tasks are.
#[derive(Debug, Clone, Copy)]
pub enum Measure {
    /// By their texts.
    Text(&'static dyn Similarity),
    /// By the embeddings of their texts, which come from outside.
    Embedding,
}

impl Measure {
    /// Every measure, the original's first.
    pub fn all() -> impl Iterator<Item = Self> {
        SIMILARITIES.iter().copied().map(Self::Text).chain([Self::Embedding])
    }

    /// The measure of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|measure| measure.name() == name)
    }

    /// The name used on the command line and in configuration, such as `rouge-l`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text(similarity) => similarity.name(),
            Self::Embedding => embedding::NAME,
        }
    }

    /// One line for `--help`.
    pub fn about(self) -> &'static str {
        match self {
            Self::Text(similarity) => similarity.about(),
            Self::Embedding => embedding::ABOUT,
        }
    }

    /// The threshold where none is given, a number from 0.0 to 1.0.
    pub fn default_threshold(self) -> f64 {
        match self {
            Self::Text(similarity) => similarity.default_threshold(),
            Self::Embedding => embedding::DEFAULT_THRESHOLD,
        }
    }

    /// Whether tasks are compared by embeddings.
    pub fn is_embedding(self) -> bool {
        matches!(self, Self::Embedding)
    }
}
