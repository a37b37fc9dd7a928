//! The pool: seed tasks and accepted tasks, and how in-context examples are drawn from them.
//!
//! | file | what |
//! |---|---|
//! | `seed.rs` | reads a seeds file, JSONL or one JSON array |
//! | `record.rs` | one JSON value of it, made into a [`SeedTask`] |
//! | `problem.rs` | what can be wrong with a seeds file, and how to mend it |
//! | `arena.rs` | the texts of the accepted tasks, packed |
//! | `sampler.rs` | draws the in-context examples of a request |

mod arena;
mod problem;
mod record;
mod sampler;
mod seed;
#[cfg(test)]
mod seed_tests;

use crate::task::{Candidate, SeedTask, TaskRef};

use arena::Arena;

pub use problem::{Encoding, Fault, Place, Problem, SeedError};
pub use sampler::sample_examples;
pub use seed::{
    BUNDLED_SEED_TASKS, SeedFile, bundled_seed_tasks, ensure_enough, mostly_ascii,
    mostly_ascii_texts, read_seed_tasks,
};

/// The most characters that an accepted task may have, instruction, input and output together, to
/// serve as an in-context example.
///
/// A long example costs its tokens again in every request that shows it, and long answers fed back
/// as examples have filled the context window of other generators. Seed tasks have no such limit:
/// their author chose them.
pub const MAX_EXAMPLE_CHARS: usize = 2_000;

/// The seed tasks and the accepted tasks of a run, in the order of the file and of acceptance.
///
/// Of accepted tasks only the texts that can be shown as in-context examples are kept, packed: a
/// million of them need little more memory than the texts themselves.
#[derive(Debug)]
pub struct Pool {
    seeds: Vec<SeedTask>,
    accepted: Arena,
    /// What the accepted ones are: whole tasks, or instructions whose outputs are bought apart.
    reference: fn(u64) -> TaskRef,
}

/// A task of the pool as it is shown to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example<'a> {
    /// Which task it is.
    pub task: TaskRef,
    /// What is to be done.
    pub instruction: &'a str,
    /// Context for the instruction; empty when it needs none. Of a seed task, the first instance's.
    pub input: &'a str,
    /// The answer. Of a seed task, the first instance's.
    pub output: &'a str,
}

impl Pool {
    /// A pool that has seed tasks and no accepted task yet.
    pub fn new(seeds: Vec<SeedTask>) -> Self {
        Self { seeds, accepted: Arena::default(), reference: TaskRef::Accepted }
    }

    /// A pool of instructions and inputs, in a run that buys their outputs apart: a task joins it
    /// without an output, before anyone knows whether its output will be accepted.
    pub fn of_instructions(seeds: Vec<SeedTask>) -> Self {
        Self { reference: TaskRef::Open, ..Self::new(seeds) }
    }

    /// The seed tasks, in the order of their file.
    pub fn seeds(&self) -> &[SeedTask] {
        &self.seeds
    }

    /// The reference of the n-th task added, from 0.
    pub fn reference(&self, n: u64) -> TaskRef {
        (self.reference)(n)
    }

    /// How many tasks have been added, those too long to be examples included.
    pub fn accepted_len(&self) -> u64 {
        self.accepted.len()
    }

    /// Adds a task and gives its reference: the n-th call gives the n-th task, from 0.
    pub fn push(&mut self, task: &Candidate) -> TaskRef {
        let Candidate { instruction, input, output } = task;
        let texts = [&**instruction, &**input, &**output];
        let texts = if is_example_sized(&texts) { texts } else { [""; 3] };
        let number = self.accepted.push(texts);
        self.reference(number)
    }

    /// A task as an in-context example; of a seed task its first instance, as in Alpaca.
    ///
    /// `None` when the task is not in the pool, has no text, or was accepted with more than
    /// [`MAX_EXAMPLE_CHARS`] characters.
    pub fn get(&self, task: TaskRef) -> Option<Example<'_>> {
        match task {
            TaskRef::Seed(n) => {
                let seed = self.seeds.get(usize::try_from(n).ok()?)?;
                let (input, output) =
                    seed.instances.first().map_or(("", ""), |i| (&*i.input, &*i.output));
                Some(Example { task, instruction: &seed.instruction, input, output })
            }
            TaskRef::Accepted(n) | TaskRef::Open(n) => {
                if self.reference(n) != task {
                    return None;
                }
                let [instruction, input, output] = self.accepted.get(n)?;
                let is_empty = instruction.is_empty() && input.is_empty() && output.is_empty();
                (!is_empty).then_some(Example { task, instruction, input, output })
            }
        }
    }
}

fn is_example_sized(texts: &[&str]) -> bool {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    bytes <= MAX_EXAMPLE_CHARS
        || texts.iter().map(|text| text.chars().count()).sum::<usize>() <= MAX_EXAMPLE_CHARS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Instance;

    fn candidate(instruction: &str, input: &str, output: &str) -> Candidate {
        Candidate {
            instruction: instruction.to_owned(),
            input: input.to_owned(),
            output: output.to_owned(),
        }
    }

    #[test]
    fn gives_back_seeds_and_accepted_tasks() {
        let instances = vec![
            Instance { input: "in".to_owned(), output: "out".to_owned() },
            Instance { input: "second".to_owned(), output: "unused".to_owned() },
        ];
        let seed = SeedTask {
            id: "s".to_owned(),
            name: String::new(),
            instruction: "do".to_owned(),
            instances,
            is_classification: false,
        };
        let mut pool = Pool::new(vec![seed]);
        assert_eq!(pool.push(&candidate("a", "", "b")), TaskRef::Accepted(0));
        assert_eq!(pool.push(&candidate("c", "d", "e")), TaskRef::Accepted(1));
        assert_eq!(pool.accepted_len(), 2);

        let shown = |task: TaskRef| pool.get(task).map(|e| [e.instruction, e.input, e.output]);
        assert_eq!(shown(TaskRef::Seed(0)), Some(["do", "in", "out"]));
        assert_eq!(shown(TaskRef::Accepted(0)), Some(["a", "", "b"]));
        assert_eq!(shown(TaskRef::Accepted(1)), Some(["c", "d", "e"]));
        assert_eq!(shown(TaskRef::Seed(1)), None);
        assert_eq!(shown(TaskRef::Accepted(2)), None);
        assert_eq!(shown(TaskRef::Accepted(u64::MAX)), None);
    }

    #[test]
    fn a_long_task_counts_but_is_no_example() {
        let mut pool = Pool::new(Vec::new());
        let longest = "語".repeat(MAX_EXAMPLE_CHARS);
        let fits = pool.push(&candidate(&longest, "", ""));
        let too_long = pool.push(&candidate(&longest, "", "!"));
        let after = pool.push(&candidate("short", "", ""));
        assert_eq!(pool.accepted_len(), 3);
        assert_eq!(pool.get(fits).map(|e| e.instruction.len()), Some(longest.len()));
        assert_eq!(pool.get(too_long), None);
        assert_eq!(pool.get(after).map(|e| e.instruction), Some("short"));
    }
}
