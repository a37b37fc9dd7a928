//! Exports: accepted tasks in the shapes that trainers read.
//!
//! An exporter turns accepted tasks into bytes, one at a time, so that a data set of any size needs
//! the memory of one task (Parquet: of a row group). The same tasks give the same bytes. Where the
//! bytes go is the caller's: [`AtomicFile`] replaces a file only when it is whole.
//!
//! | file | what |
//! |---|---|
//! | `alpaca.rs`, `jsonl.rs`, `messages.rs`, … | the formats |
//! | `column.rs`, `layout.rs` | which columns a format has, and which of them are written |
//! | `cell.rs`, `row.rs`, `prompt.rs` | the values of a row |
//! | `condition.rs`, `tokens.rs` | which tasks are left out |
//! | `trainers.rs` | what trainers have to be told about a file |
//! | `card.rs`, `portrait.rs` | the card of a data set directory, and the figures in it |
//! | `atomic.rs`, `directory.rs` | a file and a directory that appear whole |
//!
//! A new format is one file here with an [`Exporter`], and a line in [`EXPORTERS`].

mod alpaca;
mod atomic;
mod card;
mod cell;
mod column;
mod condition;
mod csv;
mod directory;
mod jsonl;
mod layout;
mod lines;
mod messages;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
mod parquet;
mod portrait;
mod prompt;
mod prompt_completion;
mod row;
mod self_instruct;
mod sharegpt;
#[cfg(test)]
mod tests;
mod tokens;
mod trainers;

use std::fmt::Debug;
use std::io::{self, Write};

use crate::task::AcceptedTask;

pub use atomic::{AtomicFile, AtomicFileError};
pub use card::{Card, DataFile};
pub use column::{Column, Kind};
pub use condition::{Condition, ConditionError};
pub use directory::{AtomicDirectory, DirectoryError, MANIFEST};
pub use layout::{Layout, LayoutError};
pub use portrait::{Lengths, Portrait};
pub use prompt::PromptTemplate;
pub use tokens::estimate_tokens;
pub use trainers::{TrainingFile, trainer_snippets};

/// What a data set is to have, beside a format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// Whether and how each task says where it came from. As an object, it is a further key
    /// `provenance`, the same in all formats:
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
    ///
    /// In tables these are always columns, with `nearest_task` and `nearest_score` for the last.
    pub provenance: ProvenanceForm,
    /// The tasks know how similar they are to those before them, in Alpaca's two keys.
    pub with_similarity: bool,
    /// A text for the system's turn, the same in every row.
    pub system: Option<String>,
    /// What is put around instruction and input.
    pub prompt_template: PromptTemplate,
    /// These columns in this order, instead of the format's.
    pub columns: Option<Vec<String>>,
    /// CSV: what a spreadsheet would take for a formula gets an apostrophe in front.
    pub spreadsheet_safe: bool,
}

/// How a task says where it came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProvenanceForm {
    /// It does not.
    #[default]
    Absent,
    /// In one object, where the format has objects.
    Object,
    /// In a column for each fact.
    Columns,
}

/// A file format for accepted tasks.
pub trait Exporter: Debug + Send + Sync {
    /// The name on the command line, such as `alpaca`.
    fn name(&self) -> &'static str;

    /// One line for `--help`.
    fn about(&self) -> &'static str;

    /// The usual extension of such a file, without the dot.
    fn extension(&self) -> &'static str;

    /// The columns that it has when nothing else is asked for.
    fn columns(&self) -> &'static [Column] {
        TASK
    }

    /// Whether it has a column for each value rather than an object for each row.
    fn is_table(&self) -> bool {
        false
    }

    /// Whether it can be packed by gzip or Zstandard as a whole and still be read.
    fn can_be_packed(&self) -> bool {
        true
    }

    /// Why this program can't write it; `None` when it can.
    fn missing(&self) -> Option<&'static str> {
        None
    }

    /// Starts a data set on `out`, which is best buffered: every task is one write or more.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn begin<'w>(
        &self,
        out: &'w mut (dyn Write + Send),
        layout: &'w Layout,
    ) -> io::Result<Box<dyn RowWriter + 'w>>;
}

/// The columns of Alpaca's data set.
const TASK: &[Column] = &[Column::Instruction, Column::Input, Column::Output];

/// A data set being written.
pub trait RowWriter {
    /// Writes one task.
    ///
    /// # Errors
    ///
    /// Those of the output. The data set is then unfit for use.
    fn write(&mut self, task: &AcceptedTask) -> io::Result<()>;

    /// Completes the data set and flushes the output; without it, the data set is not whole. One
    /// without tasks is valid. Gives remarks on the data for the person who will use it.
    ///
    /// # Errors
    ///
    /// Those of the output.
    fn finish(self: Box<Self>) -> io::Result<Vec<String>>;
}

/// All formats, in the order of `--help`.
pub static EXPORTERS: &[&dyn Exporter] = &[
    &alpaca::Alpaca,
    &jsonl::Jsonl,
    &messages::Messages,
    &prompt_completion::PromptCompletion,
    &sharegpt::ShareGpt,
    &self_instruct::SelfInstruct,
    &csv::Csv,
    &parquet::Parquet,
];

/// The exporter with that name.
pub fn by_name(name: &str) -> Option<&'static dyn Exporter> {
    EXPORTERS.iter().copied().find(|exporter| exporter.name() == name)
}
