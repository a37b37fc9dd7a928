//! The two formats in which tasks are written down.

use super::{Flaw, Item};

/// What comes before and after a JSON answer that no schema binds.
pub(super) const WRAPPINGS: [(&str, &str); 4] = [
    ("```json\n", "\n```"),
    ("```\n", "\n```\n"),
    ("Certainly! Here are the new tasks:\n\n", ""),
    ("Sure, here you are.\n\n```json\n", "\n```\n\nLet me know if you need more."),
];

/// Alpaca's numbered list, continued after the words `<first>. Instruction:`.
pub(super) fn numbered(first: u32, items: impl Iterator<Item = Item>) -> String {
    let mut text = String::with_capacity(16 * 1024);
    for (number, item) in (first..).zip(items) {
        if number > first {
            text.push_str(&format!("{number}. Instruction:"));
        }
        let input = if item.input.is_empty() { "<noinput>" } else { &item.input };
        let Item { instruction, output, flaw, .. } = &item;
        let body = match flaw {
            Some(Flaw::MissingField) => format!(" {instruction}\n{number}. Output:\n{output}\n"),
            _ => {
                format!(" {instruction}\n{number}. Input:\n{input}\n{number}. Output:\n{output}\n")
            }
        };
        text.push_str(&body);
        // A separator forgotten takes the rest of the list with it, as in the original's data.
        if *flaw != Some(Flaw::Broken) {
            text.push_str("###\n");
        }
    }
    text
}

/// `{"tasks": [{"instruction", "input", "output"}, ...]}`, within one of [`WRAPPINGS`].
pub(super) fn json(items: impl Iterator<Item = Item>, wrapping: Option<usize>) -> String {
    list(items, wrapping, push_json)
}

/// `{"tasks": [{"instruction", "input"}, ...]}`, within one of [`WRAPPINGS`].
pub(super) fn instructions(items: impl Iterator<Item = Item>, wrapping: Option<usize>) -> String {
    list(items, wrapping, push_question)
}

/// Several outputs, each behind a line with its number.
pub(super) fn outputs(outputs: impl Iterator<Item = String>) -> String {
    let numbered =
        (1..).zip(outputs).map(|(n, output): (u32, _)| format!("=== {n} ===\n{output}\n"));
    numbered.collect()
}

fn list(
    items: impl Iterator<Item = Item>,
    wrapping: Option<usize>,
    push: fn(&mut String, &Item),
) -> String {
    let (before, after) = wrapping.and_then(|w| WRAPPINGS.get(w)).copied().unwrap_or_default();
    let mut text = String::with_capacity(8 * 1024);
    text.push_str(before);
    text.push_str("{\"tasks\":[");
    for (position, item) in items.enumerate() {
        if position > 0 {
            text.push(',');
        }
        push(&mut text, &item);
    }
    text.push_str("]}");
    text.push_str(after);
    text
}

fn push_question(text: &mut String, item: &Item) {
    if item.flaw == Some(Flaw::MissingField) {
        text.push_str("{\"input\":");
    } else {
        text.push_str("{\"instruction\":");
        push_string(text, &item.instruction);
        text.push_str(",\"input\":");
    }
    push_string(text, &item.input);
    if item.flaw == Some(Flaw::Broken) {
        // The string's closing quote is lost.
        text.pop();
    }
    text.push('}');
}

fn push_json(text: &mut String, item: &Item) {
    text.push_str("{\"instruction\":");
    push_string(text, &item.instruction);
    text.push_str(",\"input\":");
    push_string(text, &item.input);
    if item.flaw != Some(Flaw::MissingField) {
        text.push_str(",\"output\":");
        push_string(text, &item.output);
    }
    if item.flaw == Some(Flaw::Broken) {
        // The string's closing quote is lost.
        text.pop();
    }
    text.push('}');
}

/// A JSON string. Written by hand because the grammar's texts need three escapes only, and this is
/// most of the simulator's work.
fn push_string(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}
