//! What earlier sessions sent within the last minute: it still counts against the limits of an API.

use std::time::Duration;

use super::lane::Lane;
use crate::config::RunConfig;
use crate::event::Phase;
use crate::store::{RecentAttempt, RunReader, StoreError, unix_ms};

/// A minute and the limiter's slack.
const SPAN_MS: i64 = 61_000;

/// The attempts of the last minute.
#[derive(Debug, Default)]
pub(super) struct Recent {
    attempts: Vec<RecentAttempt>,
    now_ms: i64,
}

impl Recent {
    /// Those of a run. A simulator of this process begins anew with each session.
    pub(super) fn read(config: &RunConfig, reader: &RunReader) -> Result<Self, StoreError> {
        if config.source.is_simulated() {
            return Ok(Self::default());
        }
        let now_ms = unix_ms();
        Ok(Self { attempts: reader.attempts_since(now_ms - SPAN_MS)?, now_ms })
    }

    /// Books those of these phases on the lane that they would go by now: at the site that they went
    /// to, and where that is not told or not there any more, at each.
    pub(super) fn count_on(&self, lane: &Lane, phases: &[Phase]) {
        let names: Vec<&str> = lane.sites().iter().map(|site| site.name.as_str()).collect();
        for site in lane.sites() {
            let went_here = |endpoint: Option<&str>| match endpoint {
                Some(name) => name == site.name || !names.contains(&name),
                None => true,
            };
            let limiter = &site.limiter;
            let counts_reserved = limiter.limits().count_reserved_tokens;
            let unknown = |bound| lane.estimate_bounded(bound);
            let past = self.past(phases, went_here, counts_reserved, unknown);
            limiter.remember(past);
        }
    }

    /// How long ago each was sent, and its tokens as the server counts them.
    fn past(
        &self,
        phases: &[Phase],
        went_here: impl Fn(Option<&str>) -> bool,
        counts_reserved: bool,
        unknown: impl Fn(u64) -> u64,
    ) -> Vec<(Duration, u64)> {
        let of_phases = self.attempts.iter().filter(|attempt| {
            phases.contains(&attempt.phase) && went_here(attempt.endpoint.as_deref())
        });
        let past = of_phases.map(|attempt| {
            // A clock that was set back must not make one of the future.
            let age = u64::try_from(self.now_ms - attempt.sent_at_ms).unwrap_or(0);
            (Duration::from_millis(age), tokens(attempt, counts_reserved, &unknown))
        });
        past.collect()
    }
}

/// What was used, where that is known and counts; else what was asked for, with what the prompt is
/// estimated at by its bound.
fn tokens(attempt: &RecentAttempt, counts_reserved: bool, unknown: impl Fn(u64) -> u64) -> u64 {
    match &attempt.usage {
        Some(usage) if counts_reserved => usage.prompt_total() + attempt.max_output_tokens,
        Some(usage) => usage.total(),
        None => unknown(attempt.prompt_bound).saturating_add(attempt.max_output_tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::TokenUsage;

    #[test]
    fn attempts_count_by_their_phase_as_the_server_counts_them() {
        let attempt = |phase, sent_at_ms, usage| RecentAttempt {
            phase,
            sent_at_ms,
            endpoint: None,
            prompt_bound: 1_000,
            max_output_tokens: 70,
            usage,
        };
        let usage = Some(TokenUsage { input: 10, output: 5, ..TokenUsage::default() });
        let attempts = vec![
            attempt(Phase::Tasks, 40_000, usage),
            attempt(Phase::Embeddings, 50_000, usage),
            attempt(Phase::Tasks, 70_000, None),
        ];
        let elsewhere = RecentAttempt {
            endpoint: Some("backup".to_owned()),
            ..attempt(Phase::Tasks, 45_000, usage)
        };
        let attempts = attempts.into_iter().chain([elsewhere]).collect();
        let recent = Recent { attempts, now_ms: 60_000 };
        let ago = Duration::from_secs;
        let half = |bound| bound / 2;
        let past = |counts_reserved| {
            recent.past(&[Phase::Tasks], |it| it.is_none(), counts_reserved, half)
        };
        assert_eq!(past(false), [(ago(20), 15), (ago(0), 570)]);
        assert_eq!(past(true), [(ago(20), 80), (ago(0), 570)]);
        let elsewhere = recent.past(&[Phase::Tasks], |it| it == Some("backup"), false, half);
        assert_eq!(elsewhere, [(ago(15), 15)]);
    }
}
