//! How far a run is, for whoever shows it.

use std::time::Duration;

use crate::event::Phase;
use crate::histogram::Durations;
use crate::ledger::Totals;
use crate::limit::{Limits, Rates};
use crate::summary::{BatchTotals, StopReason, Summary};
use crate::usd::Usd;

/// How far a run is at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Totals over all sessions of the run.
    pub summary: Summary,
    /// Accepted tasks wanted.
    pub target: u64,
    /// Accepted tasks when this session began.
    pub accepted_at_start: u64,
    /// The account.
    pub money: Totals,
    /// Instructions that wait for a request for their outputs.
    pub waiting: usize,
    /// The batches at the provider.
    pub batches: Vec<BatchTotals>,
    /// The APIs that are asked, in the order of the phases.
    pub lanes: Vec<LaneSnapshot>,
    /// How long this session has run.
    pub elapsed: Duration,
    /// Why no more requests are sent, while those under way are waited for.
    pub stopping: Option<StopReason>,
    /// What is waited for, when no answer has come for a minute.
    pub stalled: Option<String>,
    /// How long no answer has come.
    pub quiet: Duration,
    /// How often an API began to pause after a 429, in this session.
    pub pauses: u64,
    /// How long this session's answers took, by phase.
    pub latencies: Vec<(Phase, Durations)>,
    /// How long this session's commits to the journal took.
    pub commits: Durations,
}

/// One API at one moment.
#[derive(Debug, Clone, Default)]
pub struct LaneSnapshot {
    /// What it is asked for, where a run asks several.
    pub phase: Option<Phase>,
    /// Requests and tokens that left in the last minute.
    pub rates: Rates,
    /// What the account allows per minute.
    pub limits: Limits,
    /// Requests under way or waiting for the rate limit.
    pub in_flight: usize,
    /// Of these, those that wait for the rate limit.
    pub waiting: usize,
    /// How much longer it pauses after a 429.
    pub paused_for: Option<Duration>,
    /// Endpoints that are asked no more, since something is wrong with them.
    pub set_aside: usize,
}

impl Snapshot {
    /// What the target will have cost, if it goes on as it went; `None` before the first accepted
    /// task.
    pub fn projected_cost(&self) -> Option<Usd> {
        let so_far = u128::from(self.money.spent.saturating_add(self.money.unconfirmed).pico());
        let accepted = u128::from(self.summary.accepted);
        let whole = (so_far * u128::from(self.target)).checked_div(accepted)?;
        Some(Usd::from_pico(u64::try_from(whole).unwrap_or(u64::MAX)))
    }

    /// The time to the target at this session's pace; `None` before it has a pace.
    #[expect(clippy::cast_precision_loss, reason = "an estimate for display")]
    pub fn remaining(&self) -> Option<Duration> {
        let gained = self.summary.accepted.checked_sub(self.accepted_at_start)?;
        if gained == 0 {
            return None;
        }
        let missing = self.target.saturating_sub(self.summary.accepted);
        let seconds = self.elapsed.as_secs_f64() * missing as f64 / gained as f64;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections_follow_from_what_happened_so_far() {
        let mut snapshot = Snapshot { target: 100, ..Snapshot::default() };
        assert_eq!((snapshot.projected_cost(), snapshot.remaining()), (None, None));
        snapshot.summary.accepted = 30;
        snapshot.accepted_at_start = 10;
        snapshot.money.spent = Usd::from_pico(300);
        snapshot.elapsed = Duration::from_secs(20);
        assert_eq!(snapshot.projected_cost(), Some(Usd::from_pico(1_000)));
        assert_eq!(snapshot.remaining(), Some(Duration::from_secs(70)));
    }
}
