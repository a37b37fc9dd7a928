//! Prompt templates: each renders a request and reads the tasks out of its completion.
//!
//! A template is one file here and one entry in [`TEMPLATES`]; the command line, its help and the
//! configuration checks come from that list.

mod alpaca;
mod fence;
mod fields;
mod instructions;
mod json;
mod latex;
#[cfg(test)]
mod mutations;
pub mod outputs;
mod quotes;
mod repair;
mod salvage;
mod scan;
mod strict;
mod value;

use std::fmt::Debug;
use std::sync::Arc;

use crate::chat::{Completion, Prompt, ResponseSchema};
use crate::task::Candidate;

/// The most characters of a rejected text that a [`Item::Defect`] keeps.
const MAX_SAMPLE_CHARS: usize = 500;

/// A way to ask a model for new tasks and to read them out of its answer.
pub trait Template: Debug + Send + Sync {
    /// The name on the command line and in the store, such as `alpaca`.
    fn name(&self) -> &'static str;

    /// One line for `--help`.
    fn about(&self) -> &'static str;

    /// The settings this template was designed for, where the person gives none.
    fn defaults(&self) -> Defaults;

    /// Builds the request that shows `examples` and asks for `tasks_per_request` tasks.
    ///
    /// The same arguments always give the same bytes.
    fn render(&self, examples: &[TaskText<'_>], tasks_per_request: u32) -> Rendered;

    /// As [`Self::render`], with `system` in place of the standing instructions, or in front of them
    /// where they are one with the format. What the answer must look like is said all the same.
    fn render_with(
        &self,
        system: &str,
        examples: &[TaskText<'_>],
        tasks_per_request: u32,
    ) -> Rendered;

    /// The template that asks for the same tasks without their outputs, which are bought apart;
    /// `None` where the format cannot do that.
    fn instructions(&self) -> Option<&'static dyn Template> {
        None
    }

    /// Reads every task out of a completion, in order, and every part that could not be read.
    ///
    /// `num_examples` is how many examples the request showed. Never panics, whatever the text.
    fn parse(&self, completion: &Completion, num_examples: usize) -> Vec<Item>;
}

/// A template's own settings, used where the person gives none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Defaults {
    /// In-context examples in a request.
    pub num_examples: usize,
    /// How many of `num_examples` are accepted tasks, once there are enough; the rest are seeds.
    pub accepted_examples: usize,
    /// Tasks asked for in one request.
    pub tasks_per_request: u32,
    /// The most tokens of output that a request may produce.
    pub max_output_tokens: u32,
    /// Sampling temperature.
    pub temperature: f64,
    /// Nucleus sampling mass.
    pub top_p: f64,
    /// Whether the filters on input and output apply, beside those on the instruction.
    pub content_filters: bool,
}

/// The text of a task that is shown to the model as an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskText<'a> {
    /// What is to be done.
    pub instruction: &'a str,
    /// Context for the instruction; empty when it needs none.
    pub input: &'a str,
    /// The answer.
    pub output: &'a str,
}

/// What a template puts into a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// What the model is given.
    pub prompt: Prompt,
    /// Texts at which the model stops; at most four.
    pub stop: Vec<String>,
    /// The schema of the answer, where the template has one.
    pub response_schema: Option<Arc<ResponseSchema>>,
}

/// One part of a completion: a task, or a text that could not be read as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A task, not yet judged.
    Candidate(Candidate),
    /// A part that gave no task.
    Defect {
        /// What was wrong, in `snake_case`, such as `missing_output`.
        rule: &'static str,
        /// The start of the text in question, at most 500 characters.
        sample: String,
    },
}

impl Item {
    /// A defect with the start of `text` as its sample.
    fn defect(rule: &'static str, text: &str) -> Self {
        Self::Defect { rule, sample: text.chars().take(MAX_SAMPLE_CHARS).collect() }
    }
}

/// Every template, the default first.
pub static TEMPLATES: &[&dyn Template] = &[&json::Json, &alpaca::Alpaca];

/// The template with this name.
pub fn by_name(name: &str) -> Option<&'static dyn Template> {
    TEMPLATES.iter().copied().find(|template| template.name() == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::FinishReason;

    /// A completion with this text and no usage.
    pub(super) fn completion(text: &str, finish_reason: FinishReason) -> Completion {
        Completion { text: text.to_owned(), finish_reason, usage: None }
    }

    /// The tasks among `items`, in order.
    pub(super) fn candidates(items: &[Item]) -> Vec<Candidate> {
        let tasks = items.iter().filter_map(|item| match item {
            Item::Candidate(task) => Some(task.clone()),
            Item::Defect { .. } => None,
        });
        tasks.collect()
    }

    /// The rules of the defects among `items`, in order.
    pub(super) fn rules(items: &[Item]) -> Vec<&'static str> {
        let rules = items.iter().filter_map(|item| match item {
            Item::Defect { rule, .. } => Some(*rule),
            Item::Candidate(_) => None,
        });
        rules.collect()
    }

    /// A task from its three texts.
    pub(super) fn task(instruction: &str, input: &str, output: &str) -> Candidate {
        Candidate {
            instruction: instruction.to_owned(),
            input: input.to_owned(),
            output: output.to_owned(),
        }
    }

    /// The borrowed form of a task.
    pub(super) fn text_of(task: &Candidate) -> TaskText<'_> {
        TaskText { instruction: &task.instruction, input: &task.input, output: &task.output }
    }

    /// Two examples: one with an input, one without and with text that needs care.
    pub(super) const EXAMPLES: [TaskText<'_>; 2] = [
        TaskText {
            instruction: "Name the capital  of the\ncountry:",
            input: "Portugal",
            output: "Lisbon",
        },
        TaskText {
            instruction: "Quote a proverb.",
            input: "",
            output: "\"Haste makes waste.\"\n### {end}",
        },
    ];

    #[test]
    fn names_are_unique_and_found() {
        for template in TEMPLATES {
            assert_eq!(by_name(template.name()).map(Template::name), Some(template.name()));
            assert_eq!(TEMPLATES.iter().filter(|t| t.name() == template.name()).count(), 1);
        }
        assert!(by_name("Alpaca").is_none());
    }

    #[test]
    fn rendered_requests_fit_the_openai_api() {
        for template in TEMPLATES {
            let rendered = template.render(&EXAMPLES, template.defaults().tasks_per_request);
            assert!(rendered.stop.len() <= 4, "{}", template.name());
        }
    }

    fn any_finish() -> impl Strategy<Value = FinishReason> {
        prop_oneof![Just(FinishReason::Stop), Just(FinishReason::Length)]
    }

    proptest! {
        #[test]
        fn no_text_makes_a_template_panic(
            text in prop_oneof![
                ".{0,200}",
                "([{}\\[\\]\":,\\\\]|[34]\\. |###|Instruction:|\"input\"|\\\\u|d800|\u{1f}|é|\n){0,80}",
            ],
            finish in any_finish(),
            num_examples in prop_oneof![0..5_usize, Just(usize::MAX)],
        ) {
            for template in TEMPLATES {
                let items = template.parse(&completion(&text, finish.clone()), num_examples);
                prop_assert!(template.name() == "alpaca" || !items.is_empty());
                for item in items {
                    if let Item::Defect { sample, .. } = item {
                        prop_assert!(sample.chars().count() <= MAX_SAMPLE_CHARS);
                    }
                }
            }
        }
    }
}
