//! The second half of a task when outputs are bought apart: a request for the outputs of tasks that
//! have an instruction and an input, and the reader of its answer.
//!
//! The answer is plain text, whatever the server enforces: models write better outside of JSON, and
//! there is nothing to escape. Several outputs are told apart by a line before each.

use std::fmt::Write;

use super::fields::{is_oversized, without_controls};
use super::salvage::without_reasoning;
use super::{Item, Rendered, TaskText};
use crate::chat::{Completion, FinishReason, Message, Prompt, Role};
use crate::task::Candidate;

/// Standing instructions where the person gives none.
const INSTRUCTIONS: &str = "\
You do tasks as an expert would. Your answers teach a language model to follow instructions: correct, \
complete, understandable by themselves. Give the answer alone, without a preamble, a placeholder or \
a remark about being a model, in the language of the task.";

/// How several answers are written, behind the standing instructions.
const SEVERAL: &str = "\
You are given several tasks. Before each answer write a line with the number of its task, in this \
form: === 1 ===";

/// The default of the most output tokens for one task.
pub const MAX_OUTPUT_TOKENS: u32 = 2_000;

/// Builds the request for the outputs of `tasks`. The same arguments always give the same bytes.
///
/// `system` takes the place of the standing instructions; what the answer must look like is said
/// all the same.
pub fn render(system: Option<&str>, tasks: &[TaskText<'_>]) -> Rendered {
    let system = system.unwrap_or(INSTRUCTIONS);
    let (system, user) = match tasks {
        [task] => (system.to_owned(), format!("Task:\n{}", task_text(task))),
        _ => (format!("{system}\n\n{SEVERAL}"), numbered(tasks)),
    };
    let messages = vec![
        Message { role: Role::System, content: system },
        Message { role: Role::User, content: user },
    ];
    Rendered { prompt: Prompt::Messages(messages), stop: Vec::new(), response_schema: None }
}

fn task_text(task: &TaskText<'_>) -> String {
    match task.input {
        "" => task.instruction.to_owned(),
        input => format!("{}\n\nInput:\n{input}", task.instruction),
    }
}

/// By the last line the simulator knows how many answers are wanted.
fn numbered(tasks: &[TaskText<'_>]) -> String {
    let mut text = String::new();
    for (number, task) in (1_usize..).zip(tasks) {
        write!(text, "{}\n{}\n\n", marker(number), task_text(task))
            .expect("writing to a String cannot fail");
    }
    text + &format!("Answer these {} tasks.", tasks.len())
}

fn marker(number: usize) -> String {
    format!("=== {number} ===")
}

/// Reads the outputs of so many tasks out of a completion: one item for each, in their order. The
/// candidates have nothing but an output.
///
/// An output that may not be whole is a defect: what would follow is not known.
pub fn parse(completion: &Completion, tasks: usize) -> Vec<Item> {
    let text = without_reasoning(&completion.text);
    let cut = match completion.finish_reason {
        FinishReason::Length => Some("truncated"),
        FinishReason::ContentFilter => Some("withheld"),
        _ => None,
    };
    if text.trim().is_empty() {
        return vec![Item::defect(cut.unwrap_or("empty_response"), &completion.text); tasks];
    }
    if tasks == 1 {
        return vec![cut.map_or_else(|| read_output(text), |rule| Item::defect(rule, text))];
    }
    let mut items = vec![Item::defect("missing_output", ""); tasks];
    let answers = answers(text, tasks);
    for (position, (number, answer)) in answers.iter().enumerate() {
        let is_last = position + 1 == answers.len();
        let item = match cut.filter(|_| is_last) {
            Some(rule) => Item::defect(rule, answer),
            None => read_output(answer),
        };
        if let Some(place) = items.get_mut(number - 1) {
            *place = item;
        }
    }
    items
}

/// The numbers from 1 and the texts of the answers, told apart by the lines before them. A number
/// counts when it is higher than the one before: a lower one belongs to the text.
fn answers(text: &str, tasks: usize) -> Vec<(usize, String)> {
    let mut answers: Vec<(usize, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let last = answers.last().map_or(0, |(number, _)| *number);
        match number_of(line).filter(|number| (last + 1..=tasks).contains(number)) {
            Some(number) => answers.push((number, String::new())),
            None => {
                if let Some((_, answer)) = answers.last_mut() {
                    answer.push_str(line);
                }
            }
        }
    }
    answers
}

/// The number in a line such as `=== 2 ===`, with marks of emphasis around it at most.
fn number_of(line: &str) -> Option<usize> {
    let line = line.trim().trim_matches(['*', '#', '`', ' ']);
    line.strip_prefix("===")?.strip_suffix("===")?.trim().parse().ok()
}

fn read_output(text: &str) -> Item {
    let output = without_controls(text);
    if is_oversized(&output) {
        return Item::defect("oversized_item", text);
    }
    Item::Candidate(Candidate { output, ..Candidate::default() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{EXAMPLES, completion};
    use super::*;

    fn contents(rendered: &Rendered) -> [&str; 2] {
        let Prompt::Messages(messages) = &rendered.prompt else { panic!("not a conversation") };
        let [system, user] = messages.as_slice() else { panic!("not two messages") };
        [&system.content, &user.content]
    }

    /// Outputs as they are, defects by their rules in brackets.
    fn read(text: &str, finish: FinishReason, tasks: usize) -> Vec<String> {
        let show = |item| match item {
            Item::Candidate(task) => task.output,
            Item::Defect { rule, .. } => format!("[{rule}]"),
        };
        parse(&completion(text, finish), tasks).into_iter().map(show).collect()
    }

    #[test]
    fn the_prompts_read_well() {
        insta::assert_snapshot!(contents(&render(None, &EXAMPLES[..1])).join("\n---\n"), @r"
        You do tasks as an expert would. Your answers teach a language model to follow instructions: correct, complete, understandable by themselves. Give the answer alone, without a preamble, a placeholder or a remark about being a model, in the language of the task.
        ---
        Task:
        Name the capital  of the
        country:

        Input:
        Portugal
        ");
        insta::assert_snapshot!(contents(&render(Some("Rhyme."), &EXAMPLES)).join("\n---\n"), @r"
        Rhyme.

        You are given several tasks. Before each answer write a line with the number of its task, in this form: === 1 ===
        ---
        === 1 ===
        Name the capital  of the
        country:

        Input:
        Portugal

        === 2 ===
        Quote a proverb.

        Answer these 2 tasks.
        ");
    }

    #[test]
    fn one_output_is_the_whole_answer() {
        for (text, output) in [
            (" Lisbon.\n", "Lisbon."),
            ("<think>Spain?</think>\n\nLisbon.", "Lisbon."),
            (
                "=== 1 ===\nLisbon.\r\n{\"a\": \"\\frac\"}",
                "=== 1 ===\nLisbon.\n{\"a\": \"\\frac\"}",
            ),
            ("", "[empty_response]"),
            ("<think>Spain?</think> ", "[empty_response]"),
        ] {
            assert_eq!(read(text, FinishReason::Stop, 1), [output], "{text}");
        }
        assert_eq!(read("Lis", FinishReason::Length, 1), ["[truncated]"]);
        assert_eq!(read("", FinishReason::Length, 1), ["[truncated]"]);
        assert_eq!(read("Lis", FinishReason::ContentFilter, 1), ["[withheld]"]);
    }

    #[test]
    fn several_outputs_are_told_apart_by_their_lines() {
        for (text, outputs) in [
            ("=== 1 ===\na\nb\n\n=== 2 ===\nc\n=== 3 ===\nd", ["a\nb", "c", "d"]),
            ("Sure!\n**=== 1 ===**\na\n### === 3 ===\nd", ["a", "[missing_output]", "d"]),
            (
                "===2===\na\n=== 1 ===\nb\n=== 4 ===",
                ["[missing_output]", "a\n=== 1 ===\nb\n=== 4 ===", "[missing_output]"],
            ),
            ("no lines at all", ["[missing_output]"; 3]),
        ] {
            assert_eq!(read(text, FinishReason::Stop, 3), outputs, "{text}");
        }
        assert_eq!(
            read("=== 1 ===\na\n=== 2 ===\nb and", FinishReason::Length, 3),
            ["a", "[truncated]", "[missing_output]"]
        );
    }

    proptest! {
        #[test]
        fn every_task_gets_one_item(text in "(=== [0-9]{1,3} ===|[a-z=\n ]|\u{0}){0,40}", tasks in 1..6_usize) {
            prop_assert_eq!(parse(&completion(&text, FinishReason::Stop), tasks).len(), tasks);
        }

        #[test]
        fn outputs_in_the_form_asked_for_are_read(outputs in prop::collection::vec("[a-z][a-z \n]{0,20}[a-z]", 2..5)) {
            let mut answer = String::new();
            for (number, output) in (1_usize..).zip(&outputs) {
                answer += &format!("{}\n{output}\n\n", marker(number));
            }
            prop_assert_eq!(read(&answer, FinishReason::Stop, outputs.len()), outputs);
        }
    }
}
