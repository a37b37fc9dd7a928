//! What the simulator has served and would bill.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::limits::Minute;
use crate::usd::Usd;

/// Requests that the journal remembers.
const JOURNAL_LEN: usize = 100_000;

/// What the simulator has served and would bill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bill {
    /// Requests that came in.
    pub requests: u64,
    /// Answered and billed, the answer sent whole.
    pub answered: u64,
    /// Refused, or dropped before anything was generated: free of charge.
    pub refused: u64,
    /// Billed, but the answer broke on its way.
    pub broken: u64,
    /// Prompt tokens billed.
    pub prompt_tokens: u64,
    /// Output tokens billed.
    pub completion_tokens: u64,
    /// The bill.
    pub cost: Usd,
    /// Calls about files and batches that came in.
    pub batch_calls: u64,
    /// Batches that were created and accepted.
    pub batches: u64,
    /// Requests in them; those that were answered are among `answered`.
    pub batch_requests: u64,
    /// Of these those whose names had been in a batch before.
    pub batch_requests_again: u64,
    /// Requests under way at once, at most.
    pub max_in_flight: u64,
    /// Requests admitted in any 60 seconds, at most.
    pub peak_requests_per_minute: u64,
    /// Tokens admitted in any 60 seconds, at most, `max_tokens` counted.
    pub peak_tokens_per_minute: u64,
    /// Requests that came in within any 60 seconds, at most, whatever became of them. Above the
    /// limit when a client does not keep to it.
    pub peak_offered_requests_per_minute: u64,
    /// Tokens of such requests, at most, `max_tokens` counted.
    pub peak_offered_tokens_per_minute: u64,
}

impl Bill {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "simulated": true,
            "requests": self.requests,
            "answered": self.answered,
            "refused": self.refused,
            "broken": self.broken,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost_usd": self.cost.to_string(),
            "batch_calls": self.batch_calls,
            "batches": self.batches,
            "batch_requests": self.batch_requests,
            "batch_requests_again": self.batch_requests_again,
            "max_in_flight": self.max_in_flight,
            "peak_requests_per_minute": self.peak_requests_per_minute,
            "peak_tokens_per_minute": self.peak_tokens_per_minute,
            "peak_offered_requests_per_minute": self.peak_offered_requests_per_minute,
            "peak_offered_tokens_per_minute": self.peak_offered_tokens_per_minute,
        })
    }
}

/// One request as the journal remembers it.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) number: u64,
    /// When it came in, since the first request.
    pub(super) at: Duration,
    pub(super) path: &'static str,
    /// What it counts against the tokens per minute.
    pub(super) admitted_tokens: u64,
    /// The status of the answer; 0 when none is sent.
    pub(super) status: u16,
    pub(super) billed: bool,
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
    pub(super) cost: Usd,
    pub(super) idempotency_key: String,
    pub(super) fault: &'static str,
}

/// The bill with its journal.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) bill: Bill,
    journal: VecDeque<Entry>,
    in_flight: u64,
    offered: Minute,
    first: Option<Instant>,
}

impl Books {
    /// A request comes in; returns its number, from 0, and the time since the first.
    pub(super) fn open(&mut self) -> (u64, Duration) {
        let now = Instant::now();
        let at = now.duration_since(*self.first.get_or_insert(now));
        let number = self.bill.requests;
        self.bill.requests += 1;
        self.in_flight += 1;
        self.bill.max_in_flight = self.bill.max_in_flight.max(self.in_flight);
        (number, at)
    }

    /// The time since the first request.
    pub(super) fn age(&self) -> Duration {
        self.first.map(|first| first.elapsed()).unwrap_or_default()
    }

    pub(super) fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Counts a request that came in, whatever becomes of it.
    pub(super) fn offer(&mut self, now: Instant, tokens: u64) {
        self.offered.count(now, tokens);
        let (requests, tokens) = (self.offered.requests(), self.offered.tokens());
        let bill = &mut self.bill;
        bill.peak_offered_requests_per_minute = bill.peak_offered_requests_per_minute.max(requests);
        bill.peak_offered_tokens_per_minute = bill.peak_offered_tokens_per_minute.max(tokens);
    }

    /// Notes what is admitted in the minute that ends now.
    pub(super) fn admitted(&mut self, requests: u64, tokens: u64) {
        let bill = &mut self.bill;
        bill.peak_requests_per_minute = bill.peak_requests_per_minute.max(requests);
        bill.peak_tokens_per_minute = bill.peak_tokens_per_minute.max(tokens);
    }

    /// Whether the bill may grow by `cost` under a credit of `quota`.
    pub(super) fn affords(&self, cost: Usd, quota: Option<Usd>) -> bool {
        quota.is_none_or(|quota| self.bill.cost.saturating_add(cost) <= quota)
    }

    /// Books how a request ends, before its answer leaves.
    pub(super) fn enter(&mut self, entry: Entry, whole: bool) {
        let bill = &mut self.bill;
        if entry.billed {
            bill.prompt_tokens += entry.prompt_tokens;
            bill.completion_tokens += entry.completion_tokens;
            bill.cost = bill.cost.saturating_add(entry.cost);
        }
        match (entry.billed, whole) {
            (true, true) => bill.answered += 1,
            (true, false) => bill.broken += 1,
            (false, _) => bill.refused += 1,
        }
        if self.journal.len() == JOURNAL_LEN {
            self.journal.pop_front();
        }
        self.journal.push_back(entry);
    }

    pub(super) fn journal(&self) -> Value {
        let entry = |e: &Entry| {
            json!({
                "n": e.number,
                "at_ms": u64::try_from(e.at.as_millis()).unwrap_or(u64::MAX),
                "path": e.path,
                "status": e.status,
                "billed": e.billed,
                "admitted_tokens": e.admitted_tokens,
                "prompt_tokens": e.prompt_tokens,
                "completion_tokens": e.completion_tokens,
                "cost_usd": e.cost.to_string(),
                "idempotency_key": e.idempotency_key,
                "fault": e.fault,
            })
        };
        self.journal.iter().map(entry).collect()
    }
}
