//! What the limiter knows, and the one decision it takes.

use std::time::Duration;

use tokio::time::Instant;

use super::pace::Pace;
use super::search::Search;
use super::window::{Usage, Window};
use super::{Announced, HeldBy, Hold, Learnt, Limits, Rates};

/// A server that counts minutes and asks for a shorter wait than this was refused by chance.
const SHORT_WAIT: Duration = Duration::from_secs(2);

/// Both layers and the pause. Its owner keeps it behind a lock, so a decision is one step.
#[derive(Debug)]
pub(super) struct State {
    /// What the caller knows.
    given: Limits,
    announced: Announced,
    search: Search,
    /// What follows from these.
    limits: Limits,
    window: Window,
    requests: Pace,
    tokens: Pace,
    /// Whether the server was seen to refuse bursts.
    smooth: bool,
    paused_until: Option<Instant>,
    /// Why the last one could not be admitted; `None` when it could.
    hold: Option<Hold>,
}

impl State {
    pub(super) fn new(now: Instant, given: Limits) -> Self {
        let limits = at_least_one(given);
        Self {
            given,
            announced: Announced::default(),
            search: Search::default(),
            limits,
            window: Window::default(),
            requests: Pace::new(now, limits.requests_per_minute, false),
            tokens: Pace::new(now, limits.tokens_per_minute, !limits.count_reserved_tokens),
            smooth: false,
            paused_until: None,
            hold: None,
        }
    }

    /// Admits a request and gives the slot of the window where it is booked, or changes nothing
    /// and gives the earliest instant at which another try may succeed.
    pub(super) fn admit(&mut self, now: Instant, tokens: u64) -> Result<u64, Instant> {
        if let Some(until) = self.paused_until(now) {
            return Err(self.held(until, HeldBy::Pause));
        }
        if let Some(until) = self.window.full_until(now, tokens, &self.limits) {
            let alone = Limits { tokens_per_minute: None, ..self.limits };
            let is_full = self.window.full_until(now, tokens, &alone).is_some();
            let by = if is_full { HeldBy::Requests } else { HeldBy::Tokens };
            return Err(self.held(until, by));
        }
        let before = self.requests.arrival();
        if let Err(until) = self.requests.pass(1) {
            return Err(self.held(until, HeldBy::Requests));
        }
        if let Err(until) = self.tokens.pass(tokens) {
            self.requests.restore(before);
            return Err(self.held(until, HeldBy::Tokens));
        }
        if self.search.permitted(now) {
            self.put_in_force(now);
        }
        self.hold = None;
        Ok(self.window.record(now, tokens))
    }

    /// Books what left earlier, the oldest first.
    pub(super) fn remember(
        &mut self,
        now: Instant,
        past: impl IntoIterator<Item = (Duration, u64)>,
    ) {
        for (age, tokens) in past {
            // No instant is before the machine's start.
            if let Some(at) = now.checked_sub(age) {
                self.window.record(at, tokens);
            }
        }
    }

    fn held(&mut self, until: Instant, by: HeldBy) -> Instant {
        self.hold = Some(Hold { until, by });
        until
    }

    pub(super) fn hold(&self) -> Option<Hold> {
        self.hold
    }

    /// A request leaves later than it was admitted.
    pub(super) fn postpone(&mut self, now: Instant, slot: u64, tokens: u64) -> u64 {
        self.window.postpone(now, slot, tokens)
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

    pub(super) fn set_limits(&mut self, now: Instant, given: Limits) {
        self.given = given;
        self.put_in_force(now);
    }

    /// Returns whether anything changed.
    pub(super) fn announce(&mut self, now: Instant, announced: Announced) -> bool {
        let before = self.announced;
        self.announced = announced.or(before);
        if self.announced == before {
            return false;
        }
        self.put_in_force(now);
        true
    }

    pub(super) fn refused(&mut self, now: Instant, permitted: Instant, until: Instant) {
        let wait = until.saturating_duration_since(now);
        if !self.is_told() && self.search.refused(now, permitted, wait) {
            self.put_in_force(now);
        }
        // The window lets nobody pass a minute's limit, so it was a burst that went too far.
        if self.is_told() && wait < SHORT_WAIT {
            self.be_smooth(now);
        }
        self.pause_until(until);
    }

    fn found(&self) -> Option<u64> {
        self.search.rate().filter(|_| !self.is_told())
    }

    pub(super) fn learnt(&self) -> Learnt {
        Learnt { requests_per_minute: self.found(), smooth: self.smooth }
    }

    pub(super) fn recall(&mut self, now: Instant, learnt: Learnt) {
        if let Some(rate) = learnt.requests_per_minute {
            self.search = Search::from(rate.max(1));
            self.put_in_force(now);
        }
        if learnt.smooth {
            self.be_smooth(now);
        }
    }

    fn be_smooth(&mut self, now: Instant) {
        self.smooth = true;
        self.requests.be_smooth(now);
        self.tokens.be_smooth(now);
    }

    /// Whether any limit is known, so that none has to be found. What refuses within it all the same
    /// is taken for a passing trouble.
    fn is_told(&self) -> bool {
        let Announced { requests, tokens } = self.announced;
        let given = [self.given.requests_per_minute, self.given.tokens_per_minute];
        given.into_iter().chain([requests, tokens]).any(|limit| limit.is_some())
    }

    /// The lowest of what is given, announced and found counts.
    fn put_in_force(&mut self, now: Instant) {
        let lowest = |given: Option<u64>, told: Option<u64>| match (given, told) {
            (Some(given), Some(told)) => Some(given.min(told)),
            (given, told) => given.or(told),
        };
        let Limits { requests_per_minute, tokens_per_minute, .. } = self.given;
        let requests = lowest(requests_per_minute, self.announced.requests);
        let limits = at_least_one(Limits {
            requests_per_minute: requests.or(self.found()),
            tokens_per_minute: lowest(tokens_per_minute, self.announced.tokens),
            ..self.given
        });
        if limits.requests_per_minute != self.limits.requests_per_minute {
            self.requests.set_limit(now, limits.requests_per_minute);
        }
        if limits.tokens_per_minute != self.limits.tokens_per_minute {
            self.tokens.set_limit(now, limits.tokens_per_minute);
        }
        self.tokens.expect_refunds(now, !limits.count_reserved_tokens);
        self.limits = limits;
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
