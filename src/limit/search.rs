//! Finds the requests per minute of a server that does not say what it allows.
//!
//! Additive increase and multiplicative decrease, as TCP does it: the rate goes down when the
//! server refuses and up again while it does not. Like CUBIC (RFC 9438) it remembers the rate at
//! which it was refused: it comes back to just below that quickly, stays there for a while, and
//! then asks for more in steps that double, so that a limit that was raised is found soon.
//!
//! A server that counts minutes shows its limit exactly: when it refuses, its minute is full of what
//! it has accepted. There the rate goes to just that and stays, until it is time to ask for more.
//!
//! Time is handed in, so a paused clock drives it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_mins(1);
/// Permits are counted by the second.
const BUCKET: Duration = Duration::from_secs(1);
/// How long they are kept: a refusal may come long after its permit.
const KEPT: Duration = Duration::from_mins(2);
/// How often the rate goes up.
const STEP: Duration = Duration::from_secs(5);
/// After a refusal the rate is so many per cent of the one that was refused, ...
const DECREASE_PERCENT: u64 = 95;
/// ... grows by so many per cent of that a step, ...
const RETURN_PERCENT: u64 = 5;
/// ... and stays at so many per cent of it ...
const HOLD_PERCENT: u64 = 98;
/// ... until so many requests were permitted: one refusal among them is half a per cent.
const HOLD_PERMITS: u64 = 200;
/// The first step beyond it, in thousandths of the rate. Each is twice the one before.
const FIRST_STEP_PERMILLE: u64 = 5;
const LARGEST_STEP_PERMILLE: u64 = 500;
/// The first rate is no lower, for a few requests do not tell one.
const FEWEST_AT_FIRST: u64 = 60;
/// Where minutes are counted, no rate is tried above so many per cent of what the minute held, ...
const CAREFUL_PERCENT: u64 = 106;
/// ... until it has held more than so many per cent of what was refused.
const HIGHER_PERCENT: u64 = 104;
/// When the rate has fallen to less than this part of what it was, and refusals came all the same,
/// they have other reasons than the rate, ...
const IN_VAIN: u64 = 4;
/// ... and nothing is searched for this long: a pause after each must do.
const REST: Duration = Duration::from_mins(5);
/// Of a server that smooths, the last answers tell the rate.
const MOMENT: Duration = Duration::from_secs(10);
/// Waits are told in whole seconds.
const ROUNDED_UP: Duration = Duration::from_secs(1);
/// A shorter wait than this is no wait for a minute's end.
const LONG_WAIT: Duration = Duration::from_secs(2);
/// A rate that is used less than this, in per cent, says nothing of the limit.
const USED_PERCENT: u64 = 80;

/// What is known of a limit that nobody told.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Requests per minute that are tried; `None` before the first refusal.
    rate: Option<u64>,
    /// The rate before the last refusal.
    rate_before: Option<u64>,
    /// Whether nothing was refused but the rush at the start, which says little of the limit.
    is_rush: bool,
    /// Whether the server was seen to count minutes.
    counts_minutes: bool,
    /// The rate that was refused last.
    refused_at: u64,
    last_refusal: Option<Refusal>,
    last_step: Option<Instant>,
    /// How far the next step goes beyond what was refused.
    beyond_permille: u64,
    permits_since_refusal: u64,
    /// The rate before the first of several refusals that came too soon after each other.
    falls_from: Option<u64>,
    /// Since when nothing is searched.
    gave_up: Option<Instant>,
    /// Requests of the last minute and a little more that were not refused, by the time of their
    /// permits.
    accepted: VecDeque<(Instant, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Refusal {
    at: Instant,
    /// How long the server asked to wait.
    wait: Duration,
}

impl Search {
    /// Begins at a rate that an earlier session found.
    pub(super) fn from(rate: u64) -> Self {
        Self {
            rate: Some(rate),
            rate_before: Some(rate),
            refused_at: rate,
            beyond_permille: FIRST_STEP_PERMILLE,
            ..Self::default()
        }
    }

    pub(super) fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// A request is permitted. Returns whether the rate went up.
    pub(super) fn permitted(&mut self, now: Instant) -> bool {
        while self.accepted.pop_front_if(|(since, _)| *since + KEPT <= now).is_some() {}
        match self.accepted.back_mut() {
            Some((since, count)) if now < *since + BUCKET => *count += 1,
            _ => self.accepted.push_back((now, 1)),
        }
        self.permits_since_refusal += 1;
        let Some(rate) = self.rate else { return false };
        let since = *self.last_step.get_or_insert(now);
        if now.duration_since(since) < STEP {
            return false;
        }
        self.last_step = Some(now);
        if self.rate_at(now, STEP) * 100 < rate * USED_PERCENT {
            return false;
        }
        let next = self.next(rate).min(self.proven(now).max(rate));
        self.rate = Some(next);
        next > rate
    }

    /// A request that was permitted at `permitted` was refused for the rate; the server asks to
    /// `wait`. Returns whether the rate changed. Requests that were under way at a refusal belong
    /// to it: they make it clearer what was accepted, and the rate goes down once. Refusals that do not
    /// depend on the rate end the search, or they would bring it to a standstill.
    pub(super) fn refused(&mut self, now: Instant, permitted: Instant, wait: Duration) -> bool {
        let at = self.accepted.partition_point(|(since, _)| *since <= permitted);
        if let Some((_, count)) = at.checked_sub(1).and_then(|at| self.accepted.get_mut(at)) {
            *count = count.saturating_sub(1);
        }
        let refusal = match self.last_refusal.filter(|last| permitted <= last.at) {
            Some(last) => last,
            None if self.gave_up.is_some_and(|since| now < since + REST) => return false,
            None => {
                let in_vain = self.permits_since_refusal < HOLD_PERMITS;
                self.falls_from =
                    self.rate.filter(|_| in_vain).map(|rate| self.falls_from.unwrap_or(rate));
                self.rate_before = self.rate;
                self.permits_since_refusal = 0;
                Refusal { at: now, wait }
            }
        };
        let in_minute = self.limit_of_minute(refusal);
        let estimate = in_minute.unwrap_or_else(|| self.rate_at(refusal.at, MOMENT));
        self.refused_at = match self.rate_before {
            None if in_minute.is_none() => estimate.max(FEWEST_AT_FIRST),
            None => estimate,
            Some(rate) => estimate.clamp(rate / 2, rate),
        }
        .max(1);
        self.counts_minutes |= in_minute.is_some();
        self.is_rush = self.rate_before.is_none() && in_minute.is_none();
        let percent = if self.counts_minutes { 100 } else { DECREASE_PERCENT };
        self.rate = Some((self.refused_at * percent / 100).max(1));
        if self.falls_from.is_some_and(|from| self.refused_at < from / IN_VAIN) {
            let accepted = std::mem::take(&mut self.accepted);
            *self = Self { accepted, gave_up: Some(now), ..Self::default() };
            return true;
        }
        self.last_refusal = Some(refusal);
        self.last_step = Some(now);
        self.beyond_permille = FIRST_STEP_PERMILLE;
        true
    }

    /// The highest rate that what was accepted so far allows to try. A server that counts minutes
    /// refuses what goes too far only when its minute is full, so the minute has to show first that
    /// the limit is higher than it was.
    fn proven(&self, now: Instant) -> u64 {
        let minute = self.rate_at(now, MINUTE);
        let is_higher = minute * 100 > self.refused_at * HIGHER_PERCENT;
        if self.counts_minutes && !is_higher {
            return minute.max(self.refused_at) * CAREFUL_PERCENT / 100;
        }
        self.rate_at(now, MOMENT).max(self.refused_at) * (1_000 + LARGEST_STEP_PERMILLE) / 1_000
    }

    /// What a server that counts minutes has shown of its limit, which is exact: it lets the next wait
    /// until as many of the minute have left it as are above the limit, the new one where it has
    /// changed. `None` for one that was never seen to count minutes: when the first of the minute has to
    /// leave, the wait is long, and one that smooths asks for a shorter one.
    fn limit_of_minute(&self, refusal: Refusal) -> Option<u64> {
        let minute = self.accepted.iter().filter(|(since, _)| *since + MINUTE > refusal.at);
        let (oldest, _) = minute.clone().next()?;
        let since = refusal.at.saturating_duration_since(*oldest);
        let is_minute = refusal.wait >= LONG_WAIT && since + refusal.wait + LONG_WAIT >= MINUTE;
        if !is_minute && !self.counts_minutes {
            return None;
        }
        let end_of_wait = refusal.at + refusal.wait.saturating_sub(ROUNDED_UP);
        Some(
            minute.filter(|(since, _)| *since + MINUTE > end_of_wait).map(|(_, count)| count).sum(),
        )
    }

    /// Accepted requests per minute in about the last `span`.
    fn rate_at(&self, now: Instant, span: Duration) -> u64 {
        let recent = self.accepted.iter().rev().take_while(|(since, _)| *since + span > now);
        let (oldest, count) =
            recent.fold((now, 0), |(_, sum), (since, count)| (*since, sum + count));
        let millis = now.saturating_duration_since(oldest).max(BUCKET).as_millis();
        count * 60_000 / u64::try_from(millis).unwrap_or(u64::MAX)
    }

    fn next(&mut self, rate: u64) -> u64 {
        if self.is_rush {
            return rate + (rate / 4).max(1);
        }
        let percent = if self.counts_minutes { 100 } else { HOLD_PERCENT };
        let held = (self.refused_at * percent / 100).max(1);
        if rate < held {
            return (rate + (self.refused_at * RETURN_PERCENT / 100).max(1)).min(held);
        }
        if self.permits_since_refusal < HOLD_PERMITS {
            return rate;
        }
        let step = (rate * self.beyond_permille / 1_000).max(1);
        self.beyond_permille = (self.beyond_permille * 2).min(LARGEST_STEP_PERMILLE);
        rate.saturating_add(step)
    }
}
