//! Reads the texts of one benchmark file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::Value;
use serde_json::value::RawValue;

use super::error::{BenchmarkError, Fault};

/// The largest file.
pub(super) const MAX_FILE_BYTES: u64 = 1_000_000_000;

/// The fields of a record that are read, in the order in which their texts are joined.
pub const FIELDS: [&str; 5] = ["instruction", "question", "prompt", "text", "input"];

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A JSON value a line.
    Lines,
    /// One JSON array.
    Array,
    /// A text a line.
    Plain,
}

/// The texts of a file, each with the line on which it starts, from 1. Of a JSON object that is what
/// its [`FIELDS`] hold, joined by line ends; blank lines are skipped.
pub(super) fn read_texts(path: &Path) -> Result<Vec<(u64, String)>, BenchmarkError> {
    let bytes = read_bytes(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        BenchmarkError::NotUtf8 { path: path.into(), line: newlines(valid) + 1 }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let texts = match form(path, text) {
        Form::Lines => lines(text).map(|(line, json)| parse(json, line)).collect(),
        Form::Array => parse_array(text),
        Form::Plain => Ok(lines(text).map(|(line, text)| (line, text.trim().to_owned())).collect()),
    };
    let texts: Vec<(u64, String)> =
        texts.map_err(|(line, fault)| BenchmarkError::Record { path: path.into(), line, fault })?;
    if texts.is_empty() {
        return Err(BenchmarkError::Empty { path: path.into() });
    }
    Ok(texts)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, BenchmarkError> {
    let not_readable =
        |source: io::Error| BenchmarkError::NotReadable { path: path.into(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(not_readable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(not_readable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(BenchmarkError::TooLarge { path: path.into() });
    }
    Ok(bytes)
}

/// By the name's ending where it says something, otherwise by the first character.
fn form(path: &Path, text: &str) -> Form {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let first = text.trim_start().chars().next();
    match (&*ending.to_ascii_lowercase(), first) {
        ("txt", _) => Form::Plain,
        ("jsonl" | "ndjson", _) => Form::Lines,
        (_, Some('[')) => Form::Array,
        ("json", _) | (_, Some('{')) => Form::Lines,
        _ => Form::Plain,
    }
}

/// The lines with something on them, numbered from 1.
fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty())
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn parse(json: &str, line: u64) -> Result<(u64, String), (u64, Fault)> {
    let value = serde_json::from_str(json).map_err(|error| broken(&error, line))?;
    text_of(&value).map(|text| (line, text)).map_err(|fault| (line, fault))
}

fn parse_array(text: &str) -> Result<Vec<(u64, String)>, (u64, Fault)> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| broken(&error, 1))?;
    let (mut line, mut counted) = (1, 0);
    let located = items.into_iter().map(|item| {
        // An item is a part of the text, so the difference of their addresses is its place.
        let offset = item.get().as_ptr().addr() - text.as_ptr().addr();
        line += newlines(text.as_bytes().get(counted..offset).unwrap_or_default());
        counted = offset;
        parse(item.get(), line)
    });
    located.collect()
}

fn broken(error: &serde_json::Error, first_line: u64) -> (u64, Fault) {
    // The error ends with a place that counts from the record, not from the file.
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
    (first_line + (error.line() as u64).saturating_sub(1), Fault::BrokenJson { reason })
}

fn text_of(record: &Value) -> Result<String, Fault> {
    let object = match record {
        Value::String(text) => return Ok(text.clone()),
        Value::Object(object) => object,
        other => return Err(Fault::NotAnObject { found: kind(other) }),
    };
    let mut texts = Vec::new();
    for field in FIELDS {
        let Some(value) = object.get(field) else { continue };
        let text = field_text(value).map_err(|found| Fault::WrongType { field, found })?;
        texts.extend(Some(text).filter(|text| !text.trim().is_empty()));
    }
    if texts.is_empty() {
        return Err(Fault::NoText { keys: object.keys().cloned().collect() });
    }
    Ok(texts.join("\n"))
}

/// A text, or several: the turns of a conversation.
fn field_text(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join("\n")).ok_or("a list of other things than texts")
        }
        other => Err(kind(other)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
