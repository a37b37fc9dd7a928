//! The state of a run that buys outputs apart: what is under way, what waits, and what is wanted.
//!
//! Outputs that are owed come first. Instructions are asked for when a place is free that no output
//! takes, not far ahead of the outputs, and not beyond what the target should take.

use std::sync::Arc;

use crate::config::ResponsesConfig;
use crate::pipeline::backlog::Backlog;
use crate::pipeline::lane::Lane;
use crate::pipeline::request::{OutputRequests, OutputWorstCases};

/// Instructions may be ahead by this many times the outputs that can be under way at once.
const AHEAD: usize = 8;

/// How many of some things turned out well.
#[derive(Debug, Default)]
pub(super) struct Rate {
    of: u64,
    good: u64,
}

impl Rate {
    pub(super) fn add(&mut self, of: u64, good: u64) {
        self.of += of;
        self.good += good;
    }
}

/// The state of a run that buys outputs apart.
#[derive(Debug)]
pub(super) struct TwoPhases {
    /// Where outputs are bought.
    pub(super) lane: Arc<Lane>,
    pub(super) requests: OutputRequests,
    pub(super) worst_cases: OutputWorstCases,
    pub(super) backlog: Backlog,
    /// Requests for instructions that are not judged yet.
    pub(super) instructions_coming: u64,
    /// Outputs asked for that are not judged yet.
    pub(super) outputs_coming: u64,
    /// Open tasks from responses with instructions, in this session.
    pub(super) brought: Rate,
    /// Accepted tasks from outputs, in this session.
    pub(super) kept: Rate,
    /// Set when instructions bring nothing new any more; the outputs that are owed are still bought.
    pub(super) exhausted: bool,
    /// Instructions asked for in the last request that was smaller than usual, for want of budget.
    pub(super) smaller: Option<u32>,
    /// Instructions asked for in a request.
    asked: u64,
    places: usize,
}

impl TwoPhases {
    pub(super) fn new(config: &ResponsesConfig, asked: u32, lane: Arc<Lane>) -> Self {
        let requests = OutputRequests::new(config);
        let places = lane.batches.map_or(config.pace.concurrency, |it| it.pace.requests);
        Self {
            worst_cases: requests.worst_cases(&lane),
            lane,
            requests,
            backlog: Backlog::default(),
            instructions_coming: 0,
            outputs_coming: 0,
            brought: Rate::default(),
            kept: Rate::default(),
            exhausted: false,
            smaller: None,
            asked: u64::from(asked),
            places,
        }
    }

    /// Of the tasks whose outputs come, so many in a thousand are expected to be accepted: all, as
    /// long as none has come.
    fn kept_per_thousand(&self) -> u64 {
        (self.kept.good + 1) * 1_000 / (self.kept.of + 1)
    }

    /// Open tasks that are expected from the requests for instructions under way.
    fn tasks_coming(&self) -> u64 {
        let per_thousand =
            (self.brought.good * 1_000).checked_div(self.brought.of).unwrap_or(self.asked * 1_000);
        self.instructions_coming * per_thousand / 1_000
    }

    /// Accepted tasks once so many outputs more have come, if it goes on as it went.
    fn expected(&self, accepted: u64, outputs: u64) -> u64 {
        accepted.saturating_add(outputs.saturating_mul(self.kept_per_thousand()) / 1_000)
    }

    /// How many outputs the next request should ask for; `None` when there should be none now.
    pub(super) fn outputs_wanted(&self, accepted: u64, target: u64) -> Option<usize> {
        let expected = self.expected(accepted, self.outputs_coming);
        let is_enough = expected >= target && self.outputs_coming > 0;
        if self.backlog.is_empty() || is_enough || !self.lane.has_room() {
            return None;
        }
        let missing = target.saturating_sub(expected).saturating_mul(1_000);
        let needed = missing.div_ceil(self.kept_per_thousand().max(1)).max(1);
        let most = self.requests.tasks_per_request();
        let size = usize::try_from(needed).unwrap_or(usize::MAX).min(most);
        // A request that is not full waits for company, as long as any is coming.
        let is_full = self.backlog.len() >= size;
        (is_full || self.instructions_coming == 0).then_some(size)
    }

    /// Whether another request for instructions is wanted.
    pub(super) fn instructions_wanted(&self, accepted: u64, target: u64) -> bool {
        if self.exhausted {
            return false;
        }
        let waiting = self.backlog.len() as u64 + self.tasks_coming();
        let nothing_comes = waiting == 0 && self.outputs_coming == 0;
        let ahead = AHEAD * self.places * self.requests.tasks_per_request();
        let outputs = waiting.saturating_add(self.outputs_coming);
        nothing_comes || (waiting < ahead as u64 && self.expected(accepted, outputs) < target)
    }
}
