//! Totals of a run: what was asked, bought, rejected and accepted.

use std::collections::BTreeMap;

use crate::chat::TokenUsage;
use crate::event::{Phase, Stage};
use crate::usd::Usd;

/// Why a run, or one session of it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The wanted number of accepted tasks is reached.
    Target,
    /// The budget does not hold another request.
    Budget,
    /// The part of the budget that was for a pilot does not hold another request.
    Pilot,
    /// The wanted number of requests was sent.
    MaxRequests,
    /// A person or the system asked it to stop.
    Interrupted,
    /// Many responses in a row brought nothing new.
    NoProgress,
    /// Something made it impossible to go on.
    Failed,
}

impl StopReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Target,
        Self::Budget,
        Self::Pilot,
        Self::MaxRequests,
        Self::Interrupted,
        Self::NoProgress,
        Self::Failed,
    ];

    /// The name used in the store, `summary.json` and `status --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Budget => "budget",
            Self::Pilot => "pilot",
            Self::MaxRequests => "max_requests",
            Self::Interrupted => "interrupted",
            Self::NoProgress => "no_progress",
            Self::Failed => "failed",
        }
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// Whether a run is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// A process works on it now.
    Running,
    /// Its last session ended in order.
    Stopped,
    /// Its last session ended without saying so: the process or the machine died.
    Crashed,
}

impl RunState {
    /// The name used in `status --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Crashed => "crashed",
        }
    }
}

/// How many items each rule turned away, by stage and rule.
pub type Rejections = BTreeMap<(Stage, String), u64>;

/// What became of the attempts, in numbers of attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptCounts {
    /// All that were sent.
    pub sent: u64,
    /// Answered with a whole 2xx body.
    pub answered: u64,
    /// Refused with HTTP 429.
    pub rate_limited: u64,
    /// Refused otherwise, or no connection was made: free of charge.
    pub refused: u64,
    /// Outcome unknown, or answered without usage that can be believed.
    pub unconfirmed: u64,
}

/// What the requests of one phase cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhaseTotals {
    /// Attempts that were sent.
    pub attempts: u64,
    /// Those that were answered, with usage that can be believed.
    pub answered: u64,
    /// Time from sending these to their ends, added up, in milliseconds.
    pub waited_ms: u64,
    /// Tokens of the answered attempts.
    pub usage: TokenUsage,
    /// Cost of the answered attempts.
    pub spent: Usd,
    /// Worst-case cost of attempts under way.
    pub reserved: Usd,
    /// Worst-case cost of attempts whose outcome is unknown.
    pub unconfirmed: Usd,
}

impl PhaseTotals {
    fn add(&mut self, more: &Self) {
        self.attempts += more.attempts;
        self.answered += more.answered;
        self.waited_ms += more.waited_ms;
        self.usage.add(&more.usage);
        self.spent = self.spent.saturating_add(more.spent);
        self.reserved = self.reserved.saturating_add(more.reserved);
        self.unconfirmed = self.unconfirmed.saturating_add(more.unconfirmed);
    }
}

/// What became of the attempts at one of several endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndpointTotals {
    /// Attempts that were sent.
    pub attempts: u64,
    /// Answered with usage that can be believed.
    pub answered: u64,
    /// Refused with HTTP 429.
    pub rate_limited: u64,
    /// Refused otherwise, or no connection was made.
    pub refused: u64,
    /// Tokens of the answered attempts, both ways.
    pub tokens: u64,
    /// Cost of the answered attempts.
    pub spent: Usd,
}

/// What a run was expected to take from its beginning to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Accepted tasks at its end.
    pub tasks: u64,
    /// What they cost.
    pub cost: Usd,
    /// How long its sessions run, in milliseconds; `None` where nobody can say: in batches.
    pub active_ms: Option<u64>,
    /// Whether requests of the run itself had shown what they take, rather than the seeds alone.
    pub calibrated: bool,
}

impl Estimate {
    /// As it is stored.
    pub fn to_text(&self) -> String {
        let origin = if self.calibrated { "run" } else { "seeds" };
        let time = self.active_ms.map_or_else(|| "-".to_owned(), |time| time.to_string());
        format!("{} {} {time} {origin}", self.tasks, self.cost.pico())
    }

    /// Reads what was stored.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split_whitespace();
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (tasks, cost) = (number()?, Usd::from_pico(number()?));
        let active_ms = match parts.next()? {
            "-" => None,
            time => Some(time.parse().ok()?),
        };
        Some(Self { tasks, cost, active_ms, calibrated: parts.next()? == "run" })
    }

    /// What so many tasks were expected to cost.
    pub fn cost_of(&self, tasks: u64) -> Usd {
        let pico = u128::from(self.cost.pico()) * u128::from(tasks);
        let share = pico.checked_div(u128::from(self.tasks)).unwrap_or(0);
        Usd::from_pico(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// How long so many tasks were expected to take, in milliseconds.
    pub fn active_ms_of(&self, tasks: u64) -> Option<u64> {
        let share = u128::from(self.active_ms?) * u128::from(tasks);
        let share = share.checked_div(u128::from(self.tasks)).unwrap_or(0);
        Some(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

/// One batch of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchTotals {
    /// Its number in the run, from 1.
    pub number: u64,
    /// What its requests are for.
    pub phase: Phase,
    /// Whether some of its requests are not accounted for yet.
    pub is_open: bool,
    /// The provider's word for how far it is, or ours before the provider has it.
    pub state: String,
    /// The provider's name for it, once it has one.
    pub remote_id: Option<String>,
    /// Its requests.
    pub requests: u64,
    /// Of these those answered so far, by the provider's count.
    pub completed: u64,
    /// Of these those failed so far, by the provider's count.
    pub failed: u64,
}

/// The totals of a run over all its sessions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Accepted tasks.
    pub accepted: u64,
    /// Instructions that passed and wait for their outputs.
    pub open_tasks: u64,
    /// Items rejected, by stage and rule.
    pub rejections: Rejections,
    /// Requests of which at least one attempt was sent.
    pub requests: u64,
    /// What became of the attempts.
    pub attempts: AttemptCounts,
    /// Responses in the journal that no verdict covers yet.
    pub unjudged_responses: u64,
    /// Tokens of all answered attempts.
    pub usage: TokenUsage,
    /// Cost of answered attempts.
    pub spent: Usd,
    /// Worst-case cost of attempts under way.
    pub reserved: Usd,
    /// Worst-case cost of attempts whose outcome is unknown.
    pub unconfirmed: Usd,
    /// The parts of tokens and money that each phase has. Not kept up while a run goes on.
    pub by_phase: BTreeMap<Phase, PhaseTotals>,
    /// The attempts of each endpoint, where the model was to be had in several places. Not kept up
    /// while a run goes on.
    pub by_endpoint: BTreeMap<String, EndpointTotals>,
    /// The batches, the oldest first.
    pub batches: Vec<BatchTotals>,
    /// Time that the sessions ran, in milliseconds.
    pub active_ms: u64,
    /// What was expected of it.
    pub estimate: Option<Estimate>,
}

impl Summary {
    /// Adds attempts of one phase to its totals and to those of the run.
    pub fn add(&mut self, phase: Phase, more: &PhaseTotals) {
        self.by_phase.entry(phase).or_default().add(more);
        self.usage.add(&more.usage);
        self.spent = self.spent.saturating_add(more.spent);
        self.reserved = self.reserved.saturating_add(more.reserved);
        self.unconfirmed = self.unconfirmed.saturating_add(more.unconfirmed);
    }

    /// Items that the judged responses held.
    pub fn candidates(&self) -> u64 {
        self.accepted + self.rejected()
    }

    /// Items that were turned away at any stage.
    pub fn rejected(&self) -> u64 {
        self.rejections.values().sum()
    }

    /// Items that one stage turned away.
    pub fn rejected_at(&self, stage: Stage) -> u64 {
        self.rejections.iter().filter(|((at, _), _)| *at == stage).map(|(_, count)| count).sum()
    }

    /// Accepted tasks per item, from 0.0 to 1.0; `None` before the first item.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for display")]
    pub fn acceptance_rate(&self) -> Option<f64> {
        let candidates = self.candidates();
        (candidates > 0).then(|| self.accepted as f64 / candidates as f64)
    }

    /// Prompt tokens from the provider's cache per prompt token, from 0.0 to 1.0; `None` before the
    /// first.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for display")]
    pub fn cached_share(&self) -> Option<f64> {
        let all = self.usage.prompt_total();
        (all > 0).then(|| self.usage.cached_input as f64 / all as f64)
    }

    /// What a thousand accepted tasks cost, unconfirmed money included; `None` before the first.
    pub fn usd_per_thousand(&self) -> Option<Usd> {
        let pico = u128::from(self.spent.saturating_add(self.unconfirmed).pico());
        let each = (pico * 1_000).checked_div(u128::from(self.accepted))?;
        Some(Usd::from_pico(u64::try_from(each).unwrap_or(u64::MAX)))
    }

    /// Attempts beyond the first of each request.
    pub fn retries(&self) -> u64 {
        self.attempts.sent.saturating_sub(self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_reasons_round_trip_through_their_names() {
        for reason in StopReason::ALL {
            assert_eq!(StopReason::from_name(reason.as_str()), Some(reason));
        }
        assert_eq!(StopReason::from_name("bored"), None);
    }

    #[test]
    fn an_estimate_is_stored_whole_and_scaled() {
        let cost = "2".parse().unwrap();
        let whole = Estimate { tasks: 1_000, cost, active_ms: Some(60_000), calibrated: true };
        let half = ("1".parse().unwrap(), Some(30_000));
        assert_eq!((whole.cost_of(500), whole.active_ms_of(500)), half);
        let none = Estimate { tasks: 0, ..whole };
        assert_eq!((none.cost_of(5), none.active_ms_of(5)), (Usd::ZERO, Some(0)));
        let timeless = Estimate { active_ms: None, ..whole };
        for estimate in [whole, timeless] {
            assert_eq!(Estimate::from_text(&estimate.to_text()), Some(estimate));
        }
        assert_eq!(Estimate::from_text("1 2"), None);
    }

    #[test]
    fn derived_figures_survive_an_empty_run() {
        let empty = Summary::default();
        assert_eq!((empty.acceptance_rate(), empty.usd_per_thousand()), (None, None));
        let some = Summary {
            accepted: 3,
            rejections: Rejections::from([((Stage::Novelty, "rouge-l".to_owned()), 1)]),
            spent: Usd::from_pico(7),
            unconfirmed: Usd::from_pico(2),
            ..Summary::default()
        };
        assert_eq!(some.acceptance_rate(), Some(0.75));
        assert_eq!(some.usd_per_thousand(), Some(Usd::from_pico(3_000)));
    }
}
