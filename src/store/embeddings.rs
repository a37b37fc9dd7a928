//! Embeddings that were bought: kept by model, length and text, so that none is bought twice.

use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use super::records::AttemptEnd;
use super::{RunReader, StoreError};
use crate::embedding::Embedding;

/// What an embedding is kept by: the SHA-256 of model, dimensions asked for, and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmbeddingKey([u8; 32]);

impl EmbeddingKey {
    /// The key of a text's embedding by a model; `dimensions` as it was asked for.
    pub fn new(model: &str, dimensions: Option<u32>, text: &str) -> Self {
        let mut hash = Sha256::new();
        // No model has a NUL in its name, so no two keys are made of the same bytes.
        hash.update(format!("{model}\0{}\0", dimensions.unwrap_or(0)));
        hash.update(text);
        Self(hash.finalize().into())
    }
}

/// The embeddings that an attempt brought, with how it ended.
#[derive(Debug, Clone)]
pub struct EmbeddingBatch {
    /// The attempt.
    pub attempt_id: u64,
    /// How it ended.
    pub end: AttemptEnd,
    /// What it brought; nothing when the answer was of no use.
    pub embeddings: Vec<(EmbeddingKey, Embedding)>,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Keeps the embeddings of a batch; those that are there already stay as they are.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    batch: &EmbeddingBatch,
) -> rusqlite::Result<()> {
    let mut insert =
        transaction.prepare_cached("INSERT OR IGNORE INTO embeddings VALUES (?1, ?2)")?;
    for (EmbeddingKey(key), embedding) in &batch.embeddings {
        insert.execute(params![key, embedding.to_bytes()])?;
    }
    Ok(())
}

impl RunReader {
    /// The embedding of a key, if it was bought.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn embedding(
        &self,
        EmbeddingKey(key): EmbeddingKey,
    ) -> Result<Option<Embedding>, StoreError> {
        self.attempt(|connection| {
            let mut select =
                connection.prepare_cached("SELECT vector FROM embeddings WHERE key = ?1")?;
            let bytes: Option<Vec<u8>> =
                select.query_row([&key[..]], |row| row.get(0)).optional()?;
            let damaged = || {
                let error = "an embedding is damaged";
                rusqlite::Error::FromSqlConversionFailure(
                    0,
                    rusqlite::types::Type::Blob,
                    error.into(),
                )
            };
            bytes.map(|bytes| Embedding::from_bytes(&bytes).ok_or_else(damaged)).transpose()
        })
    }

    /// How long the embeddings of the run are; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn embedding_dimensions(&self) -> Result<Option<usize>, StoreError> {
        let bytes = self.number(
            "SELECT coalesce(max(length(vector)), 0) FROM (SELECT vector FROM embeddings LIMIT 1)",
        )?;
        Ok(usize::try_from(bytes / 2).ok().filter(|dimensions| *dimensions > 0))
    }

    /// Requests for completions, of which at least one attempt was sent.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn completion_requests(&self) -> Result<u64, StoreError> {
        self.number("SELECT count(*) FROM requests WHERE phase <> 'embeddings'")
    }
}
