//! Requests on their way into a batch, cut to what a batch may hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Batch, Line};
use crate::event::Phase;
use crate::pipeline::lane::{BatchLane, Lane};
use crate::pipeline::worker::{Errand, Job};
use crate::provider::Tag;
use crate::store::unix_ms;

/// A request on its way into a batch.
#[derive(Debug)]
pub(in crate::pipeline) struct Gathered {
    pub(in crate::pipeline) job: Job,
    /// Attempts that came to nothing.
    pub(in crate::pipeline) failures: u32,
}

/// Requests of one phase that will go together.
#[derive(Debug)]
pub(in crate::pipeline) struct Gathering {
    pub(in crate::pipeline) phase: Phase,
    pub(in crate::pipeline) lane: Arc<Lane>,
    requests: Vec<Gathered>,
    bytes: usize,
    /// Prompt tokens, by an estimate.
    tokens: u64,
}

impl Gathering {
    pub(in crate::pipeline) fn new(phase: Phase, lane: Arc<Lane>) -> Self {
        Self { phase, lane, requests: Vec::new(), bytes: 0, tokens: 0 }
    }

    pub(in crate::pipeline) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(in crate::pipeline) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Whether another request would make it larger than a batch may be.
    pub(in crate::pipeline) fn is_full_for(
        &self,
        next: &Gathered,
        batches: BatchLane,
        most_tokens: Option<u64>,
    ) -> bool {
        let limits = batches.api.limits();
        let bytes = self.bytes + next.bytes(batches);
        let tokens = self.tokens.saturating_add(next.tokens());
        !self.requests.is_empty()
            && (self.requests.len() >= batches.pace.requests.min(limits.requests)
                // Room for what a file or a body has around its lines.
                || bytes > limits.bytes.saturating_sub(10_000)
                || most_tokens.is_some_and(|most| tokens > most))
    }

    pub(in crate::pipeline) fn add(&mut self, gathered: Gathered, batches: BatchLane) {
        self.bytes += gathered.bytes(batches);
        self.tokens = self.tokens.saturating_add(gathered.tokens());
        self.requests.push(gathered);
    }

    /// Takes the requests out: they will not be sent.
    pub(in crate::pipeline) fn into_jobs(self) -> impl Iterator<Item = Job> {
        self.requests.into_iter().map(|gathered| gathered.job)
    }

    /// The batch, and the bodies of its requests by attempt.
    pub(in crate::pipeline) fn seal(
        self,
        tag: Tag,
        mut attempt_id: impl FnMut() -> u64,
    ) -> (Batch, Vec<(u64, Bytes)>) {
        let mut bodies = Vec::with_capacity(self.requests.len());
        let mut lines = BTreeMap::new();
        // The last look at what was learnt; a body that was written before is written again.
        let quirks = self.lane.quirks();
        for Gathered { mut job, failures } in self.requests {
            let attempt_id = attempt_id();
            let body = job.body();
            let line = Line {
                attempt_id,
                request_index: job.request_index,
                max_output_tokens: job.max_output_tokens(),
                purpose: job.purpose,
                examples: job.examples,
                prompt_bound: job.prompt_bound,
                reservation: job.reservation,
                failures,
                body_bytes: body.len(),
            };
            bodies.push((attempt_id, body));
            lines.insert(attempt_id, line);
        }
        let requests = bodies.len() as u64;
        let (phase, lane, begun_at_ms) = (self.phase, self.lane, unix_ms());
        (Batch { tag, phase, lane, requests, begun_at_ms, quirks, lines }, bodies)
    }
}

impl Gathered {
    fn bytes(&self, batches: BatchLane) -> usize {
        self.job.body.len() + batches.api.overhead_bytes()
    }

    fn tokens(&self) -> u64 {
        self.job.lane.estimate_tokens(self.job.body.len(), 0)
    }
}
