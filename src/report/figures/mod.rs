//! What a report says in numbers: collected from the journal's rows in one pass, in memory that does
//! not grow with the run.
//!
//! [`CandidateFigures`] is given every candidate in the order of the journal, [`AttemptFigures`]
//! every attempt; both then answer questions. Nothing here reads a file or a clock.

mod attempts;
mod candidates;
mod classification;
mod distribution;
mod growth;
mod languages;
mod opening;
mod projection;
mod samples;
mod verbs;

use crate::usd::Usd;

pub use attempts::{ActiveTime, AttemptFigures, SentAttempt};
pub use candidates::{CandidateFigures, JudgedText};
pub use classification::asks_for_a_label;
pub use distribution::{Bin, Distribution};
pub use growth::{Growth, GrowthStep};
pub use languages::{language_of, word_count};
pub use opening::{Opening, opening_of};
pub use projection::{Outlook, project};
pub use samples::{RuleSamples, Sample, TaskSample};
pub use verbs::{VerbCount, VerbTally};

/// A run in numbers and samples: all that its page shows.
#[derive(Debug)]
pub struct RunFigures {
    /// What is told about every run.
    pub totals: super::RunReport,
    /// The settings by name, as the run began with them.
    pub settings: Vec<(String, String)>,
    /// When its first session began, in milliseconds since the Unix epoch.
    pub began_at_ms: Option<i64>,
    /// When its journal was last written.
    pub seen_at_ms: Option<i64>,
    /// How often it was started.
    pub sessions: usize,
    /// Requests a minute that the account allows.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute that the account allows.
    pub tokens_per_minute: Option<u64>,
    /// Tokens and money by class.
    pub classes: Vec<TokenClass>,
    /// Why there is no money in `classes`, where there is none.
    pub no_class_costs: Option<String>,
    /// Attempts: money and speed over time.
    pub attempts: AttemptFigures,
    /// Candidates: what became of them, and what the accepted ones are like.
    pub candidates: CandidateFigures,
    /// How similar accepted tasks are to the nearest seed task.
    pub nearest_seed: NearestSeed,
}

/// The tokens of one class and what they cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClass {
    /// The class: `input`, `cached input` and so on.
    pub name: &'static str,
    /// How many of them.
    pub tokens: u64,
    /// Their price by the run's settings; `None` where it cannot be told any more.
    pub cost: Option<Usd>,
}

/// The similarity of accepted tasks to their nearest seed task: figure 4 of Self-Instruct.
#[derive(Debug)]
pub enum NearestSeed {
    /// Compared, some or all of them.
    Compared {
        /// The similarity's name.
        similarity: &'static str,
        /// Scores in hundredths, rounded down.
        scores: Distribution,
    },
    /// Not compared, for this reason.
    Unknown(String),
}
