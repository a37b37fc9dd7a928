//! The tolerant reader of JSON answers against `serde_json`: what is valid is read alike, whatever
//! surrounds it, and tasks that were written come back.

use instructmill::chat::{Completion, FinishReason};
use instructmill::task::Candidate;
use instructmill::template::{Item, by_name};
use serde_json::{Value, json};

use super::{lossy, split};

/// The first byte says where the answer that is written is cut.
pub fn check(bytes: &[u8]) {
    let ([cut], rest) = split(bytes);
    valid_answers_are_read_alike(&lossy(rest));
    written_tasks_come_back(&lossy(rest), cut);
}

fn read(text: &str) -> Vec<Item> {
    let template = by_name("json").expect("it is one of the templates");
    let completion =
        Completion { text: text.to_owned(), finish_reason: FinishReason::Stop, usage: None };
    template.parse(&completion, 8)
}

/// The tasks, and the rules of what is none, in order.
fn outcome(items: Vec<Item>) -> Vec<Result<Candidate, &'static str>> {
    let outcome = |item| match item {
        Item::Candidate(task) => Ok(task),
        Item::Defect { rule, .. } => Err(rule),
    };
    items.into_iter().map(outcome).collect()
}

fn valid_answers_are_read_alike(text: &str) {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    if !value.is_array() && !value.is_object() {
        return;
    }
    let plain = outcome(read(text));
    for (before, after) in [("\n", "\n"), ("Here they are:\n```json\n", "\n```\nDone.")] {
        let surrounded = format!("{before}{text}{after}");
        assert_eq!(outcome(read(&surrounded)), plain, "{surrounded}");
    }
    let written = outcome(read(&value.to_string()));
    assert_eq!(outcome(read(&format!("{value:#}"))), written, "{value:#}");
}

/// Tasks whose texts are the pieces of `text`, in answers as models write them.
fn written_tasks_come_back(text: &str, cut: u8) {
    let pieces: Vec<String> = text.split('\u{0}').take(9).map(hard_text).collect();
    let tasks: Vec<Candidate> = pieces
        .chunks_exact(3)
        .map(|texts| Candidate {
            instruction: texts[0].clone(),
            input: texts[1].clone(),
            output: texts[2].clone(),
        })
        .collect();
    if tasks.is_empty() {
        return;
    }
    let rows: Vec<Value> = tasks
        .iter()
        .map(|task| json!({"instruction": task.instruction, "input": task.input, "output": task.output}))
        .collect();
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    let whole = json!({ "tasks": rows });
    for answer in [
        whole.to_string(),
        format!("{whole:#}"),
        json!({ "tasks": rows, "note": null }).to_string(),
        format!("<think>{whole}</think>{whole}"),
        lines.join("\n"),
        format!("{{\"tasks\":[{}", lines.join(",")),
    ] {
        let expected: Vec<_> = tasks.iter().cloned().map(Ok).collect();
        assert_eq!(outcome(read(&answer)), expected, "{answer}");
    }
    let answer = lines.join(",");
    let end = answer.floor_char_boundary(answer.len() * usize::from(cut) / 256);
    let mut ends = lines.iter().scan(0, |at, line| {
        let end = *at + line.len();
        *at = end + 1;
        Some(end)
    });
    let whole = ends.by_ref().take_while(|task| *task <= end).count();
    let answer = format!("[{}", answer.split_at(end).0);
    let found: Vec<Candidate> = outcome(read(&answer)).into_iter().filter_map(Result::ok).collect();
    assert_eq!(found, tasks[..whole], "{answer}");
}

/// The text in marks, so that there is nothing at its ends to trim, and without the control characters that
/// are cleaned away or taken for the commands of a formula.
fn hard_text(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("<{text}>")
}
