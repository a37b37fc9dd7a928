//! Shapes: which fields a record has, and which text of it is compared.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::error::{Fault, Flaw};
use crate::task::Compared;

use super::record::{Content, Record, is_null, items, kind, pick, pick_into, text};

/// A known arrangement of fields.
#[derive(Debug)]
pub struct Shape {
    /// Its name in messages.
    pub name: &'static str,
    /// The fields by which it is recognized.
    pub keys: &'static [&'static str],
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Texts in fields: instruction, input, output. Only the first has to be there.
    Flat([&'static str; 3]),
    /// Conversation: a list of turns with a role and a text in this field.
    Turns(&'static str),
    /// Self-Instruct: an instruction and a list of `instances`.
    Instances,
}

/// All shapes. A record has the first one whose fields it has.
pub static SHAPES: &[Shape] = &[
    Shape { name: "messages", keys: &["messages"], kind: Kind::Turns("messages") },
    Shape { name: "sharegpt", keys: &["conversations"], kind: Kind::Turns("conversations") },
    Shape { name: "self-instruct", keys: &["instruction", "instances"], kind: Kind::Instances },
    Shape {
        name: "dolly",
        keys: &["instruction", "context", "response"],
        kind: Kind::Flat(["instruction", "context", "response"]),
    },
    Shape {
        name: "alpaca",
        keys: &["instruction"],
        kind: Kind::Flat(["instruction", "input", "output"]),
    },
    Shape {
        name: "prompt-completion",
        keys: &["prompt", "completion"],
        kind: Kind::Flat(["prompt", "", "completion"]),
    },
];

impl Shape {
    /// The shape of records with these fields.
    pub(super) fn of_keys(keys: &[String]) -> Option<&'static Self> {
        SHAPES.iter().find(|shape| shape.keys.iter().all(|key| keys.iter().any(|k| k == key)))
    }

    /// Appends the text of a record that is compared.
    pub(super) fn append(
        &self,
        record: &Record<'_>,
        compare: Compared,
        out: &mut String,
    ) -> Result<(), Flaw> {
        match (&self.kind, record.content) {
            (Kind::Flat(fields), content) => append_fields(fields, content, compare, out),
            (Kind::Turns(list), Content::Json(json)) => append_turns(list, json, compare, out),
            (Kind::Instances, Content::Json(json)) => append_instances(json, compare, out),
            (Kind::Turns(list), Content::Cells { .. }) => Err(in_a_cell(list)),
            (Kind::Instances, Content::Cells { .. }) => Err(in_a_cell("instances")),
        }
    }
}

fn in_a_cell(field: &str) -> Flaw {
    Flaw::of_field(field, Fault::WrongType { found: "a cell of a table", expected: "a list" })
}

/// Joins texts, each on lines of its own.
struct Joined<'o> {
    out: &'o mut String,
    start: usize,
}

impl<'o> Joined<'o> {
    fn new(out: &'o mut String) -> Self {
        let start = out.len();
        Self { out, start }
    }

    fn push(&mut self, text: &str) {
        if self.out.len() > self.start && !text.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(text);
    }
}

fn append_fields(
    fields: &[&str; 3],
    content: Content<'_>,
    compare: Compared,
    out: &mut String,
) -> Result<(), Flaw> {
    let mut joined = Joined::new(out);
    let wanted = match compare {
        Compared::Instruction => 1,
        Compared::InstructionAndInput => 2,
        Compared::All => 3,
    };
    // An empty name stands for a field that the shape does not have.
    let named = || fields.iter().take(wanted).enumerate().filter(|(_, field)| !field.is_empty());
    match content {
        Content::Cells { columns, cells } => {
            for (index, field) in named() {
                match cell(columns, cells, field) {
                    Some(text) => joined.push(text),
                    None if index == 0 => return Err(missing(field, columns.iter())),
                    None => {}
                }
            }
        }
        Content::Json(json) => {
            let mut picked = [None; 3];
            let keys = fields.get(..wanted).unwrap_or(fields);
            pick_into(json, keys, &mut picked)?;
            for (index, field) in named() {
                match picked.get(index).copied().flatten() {
                    Some(value) if index > 0 && is_null(value) => {}
                    Some(value) => joined.push(&field_text(field, value)?),
                    None if index == 0 => return Err(missing_in_json(field, json)),
                    None => {}
                }
            }
        }
    }
    Ok(())
}

fn cell<'a>(
    columns: &csv::StringRecord,
    cells: &'a csv::StringRecord,
    name: &str,
) -> Option<&'a str> {
    cells.get(columns.iter().position(|column| column == name)?)
}

fn missing<'k>(field: &str, keys: impl Iterator<Item = &'k str>) -> Flaw {
    Flaw::of_field(field, Fault::Missing { keys: keys.map(str::to_owned).collect() })
}

fn missing_in_json(field: &str, json: &str) -> Flaw {
    match super::record::keys(json) {
        Ok(keys) => missing(field, keys.iter().map(String::as_str)),
        Err(flaw) => flaw,
    }
}

fn field_text<'a>(field: &str, value: &'a RawValue) -> Result<Cow<'a, str>, Flaw> {
    text(value, "a text in quotation marks").map_err(|fault| Flaw::of_field(field, fault))
}

/// The items of the list in a field of an object.
fn list<'a>(
    json: &'a str,
    field: &str,
    value: Option<&'a RawValue>,
) -> Result<Vec<&'a RawValue>, Flaw> {
    let Some(value) = value else { return Err(missing_in_json(field, json)) };
    match kind(value.get()) {
        "a list" => items(value).map_err(|fault| Flaw::of_field(field, fault)),
        found => Err(Flaw::of_field(field, Fault::WrongType { found, expected: "a list" })),
    }
}

/// Says in which item of a list a flaw is.
fn within(flaw: Flaw, field: &str, index: usize) -> Flaw {
    let field = match flaw.field {
        Some(inner) => format!("{field}.{index}.{inner}"),
        None => format!("{field}.{index}"),
    };
    Flaw { field: Some(field), fault: flaw.fault }
}

/// Who speaks in a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    User,
    Model,
    Other,
}

fn append_turns(field: &str, json: &str, compare: Compared, out: &mut String) -> Result<(), Flaw> {
    let [turns] = pick(json, [field])?;
    let mut joined = Joined::new(out);
    let mut has_asked = false;
    for (index, turn) in list(json, field, turns)?.into_iter().enumerate() {
        let (speaker, said) = turn_text(turn).map_err(|flaw| within(flaw, field, index))?;
        let is_wanted = match compare {
            Compared::Instruction => speaker == Speaker::User,
            Compared::InstructionAndInput => speaker != Speaker::Model,
            Compared::All => true,
        };
        has_asked |= speaker == Speaker::User;
        if is_wanted {
            joined.push(&said);
        }
        if has_asked && compare == Compared::Instruction {
            return Ok(());
        }
    }
    if has_asked { Ok(()) } else { Err(Flaw::of_field(field, Fault::NobodyAsks)) }
}

/// A turn in the words of `messages`, `role` and `content`, or in those of ShareGPT, `from` and
/// `value`.
fn turn_text(turn: &RawValue) -> Result<(Speaker, Cow<'_, str>), Flaw> {
    let [role, from, content, value] = pick(turn.get(), ["role", "from", "content", "value"])?;
    let (role_name, content_name) =
        if role.is_none() && from.is_some() { ("from", "value") } else { ("role", "content") };
    let role = role.or(from).ok_or_else(|| missing_in_json(role_name, turn.get()))?;
    let speaker = match &*field_text(role_name, role)? {
        "user" | "human" => Speaker::User,
        "assistant" | "gpt" | "model" | "bot" | "chatgpt" => Speaker::Model,
        _ => Speaker::Other,
    };
    let said = match content.or(value) {
        // A model that calls a tool says nothing.
        Some(said) if is_null(said) && speaker != Speaker::User => Cow::Borrowed(""),
        None if speaker == Speaker::Model => Cow::Borrowed(""),
        Some(said) => field_text(content_name, said)?,
        None => return Err(missing_in_json(content_name, turn.get())),
    };
    Ok((speaker, said))
}

fn append_instances(json: &str, compare: Compared, out: &mut String) -> Result<(), Flaw> {
    let [instruction, instances] = pick(json, ["instruction", "instances"])?;
    let mut joined = Joined::new(out);
    let Some(instruction) = instruction else { return Err(missing_in_json("instruction", json)) };
    joined.push(&field_text("instruction", instruction)?);
    if compare == Compared::Instruction {
        return Ok(());
    }
    for (index, instance) in list(json, "instances", instances)?.into_iter().enumerate() {
        let mut append = || {
            let [input, output] = pick(instance.get(), ["input", "output"])?;
            let output = output.filter(|_output| compare == Compared::All);
            for (field, value) in [("input", input), ("output", output)] {
                if let Some(value) = value.filter(|value| !is_null(value)) {
                    joined.push(&field_text(field, value)?);
                }
            }
            Ok(())
        };
        append().map_err(|flaw| within(flaw, "instances", index))?;
    }
    Ok(())
}

/// Appends the texts at dotted paths, such as `messages.0.content`.
pub(super) fn append_paths(
    paths: &[String],
    record: &Record<'_>,
    out: &mut String,
) -> Result<(), Flaw> {
    let mut joined = Joined::new(out);
    for path in paths {
        match record.content {
            Content::Json(json) => {
                let value = at_path(json, path)?;
                if !is_null(value) {
                    joined.push(&field_text(path, value)?);
                }
            }
            Content::Cells { columns, cells } => {
                let cell = cell(columns, cells, path);
                joined.push(cell.ok_or_else(|| missing(path, columns.iter()))?);
            }
        }
    }
    Ok(())
}

/// The value at a dotted path: names of fields, and places in lists from 0.
fn at_path<'a>(json: &'a str, path: &str) -> Result<&'a RawValue, Flaw> {
    let mut walked = String::new();
    let mut json = json;
    let mut value: Option<&RawValue> = None;
    for step in path.split('.') {
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(step);
        let found = match (kind(json), value, step.parse::<usize>()) {
            ("a list", Some(list), Ok(index)) => {
                let items = items(list).map_err(|fault| Flaw::of_field(&*walked, fault))?;
                let keys = || vec![format!("{} items", items.len())];
                items
                    .get(index)
                    .copied()
                    .ok_or_else(|| Flaw::of_field(&*walked, Fault::Missing { keys: keys() }))?
            }
            ("an object", ..) | (_, None, _) => {
                let [found] = pick(json, [step])?;
                found.ok_or_else(|| {
                    let Flaw { fault, .. } = missing_in_json(step, json);
                    Flaw::of_field(&*walked, fault)
                })?
            }
            (found, ..) => {
                let expected = "an object, or a list and a number after it,";
                return Err(Flaw::of_field(&*walked, Fault::WrongType { found, expected }));
            }
        };
        json = found.get();
        value = Some(found);
    }
    value.ok_or_else(|| missing_in_json(path, json))
}
