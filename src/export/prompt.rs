//! The text around a task in formats that have a prompt.

use std::borrow::Cow;

use crate::task::Candidate;

/// What is put around an instruction and its input to make a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PromptTemplate {
    /// Nothing: the instruction, and after a blank line the input.
    #[default]
    None,
    /// The prompts that Stanford Alpaca was trained with, byte for byte those of `PROMPT_DICT` in
    /// its `train.py`: who uses a model that was trained with them has to write the same.
    Alpaca,
}

impl PromptTemplate {
    /// Every template, in the order of `--help`.
    pub const ALL: [Self; 2] = [Self::None, Self::Alpaca];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Alpaca => "alpaca",
        }
    }

    /// The template of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.name() == name)
    }

    /// What the user says.
    pub(super) fn question(self, task: &Candidate) -> Cow<'_, str> {
        let Candidate { instruction, input, .. } = task;
        match (self, input.is_empty()) {
            (Self::None, true) => Cow::Borrowed(instruction),
            (Self::None, false) => Cow::Owned(format!("{instruction}\n\n{input}")),
            (Self::Alpaca, true) => Cow::Owned(format!(
                "Below is an instruction that describes a task. Write a response that \
                 appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n\
                 ### Response:"
            )),
            (Self::Alpaca, false) => Cow::Owned(format!(
                "Below is an instruction that describes a task, paired with an input that provides \
                 further context. Write a response that appropriately completes the request.\n\n\
                 ### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
            )),
        }
    }

    /// The text that a completion is written behind. Trainers join the two as they are, so a prompt
    /// without a template ends in a blank line.
    pub(super) fn prompt(self, system: Option<&str>, task: &Candidate) -> String {
        let mut prompt = String::new();
        if let Some(system) = system {
            prompt.push_str(system);
            prompt.push_str("\n\n");
        }
        prompt.push_str(&self.question(task));
        if self == Self::None {
            prompt.push_str("\n\n");
        }
        prompt
    }
}
