//! One JSON value of a seeds file, made into a seed task.

use serde_json::{Map, Value};

use crate::task::{Instance, SeedTask};

use super::problem::{Fault, excerpt};
use super::seed::MAX_INSTRUCTION_CHARS;

/// A fault and the field that has it; `None` for the object as a whole.
pub(super) type Flaw = (Option<String>, Fault);

/// Why a text is not one JSON value.
#[derive(Debug)]
pub(super) struct Broken {
    /// The line of the text, from 1.
    pub(super) line: usize,
    /// The character of that line, from 1.
    pub(super) column: usize,
    /// What the reader expected.
    pub(super) reason: String,
    /// The text ended too early.
    pub(super) is_cut: bool,
}

impl Broken {
    /// Takes serde's error about `text` apart: its column counts bytes and its message repeats the
    /// position.
    pub(super) fn new(text: &str, error: &serde_json::Error) -> Self {
        let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
        let bytes = line.as_bytes().get(..error.column()).unwrap_or(line.as_bytes());
        let message = error.to_string();
        let reason = message.rsplit_once(" at line ").map_or(&*message, |(reason, _)| reason);
        Self {
            line: error.line().max(1),
            column: String::from_utf8_lossy(bytes).chars().count().max(1),
            reason: excerpt(reason, 80),
            is_cut: error.is_eof(),
        }
    }
}

/// Reads one JSON value. Nesting deeper than 128 is an error.
pub(super) fn parse(text: &str) -> Result<Value, Broken> {
    serde_json::from_str(text).map_err(|error| Broken::new(text, &error))
}

/// Makes a seed task out of a JSON value, or finds everything that is wrong with it.
///
/// The value is an object in Self-Instruct's form, with `instances`, or in Alpaca's, with `input`
/// and `output` beside the `instruction`. Other keys are ignored, and `null` is as good as no key.
/// A task without `id` gets `fallback_id`.
pub(super) fn interpret(value: Value, fallback_id: &str) -> Result<SeedTask, Vec<Flaw>> {
    let Value::Object(object) = value else {
        return Err(vec![(None, Fault::NotAnObject { found: describe(&value) })]);
    };
    let mut fields = Fields::new(object, String::new());
    let id = fields.id().unwrap_or_else(|| fallback_id.to_owned());
    let name = fields.optional_text("name");
    let instruction = fields.required_text("instruction", "say what is to be done");
    if let Some(chars) = exceeds(&instruction, MAX_INSTRUCTION_CHARS) {
        fields.flaw("instruction", Fault::TooLong { chars });
    }
    let is_classification = fields.optional_bool("is_classification");
    let instances = match fields.take("instances") {
        Some(list) => fields.instances(list),
        None => vec![fields.instance("write the expected answer, or a list of `instances`")],
    };
    if fields.flaws.is_empty() {
        Ok(SeedTask { id, name, instruction, instances, is_classification })
    } else {
        Err(fields.flaws)
    }
}

/// The fields of an object, taken one by one, and what was wrong with those taken so far.
struct Fields {
    object: Map<String, Value>,
    /// The keys that the object had, for the message about one that is missing.
    keys: Vec<String>,
    /// What to write before a field's name: empty, or `instances[0].`.
    path: String,
    flaws: Vec<Flaw>,
}

impl Fields {
    fn new(object: Map<String, Value>, path: String) -> Self {
        let keys = object.keys().cloned().collect();
        Self { object, keys, path, flaws: Vec::new() }
    }

    fn flaw(&mut self, key: &str, fault: Fault) {
        self.flaws.push((Some(format!("{}{key}", self.path)), fault));
    }

    fn wrong_type(&mut self, key: &str, value: &Value, expected: &'static str) {
        self.flaw(key, Fault::WrongType { found: describe(value), expected });
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.object.remove(key).filter(|value| !value.is_null())
    }

    fn id(&mut self) -> Option<String> {
        match self.take("id")? {
            Value::String(id) => Some(id).filter(|id| !id.trim().is_empty()),
            Value::Number(id) => Some(id.to_string()),
            other => {
                self.wrong_type("id", &other, "a text in quotes, or leave it out");
                None
            }
        }
    }

    fn optional_bool(&mut self, key: &str) -> bool {
        match self.take(key) {
            None => false,
            Some(Value::Bool(value)) => value,
            Some(other) => {
                self.wrong_type(key, &other, "true or false without quotes, or leave it out");
                false
            }
        }
    }

    fn optional_text(&mut self, key: &str) -> String {
        match self.take(key) {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => {
                self.wrong_type(key, &other, "a text in quotes, or leave it out");
                String::new()
            }
        }
    }

    fn required_text(&mut self, key: &str, mend: &'static str) -> String {
        match self.take(key) {
            Some(Value::String(text)) if text.trim().is_empty() => {
                self.flaw(key, Fault::Empty { mend });
                String::new()
            }
            Some(Value::String(text)) => text,
            Some(other) => {
                self.wrong_type(key, &other, "a text in quotes");
                String::new()
            }
            None => {
                self.flaw(key, Fault::Missing { keys: self.keys.clone(), mend });
                String::new()
            }
        }
    }

    /// The `input` and `output` of this object.
    fn instance(&mut self, mend: &'static str) -> Instance {
        let input = self.optional_text("input");
        Instance { input, output: self.required_text("output", mend) }
    }

    fn instances(&mut self, list: Value) -> Vec<Instance> {
        const MEND: &str = "write at least one object with `input` and `output`";
        match list {
            Value::Array(items) if items.is_empty() => {
                self.flaw("instances", Fault::Empty { mend: MEND });
                Vec::new()
            }
            Value::Array(items) => {
                items.into_iter().enumerate().filter_map(|(n, item)| self.nested(n, item)).collect()
            }
            other => {
                self.wrong_type("instances", &other, "a list of objects in []");
                Vec::new()
            }
        }
    }

    fn nested(&mut self, n: usize, item: Value) -> Option<Instance> {
        let Value::Object(object) = item else {
            let expected = "an object with `input` and `output`";
            self.wrong_type(&format!("instances[{n}]"), &item, expected);
            return None;
        };
        let mut fields = Self::new(object, format!("instances[{n}]."));
        let instance = fields.instance("write the expected answer");
        self.flaws.append(&mut fields.flaws);
        Some(instance)
    }
}

/// The number of characters, when there are more than `max`.
fn exceeds(text: &str, max: usize) -> Option<usize> {
    if text.len() <= max {
        return None;
    }
    Some(text.chars().count()).filter(|chars| *chars > max)
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text `{}`", excerpt(text, 30)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
