//! Tasks read back from the journal: those that are accepted, and those whose outputs are bought
//! apart.

use rusqlite::Row;

use super::StoreError;
use super::reader::{RunReader, split};
use super::records::StoredOpenTask;
use super::schema::from_sql;
use crate::task::{AcceptedTask, Candidate, InstructionSource, OpenTask, Provenance};
use crate::usd::Usd;

impl RunReader {
    /// Calls `each` for every accepted task, in the order of acceptance. `model` is the name to
    /// give in the provenance.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read, as an error of the caller's kind.
    pub fn for_each_accepted<E: From<StoreError>>(
        &self,
        model: &str,
        mut each: impl FnMut(AcceptedTask) -> Result<(), E>,
    ) -> Result<(), E> {
        let sqlite = |error| E::from(StoreError::sqlite(&self.database, &error));
        let mut statement = self.connection.prepare(ACCEPTED_TASKS).map_err(sqlite)?;
        let mut rows = statement.query([]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            each(accepted_task(row, model).map_err(sqlite)?)?;
        }
        Ok(())
    }

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

/// Those of the instruction follow those of the whole task or of the output: `o` is the row of the
/// instruction when the output was bought apart.
const ACCEPTED_TASKS: &str = "
SELECT c.task_id, c.instruction, c.input, c.output, c.response_seq, c.item_index,
    coalesce(o.nearest, c.nearest), coalesce(o.score, c.score), r.request_index, r.received_at_ms,
    r.accepted, coalesce(oq.examples, q.examples),
    CASE a.state WHEN 'unconfirmed' THEN a.reserved_pico ELSE a.cost_pico END,
    o.response_seq, o.item_index, os.request_index, os.accepted,
    CASE oa.state WHEN 'unconfirmed' THEN oa.reserved_pico ELSE oa.cost_pico END
FROM candidates c
JOIN responses r ON r.seq = c.response_seq
JOIN attempts a ON a.id = r.attempt_id
JOIN requests q ON q.request_index = r.request_index
LEFT JOIN candidates o ON o.response_seq = c.of_seq AND o.item_index = c.of_item
LEFT JOIN responses os ON os.seq = o.response_seq
LEFT JOIN attempts oa ON oa.id = os.attempt_id
LEFT JOIN requests oq ON oq.request_index = os.request_index
WHERE c.task_id IS NOT NULL
ORDER BY c.response_seq, c.item_index";

fn open_task(row: &Row<'_>) -> rusqlite::Result<StoredOpenTask> {
    Ok(StoredOpenTask {
        place: OpenTask { response_seq: from_sql(row.get(0)?), item_index: row.get(1)? },
        task: Candidate { instruction: row.get(2)?, input: row.get(3)?, output: String::new() },
        waits: row.get(4)?,
    })
}

fn accepted_task(row: &Row<'_>, model: &str) -> rusqlite::Result<AcceptedTask> {
    let nearest: Option<String> = row.get(6)?;
    let score: Option<f64> = row.get(7)?;
    let cost = Usd::from_pico(from_sql(row.get(12)?));
    let (instruction, share) = instruction_source(row)?.unzip();
    Ok(AcceptedTask {
        id: from_sql(row.get(0)?),
        task: Candidate { instruction: row.get(1)?, input: row.get(2)?, output: row.get(3)? },
        similarity: None,
        provenance: Provenance {
            response_seq: from_sql(row.get(4)?),
            item_index: row.get(5)?,
            nearest: nearest.and_then(|task| task.parse().ok()).zip(score),
            request_index: from_sql(row.get(8)?),
            received_at_ms: row.get(9)?,
            cost_share: cost
                .share(from_sql(row.get(10)?))
                .saturating_add(share.unwrap_or_default()),
            instruction,
            examples: split(&row.get::<_, String>(11)?),
            model: model.to_owned(),
        },
    })
}

/// Where the instruction came from when the output was bought apart, and its part of the cost.
fn instruction_source(row: &Row<'_>) -> rusqlite::Result<Option<(InstructionSource, Usd)>> {
    let Some(seq) = row.get::<_, Option<i64>>(13)? else { return Ok(None) };
    let place = OpenTask { response_seq: from_sql(seq), item_index: row.get(14)? };
    let source = InstructionSource { request_index: from_sql(row.get(15)?), place };
    let cost = Usd::from_pico(from_sql(row.get(17)?));
    Ok(Some((source, cost.share(from_sql(row.get(16)?)))))
}
