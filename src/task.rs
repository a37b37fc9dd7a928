//! Tasks in their three stages: written by a person, proposed by a model, accepted into the pool.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// One input/output pair of a task, as in Self-Instruct's `instances`.
///
/// `input` is empty when the instruction needs none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Context or material that the instruction works on; may be empty.
    pub input: String,
    /// The expected answer.
    pub output: String,
}

/// A task written by a person, in Self-Instruct's seed format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedTask {
    /// The file's own identifier, such as `seed_task_0`.
    pub id: String,
    /// A short slug, such as `breakfast_suggestion`; may be empty.
    pub name: String,
    /// What is to be done.
    pub instruction: String,
    /// At least one instance; the first is the one shown to models, as in Alpaca.
    pub instances: Vec<Instance>,
    /// Whether the output is one of a small set of labels.
    pub is_classification: bool,
}

/// A task proposed by a model, parsed but not yet judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// What is to be done.
    pub instruction: String,
    /// Context for the instruction; empty when it needs none.
    pub input: String,
    /// The answer.
    pub output: String,
}

/// The part of a task, or of a record in a file, that is compared and must be novel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compared {
    /// The instruction alone, as in Self-Instruct and Alpaca; of a conversation, the first turn of
    /// the user.
    #[default]
    Instruction,
    /// The instruction and the input: the same instruction on other inputs is novel; of a
    /// conversation, all but the answers.
    InstructionAndInput,
    /// Instruction, input and output.
    All,
}

impl Compared {
    /// Every choice, in the order of `--help`.
    pub const ALL: [Self; 3] = [Self::Instruction, Self::InstructionAndInput, Self::All];

    /// The choice of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|compared| compared.name() == name)
    }

    /// The choice's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instruction => "instruction",
            Self::InstructionAndInput => "instruction+input",
            Self::All => "all",
        }
    }

    /// The text of a task that is compared; empty parts are left out.
    pub fn text(self, task: &Candidate) -> Cow<'_, str> {
        let Candidate { instruction, input, output } = task;
        let further: &[&str] = match self {
            Self::Instruction => &[],
            Self::InstructionAndInput => &[input],
            Self::All => &[input, output],
        };
        let further = further.iter().filter(|text| !text.is_empty());
        further.fold(Cow::Borrowed(instruction), |text, more| Cow::Owned(format!("{text}\n{more}")))
    }
}

/// A candidate that passed every filter and the novelty check, with where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptedTask {
    /// Position in the order of acceptance, from 0.
    pub id: u64,
    /// The task itself.
    pub task: Candidate,
    /// Where it came from and what it cost.
    pub provenance: Provenance,
    /// How similar it is to the tasks before it, when that was asked for.
    pub similarity: Option<PoolSimilarity>,
}

/// How similar a task is to the seed tasks and the tasks accepted before it, as Stanford Alpaca
/// records it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolSimilarity {
    /// The instructions of the most similar of them with their scores, 0.0 to 1.0, the most
    /// similar first.
    pub most_similar: Vec<(String, f64)>,
    /// The mean score over all of them.
    pub average: f64,
}

/// Where an accepted task came from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provenance {
    /// Index of the request, from 0, within the run.
    pub request_index: u64,
    /// Position of the response in the journal, from 1.
    pub response_seq: u64,
    /// Position of the item within its response, from 0.
    pub item_index: u32,
    /// The model asked for.
    pub model: String,
    /// The in-context examples of the request.
    pub examples: Vec<TaskRef>,
    /// This task's part of the cost of its response, in picodollars: the cost divided by the
    /// number of tasks accepted from that response, rounded down.
    pub cost_share: crate::usd::Usd,
    /// When the response arrived, in milliseconds since the Unix epoch.
    pub received_at_ms: i64,
    /// The most similar task in the pool at the time of acceptance, and its score.
    pub nearest: Option<(TaskRef, f64)>,
    /// Where the instruction came from, when its output was bought apart; all of the above is then
    /// about the output, except `examples` and `nearest`, and `cost_share` has a part of both.
    pub instruction: Option<InstructionSource>,
}

/// Where an instruction came from whose output was bought apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstructionSource {
    /// Index of the request for instructions, from 0, within the run.
    pub request_index: u64,
    /// Where the instruction stands in the journal.
    pub place: OpenTask,
}

/// An open task: an instruction with its input whose output is bought apart, named by where the
/// instruction stands in the journal. The name means the same task under any rules.
///
/// Its text form is `12.3`: the item 3 (from 0) of the response 12 (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpenTask {
    /// Position of the response in the journal, from 1.
    pub response_seq: u64,
    /// Position of the item within its response, from 0.
    pub item_index: u32,
}

impl fmt::Display for OpenTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.response_seq, self.item_index)
    }
}

impl FromStr for OpenTask {
    type Err = TaskRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('.').and_then(|(seq, item)| {
            Some(Self { response_seq: seq.parse().ok()?, item_index: item.parse().ok()? })
        });
        parsed.ok_or_else(|| TaskRefError(text.to_owned()))
    }
}

/// A task in the pool: the n-th seed task of the file, the n-th accepted task, or the n-th
/// instruction of a run that buys outputs apart, all from 0.
///
/// Its text form is `seed:3`, `task:17` or `open:17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskRef {
    /// The n-th seed task, from 0.
    Seed(u64),
    /// The n-th accepted task, from 0.
    Accepted(u64),
    /// The n-th instruction that passed the novelty check, from 0, whatever became of its output.
    Open(u64),
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(n) => write!(f, "seed:{n}"),
            Self::Accepted(n) => write!(f, "task:{n}"),
            Self::Open(n) => write!(f, "open:{n}"),
        }
    }
}

/// The text names no task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a task reference: expected seed:N, task:N, open:N or a place such as 12.3")]
pub struct TaskRefError(String);

impl FromStr for TaskRef {
    type Err = TaskRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once(':').and_then(|(kind, number)| {
            let number = number.parse().ok()?;
            match kind {
                "seed" => Some(Self::Seed(number)),
                "task" => Some(Self::Accepted(number)),
                "open" => Some(Self::Open(number)),
                _ => None,
            }
        });
        parsed.ok_or_else(|| TaskRefError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_refs_round_trip_through_text() {
        for task in [TaskRef::Seed(0), TaskRef::Accepted(u64::MAX), TaskRef::Open(7)] {
            assert_eq!(task.to_string().parse(), Ok(task));
        }
        let place = OpenTask { response_seq: 12, item_index: 3 };
        assert_eq!(place.to_string(), "12.3");
        assert_eq!("12.3".parse(), Ok(place));
        for bad in ["", "12", "12.", ".3", "12.3.4", "12.-3"] {
            assert!(bad.parse::<OpenTask>().is_err(), "{bad}");
        }
        for bad in ["", "seed", "seed:", "seed:-1", "pool:3", "task:x"] {
            assert!(bad.parse::<TaskRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn each_choice_takes_its_parts() {
        let task = |input: &str| Candidate {
            instruction: "do".to_owned(),
            input: input.to_owned(),
            output: "done".to_owned(),
        };
        let texts = |input| Compared::ALL.map(|compared| compared.text(&task(input)).into_owned());
        assert_eq!(texts("this"), ["do", "do\nthis", "do\nthis\ndone"]);
        assert_eq!(texts(""), ["do", "do", "do\ndone"]);
        assert_eq!(Compared::by_name("all"), Some(Compared::All));
        assert_eq!(Compared::by_name("output"), None);
    }
}
