//! The tables of `run.db` and their version.

use rusqlite::Connection;

/// The version of the format that this program writes.
pub const FORMAT_VERSION: i64 = 1;

/// Money is in picodollars, times in milliseconds (since the Unix epoch where they end in
/// `_at_ms`).
///
/// `requests.phase` says what a request is for, by the names of `event::Phase`.
/// `requests.tasks` names the open tasks whose outputs a request asks for, as `seq.item`.
/// `attempts.state`: `reserved` while under way, then `answered`, `refused` or `unconfirmed`.
/// `attempts.endpoint` names where an attempt went, in runs with a choice of places.
/// `attempts.batch_id` is the batch that an attempt went in, if it went in one.
/// `batches.state`: `begun` before it left, `creating` from the moment when it may exist at the
/// provider, `created` when it is known to, by the name `remote_id`, and `ended` when all of its
/// attempts are accounted for; `remote_state` is the provider's word.
/// `candidates.task_id` numbers the accepted tasks from 0; it is NULL for a rejected item, which
/// has `stage` and `rule` instead, and for an open task: an instruction that passed and whose output
/// is bought apart. Such a row has `open`, 1 until the output came; the row of that output names it
/// by `of_seq` and `of_item`. `responses.accepted` counts accepted and open ones. `tallies` counts candidates by stage and rule, with the stage
/// `accepted` for accepted tasks, so that totals need no scan.
/// `embeddings.key` is the SHA-256 of model, dimensions and text, and `embeddings.vector` has two
/// little-endian bytes a dimension.
pub(super) const TABLES: &str = "
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id            INTEGER PRIMARY KEY,
    started_at_ms INTEGER NOT NULL,
    seen_at_ms    INTEGER NOT NULL,
    stop_reason   TEXT,
    message       TEXT
) STRICT;

CREATE TABLE requests (
    request_index     INTEGER PRIMARY KEY,
    phase             TEXT NOT NULL,
    examples          TEXT NOT NULL,
    tasks             TEXT NOT NULL,
    prompt_bound      INTEGER NOT NULL,
    max_output_tokens INTEGER NOT NULL
) STRICT;

CREATE TABLE attempts (
    id             INTEGER PRIMARY KEY,
    request_index  INTEGER NOT NULL,
    session_id     INTEGER NOT NULL,
    state          TEXT NOT NULL,
    reserved_pico  INTEGER NOT NULL,
    cost_pico      INTEGER NOT NULL DEFAULT 0,
    input_tokens        INTEGER NOT NULL DEFAULT 0,
    cached_input_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens  INTEGER NOT NULL DEFAULT 0,
    output_tokens       INTEGER NOT NULL DEFAULT 0,
    reasoning_tokens    INTEGER NOT NULL DEFAULT 0,
    endpoint       TEXT,
    http_status    INTEGER,
    message        TEXT,
    sent_at_ms     INTEGER NOT NULL,
    ended_at_ms    INTEGER,
    batch_id       INTEGER
) STRICT;
CREATE INDEX attempts_open ON attempts(id) WHERE state = 'reserved';

CREATE TABLE batches (
    id           INTEGER PRIMARY KEY,
    phase        TEXT NOT NULL,
    state        TEXT NOT NULL,
    requests     INTEGER NOT NULL,
    remote_id    TEXT,
    remote_state TEXT,
    completed    INTEGER NOT NULL DEFAULT 0,
    failed       INTEGER NOT NULL DEFAULT 0,
    message      TEXT,
    begun_at_ms  INTEGER NOT NULL,
    ended_at_ms  INTEGER
) STRICT;

CREATE TABLE responses (
    seq            INTEGER PRIMARY KEY,
    attempt_id     INTEGER NOT NULL UNIQUE,
    request_index  INTEGER NOT NULL,
    http_status    INTEGER NOT NULL,
    body_zstd      BLOB NOT NULL,
    body_bytes     INTEGER NOT NULL,
    latency_ms     INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL,
    accepted       INTEGER NOT NULL DEFAULT 0,
    judged         INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE candidates (
    response_seq INTEGER NOT NULL,
    item_index   INTEGER NOT NULL,
    task_id      INTEGER,
    stage        TEXT,
    rule         TEXT,
    detail       TEXT,
    instruction  TEXT NOT NULL,
    input        TEXT NOT NULL,
    output       TEXT NOT NULL,
    nearest      TEXT,
    score        REAL,
    open         INTEGER,
    of_seq       INTEGER,
    of_item      INTEGER,
    PRIMARY KEY (response_seq, item_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX candidates_open ON candidates(open) WHERE open = 1;

CREATE TABLE embeddings (
    key    BLOB PRIMARY KEY,
    vector BLOB NOT NULL
) STRICT;

CREATE TABLE tallies (
    stage TEXT NOT NULL,
    rule  TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (stage, rule)
) STRICT, WITHOUT ROWID;
";

/// The stage under which `tallies` counts accepted tasks.
pub(super) const ACCEPTED: &str = "accepted";

/// The format version of a database; `None` when it is not one of ours.
pub(super) fn version_of(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let application_id: i64 =
        connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application_id != APPLICATION_ID {
        return Ok(None);
    }
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map(Some)
}

/// Whether a database has no tables at all: a process that died made no more of it than a file.
pub(super) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// Marks a SQLite file as a run of instructmill: the bytes of `mill`.
pub(super) const APPLICATION_ID: i64 = 0x6d69_6c6c;

/// Creates the tables in an empty database, all or nothing.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT_VERSION)?;
    transaction.commit()
}

/// A count or an amount as SQLite keeps it; what does not fit is held at the largest value.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count or an amount as it came out of SQLite; a negative one can only be damage and counts as
/// nothing.
pub(super) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
