//! What can be wrong with a benchmark file, where, and how to mend it.

use std::io;
use std::path::PathBuf;

use super::read::{FIELDS, MAX_FILE_BYTES};

/// A benchmark file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// The file can't be opened or read.
    #[error("cannot read the benchmark file {}: {source}", path.display())]
    NotReadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is larger than 1 GB.
    #[error(
        "the benchmark file {} is larger than {} MB: is it the right file? Split it if it is",
        path.display(), MAX_FILE_BYTES / 1_000_000
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are not UTF-8 text.
    #[error("the benchmark file {} is not UTF-8 at line {line}: unpack it, or save it as UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first line that is not, from 1.
        line: u64,
    },
    /// There is no text in it.
    #[error("the benchmark file {} has no text: write one text, or one JSON object, a line", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// One record can't be used.
    #[error("{}, line {line}: {fault}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong.
        fault: Fault,
    },
}

/// What is wrong with one record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not JSON.
    #[error(
        "not valid JSON ({reason}): write one object a line or one array of objects, or name a \
         file of plain text .txt"
    )]
    BrokenJson {
        /// What the reader says.
        reason: String,
    },
    /// JSON, but neither an object nor a text.
    #[error("{found} where an object or a text is expected")]
    NotAnObject {
        /// What is there.
        found: &'static str,
    },
    /// An object without any of the fields.
    #[error("none of the fields {} has a text{}", FIELDS.join(", "), among(.keys))]
    NoText {
        /// The keys that the object has.
        keys: Vec<String>,
    },
    /// A field of another type.
    #[error("`{field}` is {found}: write a text, or a list of texts")]
    WrongType {
        /// The field.
        field: &'static str,
        /// What is there.
        found: &'static str,
    },
}

/// Names keys that are there instead, safe to print.
fn among(keys: &[String]) -> String {
    const SHOWN: usize = 6;
    if keys.is_empty() {
        return String::new();
    }
    let short = |key: &String| key.chars().take(30).collect::<String>();
    let shown: Vec<String> =
        keys.iter().take(SHOWN).map(|key| format!("`{}`", short(key).escape_debug())).collect();
    let more = if keys.len() > SHOWN { ", …" } else { "" };
    format!(" (the object has {}{more})", shown.join(", "))
}
