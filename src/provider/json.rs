//! A tolerant reader for the JSON of a paid answer: small faults of the writer must not lose it.

use serde_json::Value;

/// The body as JSON; `None` when it is none.
///
/// Invalid UTF-8 is replaced, a byte order mark is dropped. When the strict reader fails, the
/// faults of common writers are mended first: half a surrogate pair (`"\ud83d"`, a cut emoji),
/// `NaN` and `Infinity` (Python), numbers beyond any (`1e999`), raw control characters inside strings.
pub(super) fn parse_json(body: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&mended(text))).ok()
}

/// `text` with the faults above mended; what is not one of them stays as it is.
fn mended(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    loop {
        let mut chars = rest.chars();
        let Some(c) = chars.next() else { return out };
        let mut after = chars.as_str();
        match c {
            '"' => {
                in_string = !in_string;
                out.push(c);
            }
            '\\' if in_string => after = mend_escape(after, &mut out),
            c if in_string && c < ' ' => push_unit(u32::from(c), &mut out),
            '-' | 'N' | 'I' | '0'..='9' if !in_string => match strip_non_number(rest) {
                Some(behind) => {
                    out.push_str("null");
                    after = behind;
                }
                None => after = copy_number(rest, &mut out),
            },
            _ => out.push(c),
        }
        rest = after;
    }
}

/// Writes the number, or else the character, at the start of `text`; returns what follows it.
fn copy_number<'a>(text: &'a str, out: &mut String) -> &'a str {
    let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let first = text.chars().next().map_or(0, char::len_utf8);
    let (number, after) = text.split_at_checked(end.max(first)).unwrap_or((text, ""));
    let is_beyond = number.parse::<f64>().is_ok_and(f64::is_infinite);
    out.push_str(if is_beyond { "null" } else { number });
    after
}

/// The most brackets, commas and colons outside strings in a reply. A completion is a few long
/// strings, and each of these may become a value of a tree, which takes a hundred times their room.
const MAX_STRUCTURE: usize = 100_000;

/// Whether `body` has few enough parts to be a reply, so that reading it takes about its own room.
pub(super) fn is_simple(body: &[u8]) -> bool {
    if body.len() <= MAX_STRUCTURE {
        return true;
    }
    let (mut structure, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' | b',' | b':' if !in_string => structure += 1,
            _ => {}
        }
    }
    structure <= MAX_STRUCTURE
}

/// What follows a `NaN` or `Infinity` at the start of `text`.
fn strip_non_number(text: &str) -> Option<&str> {
    ["NaN", "Infinity", "-Infinity", "-NaN"].iter().find_map(|word| text.strip_prefix(word))
}

/// Writes the escape whose backslash stood before `after`; returns what follows it.
fn mend_escape<'a>(after: &'a str, out: &mut String) -> &'a str {
    match unicode_escape(after) {
        None => {
            let mut chars = after.chars();
            out.push('\\');
            out.extend(chars.next());
            chars.as_str()
        }
        Some((unit, behind)) if !(0xd800..0xe000).contains(&unit) => {
            push_unit(unit, out);
            behind
        }
        Some((high, behind)) => {
            let low = behind.strip_prefix('\\').and_then(unicode_escape);
            match low {
                Some((low, end)) if high < 0xdc00 && (0xdc00..0xe000).contains(&low) => {
                    push_unit(high, out);
                    push_unit(low, out);
                    end
                }
                _ => {
                    out.push(char::REPLACEMENT_CHARACTER);
                    behind
                }
            }
        }
    }
}

/// Writes a UTF-16 code unit as `\uXXXX`.
fn push_unit(unit: u32, out: &mut String) {
    let digit = |shift: u32| char::from_digit((unit >> shift) & 0xf, 16).expect("under 16");
    out.push_str("\\u");
    out.extend([12, 8, 4, 0].map(digit));
}

/// The code unit of `uXXXX` at the start of `text`, and what follows it.
fn unicode_escape(text: &str) -> Option<(u32, &str)> {
    let (digits, behind) = text.strip_prefix('u')?.split_at_checked(4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_of_common_writers_are_mended() {
        for (body, expected) in [
            (
                r#"{"a": 1e999, "b": [-1E+400, 1.5, 2e3, -7]}"#,
                json!({"a": null, "b": [null, 1.5, 2e3, -7]}),
            ),
            (r#"{"a": NaN, "b": [-Infinity, Infinity]}"#, json!({"a": null, "b": [null, null]})),
            (
                r#"{"a": "NaN -Infinity \" NaN", "b": NaN}"#,
                json!({"a": "NaN -Infinity \" NaN", "b": null}),
            ),
            (
                r#"["\ud83d!", "\ude00", "\ud83d\ude00", "\ud83d\ud83d\ude00"]"#,
                json!(["\u{fffd}!", "\u{fffd}", "😀", "\u{fffd}😀"]),
            ),
            (r#"["\ud83d", "\\ud83d \u00e9"]"#, json!(["\u{fffd}", "\\ud83d é"])),
            ("[\"a\nb\tc\"]", json!(["a\nb\tc"])),
            ("\u{feff} \n{\"a\": -1}\n", json!({"a": -1})),
        ] {
            assert_eq!(parse_json(body.as_bytes()), Some(expected), "{body}");
        }
        assert_eq!(parse_json(b"[\"a\xff\"]"), Some(json!(["a\u{fffd}"])));
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for body in
            ["", " ", "null", "\"text\"", "<html>", "data: {}", "{\"a\": ", "[\"\\u12\"]", "[\"\\"]
        {
            assert_eq!(parse_json(body.as_bytes()), None, "{body}");
        }
        assert_eq!(parse_json("[".repeat(100_000).as_bytes()), None, "too deep");
    }

    proptest! {
        #[test]
        fn mending_keeps_whatever_is_valid(texts in prop::collection::vec("(?s).{0,20}", 0..5), number in any::<f64>()) {
            let text = json!({"texts": texts, "number": number, "nested": [{"NaN": "\\ud83d"}]}).to_string();
            let plain: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&mended(&text)).unwrap(), plain);
        }

        #[test]
        fn nothing_panics(text in "[\\[{\"\\\\uNaInfity0-9d-]{0,40}") {
            let _seen = parse_json(text.as_bytes());
        }
    }
}
