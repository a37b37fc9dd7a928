//! What the outside sees of a run while it goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Collector, Lanes};
use crate::event::Phase;
use crate::histogram::Durations;
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
        let stalled = self.watchdog.look(
            &self.shared.waits,
            !self.batches.is_idle(),
            self.lanes.iter().flat_map(|(_, lane)| {
                let sites = lane.sites().iter().filter(|site| !site.is_set_aside());
                sites.map(|site| (lane.model.as_str(), &site.limiter))
            }),
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
        waiting: sites().map(|site| site.limiter.waiting()).sum(),
        paused_for: paused_until
            .and_then(|until| until.checked_duration_since(Instant::now()))
            .filter(|pause| !pause.is_zero()),
        set_aside: lane.sites().len() - sites().count(),
    }
}
