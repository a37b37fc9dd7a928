//! What the outside sees of a run while it goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Collector, Lanes};
use crate::event::Phase;
use crate::histogram::Durations;
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
        let stalled = self.watchdog.look(
            &self.shared.waits,
            self.lanes.iter().map(|(_, lane)| (lane.model.as_str(), &lane.limiter)),
        );
        self.progress.send_replace(Snapshot {
            summary: self.summary.clone(),
            target: self.target,
            accepted_at_start: self.accepted_at_start,
            money,
            waiting: self.two_phases.as_ref().map_or(0, |two| two.backlog.len()),
            batches: self.batches.totals(),
            lanes: self.lanes.iter().map(|(phase, lane)| snapshot(lane, *phase)).collect(),
            elapsed: self.started_at.elapsed(),
            stopping: self.stop.as_ref().map(|stop| stop.reason),
            stalled,
            quiet: self.watchdog.quiet(),
            pauses: self.shared.pauses.load(Ordering::Relaxed),
            latencies: self.latencies(),
            commits: self.shared.journal.commit_times(),
        });
    }

    /// Of the phases that had an answer.
    fn latencies(&self) -> Vec<(Phase, Durations)> {
        let each = Phase::ALL.iter().zip(&self.shared.latencies);
        let read = each.map(|(phase, histogram)| (*phase, histogram.read()));
        read.filter(|(_, durations)| !durations.sum.is_zero()).collect()
    }
}

/// The APIs that are asked, each once, with what for where there are several.
pub(super) fn listed(lanes: &Lanes) -> Vec<(Option<Phase>, Arc<Lane>)> {
    let mut list = vec![(Phase::Instructions, &lanes.first)];
    if !Arc::ptr_eq(&lanes.first, &lanes.outputs) {
        list.push((Phase::Responses, &lanes.outputs));
    }
    let mut list: Vec<_> =
        list.into_iter().map(|(phase, lane)| (Some(phase), Arc::clone(lane))).collect();
    if let [(phase, _)] = list.as_mut_slice() {
        *phase = None;
    }
    let embeddings = lanes.embedder.as_ref();
    list.extend(embeddings.map(|embedder| (Some(Phase::Embeddings), Arc::clone(embedder.lane()))));
    list
}

fn snapshot(lane: &Lane, phase: Option<Phase>) -> LaneSnapshot {
    let paused_until = lane.limiter.paused_until();
    LaneSnapshot {
        phase,
        rates: lane.limiter.rates(),
        limits: lane.limiter.limits(),
        in_flight: lane.in_flight(),
        waiting: lane.limiter.waiting(),
        paused_for: paused_until
            .and_then(|until| until.checked_duration_since(Instant::now()))
            .filter(|pause| !pause.is_zero()),
    }
}
