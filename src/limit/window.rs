//! The exact layer: what was admitted in the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{Limits, Rates};

/// The time a limit speaks of.
pub(super) const MINUTE: Duration = Duration::from_mins(1);

/// How much longer than a minute a permit stays in the window.
///
/// The server counts arrivals, the window counts departures. Of two requests that leave 60 s apart the
/// first may travel slowly (a new TLS connection) and the second fast (a warm one), and they arrive
/// closer together than that. This is the difference that is covered; it costs 0.8 % of the limit.
pub(super) const SLACK: Duration = Duration::from_millis(500);

const SPAN: Duration = MINUTE.saturating_add(SLACK);

/// Permits this close together share a slot, which leaves the window when its last permit is old
/// enough: never too early, and at most this much late. It bounds the log to about 6,000 slots at
/// any rate.
const SLOT: Duration = Duration::from_millis(10);

/// An amount of requests and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) requests: u64,
    pub(super) tokens: u64,
}

impl Usage {
    /// One request with its tokens.
    pub(super) fn request(tokens: u64) -> Self {
        Self { requests: 1, tokens }
    }

    /// Tokens alone.
    pub(super) fn tokens(tokens: u64) -> Self {
        Self { requests: 0, tokens }
    }
}

/// A sum of [`Usage`]. The tokens can't overflow, whatever callers ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Total {
    requests: u64,
    tokens: u128,
}

impl Total {
    fn add(&mut self, usage: Usage) {
        self.requests += usage.requests;
        self.tokens += u128::from(usage.tokens);
    }

    fn subtract(&mut self, other: Self) {
        self.requests -= other.requests;
        self.tokens -= other.tokens;
    }

    fn covers(&self, other: &Self) -> bool {
        self.requests >= other.requests && self.tokens >= other.tokens
    }
}

impl From<Usage> for Total {
    fn from(usage: Usage) -> Self {
        Self { requests: usage.requests, tokens: u128::from(usage.tokens) }
    }
}

#[derive(Debug)]
struct Slot {
    first: Instant,
    last: Instant,
    total: Total,
}

/// The permits of the last minute and a little more, in slots by time.
#[derive(Debug, Default)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
    /// The number of the oldest slot that is kept; slots are numbered in order from zero.
    oldest: u64,
    total: Total,
}

impl Window {
    /// The earliest instant at which a request of `tokens` tokens fits, or `None` when it does now.
    pub(super) fn full_until(
        &mut self,
        now: Instant,
        tokens: u64,
        limits: &Limits,
    ) -> Option<Instant> {
        self.expire(now);
        let excess = self.excess(tokens, limits);
        if excess == Total::default() {
            return None;
        }
        let mut freed = Total::default();
        let enough = self.slots.iter().find(|slot| {
            freed.requests += slot.total.requests;
            freed.tokens += slot.total.tokens;
            freed.covers(&excess)
        });
        enough.map(|slot| slot.last + SPAN)
    }

    /// How far one more request would pass the limits. A request larger than the limit counts as
    /// exactly as large, so it fits when nothing else is there.
    fn excess(&self, tokens: u64, limits: &Limits) -> Total {
        let requests = limits
            .requests_per_minute
            .map_or(0, |limit| self.total.requests.saturating_add(1).saturating_sub(limit));
        let tokens = limits.tokens_per_minute.map_or(0, |limit| {
            let wanted = u128::from(tokens.min(limit));
            (self.total.tokens + wanted).saturating_sub(u128::from(limit))
        });
        Total { requests, tokens }
    }

    /// Books an admitted request and gives the number of its slot.
    pub(super) fn record(&mut self, now: Instant, tokens: u64) -> u64 {
        self.expire(now);
        let usage = Usage::request(tokens);
        self.total.add(usage);
        match self.slots.back_mut() {
            Some(slot) if now < slot.first + SLOT => {
                slot.last = now;
                slot.total.add(usage);
            }
            _ => self.slots.push_back(Slot { first: now, last: now, total: usage.into() }),
        }
        self.oldest + self.slots.len() as u64 - 1
    }

    /// Books a request that was admitted earlier as of now, and gives the number of its new slot.
    pub(super) fn postpone(&mut self, now: Instant, slot: u64, tokens: u64) -> u64 {
        self.subtract(slot, Usage::request(tokens));
        self.record(now, tokens)
    }

    /// Adds tokens to a slot; nothing happens when it has left the window.
    pub(super) fn add(&mut self, slot: u64, tokens: u64) {
        if let Some(slot) = slot_mut(&mut self.slots, self.oldest, slot) {
            slot.total.add(Usage::tokens(tokens));
            self.total.add(Usage::tokens(tokens));
        }
    }

    /// Takes what was booked out of a slot; nothing happens when it has left the window.
    pub(super) fn subtract(&mut self, slot: u64, usage: Usage) {
        if let Some(slot) = slot_mut(&mut self.slots, self.oldest, slot) {
            slot.total.subtract(usage.into());
            self.total.subtract(usage.into());
        }
    }

    /// What the last 60 seconds hold, without the slack.
    pub(super) fn last_minute(&mut self, now: Instant) -> Rates {
        self.expire(now);
        let mut recent = self.total;
        for slot in self.slots.iter().take_while(|slot| slot.last + MINUTE <= now) {
            recent.subtract(slot.total);
        }
        Rates {
            requests: recent.requests,
            tokens: u64::try_from(recent.tokens).unwrap_or(u64::MAX),
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(slot) = self.slots.pop_front_if(|slot| slot.last + SPAN <= now) {
            self.total.subtract(slot.total);
            self.oldest += 1;
        }
    }
}

fn slot_mut(slots: &mut VecDeque<Slot>, oldest: u64, number: u64) -> Option<&mut Slot> {
    let index = usize::try_from(number.checked_sub(oldest)?).ok()?;
    slots.get_mut(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(requests: Option<u64>, tokens: Option<u64>) -> Limits {
        Limits { requests_per_minute: requests, tokens_per_minute: tokens, ..Limits::default() }
    }

    #[test]
    fn a_permit_leaves_after_a_minute_and_the_slack() {
        let start = Instant::now();
        let limits = limits(Some(1), None);
        let mut window = Window::default();
        assert_eq!(window.full_until(start, 5, &limits), None);
        window.record(start, 5);
        let end = start + SPAN;
        assert_eq!(window.full_until(start, 5, &limits), Some(end));
        let just_before = end.checked_sub(Duration::from_nanos(1)).unwrap();
        assert_eq!(window.full_until(just_before, 5, &limits), Some(end));
        assert_eq!(window.full_until(end, 5, &limits), None);
    }

    #[test]
    fn waits_for_as_many_slots_as_the_request_needs() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let limits = limits(None, Some(100));
        let mut window = Window::default();
        for i in 0..4 {
            window.record(start + second * i, 25);
        }
        let now = start + second * 5;
        assert_eq!(window.full_until(now, 25, &limits), Some(start + SPAN));
        assert_eq!(window.full_until(now, 26, &limits), Some(start + second + SPAN));
        assert_eq!(window.full_until(now, 1_000, &limits), Some(start + second * 3 + SPAN));
    }

    #[test]
    fn a_slot_stays_as_long_as_its_last_permit() {
        let start = Instant::now();
        let mut window = Window::default();
        let later = start + SLOT / 2;
        assert_eq!(window.record(start, 10), window.record(later, 10));
        assert_eq!(window.record(start + SLOT, 10), 1);
        let mut tokens = |at| {
            window.expire(at);
            window.total.tokens
        };
        assert_eq!(tokens(start + SPAN), 30);
        assert_eq!(tokens(later + SPAN), 10);
        assert_eq!(tokens(start + SLOT + SPAN), 0);
    }

    #[test]
    fn the_log_is_bounded_at_any_rate() {
        let start = Instant::now();
        let mut window = Window::default();
        for i in 0..200_000 {
            window.record(start + Duration::from_millis(1) * i, u64::MAX);
        }
        assert!(window.slots.len() <= 6_051, "{}", window.slots.len());
    }

    #[test]
    fn what_leaves_late_stays_as_much_longer() {
        let start = Instant::now();
        let limits = limits(Some(2), None);
        let mut window = Window::default();
        let late = window.record(start, 10);
        let second = Duration::from_secs(1);
        window.record(start + second, 7);
        window.postpone(start + second * 3, late, 10);
        assert_eq!(window.total, Total { requests: 2, tokens: 17 });
        let free = |window: &mut Window, at| window.full_until(at, 1, &limits);
        assert_eq!(free(&mut window, start + second * 60), Some(start + second + SPAN));
        window.record(start + second + SPAN, 1);
        assert_eq!(free(&mut window, start + second + SPAN), Some(start + second * 3 + SPAN));
    }

    #[test]
    fn what_has_left_the_window_is_not_corrected() {
        let start = Instant::now();
        let mut window = Window::default();
        let slot = window.record(start, 10);
        window.record(start + SPAN, 7);
        window.subtract(slot, Usage::request(10));
        window.add(slot, 10);
        assert_eq!(window.total, Total { requests: 1, tokens: 7 });
    }
}
