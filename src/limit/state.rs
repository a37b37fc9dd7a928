//! What the limiter knows, and the one decision it takes.

use tokio::time::Instant;

use super::pace::Pace;
use super::window::{Usage, Window};
use super::{Limits, Rates};

/// Both layers and the pause. Its owner keeps it behind a lock, so a decision is one step.
#[derive(Debug)]
pub(super) struct State {
    limits: Limits,
    window: Window,
    requests: Pace,
    tokens: Pace,
    paused_until: Option<Instant>,
}

impl State {
    pub(super) fn new(now: Instant, limits: Limits) -> Self {
        let limits = at_least_one(limits);
        Self {
            limits,
            window: Window::default(),
            requests: Pace::new(now, limits.requests_per_minute),
            tokens: Pace::new(now, limits.tokens_per_minute),
            paused_until: None,
        }
    }

    /// Admits a request and gives the slot of the window where it is booked, or changes nothing
    /// and gives the earliest instant at which another try may succeed.
    pub(super) fn admit(&mut self, now: Instant, tokens: u64) -> Result<u64, Instant> {
        if let Some(until) = self.paused_until(now) {
            return Err(until);
        }
        if let Some(until) = self.window.full_until(now, tokens, &self.limits) {
            return Err(until);
        }
        let before = self.requests.arrival();
        self.requests.pass(1)?;
        if let Err(until) = self.tokens.pass(tokens) {
            self.requests.restore(before);
            return Err(until);
        }
        Ok(self.window.record(now, tokens))
    }

    /// Corrects a reservation downwards.
    pub(super) fn give_back(&mut self, slot: u64, unused: Usage) {
        self.window.subtract(slot, unused);
        self.requests.refund(unused.requests);
        self.tokens.refund(unused.tokens);
    }

    /// Corrects a reservation upwards. When the request's minute is over, the server has forgotten
    /// it: then only the pace pays.
    pub(super) fn charge(&mut self, now: Instant, slot: u64, tokens: u64) {
        self.window.add(slot, tokens);
        self.tokens.charge(now, tokens);
    }

    pub(super) fn pause_until(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    pub(super) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| *until > now)
    }

    pub(super) fn set_limits(&mut self, now: Instant, limits: Limits) {
        self.limits = at_least_one(limits);
        self.requests.set_limit(now, self.limits.requests_per_minute);
        self.tokens.set_limit(now, self.limits.tokens_per_minute);
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn rates(&mut self, now: Instant) -> Rates {
        self.window.last_minute(now)
    }
}

/// A limit of zero would let nothing through for ever.
fn at_least_one(limits: Limits) -> Limits {
    Limits {
        requests_per_minute: limits.requests_per_minute.map(|limit| limit.max(1)),
        tokens_per_minute: limits.tokens_per_minute.map(|limit| limit.max(1)),
        ..limits
    }
}
