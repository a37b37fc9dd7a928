//! Batches that an earlier session left at the provider.

use std::sync::Arc;

use super::{Batch, Line, Start};
use crate::ledger::Ledger;
use crate::pipeline::lane::Lane;
use crate::pipeline::worker::Purpose;
use crate::provider::Tag;
use crate::store::{BatchState, StoredAttempt, StoredBatch};

/// A batch that an earlier session left, with its money set aside again, and where to take it up.
pub(in crate::pipeline) fn resumed(
    stored: StoredBatch,
    run: &str,
    lane: &Arc<Lane>,
    ledger: &Ledger,
) -> (Batch, Start) {
    let tag = Tag { run: run.to_owned(), batch: stored.number };
    let start = match stored.state {
        BatchState::Begun => Start::NeverLeft,
        BatchState::Creating => Start::MayExist,
        BatchState::Created(id) => Start::Created(id),
    };
    let lines =
        stored.open.into_iter().map(|attempt| (attempt.id, line(attempt, ledger, stored.phase)));
    let batch = Batch {
        tag,
        phase: stored.phase,
        lane: Arc::clone(lane),
        requests: stored.requests,
        begun_at_ms: stored.begun_at_ms,
        quirks: lane.quirks(),
        lines: lines.collect(),
    };
    (batch, start)
}

fn line(attempt: StoredAttempt, ledger: &Ledger, phase: crate::event::Phase) -> Line {
    Line {
        attempt_id: attempt.id,
        request_index: attempt.request_index,
        purpose: Purpose { tasks: attempt.tasks, ..Purpose::of(phase) },
        examples: attempt.examples,
        prompt_bound: attempt.prompt_bound,
        max_output_tokens: attempt.max_output_tokens,
        reservation: ledger.resume(attempt.reserved),
        failures: u32::try_from(attempt.before).unwrap_or(u32::MAX),
        body_bytes: 0,
    }
}
