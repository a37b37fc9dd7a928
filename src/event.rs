//! What happened to a candidate: the verdicts that a run stores and a report counts.

use crate::task::{Candidate, OpenTask, TaskRef};

/// What a request is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Whole tasks: instruction, input and output.
    #[default]
    Tasks,
    /// Instructions and inputs without outputs.
    Instructions,
    /// Outputs for instructions that were accepted.
    Responses,
    /// Embeddings of texts, for the novelty check.
    Embeddings,
}

impl Phase {
    /// Every phase, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Tasks, Self::Instructions, Self::Responses, Self::Embeddings];

    /// The phase of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }

    /// The name used in the store, summaries and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Instructions => "instructions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
        }
    }
}

/// The step that turned a candidate away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The item could not be read out of the response.
    Parse,
    /// A rule about the text itself.
    Filter,
    /// Has text of a benchmark that the data must not contain.
    Contaminated,
    /// Too similar to a task already in the pool.
    Novelty,
}

impl Stage {
    /// Every stage, in the order of the flow.
    pub const ALL: [Self; 4] = [Self::Parse, Self::Filter, Self::Contaminated, Self::Novelty];

    /// The stage of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }

    /// The name used in the store, summaries and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Filter => "filter",
            Self::Contaminated => "contaminated",
            Self::Novelty => "novelty",
        }
    }
}

/// Why a candidate was turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The step that turned it away.
    pub stage: Stage,
    /// The rule's name in `snake_case`, one of its stage's list.
    pub rule: &'static str,
    /// What exactly met the rule, for a person to read; may be empty.
    pub detail: String,
}

/// The task in the pool that is most similar to a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// Which task.
    pub task: TaskRef,
    /// The similarity, from 0.0 to 1.0.
    pub score: f64,
}

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is an accepted task.
    Accepted,
    /// It is an instruction that passed and waits for its output.
    Open,
    /// It was turned away.
    Rejected(Rejection),
}

impl Fate {
    /// Why it was turned away, if it was.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Accepted | Self::Open => None,
        }
    }
}

/// One item of a response with its fate.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Position within the response, from 0.
    pub item_index: u32,
    /// The item; for one that could not be parsed, the raw text is in `instruction`.
    pub candidate: Candidate,
    /// What became of it.
    pub fate: Fate,
    /// The open task whose output it is, when outputs are bought apart.
    pub answers: Option<OpenTask>,
    /// The most similar task at that moment; `None` when novelty was not reached or nothing in the
    /// pool shares a token.
    pub nearest: Option<Nearest>,
}

impl Verdict {
    /// Whether the item became an accepted task.
    pub fn accepted(&self) -> bool {
        self.fate == Fate::Accepted
    }
}
