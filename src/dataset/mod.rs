//! Data sets: record files that pass through, record by record.
//!
//! A [`Reader`] reads a file of any [`Format`] in any [`Shape`], gives the text of each record that
//! is to be compared, and writes the records that are kept in the same format, in the same order:
//! nothing of the file is held but a batch of records.
//!
//! | file | what |
//! |---|---|
//! | `source.rs`, `compression.rs` | bytes: files and streams, gzip and Zstandard, encodings |
//! | `jsonl.rs`, `json.rs`, `csv.rs`, `parquet.rs` | the formats |
//! | `shape.rs` | which fields a record has, and which of them are compared |
//! | `record.rs` | one record, and how values are picked out of it |
//! | `reader.rs` | a format and a shape together |
//! | `error.rs` | what can be wrong with a file, and how to mend it |
//!
//! A new format is one file here with a [`Format`], and a line in [`FORMATS`].

mod compression;
mod csv;
mod error;
mod json;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
mod parquet;
mod reader;
mod record;
mod shape;
mod source;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::io::Write;
use std::path::Path;

pub use compression::PackedWriter;
pub use error::{DatasetError, Fault, Flaw, Place};
pub use reader::{Reader, Selection};
pub use record::Record;
pub use shape::{SHAPES, Shape};
pub use source::{Meter, Source};

/// The most bytes of one record.
const MAX_RECORD_BYTES: usize = 64 << 20;

/// A file format of records.
pub trait Format: Debug + Send + Sync {
    /// The name on the command line, such as `jsonl`.
    fn name(&self) -> &'static str;

    /// One line for `--help`.
    fn about(&self) -> &'static str;

    /// The extensions of such files in lower case, without the dot.
    fn extensions(&self) -> &'static [&'static str];

    /// Starts reading `source`. The records that are kept go to `out`, which is best buffered.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] when the file can't be read or is in another format.
    fn open<'w>(
        &self,
        source: Source,
        out: &'w mut (dyn Write + Send),
    ) -> Result<Box<dyn Records + 'w>, DatasetError>;
}

/// The records of a file, a batch at a time.
pub trait Records {
    /// Reads the next batch in place of the one in hand and says how many records it has: none at
    /// the end of the file.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] when the file can't be read or is not in its format.
    fn advance(&mut self) -> Result<usize, DatasetError>;

    /// A record of the batch, counted from 0.
    fn record(&self, index: usize) -> Option<Record<'_>>;

    /// Writes a record of the batch. Within a batch the indexes rise.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Output`].
    fn keep(&mut self, index: usize) -> Result<(), DatasetError>;

    /// Completes the output after the last batch. One without records is valid.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Output`].
    fn finish(self: Box<Self>) -> Result<(), DatasetError>;
}

/// All formats, in the order of `--help`.
pub static FORMATS: &[&dyn Format] = &[&json::Json, &jsonl::Jsonl, &csv::Csv, &parquet::Parquet];

/// The format of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.name() == name)
}

/// The format that the name of a file says, a compression left out.
pub fn by_file_name(path: &Path) -> Option<&'static dyn Format> {
    let name = compression::unpacked_name(path);
    by_extension(&name.extension()?.to_string_lossy().to_ascii_lowercase())
}

fn by_extension(extension: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.extensions().contains(&extension))
}

/// The format of a source. Between one array and one object a line its first character decides,
/// whatever its name says; an empty one is `jsonl` unless its name says otherwise.
///
/// # Errors
///
/// [`DatasetError::UnknownFormat`].
pub fn format_of(source: &Source) -> Result<&'static dyn Format, DatasetError> {
    if source.head().starts_with(b"PAR1") {
        return Ok(&parquet::Parquet);
    }
    let named = source.extension().and_then(by_extension);
    let is_json = named.is_none_or(|format| matches!(format.name(), "json" | "jsonl"));
    let text = source.head().trim_ascii_start();
    match (named, text.first()) {
        (_, Some(b'[')) if is_json => Ok(&json::Json),
        (_, Some(b'{')) if is_json => Ok(&jsonl::Jsonl),
        (Some(format), _) => Ok(format),
        (None, None) => Ok(&jsonl::Jsonl),
        (None, Some(_)) => {
            let start = String::from_utf8_lossy(text);
            let start = error::excerpt(start.lines().next().unwrap_or_default(), 40);
            Err(DatasetError::UnknownFormat { file: source.name().to_owned(), start })
        }
    }
}

/// How much is read before it is judged: enough to amortize a step, little enough to hold.
struct Batch;

impl Batch {
    const MAX_RECORDS: usize = 1024;
    const MAX_BYTES: usize = 1 << 20;

    /// Whether a batch of so many records and bytes takes another record.
    fn has_room(records: usize, bytes: usize) -> bool {
        records < Self::MAX_RECORDS && bytes < Self::MAX_BYTES
    }
}

fn too_long(file: &str, place: Place) -> DatasetError {
    let most = MAX_RECORD_BYTES >> 20;
    let reason = format!(
        "the record is longer than {most} MiB: is it the right file? Split or remove the record"
    );
    DatasetError::Malformed { file: file.to_owned(), place: Some(place), reason }
}
