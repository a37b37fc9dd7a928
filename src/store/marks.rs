//! Rows that a person has marked as bad, so that exports leave them out.
//!
//! They are kept beside the journal, in `marks.db`: the journal is what was bought and judged, and
//! has one writer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::schema::{from_sql, to_sql};
use super::{RowId, RunDir, RunReader, StoreError, unix_ms};

/// `run` tells the marks of this run from those of one that was in the directory before.
const TABLE: &str = "
CREATE TABLE IF NOT EXISTS marks (
    run          INTEGER NOT NULL,
    response_seq INTEGER NOT NULL,
    item_index   INTEGER NOT NULL,
    marked_at_ms INTEGER NOT NULL,
    PRIMARY KEY (run, response_seq, item_index)
) STRICT, WITHOUT ROWID;";

/// The marks of a run, to be read and changed.
#[derive(Debug)]
pub struct Marks {
    path: PathBuf,
    run: i64,
    rows: BTreeSet<RowId>,
}

impl Marks {
    /// Reads the marks of a run. Nothing is made.
    ///
    /// # Errors
    /// [`StoreError`] when journal or marks cannot be read.
    pub fn read(dir: &RunDir) -> Result<Self, StoreError> {
        dir.read()?.marks()
    }

    /// The marked rows.
    pub fn rows(&self) -> &BTreeSet<RowId> {
        &self.rows
    }

    /// Marks a row as bad, or takes the mark away; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub fn set(&mut self, row: RowId, bad: bool) -> Result<(), StoreError> {
        let write = || {
            let connection = Connection::open(&self.path)?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            connection.execute_batch(TABLE)?;
            let (response, item) = (to_sql(row.response_seq), row.item_index);
            if bad {
                let sql = "INSERT OR IGNORE INTO marks VALUES (?1, ?2, ?3, ?4)";
                connection.execute(sql, params![self.run, response, item, unix_ms()])
            } else {
                let sql =
                    "DELETE FROM marks WHERE run = ?1 AND response_seq = ?2 AND item_index = ?3";
                connection.execute(sql, params![self.run, response, item])
            }
        };
        write().map_err(|error| StoreError::sqlite(&self.path, &error))?;
        if bad {
            self.rows.insert(row);
        } else {
            self.rows.remove(&row);
        }
        Ok(())
    }
}

impl RunReader {
    /// The rows that are marked as bad. An export leaves out those whose
    /// [`RowId`] is among [`Marks::rows`].
    ///
    /// # Errors
    /// [`StoreError`] when journal or marks cannot be read.
    pub fn marks(&self) -> Result<Marks, StoreError> {
        let path = self.dir().path().join("marks.db");
        let run = self.birth()?;
        let rows = read(&path, run).map_err(|error| StoreError::sqlite(&path, &error))?;
        Ok(Marks { path, run, rows })
    }
}

fn read(path: &Path, run: i64) -> rusqlite::Result<BTreeSet<RowId>> {
    if !path.exists() {
        return Ok(BTreeSet::new());
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    // Another process may be about to make the table.
    if !connection.table_exists(None, "marks")? {
        return Ok(BTreeSet::new());
    }
    let mut statement =
        connection.prepare("SELECT response_seq, item_index FROM marks WHERE run = ?1")?;
    let rows = statement.query_map([run], |row| {
        Ok(RowId { response_seq: from_sql(row.get(0)?), item_index: row.get(1)? })
    })?;
    rows.collect()
}
