//! What the outside sees of a run while it goes on.

use std::sync::Arc;

use tokio::time::Instant;

use super::Collector;
use crate::event::Phase;
use crate::pipeline::lane::Lane;
use crate::pipeline::progress::{LaneSnapshot, Snapshot};

impl Collector {
    pub(super) fn publish(&mut self) {
        let money = self.shared.ledger.totals();
        let (attempts, usage) = self.shared.tally();
        self.summary.accepted = self.accepted();
        self.summary.attempts = attempts;
        self.summary.usage = usage;
        self.summary.requests = self.next_request;
        self.summary.spent = money.spent;
        self.summary.reserved = money.reserved;
        self.summary.unconfirmed = money.unconfirmed;
        self.progress.send_replace(Snapshot {
            summary: self.summary.clone(),
            target: self.target,
            accepted_at_start: self.accepted_at_start,
            money,
            waiting: self.two_phases.as_ref().map_or(0, |two| two.backlog.len()),
            batches: self.batches.totals(),
            lanes: self.lanes(),
            elapsed: self.started_at.elapsed(),
            stopping: self.stop.as_ref().map(|stop| stop.reason),
        });
    }

    fn lanes(&self) -> Vec<LaneSnapshot> {
        match &self.two_phases {
            Some(two) if !Arc::ptr_eq(&two.lane, &self.lane) => vec![
                snapshot(&self.lane, Some(Phase::Instructions)),
                snapshot(&two.lane, Some(Phase::Responses)),
            ],
            _ => vec![snapshot(&self.lane, None)],
        }
    }
}

fn snapshot(lane: &Lane, phase: Option<Phase>) -> LaneSnapshot {
    let paused_until = lane.limiter.paused_until();
    LaneSnapshot {
        phase,
        rates: lane.limiter.rates(),
        limits: lane.limiter.limits(),
        in_flight: lane.in_flight(),
        paused_for: paused_until
            .and_then(|until| until.checked_duration_since(Instant::now()))
            .filter(|pause| !pause.is_zero()),
    }
}
