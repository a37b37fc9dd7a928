//! Benchmarks: texts that a data set must not contain, because models are to be tested on them.
//!
//! | file | what |
//! |---|---|
//! | `read.rs` | reads a file: JSONL, a JSON array, or plain text with one text a line |
//! | `error.rs` | what can be wrong with a file, where, and how to mend it |
//!
//! What counts as containing one is decided in [`crate::novelty`].

mod error;
mod read;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

pub use error::{BenchmarkError, Fault};
pub use read::FIELDS;

/// The texts of some benchmark files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Benchmarks {
    files: Vec<PathBuf>,
    texts: Vec<BenchmarkText>,
}

/// One question or task of a benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BenchmarkText {
    /// Position in the list of files.
    file: usize,
    /// From 1; in a JSON array the line on which the item starts.
    line: u64,
    text: String,
}

impl Benchmarks {
    /// Reads files, in their order.
    ///
    /// # Errors
    /// [`BenchmarkError`], naming the file and the line.
    pub fn read(files: &[PathBuf]) -> Result<Self, BenchmarkError> {
        let mut benchmarks = Self { files: files.to_vec(), texts: Vec::new() };
        for (file, path) in files.iter().enumerate() {
            let texts = read::read_texts(path)?.into_iter();
            benchmarks.texts.extend(texts.map(|(line, text)| BenchmarkText { file, line, text }));
        }
        Ok(benchmarks)
    }

    /// The texts, in the order of the files and their lines.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.texts.iter().map(|text| &*text.text)
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is no text: no file was named.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Where a text is, as `FILE:LINE`; empty for a number that no text has.
    pub fn place(&self, number: u32) -> String {
        let Some(text) = self.texts.get(number as usize) else { return String::new() };
        format!("{}:{}", self.files[text.file].display(), text.line)
    }

    /// SHA-256 in lower-case hex over the texts with their lengths; empty without texts. The same
    /// texts in other files have the same.
    pub fn sha256(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let mut hash = Sha256::new();
        for text in self.texts() {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        format!("{:x}", hash.finalize())
    }
}
