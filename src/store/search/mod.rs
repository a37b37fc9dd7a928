//! Full-text search over the candidates of a run.
//!
//! The index is a file of its own, `view.db` in the run directory (a temporary one where that cannot
//! be written), with SQLite's FTS5; it keeps no text, only which words are where. It grows behind the
//! journal, which is only read. It can be deleted at any time.

mod filter;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tempfile::TempDir;

use super::schema::{from_sql, to_sql};
use super::{RowId, RunDir, RunReader, Step, StoreError};
use crate::task::TaskRef;

pub use filter::{RowFilter, Wanted};

/// `opened` numbers the instructions that passed and whose outputs are bought apart, from 1.
/// `progress.place` is the last row that is in the index, `progress.run` tells the run.
const TABLES: &str = "
DROP TABLE IF EXISTS texts;
DROP TABLE IF EXISTS tasks;
DROP TABLE IF EXISTS opened;
DROP TABLE IF EXISTS progress;
CREATE VIRTUAL TABLE texts USING fts5(
    instruction, input, output, facet,
    content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO texts(texts, rank) VALUES ('hashsize', 33554432);
CREATE TABLE tasks (task_id INTEGER PRIMARY KEY, place INTEGER NOT NULL) STRICT;
CREATE TABLE opened (number INTEGER PRIMARY KEY, place INTEGER NOT NULL) STRICT;
CREATE TABLE progress (run INTEGER NOT NULL, place INTEGER NOT NULL, rows INTEGER NOT NULL) STRICT;
";

/// Marks a SQLite file as an index of this program: the bytes of `milv`.
const APPLICATION_ID: i64 = 0x6d69_6c76;
/// The layout of the index; one of another layout is built again.
const LAYOUT: i64 = 2;
/// The low bits of a row number in the index, which are the item's; the response's are above.
const ITEM_BITS: u32 = 20;

/// The index of one run. Each thread opens its own.
#[derive(Debug)]
pub struct SearchIndex {
    connection: Connection,
    path: PathBuf,
    temporary: Option<Arc<TempDir>>,
}

impl SearchIndex {
    /// Opens the index of a run, making an empty one when there is none, or one of another run or
    /// layout.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read or no index can be made anywhere.
    pub fn open(dir: &RunDir, reader: &RunReader) -> Result<Self, StoreError> {
        let run = reader.birth()?;
        let path = dir.path().join("view.db");
        match prepare(&path, run) {
            Ok(connection) => Ok(Self { connection, path, temporary: None }),
            Err(error) => {
                tracing::info!(path = %path.display(), %error, "the index goes to a temporary file");
                let folder = TempDir::new().map_err(|error| StoreError::io(&path, &error))?;
                let path = folder.path().join("view.db");
                let connection =
                    prepare(&path, run).map_err(|error| StoreError::sqlite(&path, &error))?;
                Ok(Self { connection, path, temporary: Some(Arc::new(folder)) })
            }
        }
    }

    /// Another connection to the same index.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub fn again(&self) -> Result<Self, StoreError> {
        let connection =
            connect(&self.path).map_err(|error| StoreError::sqlite(&self.path, &error))?;
        Ok(Self { connection, path: self.path.clone(), temporary: self.temporary.clone() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many rows are in it.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn rows(&self) -> Result<u64, StoreError> {
        self.attempt(|connection| {
            let sql = "SELECT rows FROM progress";
            connection.query_row(sql, [], |row| row.get(0)).map(from_sql)
        })
    }

    /// Takes in the next rows of the journal, at most `most`; returns how many there were. Several
    /// processes may do this at once.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read or the index not be written.
    pub fn extend(&mut self, reader: &RunReader, most: usize) -> Result<usize, StoreError> {
        let path = self.path.clone();
        let sqlite = |error: rusqlite::Error| StoreError::sqlite(&path, &error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite)?;
        let place: i64 = transaction
            .query_row("SELECT place FROM progress", [], |row| row.get(0))
            .map_err(sqlite)?;
        let (mut last, mut added) = (place, 0);
        let mut insert = |row: super::StoredRow| {
            last = number(row.id);
            added += 1;
            take_in(&transaction, last, &row)
        };
        let from = (place > 0).then(|| row_id(place));
        reader.for_each_row_after(from, most, &mut insert)?;
        let sql = "UPDATE progress SET place = ?1, rows = rows + ?2";
        transaction.execute(sql, params![last, to_sql(added as u64)]).map_err(sqlite)?;
        transaction.commit().map_err(sqlite)?;
        Ok(added)
    }

    /// The next places of candidates that are asked for, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`] when the index cannot be read.
    pub fn places(
        &self,
        filter: &RowFilter,
        step: Step,
        most: usize,
    ) -> Result<Vec<RowId>, StoreError> {
        let Some(expression) = filter.expression() else { return Ok(Vec::new()) };
        let (sql, end) = if step.backwards {
            (
                "SELECT rowid FROM texts WHERE texts MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC LIMIT ?3",
                i64::MAX,
            )
        } else {
            (
                "SELECT rowid FROM texts WHERE texts MATCH ?1 AND rowid > ?2 ORDER BY rowid LIMIT ?3",
                -1,
            )
        };
        let from = step.from.map_or(end, number);
        self.attempt(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement
                .query_map(params![expression, from, to_sql(most as u64)], |row| {
                    row.get(0).map(row_id)
                })?;
            rows.collect()
        })
    }

    /// How many candidates are asked for, counted no further than `most`.
    ///
    /// # Errors
    /// [`StoreError`] when the index cannot be read.
    pub fn count(&self, filter: &RowFilter, most: u64) -> Result<u64, StoreError> {
        let Some(expression) = filter.expression() else { return Ok(0) };
        let sql = "SELECT count(*) FROM (SELECT 1 FROM texts WHERE texts MATCH ?1 LIMIT ?2)";
        self.attempt(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row(params![expression, to_sql(most)], |row| row.get(0)).map(from_sql)
        })
    }

    /// The place of a task of the run, if the index has it already; seed tasks have none.
    ///
    /// # Errors
    /// [`StoreError`] when the index cannot be read.
    pub fn place_of(&self, task: TaskRef) -> Result<Option<RowId>, StoreError> {
        let (sql, number) = match task {
            TaskRef::Seed(_) => return Ok(None),
            TaskRef::Accepted(number) => ("SELECT place FROM tasks WHERE task_id = ?1", number),
            TaskRef::Open(number) => {
                ("SELECT place FROM opened WHERE number = ?1", number.saturating_add(1))
            }
        };
        self.attempt(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([to_sql(number)], |row| row.get(0).map(row_id)).optional()
        })
    }

    fn attempt<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        query(&self.connection).map_err(|error| StoreError::sqlite(&self.path, &error))
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    Ok(connection)
}

/// Opens the file and sees that it has the tables for this run. A file of another program is left
/// alone: that is an error.
fn prepare(path: &Path, run: i64) -> rusqlite::Result<Connection> {
    let mut connection = connect(path)?;
    let pragma = |connection: &Connection, name| -> rusqlite::Result<i64> {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    let application_id = pragma(&connection, "application_id")?;
    let is_new = application_id == 0 && pragma(&connection, "schema_version")? == 0;
    if !is_new && application_id != APPLICATION_ID {
        return Err(rusqlite::Error::InvalidPath(path.to_owned()));
    }
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let fits = pragma(&transaction, "user_version")? == LAYOUT
        && transaction.query_row("SELECT run FROM progress", [], |row| row.get(0)) == Ok(run);
    if !fits {
        transaction.execute_batch(TABLES)?;
        transaction.execute("INSERT INTO progress VALUES (?1, 0, 0)", [run])?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", LAYOUT)?;
    }
    transaction.commit()?;
    Ok(connection)
}

fn take_in(connection: &Connection, place: i64, row: &super::StoredRow) -> rusqlite::Result<()> {
    let texts = &row.candidate;
    let [instruction, input, output] =
        [&texts.instruction, &texts.input, &texts.output].map(|text| words::spaced(text));
    let mut statement = connection.prepare_cached(
        "INSERT INTO texts(rowid, instruction, input, output, facet) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    statement.execute(params![place, instruction, input, output, filter::facets(row)])?;
    if let Some(task_id) = row.task_id {
        let mut statement =
            connection.prepare_cached("INSERT OR REPLACE INTO tasks VALUES (?1, ?2)")?;
        statement.execute(params![to_sql(task_id), place])?;
    }
    if row.opened {
        // Numbered in the order of the journal, as the pool numbers them.
        connection.prepare_cached("INSERT INTO opened(place) VALUES (?1)")?.execute([place])?;
    }
    Ok(())
}

/// The row number of a place: in the order of the journal.
fn number(row: RowId) -> i64 {
    let item = row.item_index.min((1 << ITEM_BITS) - 1);
    to_sql(row.response_seq).min(i64::MAX >> ITEM_BITS) << ITEM_BITS | i64::from(item)
}

fn row_id(number: i64) -> RowId {
    let item = number & ((1 << ITEM_BITS) - 1);
    RowId {
        response_seq: from_sql(number >> ITEM_BITS),
        item_index: u32::try_from(item).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
