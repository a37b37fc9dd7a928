//! Candidates one by one: by their place in the journal, or page by page from one place on.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::schema::{from_sql, to_sql};
use super::{RunReader, StoreError, reader};
use crate::event::{Phase, Stage};
use crate::task::{Candidate, TaskRef};

/// The place of a candidate in the journal; its text form is `SEQ.ITEM`, such as `12.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId {
    /// Position of the response in the journal, from 1.
    pub response_seq: u64,
    /// Position of the item within its response, from 0.
    pub item_index: u32,
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.response_seq, self.item_index)
    }
}

/// The text is no `SEQ.ITEM`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the place of a candidate: expected SEQ.ITEM")]
pub struct RowIdError(String);

impl FromStr for RowId {
    type Err = RowIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('.').and_then(|(response, item)| {
            Some(Self { response_seq: response.parse().ok()?, item_index: item.parse().ok()? })
        });
        parsed.ok_or_else(|| RowIdError(text.to_owned()))
    }
}

/// Where a page begins and which way it goes through the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Against the order of the journal.
    pub backwards: bool,
    /// The row that the page follows; `None`: it begins at the end it comes from.
    pub from: Option<RowId>,
}

/// A candidate as it stands in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRow {
    /// Its place.
    pub id: RowId,
    /// The request that brought it.
    pub request_index: u64,
    /// What that request was for.
    pub phase: Phase,
    /// Its number, when it was accepted.
    pub task_id: Option<u64>,
    /// Whether it is an instruction that passed and whose output is bought apart.
    pub opened: bool,
    /// Whether it still waits for that output.
    pub waits: bool,
    /// The instruction whose output it is, when that was bought apart.
    pub output_of: Option<RowId>,
    /// The stage and the rule that turned it away.
    pub rejected_by: Option<(Stage, String)>,
    /// What exactly met the rule; may be empty.
    pub detail: String,
    /// Its texts; of an item that could not be read, the raw text is the instruction.
    pub candidate: Candidate,
    /// The most similar task at that moment.
    pub nearest: Option<TaskRef>,
    /// The similarity to it, from 0.0 to 1.0.
    pub score: Option<f64>,
}

/// A stage and a rule, `None` standing for acceptance, and how many candidates it has.
pub type Tally = (Option<(Stage, String)>, u64);

const PLACES_ON: &str = "
SELECT response_seq, item_index FROM candidates
WHERE (response_seq, item_index) > (?1, ?2)
ORDER BY response_seq, item_index LIMIT ?3";

const PLACES_BACK: &str = "
SELECT response_seq, item_index FROM candidates
WHERE (response_seq, item_index) < (?1, ?2)
ORDER BY response_seq DESC, item_index DESC LIMIT ?3";

const COLUMNS: &str = "
SELECT c.response_seq, c.item_index, r.request_index, c.task_id, c.stage, c.rule, c.detail,
    c.instruction, c.input, c.output, c.nearest, c.score, q.phase, c.open, c.of_seq, c.of_item
FROM candidates c JOIN responses r ON r.seq = c.response_seq
JOIN requests q ON q.request_index = r.request_index";

impl RunReader {
    /// The next places of the journal, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn places(&self, step: Step, most: usize) -> Result<Vec<RowId>, StoreError> {
        let (sql, end) = if step.backwards { (PLACES_BACK, i64::MAX) } else { (PLACES_ON, -1) };
        let (response, item) =
            step.from.map_or((end, 0), |row| (to_sql(row.response_seq), i64::from(row.item_index)));
        self.attempt(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![response, item, to_sql(most as u64)], place)?;
            rows.collect()
        })
    }

    /// The candidate at a place.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn row(&self, id: RowId) -> Result<Option<StoredRow>, StoreError> {
        self.attempt(|connection| {
            let sql = format!("{COLUMNS} WHERE c.response_seq = ?1 AND c.item_index = ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let keys = params![to_sql(id.response_seq), id.item_index];
            statement.query_row(keys, stored_row).optional()
        })
    }

    /// Calls `each` for the candidates after a place, in the order of the journal, at most `most`.
    pub(super) fn for_each_row_after(
        &self,
        place: Option<RowId>,
        most: usize,
        mut each: impl FnMut(StoredRow) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let (response, item) =
            place.map_or((-1, 0), |row| (to_sql(row.response_seq), i64::from(row.item_index)));
        self.attempt(|connection| {
            let sql = format!(
                "{COLUMNS} WHERE (c.response_seq, c.item_index) > (?1, ?2)
                 ORDER BY c.response_seq, c.item_index LIMIT ?3"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![response, item, to_sql(most as u64)])?;
            while let Some(row) = rows.next()? {
                each(stored_row(row)?)?;
            }
            Ok(())
        })
    }

    /// How many candidates each stage and rule has; needs no scan.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        self.attempt(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT stage, rule, count FROM tallies ORDER BY 3 DESC")?;
            let rows = statement.query_map([], |row| {
                let stage: String = row.get(0)?;
                let rule: String = row.get(1)?;
                let key = Stage::from_name(&stage).map(|stage| (stage, rule));
                Ok((key, from_sql(row.get(2)?)))
            })?;
            rows.collect()
        })
    }

    /// Tells this run from another in the same directory: when its first session began.
    pub(super) fn birth(&self) -> Result<i64, StoreError> {
        self.attempt(|connection: &Connection| {
            let sql = "SELECT coalesce(min(started_at_ms), 0) FROM sessions";
            connection.query_row(sql, [], |row| row.get(0))
        })
    }

    /// A number that changes when another process has written to the journal.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn change_counter(&self) -> Result<i64, StoreError> {
        self.attempt(|connection| connection.query_row("PRAGMA data_version", [], |row| row.get(0)))
    }
}

fn place(row: &Row<'_>) -> rusqlite::Result<RowId> {
    Ok(RowId { response_seq: from_sql(row.get(0)?), item_index: row.get(1)? })
}

/// The row of the instruction whose output a row is.
fn instruction(row: &Row<'_>) -> rusqlite::Result<Option<RowId>> {
    let (response, item): (Option<i64>, Option<u32>) = (row.get(14)?, row.get(15)?);
    let id = response.map(from_sql).zip(item);
    Ok(id.map(|(response_seq, item_index)| RowId { response_seq, item_index }))
}

fn stored_row(row: &Row<'_>) -> rusqlite::Result<StoredRow> {
    let stage: Option<String> = row.get(4)?;
    let rule: Option<String> = row.get(5)?;
    let nearest: Option<String> = row.get(10)?;
    let open: Option<i64> = row.get(13)?;
    Ok(StoredRow {
        id: place(row)?,
        request_index: from_sql(row.get(2)?),
        phase: reader::phase(row, 12)?,
        opened: open.is_some(),
        waits: open == Some(1),
        output_of: instruction(row)?,
        task_id: row.get::<_, Option<i64>>(3)?.map(from_sql),
        rejected_by: stage.as_deref().and_then(Stage::from_name).zip(rule),
        detail: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
        candidate: Candidate { instruction: row.get(7)?, input: row.get(8)?, output: row.get(9)? },
        nearest: nearest.and_then(|task| task.parse().ok()),
        score: row.get(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_round_trip_through_text() {
        for (response_seq, item_index) in [(0, 0), (12, 3), (u64::MAX, u32::MAX)] {
            let id = RowId { response_seq, item_index };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for bad in ["", "1", "1.", ".1", "-1.0", "1.0.0", "1.4294967296"] {
            assert!(bad.parse::<RowId>().is_err(), "{bad}");
        }
    }
}
