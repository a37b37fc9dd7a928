//! What the outside sees of a run while it goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Collector;
use crate::event::Phase;
use crate::limit::{Rates, together};
use crate::pipeline::lane::Lane;
use crate::pipeline::memory::FOUND_KEY;
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
            lanes: self.lanes(),
            elapsed: self.started_at.elapsed(),
            stopping: self.stop.as_ref().map(|stop| stop.reason),
        });
    }

    /// Stores what was found out about the servers, when that has changed and is older than `age`.
    /// Nobody waits for it: what is lost in a crash is found out again.
    pub(super) fn remember(&mut self, age: Duration) {
        if self.memory.1.elapsed() < age {
            return;
        }
        let mut now = self.memory.0.clone();
        let outputs = self.two_phases.as_ref().map(|two| &two.lane);
        for lane in [Some(&self.lane), outputs].into_iter().flatten() {
            now.note(lane);
        }
        if now != self.memory.0 {
            self.shared.journal.note_meta(FOUND_KEY, now.to_text());
        }
        self.memory = (now, Instant::now());
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
    let sites = || lane.sites().iter().filter(|site| !site.is_set_aside());
    let rates = sites().fold(Rates::default(), |sum, site| {
        let rates = site.limiter.rates();
        Rates { requests: sum.requests + rates.requests, tokens: sum.tokens + rates.tokens }
    });
    // Paused is what has no site that is not.
    let paused_until = sites().map(|site| site.limiter.paused_until()).min().flatten();
    LaneSnapshot {
        phase,
        rates,
        limits: together(sites().map(|site| site.limiter.limits())),
        in_flight: lane.in_flight(),
        paused_for: paused_until
            .and_then(|until| until.checked_duration_since(Instant::now()))
            .filter(|pause| !pause.is_zero()),
        set_aside: lane.sites().len() - sites().count(),
    }
}
