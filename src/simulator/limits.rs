//! Rate limits as a strict provider counts them: admitted requests and tokens in the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// The requests of the last minute.
#[derive(Debug, Default)]
pub(super) struct Minute {
    entries: VecDeque<(Instant, u64)>,
    tokens: u64,
}

/// A limit per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Requests(u64),
    Tokens(u64),
}

/// Why a request is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAdmitted {
    /// It is after `wait`, if nothing else is until then.
    Yet { limit: Limit, wait: Duration },
    /// No waiting helps: the request alone is above the limit.
    Ever { limit: Limit },
}

/// Where a client stands with one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) remaining: u64,
    /// Until nothing counts against the limit any more, as OpenAI defines it.
    pub(super) reset: Duration,
}

impl Minute {
    /// Counts a request.
    pub(super) fn count(&mut self, now: Instant, tokens: u64) {
        self.forget(now);
        self.entries.push_back((now, tokens));
        self.tokens = self.tokens.saturating_add(tokens);
    }

    /// Counts a request within the limits, or says why it is not within them.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        tokens: u64,
        rpm: Option<u64>,
        tpm: Option<u64>,
    ) -> Result<(), NotAdmitted> {
        if let Some(most) = tpm.filter(|most| tokens > *most) {
            return Err(NotAdmitted::Ever { limit: Limit::Tokens(most) });
        }
        if rpm == Some(0) {
            return Err(NotAdmitted::Ever { limit: Limit::Requests(0) });
        }
        self.forget(now);
        let excess = |used: u64, more: u64, limit: Option<u64>| {
            limit.map_or(0, |limit| used.saturating_add(more).saturating_sub(limit))
        };
        let too_many = excess(self.requests(), 1, rpm);
        let too_much = excess(self.tokens, tokens, tpm);
        let limit = match (rpm.filter(|_| too_many > 0), tpm.filter(|_| too_much > 0)) {
            (Some(most), _) => Limit::Requests(most),
            (None, Some(most)) => Limit::Tokens(most),
            (None, None) => {
                self.count(now, tokens);
                return Ok(());
            }
        };
        Err(NotAdmitted::Yet { limit, wait: self.until_gone(now, too_many, too_much) })
    }

    pub(super) fn requests(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    pub(super) fn standing(&mut self, now: Instant, limit: Limit) -> Standing {
        self.forget(now);
        let remaining = match limit {
            Limit::Requests(most) => most.saturating_sub(self.requests()),
            Limit::Tokens(most) => most.saturating_sub(self.tokens),
        };
        let newest = self.entries.back().map_or(now, |(at, _)| *at + MINUTE);
        Standing { remaining, reset: newest.saturating_duration_since(now) }
    }

    /// Until so many requests and so many tokens of the oldest ones have left the minute.
    fn until_gone(&self, now: Instant, requests: u64, tokens: u64) -> Duration {
        let (mut left, mut freed) = (0_u64, 0_u64);
        let last = self.entries.iter().find(|(_, tokens_each)| {
            left += 1;
            freed = freed.saturating_add(*tokens_each);
            left >= requests && freed >= tokens
        });
        let end = last.or(self.entries.back()).map_or(now, |(at, _)| *at + MINUTE);
        end.saturating_duration_since(now)
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, tokens)) = self.entries.front() {
            if now.duration_since(*at) < MINUTE {
                return;
            }
            self.tokens = self.tokens.saturating_sub(*tokens);
            self.entries.pop_front();
        }
    }
}

/// Whole milliseconds, rounded up: a wait cut short would end in another refusal.
pub(super) fn milliseconds(duration: Duration) -> u128 {
    duration.as_nanos().div_ceil(1_000_000)
}

/// A duration as OpenAI's headers write it: `120ms`, `1.5s`, `6m0s`. Rounded up to a millisecond.
pub(super) fn header_duration(duration: Duration) -> String {
    let ms = milliseconds(duration);
    let (minutes, ms) = (ms / 60_000, ms % 60_000);
    let seconds = format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match (minutes, ms) {
        (0, 1..1_000) => format!("{ms}ms"),
        (0, _) => format!("{seconds}s"),
        _ => format!("{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn yet(limit: Limit, seconds: u32) -> Result<(), NotAdmitted> {
        Err(NotAdmitted::Yet { limit, wait: SECOND * seconds })
    }

    #[test]
    fn a_sliding_minute_is_never_over_the_limit() {
        let start = Instant::now();
        let at = |seconds| start + SECOND * seconds;
        let mut minute = Minute::default();
        assert_eq!(minute.admit(at(0), 60, Some(2), Some(100)), Ok(()));
        let tokens = yet(Limit::Tokens(100), 59);
        assert_eq!(minute.admit(at(1), 60, Some(2), Some(100)), tokens);
        assert_eq!(minute.admit(at(2), 40, Some(2), Some(100)), Ok(()));
        let requests = yet(Limit::Requests(2), 1);
        assert_eq!(minute.admit(at(59), 0, Some(2), Some(100)), requests);
        assert_eq!(minute.admit(at(60), 60, Some(2), Some(100)), Ok(()));
        assert_eq!((minute.requests(), minute.tokens()), (2, 100));
    }

    #[test]
    fn the_wait_is_for_as_many_requests_as_are_in_the_way() {
        let start = Instant::now();
        let mut minute = Minute::default();
        for (second, tokens) in [(0, 10), (5, 30), (10, 60)] {
            assert_eq!(minute.admit(start + SECOND * second, tokens, None, Some(100)), Ok(()));
        }
        let now = start + SECOND * 15;
        for (tokens, wait) in [(10, 45), (11, 50), (40, 50), (41, 55), (100, 55)] {
            let refused = minute.admit(now, tokens, None, Some(100));
            assert_eq!(refused, yet(Limit::Tokens(100), wait), "{tokens}");
        }
        // Both limits are in the way: the longer wait counts.
        assert_eq!(minute.admit(now, 41, Some(3), Some(100)), yet(Limit::Requests(3), 55));
        let never = NotAdmitted::Ever { limit: Limit::Tokens(100) };
        assert_eq!(minute.admit(now, 101, Some(3), Some(100)), Err(never));
    }

    #[test]
    fn a_standing_says_what_is_left_now_and_when_all_is() {
        let start = Instant::now();
        let mut minute = Minute::default();
        minute.count(start, 40);
        minute.count(start + SECOND * 10, 20);
        let mut standing = |second, limit| minute.standing(start + SECOND * second, limit);
        let reset = SECOND * 50;
        assert_eq!(standing(20, Limit::Requests(3)), Standing { remaining: 1, reset });
        assert_eq!(standing(20, Limit::Tokens(100)), Standing { remaining: 40, reset });
        let reset = SECOND * 9;
        assert_eq!(standing(61, Limit::Tokens(100)), Standing { remaining: 80, reset });
        let reset = Duration::ZERO;
        assert_eq!(standing(70, Limit::Tokens(100)), Standing { remaining: 100, reset });
    }

    #[test]
    fn durations_are_written_as_openai_writes_them() {
        for (micros, text) in [
            (0, "0s"),
            (1, "1ms"),
            (120_000, "120ms"),
            (999_001, "1s"),
            (1_500_000, "1.5s"),
            (59_999_000, "59.999s"),
            (61_250_000, "1m1.25s"),
            (360_000_000, "6m0s"),
        ] {
            assert_eq!(header_duration(Duration::from_micros(micros)), text);
        }
    }

    proptest! {
        #[test]
        fn a_client_that_waits_is_admitted(
            requests in proptest::collection::vec((0_u64..40_000, 1_u64..120), 1..60),
            rpm in 1_u64..6,
            tpm in 1_u64..200,
        ) {
            let mut minute = Minute::default();
            let mut now = Instant::now();
            for (pause_ms, tokens) in requests {
                now += Duration::from_millis(pause_ms);
                match minute.admit(now, tokens, Some(rpm), Some(tpm)) {
                    Ok(()) => {}
                    Err(NotAdmitted::Ever { .. }) => prop_assert!(tokens > tpm),
                    Err(NotAdmitted::Yet { wait, .. }) => {
                        let early = now + wait - Duration::from_nanos(1);
                        prop_assert!(minute.admit(early, tokens, Some(rpm), Some(tpm)).is_err());
                        now += wait;
                        prop_assert_eq!(minute.admit(now, tokens, Some(rpm), Some(tpm)), Ok(()));
                    }
                }
                prop_assert!(minute.requests() <= rpm && minute.tokens() <= tpm);
            }
        }
    }
}
