//! The columns that a data set can have.

use std::borrow::Cow;

use super::cell::{Cell, Instances, Turns};
use super::row::{ProvenanceRow, rfc3339};
use crate::task::{AcceptedTask, TaskRef};

use super::prompt::PromptTemplate;

/// A column of a table, or a key of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// What is to be done.
    Instruction,
    /// Context for the instruction; may be empty.
    Input,
    /// The answer.
    Output,
    /// The system text, the same in every row.
    System,
    /// Everything that the answer is written behind.
    Prompt,
    /// The answer, behind a prompt.
    Completion,
    /// Turns of `role` and `content`.
    Messages,
    /// Turns of `from` and `value`.
    Conversations,
    /// A list of one `input` and `output`.
    Instances,
    /// Alpaca's ten most similar instructions with their scores.
    MostSimilar,
    /// Alpaca's mean score over all tasks before.
    AverageSimilarity,
    /// Where a task came from, as one object.
    Provenance,
    /// Position in the order of acceptance, from 0.
    Id,
    /// Index of the request in the run, from 0.
    Request,
    /// Position of the response in the journal, from 1.
    Response,
    /// Position of the task in the response, from 0.
    Item,
    /// The model asked for.
    Model,
    /// The in-context examples, with a space between them.
    Examples,
    /// This task's part of the cost of its response, in US dollars, as a decimal number in a text.
    CostUsd,
    /// When the response arrived, in RFC 3339, UTC.
    ReceivedAt,
    /// The most similar task in the pool at that time, where it is known.
    NearestTask,
    /// Its score, 0.0 to 1.0.
    NearestScore,
}

/// The facts of [`Column::Provenance`] as columns of their own.
pub(super) const FACTS: [Column; 10] = [
    Column::Id,
    Column::Request,
    Column::Response,
    Column::Item,
    Column::Model,
    Column::Examples,
    Column::CostUsd,
    Column::ReceivedAt,
    Column::NearestTask,
    Column::NearestScore,
];

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number from 0.
    Integer,
    /// A number, or nothing.
    Number,
    /// An object or a list; in a table, its JSON as a text.
    Nested,
}

/// What every row of a data set has beside its task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Surroundings {
    pub(super) system: Option<String>,
    pub(super) template: PromptTemplate,
}

impl Column {
    /// Every column.
    pub const ALL: [Self; 22] = [
        Self::Instruction,
        Self::Input,
        Self::Output,
        Self::System,
        Self::Prompt,
        Self::Completion,
        Self::Messages,
        Self::Conversations,
        Self::Instances,
        Self::MostSimilar,
        Self::AverageSimilarity,
        Self::Provenance,
        Self::Id,
        Self::Request,
        Self::Response,
        Self::Item,
        Self::Model,
        Self::Examples,
        Self::CostUsd,
        Self::ReceivedAt,
        Self::NearestTask,
        Self::NearestScore,
    ];

    /// Its name in the file and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instruction => "instruction",
            Self::Input => "input",
            Self::Output => "output",
            Self::System => "system",
            Self::Prompt => "prompt",
            Self::Completion => "completion",
            Self::Messages => "messages",
            Self::Conversations => "conversations",
            Self::Instances => "instances",
            Self::MostSimilar => "most_similar_instructions",
            Self::AverageSimilarity => "avg_similarity_score",
            Self::Provenance => "provenance",
            Self::Id => "id",
            Self::Request => "request",
            Self::Response => "response",
            Self::Item => "item",
            Self::Model => "model",
            Self::Examples => "examples",
            Self::CostUsd => "cost_usd",
            Self::ReceivedAt => "received_at",
            Self::NearestTask => "nearest_task",
            Self::NearestScore => "nearest_score",
        }
    }

    /// The column of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// What it holds.
    pub fn kind(self) -> Kind {
        match self {
            Self::Messages
            | Self::Conversations
            | Self::Instances
            | Self::MostSimilar
            | Self::Provenance => Kind::Nested,
            Self::Id | Self::Request | Self::Response | Self::Item => Kind::Integer,
            Self::AverageSimilarity | Self::NearestScore => Kind::Number,
            _ => Kind::Text,
        }
    }

    /// Whether it is one of Alpaca's two, which are there only when they were asked for.
    pub(super) fn is_similarity(self) -> bool {
        matches!(self, Self::MostSimilar | Self::AverageSimilarity)
    }

    /// Whether a system text is part of it.
    pub(super) fn has_system(self) -> bool {
        matches!(self, Self::System | Self::Prompt | Self::Messages | Self::Conversations)
    }

    /// Whether a prompt template changes it.
    pub(super) fn has_prompt(self) -> bool {
        matches!(self, Self::Prompt | Self::Messages | Self::Conversations)
    }

    pub(super) fn cell<'a>(self, accepted: &'a AcceptedTask, around: &'a Surroundings) -> Cell<'a> {
        let (task, from) = (&accepted.task, &accepted.provenance);
        let system = around.system.as_deref();
        match self {
            Self::Instruction => Cell::text(&task.instruction),
            Self::Input => Cell::text(&task.input),
            Self::Output | Self::Completion => Cell::text(&task.output),
            Self::System => Cell::text(system.unwrap_or_default()),
            Self::Prompt => Cell::Text(Cow::Owned(around.template.prompt(system, task))),
            Self::Messages | Self::Conversations => {
                let question = around.template.question(task);
                let keys = if self == Self::Messages { &Turns::OPENAI } else { &Turns::SHAREGPT };
                Cell::Turns(Turns { keys, system, question, answer: &task.output })
            }
            Self::Instances => {
                Cell::Instances(Instances { input: &task.input, output: &task.output })
            }
            Self::MostSimilar => match &accepted.similarity {
                Some(similarity) => Cell::Scores(&similarity.most_similar),
                None => Cell::Null,
            },
            Self::AverageSimilarity => {
                let average = accepted.similarity.as_ref().map(|similarity| similarity.average);
                average.map_or(Cell::Null, Cell::Number)
            }
            Self::Provenance => Cell::Provenance(ProvenanceRow::new(accepted)),
            Self::Id => Cell::Integer(accepted.id),
            Self::Request => Cell::Integer(from.request_index),
            Self::Response => Cell::Integer(from.response_seq),
            Self::Item => Cell::Integer(from.item_index.into()),
            Self::Model => Cell::text(&from.model),
            Self::Examples => Cell::Text(Cow::Owned(joined(&from.examples))),
            Self::CostUsd => Cell::Text(Cow::Owned(from.cost_share.to_string())),
            Self::ReceivedAt => {
                rfc3339(from.received_at_ms).map_or(Cell::Null, |time| Cell::Text(time.into()))
            }
            Self::NearestTask => {
                from.nearest.map_or(Cell::Null, |(task, _)| Cell::Text(task.to_string().into()))
            }
            Self::NearestScore => from.nearest.map_or(Cell::Null, |(_, score)| Cell::Number(score)),
        }
    }
}

fn joined(examples: &[TaskRef]) -> String {
    examples.iter().map(TaskRef::to_string).collect::<Vec<_>>().join(" ")
}
