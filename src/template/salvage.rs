//! The tolerant reader of JSON answers: every whole task that is there, whatever surrounds it.
//!
//! The answer is paid for, so nothing readable in it is lost; and it comes from outside, so no
//! text may cost more than time linear in its length, or stop the program.

use serde_json::{Map, Value};

use super::Item;
use super::fields::{self, read_task};
use super::repair::repair;
use super::scan::{Ending, Span, find_objects};

/// The most tasks read from one answer.
const MAX_ITEMS: usize = 1000;

/// Reads the tasks out of an answer, in order, and what could not be read. Never empty.
pub(super) fn salvage(text: &str) -> Vec<Item> {
    let answer = without_reasoning(text);
    let items = read_valid(answer).unwrap_or_else(|| read_pieces(answer));
    if !items.is_empty() {
        return items;
    }
    let rule = if text.trim().is_empty() { "empty_response" } else { "no_items" };
    vec![Item::defect(rule, text)]
}

/// The answer after the block in which a reasoning model thinks aloud first, drafts included.
fn without_reasoning(text: &str) -> &str {
    let thinking = text.trim_start().strip_prefix("<think>");
    thinking.and_then(|thinking| thinking.split_once("</think>")).map_or(text, |(_, answer)| answer)
}

/// Reads an answer that is valid JSON from its first bracket to its last, with prose or code
/// fences around it at most. `None` when it is not, or of no known shape.
fn read_valid(text: &str) -> Option<Vec<Item>> {
    let start = text.find(['{', '['])?;
    let end = text.rfind(['}', ']'])?;
    // serde_json refuses more than 128 levels, so nesting cannot overflow the stack.
    let value: Value = serde_json::from_str(text.get(start..=end)?).ok()?;
    let list = match &value {
        Value::Array(list) => list.as_slice(),
        Value::Object(object) => match list_in(object) {
            Some(list) => list,
            None if fields::has_instruction(object) => std::slice::from_ref(&value),
            // The tasks may be further inside.
            None => return None,
        },
        _ => return None,
    };
    Some(up_to_limit(list, read_task, Value::to_string))
}

/// The list of tasks that an object wraps; `None` when it is a task itself or wraps none.
fn list_in(object: &Map<String, Value>) -> Option<&[Value]> {
    if let Some(Value::Array(list)) = fields::get(object, &["tasks"]) {
        return Some(list);
    }
    if fields::has_instruction(object) {
        return None;
    }
    let lists = object.values().filter_map(Value::as_array);
    lists.into_iter().find(|list| list.iter().any(Value::is_object)).map(Vec::as_slice)
}

/// Reads every object that can be found in a text that is not valid JSON as a whole.
fn read_pieces(text: &str) -> Vec<Item> {
    let piece = |span: &Span| text.get(span.start..span.end).unwrap_or_default();
    let read = |span: &Span| match span.ending {
        Ending::Closed => read_object(piece(span)),
        Ending::Broken => read_unclosed(piece(span)),
        Ending::Truncated => Item::defect("truncated", piece(span)),
    };
    up_to_limit(&find_objects(text), read, |span| piece(span).to_owned())
}

/// Reads the text of one object, mended when it is not valid JSON.
fn read_object(text: &str) -> Item {
    let value = serde_json::from_str(text).or_else(|_| serde_json::from_str(&repair(text)));
    value.map_or_else(|_| Item::defect("broken_item", text), |value: Value| read_task(&value))
}

/// Reads the text of an object that the next one follows, so that only its brace may be missing.
fn read_unclosed(text: &str) -> Item {
    let closed = repair(text.trim_end_matches(|c: char| c == ',' || c.is_ascii_whitespace())) + "}";
    let value = serde_json::from_str(&closed);
    value.map_or_else(|_| Item::defect("broken_item", text), |value: Value| read_task(&value))
}

/// Reads the first 1,000 of `list`; one defect stands for all the others.
fn up_to_limit<T>(
    list: &[T],
    read: impl Fn(&T) -> Item,
    text_of: impl Fn(&T) -> String,
) -> Vec<Item> {
    let mut items: Vec<Item> = list.iter().take(MAX_ITEMS).map(read).collect();
    items.extend(list.get(MAX_ITEMS).map(|first| Item::defect("too_many_items", &text_of(first))));
    items
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::tests::{candidates, rules, task};
    use super::*;
    use crate::task::Candidate;

    const ROW_A: &str = r#"{"instruction":"a","input":"","output":"1"}"#;
    const ROW_B: &str = r#"{"instruction":"b","input":"x","output":"2"}"#;

    fn two_tasks() -> Vec<Candidate> {
        vec![task("a", "", "1"), task("b", "x", "2")]
    }

    #[test]
    fn reads_two_tasks_in_any_shape() {
        let pretty: Value = serde_json::from_str(&format!("[{ROW_A},{ROW_B}]")).unwrap();
        let pretty = serde_json::to_string_pretty(&json!({ "tasks": pretty })).unwrap();
        let texts = [
            pretty.clone(),
            pretty.replace('\n', "\r\n"),
            format!("\u{feff}```json\n{pretty}\n```\nDone."),
            format!("Here they are {{I hope}}, 5\" long:\n[{ROW_A},{ROW_B}] \"ok\""),
            format!("[{ROW_A},{ROW_B}]"),
            format!(r#"{{"note":[1],"Items":[{ROW_A},{ROW_B}]}}"#),
            format!(r#"{{"instruction":"x","TASKS":[{ROW_A},{ROW_B}]}}"#),
            format!("{ROW_A}\n{ROW_B}\n"),
            format!("[{ROW_A}][{ROW_B}]"),
            format!("[{ROW_A} {ROW_B},]"),
            format!("{{\"tasks\":[{ROW_A},{ROW_B},"),
            format!("{{\"tasks\":[{ROW_A},{ROW_B}"),
            format!("<think>[</think>{{\"tasks\":[{ROW_A},{ROW_B}]}}"),
            format!("<think>{ROW_B}</think>{{\"tasks\":[{ROW_A},{ROW_B}]}}"),
            format!("{{\"data\":{{\"tasks\":[{ROW_A},{ROW_B}]}},\"error\":null}}"),
            format!("{{\"1\":{ROW_A},\"2\":{ROW_B}}}"),
            format!("[{},{ROW_B}]", ROW_A.trim_end_matches('}')),
            format!("[{ROW_A},{ROW_B}]").replace(",\"output", "\"output"),
        ];
        for text in texts {
            assert_eq!(candidates(&salvage(&text)), two_tasks(), "{text}");
        }
    }

    #[test]
    fn reads_a_single_object() {
        assert_eq!(candidates(&salvage(ROW_A)), [task("a", "", "1")]);
        let nested = r#"{"instruction":"a","input":[{"k":1}],"output":"1"}"#;
        assert_eq!(candidates(&salvage(nested)), [task("a", r#"[{"k":1}]"#, "1")]);
        let cut = format!("[{nested},{nested}");
        assert_eq!(candidates(&salvage(&cut)).len(), 2);
    }

    #[test]
    fn mends_what_models_break() {
        let text = r#"[{"instruction":"Derive \alpha","output":"\frac{1}{2}
            line \ud83d",},{"instruction":"b","input":"x","output":"2"}]"#;
        let items = salvage(text);
        let expected = task(r"Derive \alpha", "", "\\frac{1}{2}\n            line \u{fffd}");
        assert_eq!(candidates(&items), [expected, task("b", "x", "2")]);
    }

    #[test]
    fn one_bad_task_does_not_cost_the_others() {
        let quotes = [r#""a "word" here""#, r#""5" wide""#, "\"open", "'single'", "nothing"];
        for bad in quotes {
            let text = format!(r#"[{{"instruction":"q","output":{bad}}},{ROW_A},{ROW_B}]"#);
            let items = salvage(&text);
            assert_eq!(candidates(&items), two_tasks(), "{text}");
            assert_eq!(rules(&items), ["broken_item"], "{text}");
        }
    }

    #[test]
    fn defects_are_named() {
        let cases = [
            ("", vec!["empty_response"]),
            (" \n", vec!["empty_response"]),
            ("I can't help with that.", vec!["no_items"]),
            ("[]", vec!["no_items"]),
            (r#"{"tasks":[]}"#, vec!["no_items"]),
            ("{}", vec!["missing_instruction"]),
            (r#"{"error":{"message":"busy"}}"#, vec!["missing_instruction"]),
            (r#"[1,"a",[{}]]"#, vec!["not_an_object"; 3]),
            (
                r#"[{"instruction":"a"},{"output":"b"}]"#,
                vec!["missing_output", "missing_instruction"],
            ),
            (r#"[{"instruction":"a","output":b},"#, vec!["broken_item"]),
            (r#"{"tasks":[{"instruction":"a","outp"#, vec!["truncated"]),
            (r#"{"tasks":["#, vec!["truncated"]),
        ];
        for (text, expected) in cases {
            let items = salvage(text);
            assert_eq!((rules(&items), candidates(&items)), (expected, vec![]), "{text}");
        }
    }

    #[test]
    fn the_number_of_tasks_is_bounded() {
        for separator in [",", "\n"] {
            let text = vec![ROW_A; MAX_ITEMS + 5].join(separator);
            let items = salvage(&format!("[{text}]"));
            assert_eq!(candidates(&items).len(), MAX_ITEMS);
            assert_eq!(rules(&items), ["too_many_items"]);
        }
    }

    /// Quadratic time would take minutes here, and recursion would overflow the stack.
    #[test]
    fn hostile_texts_are_read_at_once() {
        let units = [
            "[",
            "{",
            "}",
            "\"",
            "\\",
            "{\"",
            "{}",
            "{\"a\":",
            "[{",
            "{\"input\":",
            "{\"input\"",
            "{\"input\":\"",
            "{\"input\":{}",
            "{\"input\":1 ",
            "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":\"",
            "{\"a\":{\"input\":\"{",
            "{ ",
            "\\u",
            "```",
            ",",
        ];
        for unit in units {
            assert!(!salvage(&unit.repeat(200_000)).is_empty(), "{unit}");
        }
        let deep = format!("{{\"output\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        assert_eq!(rules(&salvage(&deep)), ["broken_item"]);
        let commas = format!("{{\"output\":[{}]}}", ",".repeat(200_000));
        assert_eq!(rules(&salvage(&commas)), ["missing_instruction"]);
        let spaces = format!("{{\"output\":[,{}]}}", ", ".repeat(200_000));
        assert_eq!(rules(&salvage(&spaces)), ["missing_instruction"]);
    }

    /// Text that makes trouble for a scanner, with nothing that cleaning would change.
    fn hard_text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("{\"instruction\":\"x\",\"output\":\"y\"}"),
            Just("\"},{\""),
            Just("{"),
            Just("}"),
            Just("["),
            Just("]"),
            Just("\""),
            Just("\\"),
            Just("\\\""),
            Just("\n"),
            Just("```"),
            Just("é"),
            Just("😀"),
            Just("a"),
            Just(" "),
            Just("\\u"),
            Just(":"),
            Just(","),
        ];
        prop::collection::vec(part, 0..8).prop_map(|parts| format!("<{}>", parts.concat()))
    }

    fn tasks() -> impl Strategy<Value = Vec<Candidate>> {
        let task = (hard_text(), hard_text(), hard_text())
            .prop_map(|(instruction, input, output)| Candidate { instruction, input, output });
        prop::collection::vec(task, 1..4)
    }

    /// A list of the tasks as JSON, and where each one ends in it.
    fn list_of(tasks: &[Candidate], wrapped: bool) -> (String, Vec<usize>) {
        let mut text = String::from(if wrapped { "{\"tasks\": [" } else { "[" });
        let mut ends = Vec::new();
        for (index, task) in tasks.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { ", " });
            let Candidate { instruction, input, output } = task;
            text +=
                &json!({"instruction": instruction, "input": input, "output": output}).to_string();
            ends.push(text.len());
        }
        text.push_str(if wrapped { "]}" } else { "]" });
        (text, ends)
    }

    proptest! {
        #[test]
        fn a_cut_list_gives_exactly_its_whole_tasks(tasks in tasks(), wrapped: bool) {
            let (text, ends) = list_of(&tasks, wrapped);
            for prefix in (0..=text.len()).filter_map(|cut| text.get(..cut)) {
                let whole = ends.iter().filter(|end| **end <= prefix.len()).count();
                let items = salvage(prefix);
                prop_assert_eq!(&candidates(&items), &tasks[..whole], "{}", prefix);
                prop_assert!(rules(&items).len() <= 1);
            }
        }

        #[test]
        fn raw_line_breaks_in_strings_are_read(tasks in tasks()) {
            let (text, _) = list_of(&tasks, true);
            let raw = text.replace("\\\\", "\u{1}").replace("\\n", "\n").replace('\u{1}', "\\\\");
            prop_assert_eq!(candidates(&salvage(&raw)), tasks);
        }
    }
}
