//! Rate limits as a strict provider counts them: admitted requests and tokens in the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// The last minute of admitted requests.
#[derive(Debug, Default)]
pub(super) struct Minute {
    admitted: VecDeque<(Instant, u64)>,
    tokens: u64,
}

/// Where a client stands with one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) reset: Duration,
}

impl Minute {
    /// Admits a request, or says how long to wait for it.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        tokens: u64,
        rpm: Option<u64>,
        tpm: Option<u64>,
    ) -> Result<(), Duration> {
        self.forget(now);
        let requests = self.requests();
        if rpm.is_some_and(|limit| requests >= limit) {
            return Err(self.reset(now));
        }
        if tpm.is_some_and(|limit| self.tokens + tokens > limit) {
            return Err(self.reset(now));
        }
        self.admitted.push_back((now, tokens));
        self.tokens += tokens;
        Ok(())
    }

    pub(super) fn requests(&self) -> u64 {
        self.admitted.len() as u64
    }

    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    pub(super) fn standing(&self, now: Instant, limit: u64, used: u64) -> Standing {
        Standing { limit, remaining: limit.saturating_sub(used), reset: self.reset(now) }
    }

    /// Until the oldest admitted request leaves the minute.
    fn reset(&self, now: Instant) -> Duration {
        let oldest = self.admitted.front().map_or(now, |(at, _)| *at);
        (oldest + MINUTE).saturating_duration_since(now)
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, tokens)) = self.admitted.front() {
            if now.duration_since(*at) < MINUTE {
                return;
            }
            self.tokens -= tokens;
            self.admitted.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sliding_minute_is_never_over_the_limit() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut minute = Minute::default();
        assert_eq!(minute.admit(at(0), 60, Some(2), Some(100)), Ok(()));
        assert_eq!(minute.admit(at(1), 60, Some(2), Some(100)), Err(Duration::from_secs(59)));
        assert_eq!(minute.admit(at(2), 40, Some(2), Some(100)), Ok(()));
        assert_eq!(minute.admit(at(59), 0, Some(2), Some(100)), Err(Duration::from_secs(1)));
        assert_eq!(minute.admit(at(60), 60, Some(2), Some(100)), Ok(()));
        assert_eq!((minute.requests(), minute.tokens()), (2, 100));
    }
}
