//! Reading tasks whose outputs are bought apart.

use rusqlite::Row;

use super::StoreError;
use super::reader::RunReader;
use super::records::StoredOpenTask;
use super::schema::from_sql;
use crate::task::{Candidate, OpenTask};

impl RunReader {
    /// Calls `each` for every instruction that passed in a run that buys outputs apart, in the order
    /// of the journal.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read, as an error of the caller's kind.
    pub fn for_each_open_task<E: From<StoreError>>(
        &self,
        mut each: impl FnMut(StoredOpenTask) -> Result<(), E>,
    ) -> Result<(), E> {
        let sqlite = |error| E::from(StoreError::sqlite(&self.database, &error));
        let mut statement = self.connection.prepare(OPEN_TASKS).map_err(sqlite)?;
        let mut rows = statement.query([]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            each(open_task(row).map_err(sqlite)?)?;
        }
        Ok(())
    }
}

const OPEN_TASKS: &str = "
SELECT response_seq, item_index, instruction, input, open FROM candidates
WHERE open IS NOT NULL ORDER BY response_seq, item_index";

fn open_task(row: &Row<'_>) -> rusqlite::Result<StoredOpenTask> {
    Ok(StoredOpenTask {
        place: OpenTask { response_seq: from_sql(row.get(0)?), item_index: row.get(1)? },
        task: Candidate { instruction: row.get(2)?, input: row.get(3)?, output: String::new() },
        waits: row.get(4)?,
    })
}
