//! Which candidates are asked for, and what of a candidate the index knows beside its texts.

use std::fmt::Write as _;

use super::words;
use crate::event::{Phase, Stage};
use crate::store::StoredRow;

/// Candidates with what fate are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Wanted {
    /// Anything.
    #[default]
    Any,
    /// It was accepted.
    Accepted,
    /// It was turned away.
    Rejected,
    /// A stage turned it away.
    Stage(Stage),
    /// A rule of a stage turned it away.
    Rule(Stage, String),
}

/// Which candidates are asked for; all conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowFilter {
    /// Words that must be in the texts; empty: any text. See [`RowFilter::has_words`].
    pub text: String,
    /// What became of it.
    pub fate: Wanted,
    /// The request that brought it.
    pub request_index: Option<u64>,
    /// What that request was for, any of these; empty: anything.
    pub phases: Vec<Phase>,
    /// The least similarity to its nearest task, in tenths from 0 to 10.
    pub least_tenths: Option<u8>,
}

impl RowFilter {
    /// Whether every candidate is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the text has a word that can be searched for.
    pub fn has_words(&self) -> bool {
        words::expression(&self.text).is_some()
    }

    /// The question to FTS5; `None` when there is no condition that it can answer.
    pub(super) fn expression(&self) -> Option<String> {
        let text = words::expression(&self.text)
            .map(|words| format!("{{instruction input output}} : ({words})"));
        let fate = match &self.fate {
            Wanted::Any => None,
            Wanted::Accepted => Some(ACCEPTED.to_owned()),
            Wanted::Rejected => Some(REJECTED.to_owned()),
            Wanted::Stage(stage) => Some(stage_facet(*stage)),
            Wanted::Rule(stage, rule) => Some(rule_facet(*stage, rule)),
        };
        let score = self.least_tenths.map(|least| {
            let tenths: Vec<String> = (least.min(10)..=10).map(score_facet).collect();
            format!("({})", tenths.join(" OR "))
        });
        let request = self.request_index.map(request_facet);
        let phase = (!self.phases.is_empty()).then(|| {
            let phases: Vec<String> = self.phases.iter().copied().map(phase_facet).collect();
            format!("({})", phases.join(" OR "))
        });
        let facets: Vec<String> = [fate, score, request, phase].into_iter().flatten().collect();
        let facets = (!facets.is_empty()).then(|| format!("facet : ({})", facets.join(" AND ")));
        let parts: Vec<String> = [text, facets].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }
}

const ACCEPTED: &str = "accepted";
const REJECTED: &str = "rejected";

/// All that the index knows of a candidate beside its texts, as words.
pub(super) fn facets(row: &StoredRow) -> String {
    let mut facets = [request_facet(row.request_index), phase_facet(row.phase)].join(" ");
    match &row.rejected_by {
        Some((stage, rule)) => {
            let parts = [REJECTED, &stage_facet(*stage), &rule_facet(*stage, rule)].join(" ");
            facets.extend([" ", &parts]);
        }
        None if row.task_id.is_some() => facets.extend([" ", ACCEPTED]),
        None => {}
    }
    if let Some(score) = row.score {
        facets.extend([" ", &score_facet(tenths(score))]);
    }
    facets
}

/// Whole tenths of a score.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number from 0 to 10"
)]
fn tenths(score: f64) -> u8 {
    // What should be 0.7 may be a little less.
    (score * 10.0 + 1e-9).floor().clamp(0.0, 10.0) as u8
}

fn request_facet(index: u64) -> String {
    format!("q{index}")
}

fn phase_facet(phase: Phase) -> String {
    format!("phase{}", phase.as_str())
}

fn score_facet(tenths: u8) -> String {
    format!("s{tenths}")
}

fn stage_facet(stage: Stage) -> String {
    format!("stage{}", stage.as_str())
}

/// In hexadecimal digits, because a rule's name may have signs at which a word would end.
fn rule_facet(stage: Stage, rule: &str) -> String {
    let name = format!("{}/{rule}", stage.as_str());
    name.bytes().fold("r".to_owned(), |mut facet, byte| {
        write!(facet, "{byte:02x}").expect("a text takes everything");
        facet
    })
}
