//! Reads one JSON value as a task, tolerant of how models name and type the fields.

use serde_json::{Map, Value};

use super::Item;
use super::latex::restore_commands;
use crate::task::Candidate;

/// The most characters a field may have.
const MAX_FIELD_CHARS: usize = 100_000;
/// Names of each field, in lower case, the best first.
const INSTRUCTION: &[&str] = &["instruction"];
const INPUT: &[&str] = &["input", "context"];
const OUTPUT: &[&str] = &["output", "response", "answer", "completion"];
/// The name of the list that the template asks for.
const TASKS: &[&str] = &["tasks"];
/// What models write where there is no input.
const NO_INPUT: [&str; 3] = ["<noinput>", "n/a", "none"];

/// Reads an element of the list of tasks.
pub(super) fn read_task(value: &Value) -> Item {
    let Value::Object(fields) = value else {
        return Item::defect("not_an_object", &value.to_string());
    };
    match read_fields(fields) {
        Ok(task) => Item::Candidate(task),
        Err(rule) => Item::defect(rule, &value.to_string()),
    }
}

/// Reads an element of a list of instructions with inputs. An output that came unasked is left out.
pub(super) fn read_instruction(value: &Value) -> Item {
    let Value::Object(fields) = value else {
        return Item::defect("not_an_object", &value.to_string());
    };
    let input = get(fields, INPUT).map(text_of).unwrap_or_default();
    match instruction_of(fields).and_then(|text| task_of(text, input, String::new())) {
        Ok(task) => Item::Candidate(task),
        Err(rule) => Item::defect(rule, &value.to_string()),
    }
}

/// Whether the object has an instruction of its own, so that it is a task and not a wrapper.
pub(super) fn has_instruction(object: &Map<String, Value>) -> bool {
    get(object, INSTRUCTION).is_some()
}

/// Whether the object has the list of tasks that the template asks for.
pub(super) fn wraps_tasks(object: &Map<String, Value>) -> bool {
    get(object, TASKS).is_some_and(Value::is_array)
}

/// Whether the object has any field of a task.
pub(super) fn has_field(object: &Map<String, Value>) -> bool {
    object.keys().any(|key| is_name(key.as_bytes()))
}

/// Whether this is an object of a task's fields and no others, all of them texts.
pub(super) fn is_plain_task(value: &Value) -> bool {
    let is_field = |(key, value): (&String, &Value)| is_name(key.as_bytes()) && value.is_string();
    value.as_object().is_some_and(|object| object.iter().all(is_field))
}

/// Whether this is the key of a task's instruction.
pub(super) fn is_instruction(key: &[u8]) -> bool {
    is_one_of(key, INSTRUCTION)
}

/// Whether this is the key of a list of tasks.
pub(super) fn is_list_of_tasks(key: &[u8]) -> bool {
    is_one_of(key, TASKS)
}

/// Whether this is the name of a task's field.
pub(super) fn is_name(key: &[u8]) -> bool {
    [INSTRUCTION, INPUT, OUTPUT].iter().any(|names| is_one_of(key, names))
}

fn is_one_of(key: &[u8], names: &[&str]) -> bool {
    let key = key.trim_ascii();
    names.iter().any(|name| key.eq_ignore_ascii_case(name.as_bytes()))
}

/// The first value whose key is one of `names`, in any case.
///
/// A key that is null counts as absent.
pub(super) fn get<'v>(object: &'v Map<String, Value>, names: &[&str]) -> Option<&'v Value> {
    let present = |name: &&str| {
        let any_case = || object.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        let value = object.get(*name).or_else(|| any_case().map(|(_, value)| value));
        value.filter(|value| !value.is_null())
    };
    names.iter().find_map(present)
}

fn read_fields(fields: &Map<String, Value>) -> Result<Candidate, &'static str> {
    let instruction = instruction_of(fields)?;
    let output = get(fields, OUTPUT).map(text_of).ok_or("missing_output")?;
    let input = get(fields, INPUT).map(text_of).unwrap_or_default();
    task_of(instruction, input, output)
}

/// A task whose three fields are there and are texts.
pub(super) fn read_texts(
    instruction: &str,
    input: &str,
    output: &str,
) -> Result<Candidate, &'static str> {
    let instruction = clean(instruction);
    if instruction.is_empty() {
        return Err("missing_instruction");
    }
    task_of(instruction, clean(input), clean(output))
}

fn task_of(
    instruction: String,
    mut input: String,
    output: String,
) -> Result<Candidate, &'static str> {
    if NO_INPUT.iter().any(|word| input.eq_ignore_ascii_case(word)) {
        input.clear();
    }
    if [&instruction, &input, &output].into_iter().any(|field| is_oversized(field)) {
        return Err("oversized_item");
    }
    Ok(Candidate { instruction, input, output })
}

/// The instruction, which is never empty.
fn instruction_of(fields: &Map<String, Value>) -> Result<String, &'static str> {
    let instruction = get(fields, INSTRUCTION).map(text_of).unwrap_or_default();
    if instruction.is_empty() { Err("missing_instruction") } else { Ok(instruction) }
}

pub(super) fn is_oversized(field: &str) -> bool {
    // Bytes first: they are at least as many as the characters, and known.
    field.len() > MAX_FIELD_CHARS && field.chars().count() > MAX_FIELD_CHARS
}

/// A value as clean text: strings as they are, lists of strings as lines, the rest as JSON.
fn text_of(value: &Value) -> String {
    let strings = |list: &Vec<Value>| {
        let strings = list.iter().map(Value::as_str);
        strings.collect::<Option<Vec<_>>>().map(|lines| lines.join("\n"))
    };
    let lines = value.as_array().and_then(strings);
    match (value, lines) {
        (Value::Null, _) => String::new(),
        (Value::String(text), _) => clean(text),
        (_, Some(lines)) => clean(&lines),
        _ => value.to_string(),
    }
}

/// Trims, gives LaTeX commands back, makes line ends `\n` and drops the other control characters
/// except tabs. Those that end a line or page become line ends, so that no words are joined.
fn clean(text: &str) -> String {
    without_controls(&restore_commands(text))
}

/// Trims, makes line ends `\n` and drops the other control characters except tabs.
pub(super) fn without_controls(text: &str) -> String {
    // Nothing to do for almost every text, most of them ASCII, which bytes tell faster.
    let is_clean = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    if text.bytes().all(is_plain) || text.chars().all(is_clean) {
        return text.trim().to_owned();
    }
    let text = text.replace("\r\n", "\n");
    let cleaned = text.chars().filter_map(|c| match c {
        '\n' | '\t' => Some(c),
        '\r' | '\u{b}' | '\u{c}' | '\u{85}' => Some('\n'),
        c => (!c.is_control()).then_some(c),
    });
    cleaned.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{candidates, rules, task};
    use super::*;

    #[test]
    fn tolerates_names_and_types() {
        let cases = [
            (json!({"Instruction": " a ", "INPUT": "b", "Output": "c"}), ("a", "b", "c")),
            (json!({"instruction": "a", "context": "b", "response": "c"}), ("a", "b", "c")),
            (json!({"instruction": "a", "answer": 4.5}), ("a", "", "4.5")),
            (json!({"instruction": "a", "input": null, "completion": false}), ("a", "", "false")),
            (json!({"instruction": "a", "output": "b", "answer": "c"}), ("a", "", "b")),
            (json!({"instruction": "a", "output": null, "answer": "c"}), ("a", "", "c")),
            (json!({"instruction": "a", "output": ["b", "c"]}), ("a", "", "b\nc")),
            (json!({"instruction": "a", "output": ["b", 1]}), ("a", "", "[\"b\",1]")),
            (json!({"instruction": "a", "output": {"b": 1}}), ("a", "", "{\"b\":1}")),
            (json!({"instruction": "a", "input": "<NoInput>", "output": ""}), ("a", "", "")),
            (json!({"instruction": "a", "input": " N/A", "output": "None"}), ("a", "", "None")),
            (json!({"instruction": "a", "input": "none", "output": "n/a"}), ("a", "", "n/a")),
            (json!({"instruction": "a\r\nb", "output": "\u{0}c\u{1b}\td\r"}), ("a\nb", "", "c\td")),
            (
                json!({"instruction": "a", "output": "\u{c}rac \u{8}eta \u{c}"}),
                ("a", "", r"\frac \beta"),
            ),
            (
                json!({"instruction": "a", "output": "b\u{85}c\u{c}1\u{b}\r\n"}),
                ("a", "", "b\nc\n1"),
            ),
            (
                json!({"instruction": "a", "output": "2 \times \theta \nabla f \right) \text{if} \rho"}),
                ("a", "", r"2 \times \theta \nabla f \right) \text{if} \rho"),
            ),
            (
                json!({"instruction": "a", "output": "x\ttext\timestamp\nnot\rright\u{9b}\u{7f}"}),
                ("a", "", "x\ttext\timestamp\nnot\nright"),
            ),
        ];
        for (value, (instruction, input, output)) in cases {
            let items = [read_task(&value)];
            assert_eq!(candidates(&items), [task(instruction, input, output)], "{value}");
        }
    }

    #[test]
    fn names_what_is_missing() {
        let cases = [
            (json!({"output": "b"}), "missing_instruction"),
            (json!({"instruction": " \u{1} ", "output": "b"}), "missing_instruction"),
            (json!({"instruction": null, "output": "b"}), "missing_instruction"),
            (json!({"instruction": "a"}), "missing_output"),
            (json!({"instruction": "a", "output": null}), "missing_output"),
            (json!(["a", "b"]), "not_an_object"),
            (json!("a"), "not_an_object"),
        ];
        for (value, rule) in cases {
            assert_eq!(rules(&[read_task(&value)]), [rule], "{value}");
        }
    }

    #[test]
    fn the_size_limit_counts_characters() {
        let of = |n| json!({"instruction": "a", "output": "é".repeat(n)});
        assert_eq!(rules(&[read_task(&of(MAX_FIELD_CHARS))]), [""; 0]);
        assert_eq!(rules(&[read_task(&of(MAX_FIELD_CHARS + 1))]), ["oversized_item"]);
    }
}
