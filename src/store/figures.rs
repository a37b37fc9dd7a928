//! Every attempt and every candidate in one pass each, for reports: nothing is kept, and texts are
//! lent, not copied.

use rusqlite::{Connection, Row};

use super::schema::from_sql;
use super::{RunReader, StoreError};
use crate::chat::TokenUsage;
use crate::event::Stage;
use crate::usd::Usd;

/// When a session ran, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSpan {
    /// Its number, which its attempts carry.
    pub id: i64,
    /// When it began.
    pub started_at_ms: i64,
    /// When its journal was last written.
    pub seen_at_ms: i64,
}

/// One attempt as it stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// The session that sent it.
    pub session_id: i64,
    /// When it left, in milliseconds since the Unix epoch.
    pub sent_at_ms: i64,
    /// When it ended; `None` while it is under way.
    pub ended_at_ms: Option<i64>,
    /// Whether its cost is not known, so that it counts at its worst case.
    pub unconfirmed: bool,
    /// What it cost, or the worst case of an unconfirmed one; nothing while it is under way.
    pub cost: Usd,
    /// Tokens of an answered attempt.
    pub usage: TokenUsage,
    /// The status of a refusal.
    pub http_status: Option<u16>,
    /// From sending to the last byte, of an answered attempt.
    pub latency_ms: Option<u64>,
}

/// One judged candidate as it stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CandidateRow<'a> {
    /// The stage and the rule that turned it away; `None`: accepted.
    pub rejected_by: Option<(Stage, &'a str)>,
    /// What exactly met the rule; may be empty.
    pub detail: &'a str,
    /// The instruction, or the raw text of an item that could not be read.
    pub instruction: &'a str,
    /// The input; empty when there is none.
    pub input: &'a str,
    /// The output.
    pub output: &'a str,
    /// The similarity to the most similar task, where it was stored.
    pub score: Option<f64>,
}

const ATTEMPTS: &str = "
SELECT a.session_id, a.sent_at_ms, a.ended_at_ms, a.state = 'unconfirmed',
    CASE a.state WHEN 'unconfirmed' THEN a.reserved_pico ELSE a.cost_pico END,
    a.input_tokens, a.cached_input_tokens, a.cache_write_tokens, a.output_tokens,
    a.reasoning_tokens, a.http_status, r.latency_ms
FROM attempts a LEFT JOIN responses r ON r.attempt_id = a.id
ORDER BY a.id";

const CANDIDATES: &str = "
SELECT stage, rule, detail, instruction, input, output, score FROM candidates
WHERE open IS NULL ORDER BY response_seq, item_index";

impl RunReader {
    /// Reads within one transaction, so that all figures belong together while the run goes on.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read, or what `read` fails with.
    pub fn snapshot<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if !self.attempt(|connection| Ok(connection.is_autocommit()))? {
            return read();
        }
        self.attempt(|connection| connection.execute_batch("BEGIN"))?;
        let result = read();
        self.attempt(|connection| connection.execute_batch("COMMIT"))?;
        result
    }

    /// The sessions in their order.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionSpan>, StoreError> {
        self.attempt(|connection| {
            let sql = "SELECT id, started_at_ms, seen_at_ms FROM sessions ORDER BY id";
            let mut statement = connection.prepare(sql)?;
            let spans = statement.query_map([], |row| {
                Ok(SessionSpan {
                    id: row.get(0)?,
                    started_at_ms: row.get(1)?,
                    seen_at_ms: row.get(2)?,
                })
            })?;
            spans.collect()
        })
    }

    /// Calls `each` for every attempt, in the order in which they left.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn for_each_attempt(&self, mut each: impl FnMut(AttemptRow)) -> Result<(), StoreError> {
        self.each_row(ATTEMPTS, |row| {
            each(attempt_row(row)?);
            Ok(())
        })
    }

    /// Calls `each` for every judged candidate, in the order of the journal.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn for_each_candidate(
        &self,
        mut each: impl FnMut(CandidateRow<'_>),
    ) -> Result<(), StoreError> {
        self.each_row(CANDIDATES, |row| {
            each(candidate_row(row)?);
            Ok(())
        })
    }

    fn each_row(
        &self,
        sql: &str,
        mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        self.attempt(|connection: &Connection| {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                each(row)?;
            }
            Ok(())
        })
    }
}

fn attempt_row(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    let amount = |column| row.get(column).map(from_sql);
    Ok(AttemptRow {
        session_id: row.get(0)?,
        sent_at_ms: row.get(1)?,
        ended_at_ms: row.get(2)?,
        unconfirmed: row.get(3)?,
        cost: Usd::from_pico(amount(4)?),
        usage: TokenUsage {
            input: amount(5)?,
            cached_input: amount(6)?,
            cache_write: amount(7)?,
            output: amount(8)?,
            reasoning: amount(9)?,
        },
        http_status: row.get(10)?,
        latency_ms: row.get::<_, Option<i64>>(11)?.map(from_sql),
    })
}

fn candidate_row<'a>(row: &'a Row<'_>) -> rusqlite::Result<CandidateRow<'a>> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str_or_null()?);
    let stage = text(0)?.and_then(Stage::from_name);
    Ok(CandidateRow {
        rejected_by: stage.zip(text(1)?),
        detail: text(2)?.unwrap_or_default(),
        instruction: text(3)?.unwrap_or_default(),
        input: text(4)?.unwrap_or_default(),
        output: text(5)?.unwrap_or_default(),
        score: row.get(6)?,
    })
}
