//! Exports: accepted tasks in the shapes that trainers read.
//!
//! An exporter turns accepted tasks into bytes, one at a time, so that a data set of any size needs
//! the memory of one task. The same tasks give the same bytes. Where the bytes go is the caller's:
//! [`AtomicFile`] replaces a file only when it is whole.
//!
//! A new format is one file here with an [`Exporter`], and a line in [`EXPORTERS`].

mod alpaca;
mod atomic;
mod jsonl;
mod lines;
mod messages;
mod row;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::io::{self, Write};

use crate::task::AcceptedTask;

pub use atomic::{AtomicFile, AtomicFileError};

/// What an export has besides the tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// Each task has a further key `provenance`, the same object in every format:
    ///
    /// | key | value |
    /// |---|---|
    /// | `id` | position in the order of acceptance, from 0 |
    /// | `request` | index of the request in the run, from 0 |
    /// | `response` | position of the response in the journal, from 1 |
    /// | `item` | position of the task in the response, from 0 |
    /// | `model` | the model asked for |
    /// | `examples` | the in-context examples, such as `"seed:3"` and `"task:17"` |
    /// | `cost_usd` | this task's part of the cost of its response, in US dollars, as a decimal number in a text |
    /// | `received_at` | when the response arrived, in RFC 3339 with milliseconds, UTC |
    /// | `nearest` | `task` and `score` (0.0 to 1.0) of the most similar task in the pool at that time; `null` when none shares a word or the run did not `record_nearest` |
    /// | `instruction` | `request`, `response` and `item` that brought the instruction, when the output was bought apart; the others are then about the output, but for `examples` and `nearest`, and `cost_usd` has a part of both |
    pub with_provenance: bool,
}

/// A file format for accepted tasks.
pub trait Exporter: Debug + Send + Sync {
    /// The name on the command line, such as `alpaca`.
    fn name(&self) -> &'static str;

    /// One line for `--help`.
    fn about(&self) -> &'static str;

    /// The usual extension of such a file, without the dot.
    fn extension(&self) -> &'static str;

    /// Starts a data set on `out`, which is best buffered: every task is one write or more.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn begin<'w>(
        &self,
        out: &'w mut dyn Write,
        options: &ExportOptions,
    ) -> io::Result<Box<dyn RowWriter + 'w>>;
}

/// A data set being written.
pub trait RowWriter {
    /// Writes one task.
    ///
    /// # Errors
    ///
    /// Those of the output. The data set is then unfit for use.
    fn write(&mut self, task: &AcceptedTask) -> io::Result<()>;

    /// Completes the data set and flushes the output; without it, the data set is not whole. One
    /// without tasks is valid.
    ///
    /// # Errors
    ///
    /// Those of the output.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// All formats, in the order of `--help`.
pub static EXPORTERS: &[&dyn Exporter] = &[&alpaca::Alpaca, &jsonl::Jsonl, &messages::Messages];

/// The exporter with that name.
pub fn by_name(name: &str) -> Option<&'static dyn Exporter> {
    EXPORTERS.iter().copied().find(|exporter| exporter.name() == name)
}
