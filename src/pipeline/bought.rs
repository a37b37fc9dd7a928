//! The embeddings that a run has bought, by text.

use std::borrow::Borrow;

use crate::config::{EmbeddingConfig, RunConfig};
use crate::embedding::Embedding;
use crate::store::{EmbeddingKey, RunReader, StoreError};

/// The embeddings that a run has bought. Verdicts use these and nothing else, so that they can be
/// derived again.
#[derive(Debug)]
pub(super) struct Bought<R> {
    reader: R,
    model: String,
    dimensions: Option<u32>,
}

impl<R: Borrow<RunReader>> Bought<R> {
    /// Those of the model that the rules name; none where they name none.
    pub(super) fn new(config: &RunConfig, reader: R) -> Self {
        let embedding = config.embedding.as_ref();
        Self {
            reader,
            model: embedding.map(|embedding| embedding.model.clone()).unwrap_or_default(),
            dimensions: embedding.and_then(|EmbeddingConfig { dimensions, .. }| *dimensions),
        }
    }

    /// What the embedding of a text is kept by.
    pub(super) fn key(&self, text: &str) -> EmbeddingKey {
        EmbeddingKey::new(&self.model, self.dimensions, text)
    }

    /// The embedding of a text, if it was bought.
    pub(super) fn get(&self, text: &str) -> Result<Option<Embedding>, StoreError> {
        self.reader.borrow().embedding(self.key(text))
    }

    /// The journal.
    pub(super) fn reader(&self) -> &RunReader {
        self.reader.borrow()
    }
}
