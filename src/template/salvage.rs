//! The tolerant reader of JSON answers: every whole task that is there, whatever surrounds it.
//!
//! The answer is paid for, so nothing readable in it is lost; and it comes from outside, so no
//! text may cost more than time linear in its length, or stop the program.

use serde_json::{Map, Value};

use super::Item;
use super::fields::{self, read_task};
use super::quotes::Quote;
use super::repair::repair;
use super::scan::{Ending, Span, find_objects};
use super::strict::read_strict;
use super::value::{Fault, parse};

/// The most tasks read from one answer.
pub(super) const MAX_ITEMS: usize = 1000;

/// Reads one object as an item.
type Read = fn(&Value) -> Item;

/// Reads the tasks out of an answer, in order, and what could not be read. Never empty.
pub(super) fn salvage(text: &str) -> Vec<Item> {
    if let Some(items) = read_strict(text, MAX_ITEMS) {
        return items;
    }
    salvage_with(text, read_task)
}

/// Reads the items out of an answer, each with `read`, in order, and what could not be read. Never
/// empty.
pub(super) fn salvage_with(text: &str, read: Read) -> Vec<Item> {
    let answer = without_reasoning(text);
    let items = read_valid(answer, read).unwrap_or_else(|| read_pieces(answer, read));
    if !items.is_empty() {
        return items;
    }
    let rule = if text.trim().is_empty() { "empty_response" } else { "no_items" };
    vec![Item::defect(rule, text)]
}

/// The answer after the block in which a reasoning model thinks aloud first, drafts included.
pub(super) fn without_reasoning(text: &str) -> &str {
    let thinking = text.trim_start().strip_prefix("<think>");
    thinking.and_then(|thinking| thinking.split_once("</think>")).map_or(text, |(_, answer)| answer)
}

/// Reads an answer that is valid JSON from its first bracket to its last, with prose or code
/// fences around it at most. `None` when it is not.
fn read_valid(text: &str, read: Read) -> Option<Vec<Item>> {
    let start = text.find(['{', '['])?;
    let end = text.rfind(['}', ']'])?;
    let is_whole =
        !text.get(..start)?.contains(['}', ']']) && !text.get(end..)?.contains(['{', '[']);
    let value = parse(text.get(start..=end).filter(|_| is_whole)?).ok()?;
    let mut items = Vec::new();
    collect(&value, read, &mut items);
    if let Some(first_beyond) = items.get_mut(MAX_ITEMS) {
        let sample = match first_beyond {
            Item::Candidate(task) => &task.instruction,
            Item::Defect { sample, .. } => sample,
        };
        *first_beyond = Item::defect("too_many_items", sample);
    }
    Some(items)
}

/// Appends the tasks in a value, however it wraps them, until there is one more than the limit.
fn collect(value: &Value, read: Read, items: &mut Vec<Item>) {
    match value {
        _ if items.len() > MAX_ITEMS => {}
        Value::Array(list) => list.iter().for_each(|element| collect(element, read, items)),
        Value::Object(object)
            if fields::wraps_tasks(object) || !fields::has_instruction(object) =>
        {
            if !collect_wrapped(object, read, items) {
                items.push(read(value));
            }
        }
        _ => items.push(read(value)),
    }
}

/// Appends the tasks in what an object wraps; gives whether it is a wrapper.
fn collect_wrapped(object: &Map<String, Value>, read: Read, items: &mut Vec<Item>) -> bool {
    let mut is_wrapper = fields::wraps_tasks(object);
    for (key, value) in object {
        let before = items.len();
        let is_kept = match value {
            Value::Object(inner) if !fields::has_field(inner) => {
                collect_wrapped(inner, read, items)
            }
            Value::Object(_) | Value::Array(_) => {
                collect(value, read, items);
                let found = items.get(before..).unwrap_or_default();
                fields::is_list_of_tasks(key.as_bytes()) || found.iter().any(is_of_object)
            }
            _ => false,
        };
        if !is_kept {
            items.truncate(before);
        }
        is_wrapper |= is_kept;
    }
    is_wrapper
}

/// Whether an object gave the item, good or bad; tags and the like are no tasks.
fn is_of_object(item: &Item) -> bool {
    !matches!(item, Item::Defect { rule: "not_an_object", .. })
}

/// Reads every object that can be found in a text that is not valid JSON as a whole.
fn read_pieces(text: &str, read: Read) -> Vec<Item> {
    let piece = |span: &Span| text.get(span.start..span.end).unwrap_or_default();
    let read_span = |span: &Span| match span.ending {
        Ending::Closed => read_object(piece(span), &[""], read),
        Ending::Broken => read_object(piece(span), &["}", ""], read),
        Ending::Truncated => Item::defect("truncated", piece(span)),
    };
    let spans = find_objects(text);
    let mut items: Vec<Item> = spans.iter().take(MAX_ITEMS).map(read_span).collect();
    items.extend(spans.get(MAX_ITEMS).map(|span| Item::defect("too_many_items", piece(span))));
    items
}

/// Reads the text of one object, mended when it is not valid JSON. The first of `endings` that
/// makes it an object is what it lacks.
fn read_object(text: &str, endings: &[&str], read: Read) -> Item {
    let opening = if text.starts_with('{') { "" } else { "{" };
    let body = text.trim_end_matches(|c: char| c == ',' || c.is_ascii_whitespace());
    let closed = || endings.iter().map(|ending| format!("{opening}{body}{ending}"));
    let parsed = closed().map(|text| parse(&text));
    let mended = closed().map(|text| parse(&repair(&text, Quote::Double)));
    let unescaped = closed().map(|text| {
        let value = parse(&repair(&text, Quote::Unescaped))?;
        let is_text = fields::is_plain_task(&value) && !text.contains("\" +");
        if is_text { Ok(value) } else { Err(Fault::Other) }
    });
    match parsed.chain(mended).chain(unescaped).find(|parsed| *parsed != Err(Fault::Other)) {
        Some(Ok(value)) => read(&value),
        Some(Err(Fault::RepeatedKey)) => Item::defect("repeated_field", text),
        Some(Err(Fault::Other)) | None => Item::defect("broken_item", text),
    }
}

#[cfg(test)]
mod tests {
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
            format!("{{\"1\":{ROW_A},\"1\":{ROW_B}}}"),
            format!("{{\"easy\":[{ROW_A}],\"hard\":[[{ROW_B}]]}}"),
            format!("[{{\"tasks\":[{ROW_A}]}},{{\"task\":{ROW_B}}}]"),
            format!("{{\"output\":[{ROW_A},{ROW_B}"),
            format!("{{\"instruction\":\"x\",\"tasks\":[{ROW_A},{ROW_B},"),
            format!("{{\"1\":{},\"2\":{ROW_B}}}", ROW_A.trim_end_matches('}')),
            format!("{{\"tasks\":[{ROW_A},{}]}}", ROW_B.trim_end_matches('}')),
            format!("{{\"tasks\":[{ROW_A},{}]}}", ROW_B.trim_start_matches('{')),
            format!("{}\n{ROW_B}", ROW_A.trim_start_matches('{')),
            format!("[{ROW_A}, // a 5\" {{one}}\n{ROW_B} /* end */]"),
            format!("[{},{ROW_B}]", ROW_A.trim_end_matches('}')),
            format!("[{ROW_A},{ROW_B}]").replace(",\"output", "\"output"),
        ];
        for text in texts {
            assert_eq!(candidates(&salvage(&text)), two_tasks(), "{text}");
        }
    }

    #[test]
    fn an_answer_in_the_schema_gives_what_the_tolerant_reader_finds() {
        let texts =
            ["a", "", " \u{1} ", "n/a", "b\r\nc", "2 \times 3", "\"q\" \\ {}[]", "\u{85}é做"];
        for instruction in texts {
            for (input, output) in texts.iter().zip(texts.iter().rev()) {
                let task = json!({ "instruction": instruction, "input": input, "output": output });
                let answer = json!({ "tasks": [task, task] }).to_string();
                let strict = read_strict(&answer, MAX_ITEMS).unwrap();
                assert_eq!(strict, read_valid(&answer, read_task).unwrap(), "{answer}");
            }
        }
        for other in [
            r#"{"tasks":[]}"#,
            r#"{"tasks":[{"instruction":"a","input":"","output":"1","note":""}]}"#,
            r#"{"tasks":[{"instruction":"a","input":"","output":"1","output":"2"}]}"#,
            r#"{"tasks":[{"instruction":"a","input":"","output":1}]}"#,
            r#"{"tasks":[{"instruction":"a","input":"","output":"1"}],"note":1}"#,
        ] {
            assert_eq!(read_strict(other, MAX_ITEMS), None, "{other}");
        }
        assert_eq!(read_strict(&format!("{{\"tasks\":[{ROW_A},{ROW_B}]}}"), 1), None);
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
    fn strings_are_read_in_any_quotes() {
        let row = |output: &str| format!(r#"{{"instruction":"q","output":{output}}}"#);
        let cases = [
            (row(r#""a "word", here""#), r#"a "word", here"#),
            (row(r#""5" wide""#), "5\" wide"),
            (row(r#"'it's "single"'"#), "it's \"single\""),
            (row("“curly”"), "curly"),
            (row("\"x \" // \"\n\""), "x \" // \""),
            (row("1.50"), "1.50"),
            (row("[1e5]"), "1e5"),
            (row("3.14159265358979323846"), "3.14159265358979323846"),
            ("{'instruction': 'q', 'output': 'a, \\'b\\' {\"'}".to_owned(), "a, 'b' {\""),
            ("{“instruction”: “q”, “output”: “a \"b\" {c”}".to_owned(), "a \"b\" {c"),
        ];
        for (row, output) in cases {
            let items = salvage(&format!("[{ROW_A},{row},{ROW_B}]"));
            let expected = [task("a", "", "1"), task("q", "", output), task("b", "x", "2")];
            assert_eq!(candidates(&items), expected, "{row}");
        }
    }

    #[test]
    fn one_bad_task_does_not_cost_the_others() {
        for bad in ["\"open", "nothing", "\"a\" + \"b\"", "NaN", "\"{\"a\": 1}\"", "[1"] {
            let text = format!(r#"[{{"instruction":"q","output":{bad}}},{ROW_A},{ROW_B}]"#);
            let items = salvage(&text);
            assert_eq!(candidates(&items), two_tasks(), "{text}");
            assert_eq!(rules(&items).first(), Some(&"broken_item"), "{text}");
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
            (r#"[1,"a",[{}]]"#, vec!["not_an_object", "not_an_object", "missing_instruction"]),
            (r#"{"instruction":"a","output":"b","output":"c"}"#, vec!["repeated_field"]),
            (r#"{"instruction":"a","output":"see "output":"b""}"#, vec!["broken_item"]),
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
            "{\"instruction\":",
            "{\"instruction\"",
            "{\"instruction\":\"",
            "{\"instruction\":{}",
            "{\"instruction\":1 ",
            "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":\"",
            "{\"a\":{\"instruction\":\"{",
            "{ ",
            "\\u",
            "```",
            ",",
            "'",
            "“",
            "{'a':'",
            "\"a\":",
            "[\"a\":",
            "{\"tasks\":[",
            "{\"instruction\":[{]",
            "//",
            "/*",
            "#",
            "1",
        ];
        for unit in units {
            for (before, after) in [
                ("", ""),
                ("{\"instruction\":\"a\",\"output\":", "}"),
                ("[{\"instruction\":\"a\",\"output\":\"", "\"}, x]"),
            ] {
                let text = format!("{before}{}{after}", unit.repeat(50_000));
                assert!(!salvage(&text).is_empty(), "{unit}");
            }
        }
        let deep = format!("{{\"output\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        assert_eq!(rules(&salvage(&deep)), ["broken_item"]);
        let commas = format!("{{\"output\":[{}]}}", ",".repeat(200_000));
        assert_eq!(rules(&salvage(&commas)), ["missing_instruction"]);
        let spaces = format!("{{\"output\":[,{}]}}", ", ".repeat(200_000));
        assert_eq!(rules(&salvage(&spaces)), ["missing_instruction"]);
    }
}
