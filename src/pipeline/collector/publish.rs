//! What the outside sees of a run while it goes on.

use tokio::time::Instant;

use super::Collector;
use crate::pipeline::progress::Snapshot;

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
        let paused_until = self.lane.limiter.paused_until();
        self.progress.send_replace(Snapshot {
            summary: self.summary.clone(),
            target: self.target,
            accepted_at_start: self.accepted_at_start,
            money,
            rates: self.lane.limiter.rates(),
            limits: self.lane.limiter.limits(),
            in_flight: self.in_flight,
            paused_for: paused_until
                .and_then(|until| until.checked_duration_since(Instant::now()))
                .filter(|pause| !pause.is_zero()),
            elapsed: self.started_at.elapsed(),
            stopping: self.stop.as_ref().map(|stop| stop.reason),
        });
    }
}
