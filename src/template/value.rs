//! Parses JSON without losing a value whose key comes twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a text gave no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not JSON, has more than 128 levels, or a number in it would change.
    Other,
    /// An object has a key twice, with different values: which one is meant is not known.
    RepeatedKey,
}

/// The value of a JSON text. The depth that `serde_json` takes is bounded, so nesting cannot
/// overflow the stack.
pub(super) fn parse(text: &str) -> Result<Value, Fault> {
    if !has_exact_numbers(text) {
        return Err(Fault::Other);
    }
    let parsed = serde_json::from_str(text).map(|Distinct(value)| value);
    parsed.map_err(|error| {
        let is_repeated = error.to_string().starts_with(REPEATED_KEY);
        if is_repeated { Fault::RepeatedKey } else { Fault::Other }
    })
}

const REPEATED_KEY: &str = "repeated key";

/// The most digits of a number that are sure to be read as they are written.
const MAX_DIGITS: usize = 15;

/// Whether a word that is a number is printed as it was written after it was read.
pub(super) fn is_exact(number: &[u8]) -> bool {
    let digits = number.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_plain = number.iter().skip(1).all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let has_fraction = number.contains(&b'.');
    let loses_zero = has_fraction && number.ends_with(b"0") && !number.ends_with(b".0");
    let gains_zero = number.starts_with(b"-0") && !has_fraction;
    is_plain && digits <= MAX_DIGITS && !loses_zero && !gains_zero
}

/// Whether all numbers outside of strings are exact.
fn has_exact_numbers(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(byte) = rest.first() {
        let length = match byte {
            b'"' => string_len(rest),
            b'-' | b'0'..=b'9' => {
                let length = rest.iter().take_while(|byte| is_in_number(**byte)).count();
                if !rest.get(..length).is_some_and(is_exact) {
                    return false;
                }
                length
            }
            _ => 1,
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    true
}

/// Whether a number of JSON may have this byte.
pub(super) fn is_in_number(byte: u8) -> bool {
    byte.is_ascii_digit() || b"+-.eE".contains(&byte)
}

/// Bytes of the string that begins `rest`, with its quotes.
fn string_len(rest: &[u8]) -> usize {
    let mut at = 1;
    loop {
        match rest.get(at) {
            None => return rest.len(),
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// A value with no key twice in any of its objects, unless the values are equal.
struct Distinct(Value);

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DistinctVisitor).map(Self)
    }
}

struct DistinctVisitor;

impl<'de> Visitor<'de> for DistinctVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Distinct(element)) = elements.next_element()? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Distinct(value))) = members.next_entry::<String, _>()? {
            match object.get(&key) {
                Some(before) if *before != value => return Err(Error::custom(REPEATED_KEY)),
                Some(_) => {}
                None => {
                    object.insert(key, value);
                }
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repeated_key_needs_an_equal_value() {
        assert_eq!(parse(r#"{"a":[1],"b":2,"a":[1]}"#), Ok(json!({"a": [1], "b": 2})));
        for text in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":null,"a":""}}]"#] {
            assert_eq!(parse(text), Err(Fault::RepeatedKey), "{text}");
        }
        assert_eq!(parse(r#"{"a":1,"a":2"#), Err(Fault::RepeatedKey));
        assert_eq!(parse(r#"{"a":1,"a":1"#), Err(Fault::Other));
    }

    #[test]
    fn no_number_changes() {
        assert_eq!(parse("[1.25, 0, -7, 2.0]"), Ok(json!([1.25, 0, -7, 2.0])));
        for text in ["-963067290.7389059", "1234567890123456", "[1e9]", "[\"\\\"\", 1.50]", "-0"] {
            assert_eq!(parse(text), Err(Fault::Other), "{text}");
        }
    }

    proptest! {
        #[test]
        fn other_values_are_read_as_they_are(
            text in ".*", integer: i32, eighths: i32, truth: bool,
        ) {
            let number = f64::from(eighths) / 8.0;
            let value = json!({ text.clone(): [text, integer, number, truth, null, {}] });
            prop_assert_eq!(parse(&value.to_string()), Ok(value));
        }
    }
}
