//! Attempts over the time that the run was at work: money, speed, latencies.

use super::Distribution;
use super::distribution::nice_width;
use crate::usd::Usd;

/// The time in which a run was at work: its sessions laid end to end, in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct ActiveTime {
    /// Session number, its beginning and end since the Unix epoch, and what lies before it.
    spans: Vec<(i64, i64, i64, u64)>,
    total: u64,
}

impl ActiveTime {
    /// From the sessions in their order: number, beginning and end since the Unix epoch.
    pub fn new(sessions: impl IntoIterator<Item = (i64, i64, i64)>) -> Self {
        let mut time = Self::default();
        for (id, from, to) in sessions {
            time.spans.push((id, from, to, time.total));
            time.total += to.saturating_sub(from).max(0).unsigned_abs();
        }
        time
    }

    /// How long the run was at work.
    pub fn total_ms(&self) -> u64 {
        self.total
    }

    /// A moment of a session as time at work; what lies outside of the session is moved to its edge.
    pub fn at(&self, session: i64, unix_ms: i64) -> u64 {
        let index = self.spans.partition_point(|(id, ..)| *id < session);
        let Some((_, from, to, before)) = self.spans.get(index) else { return self.total };
        before + unix_ms.clamp(*from, (*to).max(*from)).saturating_sub(*from).unsigned_abs()
    }
}

/// One attempt, as a report needs it. Times are times at work, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct SentAttempt {
    /// When it left.
    pub sent_ms: u64,
    /// When its cost was settled; `None` while it is under way.
    pub settled_ms: Option<u64>,
    /// What it cost, or may have cost.
    pub cost: Usd,
    /// Whether that is not confirmed.
    pub unconfirmed: bool,
    /// Tokens both ways.
    pub tokens: u64,
    /// From sending to the last byte, of an answered attempt.
    pub latency_ms: Option<u64>,
    /// Whether the server refused it with HTTP 429.
    pub rate_limited: bool,
}

/// Money that was spent, and what may have been, up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpentBy {
    /// The moment, in milliseconds of work.
    pub at_ms: u64,
    /// Cost of answered attempts.
    pub spent: Usd,
    /// That, and the worst case of attempts whose outcome is not known.
    pub with_unconfirmed: Usd,
}

/// What happened within a stretch of the time at work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Attempts that left.
    pub attempts: u64,
    /// Their tokens, as used.
    pub tokens: u64,
    /// Attempts that met HTTP 429.
    pub rate_limited: u64,
}

/// Every attempt of a run, reduced to 40 bytes each.
#[derive(Debug, Default)]
pub struct AttemptFigures {
    active_ms: u64,
    attempts: Vec<SentAttempt>,
    latencies: Distribution,
}

impl AttemptFigures {
    /// For a run that was at work for so long.
    pub fn new(active_ms: u64) -> Self {
        Self { active_ms, ..Self::default() }
    }

    /// Takes the next attempt.
    pub fn note(&mut self, attempt: SentAttempt) {
        if let Some(latency) = attempt.latency_ms {
            self.latencies.note(latency);
        }
        self.attempts.push(attempt);
    }

    /// How long the run was at work, in milliseconds.
    pub fn active_ms(&self) -> u64 {
        self.active_ms
    }

    /// Latencies of answered attempts, in milliseconds.
    pub fn latencies(&self) -> &Distribution {
        &self.latencies
    }

    /// The account at `points` moments in equal distances, the last of them the end.
    pub fn spending(&self, points: u64) -> Vec<SpentBy> {
        let mut settled: Vec<(u64, Usd, bool)> = self
            .attempts
            .iter()
            .filter_map(|a| a.settled_ms.map(|at| (at, a.cost, a.unconfirmed)))
            .collect();
        settled.sort_unstable_by_key(|(at, ..)| *at);
        let (mut spent, mut with_unconfirmed) = (Usd::ZERO, Usd::ZERO);
        let mut next = settled.into_iter().peekable();
        let moments = (0..=points).map(|n| self.active_ms * n / points.max(1));
        moments
            .map(|at_ms| {
                while let Some((_, cost, unconfirmed)) = next.next_if(|(at, ..)| *at <= at_ms) {
                    with_unconfirmed = with_unconfirmed.saturating_add(cost);
                    spent = spent.saturating_add(if unconfirmed { Usd::ZERO } else { cost });
                }
                SpentBy { at_ms, spent, with_unconfirmed }
            })
            .collect()
    }

    /// The run in stretches of one length, at most about 60 of them; the length in milliseconds, at
    /// least a second.
    pub fn pace(&self) -> (u64, Vec<Pace>) {
        let length = Self::stretch(self.active_ms);
        let count = self.active_ms.div_ceil(length).max(1);
        let mut stretches = vec![Pace::default(); usize::try_from(count).unwrap_or(0)];
        for attempt in &self.attempts {
            let index = (attempt.sent_ms / length).min(count - 1);
            let Some(pace) = usize::try_from(index).ok().and_then(|i| stretches.get_mut(i)) else {
                continue;
            };
            pace.attempts += 1;
            pace.tokens = pace.tokens.saturating_add(attempt.tokens);
            pace.rate_limited += u64::from(attempt.rate_limited);
        }
        (length, stretches)
    }

    /// Seconds, minutes or hours that a person would choose.
    fn stretch(active_ms: u64) -> u64 {
        let least = active_ms.div_ceil(60 * 1_000).max(1);
        let chosen = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600];
        let hours = || nice_width(least.div_ceil(3_600)) * 3_600;
        1_000 * chosen.into_iter().find(|seconds| *seconds >= least).unwrap_or_else(hours)
    }

    /// The most attempts, and the most tokens, that left within any 60 seconds.
    pub fn busiest_minute(&self) -> (u64, u64) {
        let mut sent: Vec<(u64, u64)> =
            self.attempts.iter().map(|attempt| (attempt.sent_ms, attempt.tokens)).collect();
        sent.sort_unstable();
        let (mut oldest, mut tokens) = (0, 0_u64);
        let mut most = (0, 0);
        for (index, (at, more)) in sent.iter().enumerate() {
            tokens = tokens.saturating_add(*more);
            while let Some((before, fewer)) = sent.get(oldest).filter(|(b, _)| b + 60_000 <= *at) {
                debug_assert!(before <= at, "sorted");
                tokens = tokens.saturating_sub(*fewer);
                oldest += 1;
            }
            let attempts = u64::try_from(index + 1 - oldest).unwrap_or(u64::MAX);
            most = (attempts.max(most.0), tokens.max(most.1));
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sent_ms: u64, pico: u64, unconfirmed: bool) -> SentAttempt {
        SentAttempt {
            sent_ms,
            settled_ms: Some(sent_ms + 500),
            cost: Usd::from_pico(pico),
            unconfirmed,
            tokens: 10,
            latency_ms: (!unconfirmed).then_some(500),
            rate_limited: false,
        }
    }

    fn of(active_ms: u64, attempts: &[SentAttempt]) -> AttemptFigures {
        let mut figures = AttemptFigures::new(active_ms);
        for attempt in attempts {
            figures.note(*attempt);
        }
        figures
    }

    #[test]
    fn the_night_between_two_sessions_is_no_work() {
        let time = ActiveTime::new([(1, 1_000, 3_000), (2, 90_000, 91_000), (3, 95_000, 94_000)]);
        assert_eq!(time.total_ms(), 3_000);
        let moments = [(1, 1_000), (1, 2_500), (1, 99_000), (2, 90_400), (2, 5), (3, 96_000)];
        let at = moments.map(|(session, unix_ms)| time.at(session, unix_ms));
        assert_eq!(at, [0, 1_500, 2_000, 2_400, 2_000, 3_000]);
        assert_eq!(time.at(7, 0), 3_000);
    }

    #[test]
    fn money_adds_up_to_the_end() {
        let figures = of(4_000, &[at(3_000, 5, true), at(0, 1, false), at(1_000, 2, false)]);
        let account: Vec<_> = figures
            .spending(4)
            .iter()
            .map(|s| (s.at_ms, s.spent.pico(), s.with_unconfirmed.pico()))
            .collect();
        assert_eq!(
            account,
            [(0, 0, 0), (1_000, 1, 1), (2_000, 3, 3), (3_000, 3, 3), (4_000, 3, 8)]
        );
        assert_eq!(figures.latencies().total(), 2);
    }

    #[test]
    fn stretches_hold_every_attempt() {
        let figures = of(2_500, &[at(0, 0, false), at(999, 0, false), at(2_500, 0, false)]);
        let (length, stretches) = figures.pace();
        assert_eq!(length, 1_000);
        assert_eq!(stretches.iter().map(|pace| pace.attempts).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(AttemptFigures::new(0).pace().1.len(), 1);
        let day = AttemptFigures::new(24 * 3_600_000).pace();
        assert_eq!((day.0, day.1.len()), (1_800_000, 48));
        assert_eq!(AttemptFigures::new(1_000 * 3_600_000).pace().0, 20 * 3_600_000);
    }

    #[test]
    fn the_busiest_minute_may_lie_across_two() {
        let figures = of(
            180_000,
            &[
                at(59_000, 0, false),
                at(61_000, 0, false),
                at(62_000, 0, false),
                at(170_000, 0, false),
            ],
        );
        assert_eq!(figures.busiest_minute(), (3, 30));
        assert_eq!(AttemptFigures::new(5).busiest_minute(), (0, 0));
    }
}
