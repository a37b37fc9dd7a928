//! Batches: which requests went to a provider together, and how far that is.

use rusqlite::{Connection, Transaction, params};

use super::reader::{RunReader, phase, split};
use super::records::NewAttempt;
use super::schema::{from_sql, to_sql};
use super::writer::begin;
use super::{StoreError, unix_ms};
use crate::event::Phase;
use crate::summary::BatchTotals;
use crate::task::{OpenTask, TaskRef};
use crate::usd::Usd;

/// A batch about to leave, with an attempt for each of its requests.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// Its number in the run, from 1.
    pub number: u64,
    /// What its requests are for.
    pub phase: Phase,
    /// Its requests.
    pub attempts: Vec<NewAttempt>,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// What happens to a batch that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchChange {
    /// The call that creates it is about to leave.
    Creating,
    /// It exists, under this name of the provider's.
    Created(String),
    /// The provider told how far it is.
    Seen {
        /// The provider's word for its state.
        label: String,
        /// Requests answered so far.
        completed: u64,
        /// Requests failed so far.
        failed: u64,
    },
    /// All of its requests are accounted for.
    Ended(String),
}

/// How far a batch was when the journal last heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchState {
    /// It has not left: there is none at the provider.
    Begun,
    /// The call that creates it left, or was about to: there may be one.
    Creating,
    /// It exists, under this name of the provider's.
    Created(String),
}

/// A batch that is not at its end.
#[derive(Debug, Clone)]
pub struct StoredBatch {
    /// Its number in the run.
    pub number: u64,
    /// What its requests are for.
    pub phase: Phase,
    /// How far it was.
    pub state: BatchState,
    /// All its requests, those that are accounted for included.
    pub requests: u64,
    /// When it began, in milliseconds since the Unix epoch.
    pub begun_at_ms: i64,
    /// The requests that are not accounted for.
    pub open: Vec<StoredAttempt>,
}

/// A request of a batch that is not accounted for.
#[derive(Debug, Clone)]
pub struct StoredAttempt {
    /// Unique within the run.
    pub id: u64,
    /// The request's index within the run.
    pub request_index: u64,
    /// The in-context examples of the request.
    pub examples: Vec<TaskRef>,
    /// The open tasks whose outputs it asks for.
    pub tasks: Vec<OpenTask>,
    /// Upper bound on the prompt tokens.
    pub prompt_bound: u64,
    /// The most output tokens asked for.
    pub max_output_tokens: u64,
    /// The worst-case cost, reserved.
    pub reserved: Usd,
    /// Attempts at the same request before.
    pub before: u64,
}

/// Writes a batch and all its attempts.
pub(super) fn begin_batch(
    transaction: &Transaction<'_>,
    session: i64,
    batch: &NewBatch,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO batches (id, phase, state, requests, begun_at_ms)
             VALUES (?1, ?2, 'begun', ?3, ?4)",
        )?
        .execute(params![
            to_sql(batch.number),
            batch.phase.as_str(),
            to_sql(batch.attempts.len() as u64),
            batch.at_ms,
        ])?;
    for attempt in &batch.attempts {
        begin(transaction, session, attempt, Some(batch.number))?;
    }
    Ok(())
}

/// Writes what happened to a batch.
pub(super) fn change_batch(
    transaction: &Transaction<'_>,
    number: u64,
    change: &BatchChange,
) -> rusqlite::Result<()> {
    let number = to_sql(number);
    match change {
        BatchChange::Creating => transaction
            .prepare_cached("UPDATE batches SET state = 'creating' WHERE id = ?1")?
            .execute([number])?,
        BatchChange::Created(id) => transaction
            .prepare_cached("UPDATE batches SET state = 'created', remote_id = ?2 WHERE id = ?1")?
            .execute(params![number, id])?,
        BatchChange::Seen { label, completed, failed } => transaction
            .prepare_cached(
                "UPDATE batches SET remote_state = ?2, completed = ?3, failed = ?4 WHERE id = ?1",
            )?
            .execute(params![number, label, to_sql(*completed), to_sql(*failed)])?,
        BatchChange::Ended(message) => transaction
            .prepare_cached(
                "UPDATE batches SET state = 'ended', message = ?2, ended_at_ms = ?3 WHERE id = ?1",
            )?
            .execute(params![number, message, unix_ms()])?,
    };
    Ok(())
}

/// All batches of a run, the oldest first.
pub(super) fn totals(connection: &Connection) -> rusqlite::Result<Vec<BatchTotals>> {
    let mut statement = connection.prepare(
        "SELECT id, phase, state, remote_state, requests, completed, failed, remote_id
         FROM batches ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| {
        let (state, remote): (String, Option<String>) = (row.get(2)?, row.get(3)?);
        Ok(BatchTotals {
            number: from_sql(row.get(0)?),
            phase: phase(row, 1)?,
            is_open: state != "ended",
            state: match &*state {
                "created" | "ended" => remote.unwrap_or(state),
                _ => state,
            },
            remote_id: row.get(7)?,
            requests: from_sql(row.get(4)?),
            completed: from_sql(row.get(5)?),
            failed: from_sql(row.get(6)?),
        })
    })?;
    rows.collect()
}

impl RunReader {
    /// The number that the next batch gets.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn next_batch_number(&self) -> Result<u64, StoreError> {
        self.number("SELECT coalesce(max(id), 0) + 1 FROM batches")
    }

    /// The provider's names of all batches of the run.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn remote_batches(&self) -> Result<Vec<String>, StoreError> {
        self.attempt(|connection| {
            let mut statement =
                connection.prepare("SELECT remote_id FROM batches WHERE remote_id IS NOT NULL")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// The batches that are not at their end, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn open_batches(&self) -> Result<Vec<StoredBatch>, StoreError> {
        self.attempt(|connection| {
            let mut statement = connection.prepare(
                "SELECT id, phase, state, remote_id, requests, begun_at_ms FROM batches
                 WHERE state <> 'ended' ORDER BY id",
            )?;
            let rows = statement.query_map([], |row| {
                let (state, remote_id): (String, Option<String>) = (row.get(2)?, row.get(3)?);
                let number = from_sql(row.get(0)?);
                Ok(StoredBatch {
                    number,
                    phase: phase(row, 1)?,
                    state: match (&*state, remote_id) {
                        (_, Some(id)) => BatchState::Created(id),
                        ("begun", None) => BatchState::Begun,
                        _ => BatchState::Creating,
                    },
                    requests: from_sql(row.get(4)?),
                    begun_at_ms: row.get(5)?,
                    open: open_attempts(connection, number)?,
                })
            })?;
            rows.collect()
        })
    }
}

fn open_attempts(connection: &Connection, batch: u64) -> rusqlite::Result<Vec<StoredAttempt>> {
    let mut statement = connection.prepare_cached(
        "SELECT a.id, a.request_index, q.examples, q.tasks, q.prompt_bound, q.max_output_tokens,
            a.reserved_pico
         FROM attempts a JOIN requests q ON q.request_index = a.request_index
         WHERE a.state = 'reserved' AND a.batch_id = ?1 ORDER BY a.id",
    )?;
    let rows = statement.query_map([to_sql(batch)], |row| {
        Ok(StoredAttempt {
            id: from_sql(row.get(0)?),
            request_index: from_sql(row.get(1)?),
            examples: split(&row.get::<_, String>(2)?),
            tasks: split(&row.get::<_, String>(3)?),
            prompt_bound: from_sql(row.get(4)?),
            max_output_tokens: from_sql(row.get(5)?),
            reserved: Usd::from_pico(from_sql(row.get(6)?)),
            before: 0,
        })
    })?;
    let mut attempts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    count_before(connection, &mut attempts)?;
    Ok(attempts)
}

/// Counts the attempts at each request before its open one: those that came to nothing.
fn count_before(connection: &Connection, open: &mut [StoredAttempt]) -> rusqlite::Result<()> {
    let mut several = connection.prepare_cached(
        "SELECT request_index, count(*) FROM attempts WHERE batch_id IS NOT NULL
         GROUP BY request_index HAVING count(*) > 1",
    )?;
    let rows = several.query_map([], |row| Ok((from_sql(row.get(0)?), from_sql(row.get(1)?))))?;
    let counts = rows.collect::<rusqlite::Result<std::collections::HashMap<u64, u64>>>()?;
    for attempt in open {
        attempt.before = counts.get(&attempt.request_index).map_or(0, |all| all.saturating_sub(1));
    }
    Ok(())
}
