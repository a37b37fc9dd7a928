//! Where a task came from, as an object of a file.

use jiff::Timestamp;
use serde::Serialize;

use crate::task::{AcceptedTask, TaskRef};

/// Where a task came from; [`ExportOptions`](super::ExportOptions) documents the keys.
#[derive(Serialize)]
pub(super) struct ProvenanceRow<'a> {
    id: u64,
    request: u64,
    response: u64,
    item: u32,
    model: &'a str,
    examples: Vec<String>,
    /// A text, because a JSON number is floating point to most readers.
    cost_usd: String,
    /// `null` for a time outside of the years -9999 to 9999.
    received_at: Option<String>,
    nearest: Option<NearestRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instruction: Option<InstructionRow>,
}

#[derive(Serialize)]
struct InstructionRow {
    request: u64,
    response: u64,
    item: u32,
}

#[derive(Serialize)]
struct NearestRow {
    task: String,
    score: f64,
}

impl<'a> ProvenanceRow<'a> {
    pub(super) fn new(accepted: &'a AcceptedTask) -> Self {
        let from = &accepted.provenance;
        Self {
            id: accepted.id,
            request: from.request_index,
            response: from.response_seq,
            item: from.item_index,
            model: &from.model,
            examples: from.examples.iter().map(TaskRef::to_string).collect(),
            cost_usd: from.cost_share.to_string(),
            received_at: rfc3339(from.received_at_ms),
            nearest: from.nearest.map(|(task, score)| NearestRow { task: task.to_string(), score }),
            instruction: from.instruction.map(|source| InstructionRow {
                request: source.request_index,
                response: source.place.response_seq,
                item: source.place.item_index,
            }),
        }
    }
}

/// Always with three decimals, so that such texts sort like the times that they stand for.
pub(super) fn rfc3339(unix_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(unix_ms).ok().map(|time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_are_utc() {
        assert_eq!(rfc3339(0).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(rfc3339(1_700_000_000_120).as_deref(), Some("2023-11-14T22:13:20.120Z"));
        assert_eq!(rfc3339(-1).as_deref(), Some("1969-12-31T23:59:59.999Z"));
        assert_eq!(rfc3339(i64::MAX), None);
    }
}
