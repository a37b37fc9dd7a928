//! The run directory: a SQLite journal of attempts, responses and verdicts.
//!
//! ```text
//! DIR/run.db        the journal (SQLite, WAL, synchronous=FULL); open it with any SQLite tool
//! DIR/run.lock      held by the one process that works on the run
//! DIR/summary.json  totals, written when a session ends
//! DIR/marks.db      rows that a person marked as bad
//! DIR/view.db       the viewer's index of words; can be deleted
//! DIR/ballast       space set aside, given up when the disk is full so that what was paid for fits
//! ```
//!
//! One writer thread commits in groups ([`Journal`]): an answer means that the change is on disk.
//! Readers ([`RunReader`]) work at any time, also while the run goes on. The order of the
//! `responses.seq` column is the order of the journal, of which all verdicts are a function.

mod accepted;
mod batches;
mod embeddings;
mod error;
mod figures;
mod journal;
mod marks;
mod memory;
mod place;
mod reader;
mod records;
mod row;
mod run_dir;
mod schema;
mod search;
mod task_rows;
#[cfg(test)]
mod tests;
mod verdicts;
mod watched;
mod writer;

pub use accepted::TaskKey;
pub use batches::{BatchChange, BatchState, NewBatch, StoredAttempt, StoredBatch};
pub use embeddings::{EmbeddingBatch, EmbeddingKey};
pub use error::StoreError;
pub use figures::{AttemptRow, CandidateRow, SessionSpan};
pub use journal::{Journal, WriterThread};
pub use marks::Marks;
pub use memory::{Disk, Memory, WriteFault};
pub use reader::RunReader;
pub use records::{
    AttemptEnd, JudgedUpTo, LateAnswer, NewAttempt, NewResponse, RecentAttempt, StoredOpenTask,
    StoredResponse, VerdictBatch,
};
pub use row::{RowId, RowIdError, Step, StoredRow, Tally};
pub use run_dir::{OpenRun, RunDir, RunLock};
pub use schema::FORMAT_VERSION;
pub use search::{RowFilter, SearchIndex, Wanted};

pub use crate::clock::unix_ms;
