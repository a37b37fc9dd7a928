//! The reading side: totals, accepted tasks and responses, at any time.

use std::path::PathBuf;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::records::{JudgedUpTo, LateAnswer, RecentAttempt, StoredResponse};
use super::run_dir::RunDir;
use super::schema::{self, ACCEPTED, from_sql, to_sql};
use super::watched::Watched;
use super::{StoreError, batches};
use crate::chat::TokenUsage;
use crate::event::{Phase, Stage};
use crate::summary::{EndpointTotals, Estimate, PhaseTotals, RunState, StopReason, Summary};
use crate::usd::Usd;

/// The name under which a run stores what was expected of it.
pub(super) const ESTIMATE_KEY: &str = "estimate";
/// The longest body that is read back, in bytes; none that is stored is near it.
const MAX_STORED_BODY_BYTES: usize = 128 * 1024 * 1024;

/// The reading side of a run.
#[derive(Debug)]
pub struct RunReader {
    pub(super) connection: Connection,
    dir: RunDir,
    pub(super) database: PathBuf,
    watched: Watched,
}

impl RunReader {
    pub(super) fn open(dir: &RunDir) -> Result<Self, StoreError> {
        let database = dir.database();
        if !dir.exists() {
            return Err(StoreError::Missing { path: dir.path().to_owned() });
        }
        // Before the journal is opened: one that takes its place in between is then another.
        let watched = dir.watched(&["run.db"])?;
        let connection = dir.connect_to_read()?;
        let reader = Self { connection, dir: dir.clone(), database, watched };
        reader.attempt(|connection| connection.busy_timeout(std::time::Duration::from_secs(10)))?;
        // A run may come from somebody else: functions in its schema are not called.
        reader.attempt(|connection| connection.pragma_update(None, "trusted_schema", false))?;
        match reader.attempt(schema::version_of)? {
            Some(_) => Ok(reader),
            None if reader.attempt(schema::is_empty)? => {
                Err(StoreError::Missing { path: dir.path().to_owned() })
            }
            None => Err(StoreError::Foreign {
                path: dir.path().to_owned(),
                reason: "run.db belongs to another program".to_owned(),
            }),
        }
    }

    /// Another reader of the same run, for another owner.
    ///
    /// # Errors
    /// [`StoreError`] when the run cannot be read.
    pub fn again(&self) -> Result<Self, StoreError> {
        Self::open(&self.dir)
    }

    /// Whether the journal that this reads is no longer the one in the directory: that was removed, moved
    /// or replaced. What is read then is no longer what anybody works on.
    pub fn has_moved(&self) -> bool {
        self.watched.check().is_err()
    }

    pub(super) fn dir(&self) -> &RunDir {
        &self.dir
    }

    pub(super) fn attempt<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        query(&self.connection).map_err(|error| StoreError::sqlite(&self.database, &error))
    }

    pub(super) fn number(&self, sql: &str) -> Result<u64, StoreError> {
        self.attempt(|connection| {
            connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(from_sql)
        })
    }

    /// The text stored under a name.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.attempt(|connection| {
            connection
                .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
                .optional()
        })
    }

    /// Whether the run is under way, and why and with what message its last session ended: no reason
    /// before the first one.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn state(&self) -> Result<(RunState, Option<StopReason>, Option<String>), StoreError> {
        if self.dir.is_locked() {
            return Ok((RunState::Running, None, None));
        }
        let last: Option<(Option<String>, Option<String>)> = self.attempt(|connection| {
            connection
                .query_row(
                    "SELECT stop_reason, message FROM sessions ORDER BY id DESC LIMIT 1",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()
        })?;
        let Some((reason, message)) = last else {
            return Ok((RunState::Stopped, None, None));
        };
        Ok(match reason.as_deref().and_then(StopReason::from_name) {
            Some(reason) => (RunState::Stopped, Some(reason), message),
            None => (RunState::Crashed, None, None),
        })
    }

    /// The totals of the run over all its sessions.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn summary(&self) -> Result<Summary, StoreError> {
        self.snapshot(|| self.attempt(read_summary))
    }

    /// Shows the run as it is now for as long as this reader lives, whatever is added meanwhile.
    /// The journal's log grows until then.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn hold_still(&self) -> Result<(), StoreError> {
        self.attempt(|connection| connection.execute_batch("BEGIN"))?;
        // The first query decides which moment is shown.
        self.number("SELECT count(*) FROM sessions").map(drop)
    }

    /// When the first session began and when the last one was last seen at work, in milliseconds
    /// since the Unix epoch; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn active_between(&self) -> Result<Option<(i64, i64)>, StoreError> {
        self.attempt(|connection| {
            let sql = "SELECT min(started_at_ms), max(seen_at_ms) FROM sessions";
            connection.query_row(sql, [], |row| {
                let first: Option<i64> = row.get(0)?;
                Ok(first.zip(row.get(1)?))
            })
        })
    }

    /// The number that the next attempt gets.
    pub(super) fn next_attempt_id(&self) -> Result<u64, StoreError> {
        self.number("SELECT coalesce(max(id), 0) + 1 FROM attempts")
    }

    /// The index that the next request gets.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn next_request_index(&self) -> Result<u64, StoreError> {
        self.number("SELECT coalesce(max(request_index) + 1, 0) FROM requests")
    }

    /// The last position in the journal of responses; 0 when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn last_seq(&self) -> Result<u64, StoreError> {
        self.number("SELECT coalesce(max(seq), 0) FROM responses")
    }

    /// How far the verdicts reach.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn judged_up_to(&self) -> Result<JudgedUpTo, StoreError> {
        let next = self.attempt(|connection| {
            connection
                .query_row("SELECT min(seq) FROM responses WHERE judged = 0", [], |row| {
                    row.get::<_, Option<i64>>(0)
                })
                .map(|seq| seq.map(from_sql))
        })?;
        let Some(next) = next else {
            return Ok(JudgedUpTo { response_seq: self.last_seq()?, items_of_next: 0 });
        };
        let items: u32 = self.attempt(|connection| {
            connection.query_row(
                "SELECT count(*) FROM candidates WHERE response_seq = ?1",
                [to_sql(next)],
                |row| row.get(0),
            )
        })?;
        Ok(JudgedUpTo { response_seq: next.saturating_sub(1), items_of_next: items })
    }

    /// Answered attempts that are not settled, because the process died in between.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn late_answers(&self) -> Result<Vec<LateAnswer>, StoreError> {
        self.attempt(|connection| {
            let mut statement = connection.prepare(
                "SELECT a.id, q.prompt_bound, q.max_output_tokens, r.body_zstd, r.body_bytes,
                    q.phase FROM attempts a JOIN responses r ON r.attempt_id = a.id
                 JOIN requests q ON q.request_index = a.request_index
                 WHERE a.state = 'reserved' ORDER BY r.seq",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(LateAnswer {
                    attempt_id: from_sql(row.get(0)?),
                    prompt_bound: from_sql(row.get(1)?),
                    max_output_tokens: from_sql(row.get(2)?),
                    body: decompress(row, 3)?,
                    phase: phase(row, 5)?,
                })
            })?;
            rows.collect()
        })
    }

    /// The attempts that left after a moment, in milliseconds since the Unix epoch, the oldest first;
    /// without those that never reached a server.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn attempts_since(&self, after_ms: i64) -> Result<Vec<RecentAttempt>, StoreError> {
        self.attempt(|connection| {
            let mut statement = connection.prepare(
                "SELECT q.phase, a.sent_at_ms, q.prompt_bound, q.max_output_tokens,
                    a.state = 'answered', a.input_tokens, a.cached_input_tokens,
                    a.cache_write_tokens, a.output_tokens, a.reasoning_tokens, a.endpoint
                 FROM attempts a JOIN requests q ON q.request_index = a.request_index
                 WHERE a.sent_at_ms > ?1 AND a.batch_id IS NULL AND (a.state != 'refused' OR a.http_status IS NOT NULL)
                 ORDER BY a.sent_at_ms",
            )?;
            let rows = statement.query_map([after_ms], |row| {
                let amount = |column| row.get(column).map(from_sql);
                let usage = TokenUsage {
                    input: amount(5)?,
                    cached_input: amount(6)?,
                    cache_write: amount(7)?,
                    output: amount(8)?,
                    reasoning: amount(9)?,
                };
                Ok(RecentAttempt {
                    phase: phase(row, 0)?,
                    sent_at_ms: row.get(1)?,
                    endpoint: row.get(10)?,
                    prompt_bound: amount(2)?,
                    max_output_tokens: amount(3)?,
                    usage: row.get::<_, bool>(4)?.then_some(usage),
                })
            })?;
            rows.collect()
        })
    }

    /// The first response after position `seq` of the journal.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn response_after(&self, seq: u64) -> Result<Option<StoredResponse>, StoreError> {
        self.attempt(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT r.seq, r.request_index, q.examples, r.body_zstd, r.body_bytes, q.phase,
                    q.tasks FROM responses r JOIN requests q ON q.request_index = r.request_index
                 WHERE r.seq > ?1 ORDER BY r.seq LIMIT 1",
            )?;
            statement
                .query_row([to_sql(seq)], |row| {
                    Ok(StoredResponse {
                        seq: from_sql(row.get(0)?),
                        request_index: from_sql(row.get(1)?),
                        examples: split(&row.get::<_, String>(2)?),
                        body: decompress(row, 3)?,
                        phase: phase(row, 5)?,
                        tasks: split(&row.get::<_, String>(6)?),
                    })
                })
                .optional()
        })
    }

    /// Up to `count` items that a rule rejected, the most recent first: their raw text or
    /// instruction, and the detail.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be read.
    pub fn rejected_samples(
        &self,
        stage: Stage,
        rule: &str,
        count: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.attempt(|connection| {
            let mut statement = connection.prepare(
                "SELECT instruction, coalesce(detail, '') FROM candidates
                 WHERE stage = ?1 AND rule = ?2
                 ORDER BY response_seq DESC, item_index DESC LIMIT ?3",
            )?;
            let rows = statement.query_map(params![stage.as_str(), rule, count], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            rows.collect()
        })
    }
}

fn read_summary(connection: &Connection) -> rusqlite::Result<Summary> {
    let mut summary = Summary::default();
    let mut tallies = connection.prepare("SELECT stage, rule, count FROM tallies")?;
    let mut rows = tallies.query([])?;
    while let Some(row) = rows.next()? {
        let (stage, count): (String, u64) = (row.get(0)?, from_sql(row.get(2)?));
        if stage == ACCEPTED {
            summary.accepted = count;
        } else if let Some(stage) = Stage::from_name(&stage) {
            summary.rejections.insert((stage, row.get(1)?), count);
        }
    }
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).map(from_sql);
    summary.open_tasks = count("SELECT count(*) FROM candidates WHERE open = 1")?;
    summary.requests = count("SELECT count(*) FROM requests")?;
    summary.unjudged_responses = count("SELECT count(*) FROM responses WHERE judged = 0")?;
    summary.attempts.answered = count("SELECT count(*) FROM responses")?;
    summary.active_ms = active_ms(connection)?;
    summary.batches = batches::totals(connection)?;
    read_attempts(connection, &mut summary)?;
    read_endpoints(connection, &mut summary)?;
    summary.estimate = connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [ESTIMATE_KEY], |row| row.get(0))
        .optional()?
        .and_then(|text: String| Estimate::from_text(&text));
    Ok(summary)
}

fn read_endpoints(connection: &Connection, summary: &mut Summary) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT endpoint, count(*), sum(state = 'answered'), sum(state = 'refused'),
            sum(coalesce(state = 'refused' AND http_status = 429, 0)), sum(cost_pico),
            sum(input_tokens + cached_input_tokens + cache_write_tokens + output_tokens)
         FROM attempts WHERE endpoint IS NOT NULL GROUP BY endpoint",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let amount = |column| row.get(column).map(from_sql);
        let rate_limited = amount(4)?;
        let totals = EndpointTotals {
            attempts: amount(1)?,
            answered: amount(2)?,
            rate_limited,
            refused: amount(3)?.saturating_sub(rate_limited),
            tokens: amount(6)?,
            spent: Usd::from_pico(amount(5)?),
        };
        summary.by_endpoint.insert(row.get(0)?, totals);
    }
    Ok(())
}

fn active_ms(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(sum(max(0, seen_at_ms - started_at_ms)), 0) FROM sessions";
    connection.query_row(sql, [], |row| row.get(0)).map(from_sql)
}

fn read_attempts(connection: &Connection, summary: &mut Summary) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT a.state, a.http_status = 429, count(*), sum(a.reserved_pico), sum(a.cost_pico),
            sum(a.input_tokens), sum(a.cached_input_tokens), sum(a.cache_write_tokens),
            sum(a.output_tokens), sum(a.reasoning_tokens), q.phase,
            sum(max(0, coalesce(a.ended_at_ms, a.sent_at_ms) - a.sent_at_ms))
         FROM attempts a JOIN requests q ON q.request_index = a.request_index
         GROUP BY 11, 1, 2",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let amount = |column| row.get(column).map(from_sql);
        let (state, limited): (String, Option<bool>) = (row.get(0)?, row.get(1)?);
        let count = amount(2)?;
        let mut totals = PhaseTotals { attempts: count, ..PhaseTotals::default() };
        let counts = &mut summary.attempts;
        counts.sent += count;
        match state.as_str() {
            "reserved" => totals.reserved = Usd::from_pico(amount(3)?),
            "unconfirmed" => {
                counts.unconfirmed += count;
                totals.unconfirmed = Usd::from_pico(amount(3)?);
            }
            "refused" if limited == Some(true) => counts.rate_limited += count,
            "refused" => counts.refused += count,
            _ => {
                // Their answers are no responses: the embeddings in them are kept instead.
                if phase(row, 10)? == Phase::Embeddings {
                    counts.answered += count;
                }
                totals.answered = count;
                totals.waited_ms = amount(11)?;
                totals.spent = Usd::from_pico(amount(4)?);
                totals.usage = TokenUsage {
                    input: amount(5)?,
                    cached_input: amount(6)?,
                    cache_write: amount(7)?,
                    output: amount(8)?,
                    reasoning: amount(9)?,
                };
            }
        }
        summary.add(phase(row, 10)?, &totals);
    }
    Ok(())
}

fn decompress(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    let body: Vec<u8> = row.get(column)?;
    let bytes = usize::try_from(from_sql(row.get(column + 1)?)).unwrap_or(usize::MAX);
    // What is written never says more than a body's limit; a file from elsewhere could ask for all
    // memory there is.
    let bytes = bytes.min(MAX_STORED_BODY_BYTES);
    zstd::bulk::decompress(&body, bytes).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Blob,
            Box::new(error),
        )
    })
}

pub(super) fn phase(row: &Row<'_>, column: usize) -> rusqlite::Result<Phase> {
    let name: String = row.get(column)?;
    Phase::from_name(&name).ok_or_else(|| {
        let error = format!("`{name}` is no phase");
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

pub(super) fn split<T: FromStr>(names: &str) -> Vec<T> {
    names.split_whitespace().filter_map(|name| name.parse().ok()).collect()
}
