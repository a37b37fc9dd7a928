//! Reading accepted tasks, a million of them at a time.

use rusqlite::{Connection, Row, Statement};

use super::StoreError;
use super::reader::{RunReader, split};
use super::schema::{from_sql, to_sql};
use crate::task::{AcceptedTask, Candidate, InstructionSource, OpenTask, Provenance, TaskRef};
use crate::usd::Usd;

/// Where an accepted task is in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskKey {
    response_seq: u64,
    item_index: u32,
}

const COLUMNS: &str =
    "task_id, instruction, input, output, response_seq, item_index, nearest, score,
    of_seq, of_item";

impl RunReader {
    /// Calls `each` for every accepted task, in the order of acceptance. `model` is the name to
    /// give in the provenance. The task is overwritten by the next one, so that its texts need
    /// no new memory: `each` may take out what it wants to keep.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read, as an error of the caller's kind.
    pub fn for_each_accepted<E: From<StoreError>>(
        &self,
        model: &str,
        mut each: impl FnMut(&mut AcceptedTask) -> Result<(), E>,
    ) -> Result<(), E> {
        let sqlite = |error| E::from(self.broken(&error));
        let sql = format!(
            "SELECT {COLUMNS} FROM candidates WHERE task_id IS NOT NULL
             ORDER BY response_seq, item_index"
        );
        let mut statement = self.connection.prepare(&sql).map_err(sqlite)?;
        let mut tasks = Tasks::new(&self.connection, model).map_err(sqlite)?;
        let mut rows = statement.query([]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            each(tasks.read(row).map_err(sqlite)?)?;
        }
        Ok(())
    }

    /// As [`Self::for_each_accepted`], for the tasks of these keys in their order.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read, as an error of the caller's kind.
    pub fn for_each_of<E: From<StoreError>>(
        &self,
        model: &str,
        keys: &[TaskKey],
        mut each: impl FnMut(&mut AcceptedTask) -> Result<(), E>,
    ) -> Result<(), E> {
        let sqlite = |error| E::from(self.broken(&error));
        let sql = format!(
            "SELECT {COLUMNS} FROM candidates
             WHERE task_id IS NOT NULL AND response_seq = ?1 AND item_index = ?2"
        );
        let mut statement = self.connection.prepare(&sql).map_err(sqlite)?;
        let mut tasks = Tasks::new(&self.connection, model).map_err(sqlite)?;
        for key in keys {
            let place = (to_sql(key.response_seq), key.item_index);
            let mut rows = statement.query(place).map_err(sqlite)?;
            if let Some(row) = rows.next().map_err(sqlite)? {
                each(tasks.read(row).map_err(sqlite)?)?;
            }
        }
        Ok(())
    }

    /// Where the accepted tasks are, in the order of acceptance: 16 bytes a task.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn accepted_keys(&self) -> Result<Vec<TaskKey>, StoreError> {
        self.attempt(|connection| {
            let mut statement = connection.prepare(
                "SELECT response_seq, item_index FROM candidates WHERE task_id IS NOT NULL
                 ORDER BY response_seq, item_index",
            )?;
            let keys = statement.query_map([], |row| {
                Ok(TaskKey { response_seq: from_sql(row.get(0)?), item_index: row.get(1)? })
            })?;
            keys.collect()
        })
    }

    fn broken(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.database, error)
    }
}

/// The task in hand. What tasks of one response share is read once for all of them.
struct Tasks<'c> {
    origins: Statement<'c>,
    novelty: Statement<'c>,
    task: AcceptedTask,
    /// The response of which `task` still has what its tasks share.
    shared: Option<u64>,
}

/// Costs of unconfirmed attempts are their worst case.
const ORIGIN: &str = "
SELECT r.request_index, r.received_at_ms, r.accepted, q.examples,
    CASE a.state WHEN 'unconfirmed' THEN a.reserved_pico ELSE a.cost_pico END
FROM responses r
JOIN attempts a ON a.id = r.attempt_id
JOIN requests q ON q.request_index = r.request_index
WHERE r.seq = ?1";

/// What the check of an instruction found, when its output was bought apart.
const NOVELTY: &str =
    "SELECT nearest, score FROM candidates WHERE response_seq = ?1 AND item_index = ?2";

/// What a response has to say about each of its tasks.
struct Origin {
    request_index: u64,
    received_at_ms: i64,
    cost_share: Usd,
    examples: Vec<TaskRef>,
}

impl<'c> Tasks<'c> {
    fn new(connection: &'c Connection, model: &str) -> rusqlite::Result<Self> {
        let provenance = Provenance { model: model.to_owned(), ..Provenance::default() };
        let task = Candidate::default();
        let task = AcceptedTask { id: 0, task, provenance, similarity: None };
        let novelty = connection.prepare(NOVELTY)?;
        Ok(Self { origins: connection.prepare(ORIGIN)?, novelty, task, shared: None })
    }

    fn read(&mut self, row: &Row<'_>) -> rusqlite::Result<&mut AcceptedTask> {
        let seq = from_sql(row.get(4)?);
        // With outputs bought apart, tasks of one response have different instructions.
        let apart: Option<i64> = row.get(8)?;
        if self.shared != Some(seq) {
            self.read_origin(seq)?;
            self.shared = apart.is_none().then_some(seq);
        }
        let AcceptedTask { id, task, provenance, similarity } = &mut self.task;
        *id = from_sql(row.get(0)?);
        copy(row, 1, &mut task.instruction)?;
        copy(row, 2, &mut task.input)?;
        copy(row, 3, &mut task.output)?;
        provenance.item_index = row.get(5)?;
        provenance.nearest = nearest(row, 6)?;
        provenance.instruction = None;
        *similarity = None;
        if let Some(instruction_seq) = apart {
            self.read_instruction(from_sql(instruction_seq), row.get(9)?)?;
        }
        Ok(&mut self.task)
    }

    fn read_origin(&mut self, seq: u64) -> rusqlite::Result<()> {
        let origin = self.origin(seq)?;
        let provenance = &mut self.task.provenance;
        provenance.response_seq = seq;
        provenance.request_index = origin.request_index;
        provenance.received_at_ms = origin.received_at_ms;
        provenance.examples = origin.examples;
        provenance.cost_share = origin.cost_share;
        Ok(())
    }

    /// Adds what the instruction brought from a response of its own.
    fn read_instruction(&mut self, response_seq: u64, item_index: u32) -> rusqlite::Result<()> {
        let origin = self.origin(response_seq)?;
        let place = OpenTask { response_seq, item_index };
        let found =
            self.novelty.query_row((to_sql(response_seq), item_index), |row| nearest(row, 0))?;
        let provenance = &mut self.task.provenance;
        provenance.instruction =
            Some(InstructionSource { request_index: origin.request_index, place });
        provenance.cost_share = provenance.cost_share.saturating_add(origin.cost_share);
        provenance.examples = origin.examples;
        provenance.nearest = found.or(provenance.nearest);
        Ok(())
    }

    fn origin(&mut self, seq: u64) -> rusqlite::Result<Origin> {
        self.origins.query_row([to_sql(seq)], |row| {
            let cost = Usd::from_pico(from_sql(row.get(4)?));
            Ok(Origin {
                request_index: from_sql(row.get(0)?),
                received_at_ms: row.get(1)?,
                cost_share: cost.share(from_sql(row.get(2)?)),
                examples: split(row.get_ref(3)?.as_str()?),
            })
        })
    }
}

/// The nearest task and its score, from two columns.
fn nearest(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<(TaskRef, f64)>> {
    let task = row.get_ref(column)?.as_str_or_null()?.and_then(|task| task.parse().ok());
    Ok(task.zip(row.get(column + 1)?))
}

fn copy(row: &Row<'_>, column: usize, text: &mut String) -> rusqlite::Result<()> {
    text.clear();
    text.push_str(row.get_ref(column)?.as_str()?);
    Ok(())
}
