//! The shape that the response schema asks for, read without a tree of JSON values in between.

use std::borrow::Cow;

use serde::Deserialize;

use super::Item;
use super::fields::read_texts;

/// The whole answer. Anything else in it, or a key that comes twice, is for the tolerant reader.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer<'a> {
    #[serde(borrow)]
    tasks: Vec<Task<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Task<'a> {
    #[serde(borrow)]
    instruction: Cow<'a, str>,
    #[serde(borrow)]
    input: Cow<'a, str>,
    #[serde(borrow)]
    output: Cow<'a, str>,
}

/// Reads an answer that has the schema's shape and at least one and at most `most` tasks; `None`
/// for any other. The items are those that the tolerant reader finds.
pub(super) fn read_strict(text: &str, most: usize) -> Option<Vec<Item>> {
    let answer: Answer<'_> = serde_json::from_str(text).ok()?;
    let is_sized = (1..=most).contains(&answer.tasks.len());
    let read = |task: &Task<'_>| {
        let sample = || {
            serde_json::json!({
                "instruction": task.instruction, "input": task.input, "output": task.output,
            })
        };
        match read_texts(&task.instruction, &task.input, &task.output) {
            Ok(task) => Item::Candidate(task),
            Err(rule) => Item::defect(rule, &sample().to_string()),
        }
    };
    is_sized.then(|| answer.tasks.iter().map(read).collect())
}
