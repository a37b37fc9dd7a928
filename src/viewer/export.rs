//! What a filter shows, as JSONL: read and sent a piece at a time.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Sender, channel};

use super::desk::Desk;
use super::models::Models;
use super::query::Query;
use crate::store::{Step, StoreError, StoredRow};

/// Rows of one piece.
const ROWS_AT_ONCE: usize = 500;

/// The rows in the order of the journal, without those that are marked as bad, unless these are what
/// is asked for.
pub(super) fn rows(desk: Arc<Desk>, query: Query) -> impl Stream<Item = io::Result<Bytes>> {
    let (sender, receiver) = channel(2);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = send(&desk, &query, &sender) {
            // The connection breaks off, so that nobody takes the file for whole.
            drop(sender.blocking_send(Err(io::Error::other(error.to_string()))));
        }
    });
    unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))
}

fn send(desk: &Desk, query: &Query, to: &Sender<io::Result<Bytes>>) -> Result<(), StoreError> {
    let store = desk.own_store()?;
    let marks = store.reader.marks()?;
    let mut step = Step { backwards: false, from: None };
    loop {
        let places = store.places(&marks, query, step, ROWS_AT_ONCE)?;
        let Some(last) = places.last() else { return Ok(()) };
        step.from = Some(*last);
        let mut piece = Vec::new();
        for id in places.iter().filter(|id| query.marked || !marks.rows().contains(id)) {
            if let Some(row) = store.reader.row(*id)? {
                piece.extend(to_json(&row, &desk.run.models).to_string().into_bytes());
                piece.push(b'\n');
            }
        }
        if to.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}

fn to_json(row: &StoredRow, models: &Models) -> Value {
    let (stage, rule) = row.rejected_by.as_ref().map(|(s, r)| (s.as_str(), r.as_str())).unzip();
    json!({
        "row": row.id.to_string(),
        "request_index": row.request_index,
        "model": models.of(row.phase),
        "task_id": row.task_id,
        "stage": stage,
        "rule": rule,
        "detail": row.detail,
        "instruction": row.candidate.instruction,
        "input": row.candidate.input,
        "output": row.candidate.output,
        "nearest": row.nearest.map(|task| task.to_string()),
        "score": row.score,
    })
}
