//! One record, and how values are picked out of its JSON without reading the rest into memory.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::error::{Fault, Flaw, Place};

/// A record of a file, borrowed from its reader.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where it is in its file.
    pub place: Place,
    pub(super) content: Content<'a>,
}

/// What a record is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    /// The text of a JSON value, not yet known to be valid.
    Json(&'a str),
    /// Texts under the names of columns.
    Cells { columns: &'a csv::StringRecord, cells: &'a csv::StringRecord },
}

impl Record<'_> {
    /// The names of its fields, in their order.
    pub(super) fn keys(&self) -> Result<Vec<String>, Flaw> {
        match self.content {
            Content::Json(json) => keys(json),
            Content::Cells { columns, .. } => Ok(columns.iter().map(str::to_owned).collect()),
        }
    }
}

/// The record as a JSON value on one line.
impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.content {
            Content::Json(json) => {
                // A line break is never inside of a JSON string, nor is the white space beside it.
                let lines: Vec<&str> = json.lines().map(str::trim).collect();
                let line = RawValue::from_string(lines.join(" "));
                line.map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
            Content::Cells { columns, cells } => {
                let mut map = serializer.serialize_map(Some(columns.len()))?;
                for (column, cell) in columns.iter().zip(cells) {
                    map.serialize_entry(column, cell)?;
                }
                map.end()
            }
        }
    }
}

/// The raw values under `keys` of the JSON object in `json`, the last where a key repeats.
pub(super) fn pick<'a, const N: usize>(
    json: &'a str,
    keys: [&str; N],
) -> Result<[Option<&'a RawValue>; N], Flaw> {
    let mut picked = [None; N];
    pick_into(json, &keys, &mut picked)?;
    Ok(picked)
}

/// As [`pick`], for any number of keys.
pub(super) fn pick_into<'a>(
    json: &'a str,
    keys: &[&str],
    picked: &mut [Option<&'a RawValue>],
) -> Result<(), Flaw> {
    expect_object(json)?;
    read(json, Fields { keys, picked }).map_err(Flaw::of_record)
}

pub(super) fn keys(json: &str) -> Result<Vec<String>, Flaw> {
    expect_object(json)?;
    read(json, Keys).map_err(Flaw::of_record)
}

fn expect_object(json: &str) -> Result<(), Flaw> {
    match kind(json) {
        "an object" => Ok(()),
        found => Err(Flaw::of_record(Fault::NotAnObject { found })),
    }
}

/// The items of a JSON array that was read before, so that it is known to be valid.
pub(super) fn items(array: &RawValue) -> Result<Vec<&RawValue>, Fault> {
    serde_json::from_str(array.get()).map_err(|error| broken(array.get(), &error))
}

/// The text of a JSON string; `expected` names what the field should hold.
pub(super) fn text<'a>(value: &'a RawValue, expected: &'static str) -> Result<Cow<'a, str>, Fault> {
    let json = value.get();
    let Some(inside) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Err(Fault::WrongType { found: kind(json), expected });
    };
    if !inside.contains('\\') {
        return Ok(Cow::Borrowed(inside));
    }
    serde_json::from_str(json).map(Cow::Owned).map_err(|error| broken(json, &error))
}

/// Whether the value is `null`, which counts as a text without characters where a field is optional.
pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// What a JSON value is, by its first character.
pub(super) fn kind(json: &str) -> &'static str {
    match json.trim_start().bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        Some(_) => "something that is not JSON",
        None => "nothing",
    }
}

/// Reads one JSON value and nothing after it.
fn read<'a, S: DeserializeSeed<'a>>(json: &'a str, seed: S) -> Result<S::Value, Fault> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| broken(json, &error))
}

fn broken(json: &str, error: &serde_json::Error) -> Fault {
    let line = error.line().saturating_sub(1);
    let text = json.split('\n').nth(line).unwrap_or_default();
    let before = text.as_bytes().get(..error.column().saturating_sub(1));
    let column =
        before.map_or(error.column(), |before| String::from_utf8_lossy(before).chars().count() + 1);
    let reason = error.to_string();
    // The message ends in the line and column, which are counted in another way here.
    let reason = reason.rsplit_once(" at line ").map_or(&*reason, |(reason, _)| reason);
    Fault::BrokenJson { line: line as u64, column, reason: reason.to_owned() }
}

/// Fills `picked` with the values under `keys`; all others are only checked.
struct Fields<'k, 'p, 'a> {
    keys: &'k [&'k str],
    picked: &'p mut [Option<&'a RawValue>],
}

impl<'a> DeserializeSeed<'a> for Fields<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Fields<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(index) = map.next_key_seed(KeyIndex(self.keys))? {
            match index.and_then(|index| self.picked.get_mut(index)) {
                Some(place) => *place = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Which of the keys this one is.
struct KeyIndex<'k>(&'k [&'k str]);

impl<'a> DeserializeSeed<'a> for KeyIndex<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Option<usize>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIndex<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|wanted| *wanted == key))
    }
}

/// All keys of an object.
struct Keys;

impl<'a> DeserializeSeed<'a> for Keys {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Vec<String>, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Keys {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Vec<String>, M::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(keys)
    }
}
