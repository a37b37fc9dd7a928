//! The writer thread: drains the queue, applies what it holds in one transaction, commits, and
//! only then answers. One commit carries as many commands as have come since the last, and those
//! that a short wait brings.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, params};
use tokio::sync::{mpsc, oneshot};

use super::batches::{BatchChange, NewBatch, begin_batch, change_batch};
use super::embeddings::{self, EmbeddingBatch};
use super::memory::Disk;
use super::records::{AttemptEnd, NewAttempt, NewResponse, VerdictBatch};
use super::schema::to_sql;
use super::verdicts::{Tally, add_up, judge};
use super::watched::Watched;
use super::{StoreError, unix_ms};
use crate::failpoint::{Point, reached};
use crate::histogram::Histogram;
use crate::summary::StopReason;

/// Commands in one commit, at most.
const GROUP: usize = 512;
/// A group smaller than this waits for company before it is committed.
const SMALL_GROUP: usize = 64;
/// How long it waits. A commit costs about as much whatever it carries; an answer of a model takes
/// a thousand times as long.
const GATHER: Duration = Duration::from_micros(300);
/// Fast and good enough on JSON; a response shrinks to about a third.
const ZSTD_LEVEL: i32 = 1;

pub(super) type Ack<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer thread can be asked.
#[derive(Debug)]
pub(super) enum Command {
    Begin(NewAttempt, Ack<()>),
    BeginBatch(NewBatch, Ack<()>),
    ChangeBatch(u64, BatchChange, Ack<()>),
    Answer(NewResponse, Ack<u64>),
    End(u64, AttemptEnd, i64),
    Embed(EmbeddingBatch, Ack<()>),
    Judge(VerdictBatch),
    SetMeta(&'static str, String, Ack<()>),
    Flush(Ack<()>),
    Close(SessionEnd, Ack<()>),
}

/// How a session ends.
#[derive(Debug)]
pub(super) enum SessionEnd {
    /// It stopped, with what went wrong.
    Stopped(StopReason, Option<String>),
    /// It never began: nothing is left of it.
    Withdrawn,
}

/// The files of a run, as the writer needs them.
pub(super) struct Place {
    pub(super) database: PathBuf,
    pub(super) ballast: PathBuf,
    /// Files without which a commit would be lost.
    pub(super) watched: Watched,
    /// What becomes of the writes of a run in memory.
    pub(super) disk: Option<Arc<dyn Disk>>,
}

impl Place {
    fn give_up_ballast(&self) -> Result<(), StoreError> {
        if let Some(disk) = &self.disk {
            disk.give_up_ballast();
            return Ok(());
        }
        std::fs::remove_file(&self.ballast).map_err(|error| StoreError::io(&self.ballast, &error))
    }
}

pub(super) struct Writer {
    connection: Connection,
    /// Kept, because setting one up costs more than compressing a body.
    compressor: zstd::bulk::Compressor<'static>,
    place: Place,
    session: i64,
    last_seq: u64,
    /// Set when the disk was full: what is under way is still written, nothing new may begin.
    refuse_new: Option<StoreError>,
    commits: Arc<Histogram>,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        place: Place,
        session: i64,
        last_seq: u64,
        commits: Arc<Histogram>,
    ) -> std::io::Result<Self> {
        let compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        let refuse_new = None;
        Ok(Self { connection, compressor, place, session, last_seq, refuse_new, commits })
    }

    /// Works until the journal is closed, or an error closes it, which is left in `failure`.
    pub(super) fn run(
        mut self,
        mut queue: mpsc::Receiver<Command>,
        failure: &OnceLock<StoreError>,
    ) {
        let mut group = Vec::with_capacity(GROUP);
        while let Some(first) = queue.blocking_recv() {
            group.push(first);
            drain(&mut queue, &mut group);
            if group.len() < SMALL_GROUP {
                std::thread::sleep(GATHER);
                drain(&mut queue, &mut group);
            }
            if self.write(&mut group, failure).is_break() {
                // Dropping the queue fails everybody who still waits or asks later.
                return;
            }
        }
    }

    /// As [`Self::run`], for a run in memory: without a thread, in tokio's time.
    pub(super) async fn run_as_task(
        mut self,
        mut queue: mpsc::Receiver<Command>,
        failure: Arc<OnceLock<StoreError>>,
        disk: Arc<dyn Disk>,
    ) {
        let mut group = Vec::new();
        while let Some(first) = queue.recv().await {
            group.push(first);
            tokio::time::sleep(disk.gather()).await;
            drain(&mut queue, &mut group);
            if self.write(&mut group, &failure).is_break() {
                return;
            }
        }
    }

    /// Commits a group and answers it. Breaks when the journal is closed, or cannot be written.
    fn write(
        &mut self,
        group: &mut Vec<Command>,
        failure: &OnceLock<StoreError>,
    ) -> ControlFlow<()> {
        let closing = group.iter().any(|command| matches!(command, Command::Close(..)));
        if let Err(error) = self.commit(group) {
            tracing::error!(%error, "the journal cannot be written: nothing more is sent");
            refuse(group.drain(..), &error);
            drop(failure.set(error));
            return ControlFlow::Break(());
        }
        group.clear();
        if closing { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Applies a group in one transaction; a full disk gets one more chance with the ballast gone.
    fn commit(&mut self, group: &mut Vec<Command>) -> Result<(), StoreError> {
        if let Some(error) = &self.refuse_new {
            let error = error.clone();
            let is_new = |c: &Command| matches!(c, Command::Begin(..) | Command::BeginBatch(..));
            let (new, rest) = std::mem::take(group).into_iter().partition(is_new);
            *group = rest;
            refuse(Vec::into_iter(new), &error);
        }
        // SQLite would go on in a file that nobody can find again.
        self.place.watched.check()?;
        let began = Instant::now();
        let applied = self.apply(group);
        self.commits.record(began.elapsed());
        match applied {
            Err(error) if is_full(&error) && self.refuse_new.is_none() => {
                tracing::warn!(
                    "the disk is full: giving up the ballast to store what is under way"
                );
                let full = StoreError::sqlite(&self.place.database, &error);
                self.place.give_up_ballast()?;
                self.refuse_new = Some(full);
                self.commit(group)
            }
            Err(error) => Err(StoreError::sqlite(&self.place.database, &error)),
            Ok(last_seq) => {
                reached(Point::CommitAfter);
                let mut seq = std::mem::replace(&mut self.last_seq, last_seq);
                for command in group.drain(..) {
                    acknowledge(command, &mut seq);
                }
                Ok(())
            }
        }
    }

    /// One transaction; returns the last position in the journal after it.
    fn apply(&mut self, group: &[Command]) -> rusqlite::Result<u64> {
        let closing = group.iter().any(|command| matches!(command, Command::Close(..)));
        let transaction = self.connection.transaction()?;
        let mut seq = self.last_seq;
        let mut tally = Tally::new();
        for command in group {
            match command {
                Command::Begin(attempt, _) => begin(&transaction, self.session, attempt, None)?,
                Command::BeginBatch(batch, _) => begin_batch(&transaction, self.session, batch)?,
                Command::ChangeBatch(number, change, _) => {
                    change_batch(&transaction, *number, change)?;
                }
                Command::Answer(response, _) => {
                    seq += 1;
                    let body = self
                        .compressor
                        .compress(&response.body)
                        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                    answer(&transaction, seq, response, &body)?;
                }
                Command::End(id, end, at_ms) => end_attempt(&transaction, *id, end, *at_ms)?,
                Command::Embed(batch, _) => {
                    embeddings::insert(&transaction, batch)?;
                    end_attempt(&transaction, batch.attempt_id, &batch.end, batch.at_ms)?;
                }
                Command::Judge(batch) => judge(&transaction, batch, &mut tally)?,
                Command::SetMeta(key, value, _) => set_meta(&transaction, key, value)?,
                Command::Flush(_) => {}
                Command::Close(end, _) => close(&transaction, self.session, end)?,
            }
        }
        add_up(&transaction, &tally)?;
        transaction
            .prepare_cached("UPDATE sessions SET seen_at_ms = ?2 WHERE id = ?1")?
            .execute(params![self.session, unix_ms()])?;
        reached(Point::CommitBefore);
        if let Some(disk) = &self.place.disk {
            disk.commit()?;
        }
        transaction.commit()?;
        if let Some(disk) = &self.place.disk {
            disk.committed();
        }
        if closing {
            reached(Point::CloseCommitted);
            // Only tidiness: the log is just as durable where it is.
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            if let Err(error) = self.connection.query_row(checkpoint, [], |_row| Ok(())) {
                tracing::debug!(%error, "the write-ahead log stays beside the database");
            }
        }
        Ok(seq)
    }
}

/// Takes what waits in the queue, as far as it fits into the group.
fn drain(queue: &mut mpsc::Receiver<Command>, group: &mut Vec<Command>) {
    while group.len() < GROUP {
        let Ok(next) = queue.try_recv() else { break };
        group.push(next);
    }
}

/// A full disk; or a quota that is used up, which SQLite knows only as a write that failed.
fn is_full(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
        || extended == Some(rusqlite::ffi::SQLITE_IOERR_WRITE)
}

/// A caller that went away no longer needs its answer.
fn send<T>(ack: Ack<T>, answer: Result<T, StoreError>) {
    drop(ack.send(answer));
}

fn refuse(commands: impl Iterator<Item = Command>, error: &StoreError) {
    for command in commands {
        match command {
            Command::Begin(_, ack)
            | Command::BeginBatch(_, ack)
            | Command::ChangeBatch(_, _, ack)
            | Command::Embed(_, ack)
            | Command::SetMeta(_, _, ack)
            | Command::Flush(ack)
            | Command::Close(_, ack) => send(ack, Err(error.clone())),
            Command::Answer(_, ack) => send(ack, Err(error.clone())),
            Command::End(..) | Command::Judge(_) => {}
        }
    }
}

fn acknowledge(command: Command, seq: &mut u64) {
    match command {
        Command::Begin(_, ack)
        | Command::BeginBatch(_, ack)
        | Command::ChangeBatch(_, _, ack)
        | Command::Embed(_, ack)
        | Command::SetMeta(_, _, ack)
        | Command::Flush(ack)
        | Command::Close(_, ack) => send(ack, Ok(())),
        Command::Answer(_, ack) => {
            *seq += 1;
            send(ack, Ok(*seq));
        }
        Command::End(..) | Command::Judge(_) => {}
    }
}

pub(super) fn begin(
    transaction: &Transaction<'_>,
    session: i64,
    attempt: &NewAttempt,
    batch: Option<u64>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO requests VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
        to_sql(attempt.request_index),
        attempt.phase.as_str(),
        join(&attempt.examples),
        join(&attempt.tasks),
        to_sql(attempt.prompt_bound),
        to_sql(attempt.max_output_tokens),
    ])?;
    transaction
        .prepare_cached(
            "INSERT INTO attempts (id, request_index, session_id, state, reserved_pico, sent_at_ms,
                endpoint, batch_id) VALUES (?1, ?2, ?3, 'reserved', ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            to_sql(attempt.id),
            to_sql(attempt.request_index),
            session,
            to_sql(attempt.reserved.pico()),
            attempt.at_ms,
            attempt.endpoint,
            batch.map(to_sql),
        ])?;
    Ok(())
}

fn answer(
    transaction: &Transaction<'_>,
    seq: u64,
    response: &NewResponse,
    body_zstd: &[u8],
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO responses (seq, attempt_id, request_index, http_status, body_zstd,
                body_bytes, latency_ms, received_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            to_sql(seq),
            to_sql(response.attempt_id),
            to_sql(response.request_index),
            response.status,
            body_zstd,
            to_sql(response.body.len() as u64),
            to_sql(response.latency_ms),
            response.at_ms,
        ])?;
    Ok(())
}

fn end_attempt(
    transaction: &Transaction<'_>,
    id: u64,
    end: &AttemptEnd,
    at_ms: i64,
) -> rusqlite::Result<()> {
    match end {
        AttemptEnd::Answered { cost, usage } => transaction
            .prepare_cached(
                "UPDATE attempts SET state = 'answered', ended_at_ms = ?2, cost_pico = ?3,
                    input_tokens = ?4, cached_input_tokens = ?5, cache_write_tokens = ?6,
                    output_tokens = ?7, reasoning_tokens = ?8 WHERE id = ?1",
            )?
            .execute(params![
                to_sql(id),
                at_ms,
                to_sql(cost.pico()),
                to_sql(usage.input),
                to_sql(usage.cached_input),
                to_sql(usage.cache_write),
                to_sql(usage.output),
                to_sql(usage.reasoning),
            ])?,
        AttemptEnd::Refused { status, message } => transaction
            .prepare_cached(
                "UPDATE attempts SET state = 'refused', ended_at_ms = ?2, http_status = ?3,
                    message = ?4 WHERE id = ?1",
            )?
            .execute(params![to_sql(id), at_ms, status, message])?,
        AttemptEnd::Unconfirmed { message } => transaction
            .prepare_cached(
                "UPDATE attempts SET state = 'unconfirmed', ended_at_ms = ?2, message = ?3
                 WHERE id = ?1",
            )?
            .execute(params![to_sql(id), at_ms, message])?,
    };
    Ok(())
}

fn set_meta(transaction: &Transaction<'_>, key: &str, value: &str) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?
        .execute(params![key, value])?;
    Ok(())
}

fn close(transaction: &Transaction<'_>, session: i64, end: &SessionEnd) -> rusqlite::Result<()> {
    let SessionEnd::Stopped(reason, message) = end else {
        transaction.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([session])?;
        return Ok(());
    };
    transaction
        .prepare_cached("UPDATE sessions SET stop_reason = ?2, message = ?3 WHERE id = ?1")?
        .execute(params![session, reason.as_str(), message])?;
    // Attempts that were aborted: they left, and nobody waits for their answers any more.
    transaction
        .prepare_cached(
            "UPDATE attempts SET state = 'unconfirmed', ended_at_ms = ?1,
                message = 'the run was stopped before the answer came'
             WHERE state = 'reserved' AND batch_id IS NULL
                AND id NOT IN (SELECT attempt_id FROM responses)",
        )?
        .execute([unix_ms()])?;
    Ok(())
}

/// Names of tasks as one text: `seed:3 task:17`.
fn join(names: &[impl ToString]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
