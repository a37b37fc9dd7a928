//! Mends the faults that models make in JSON, so that a strict parser can read the rest.

use super::quotes::Quote;
use super::value::{is_exact, is_in_number};

/// The text of one JSON object with these faults mended, in one pass:
///
/// - control characters inside strings, such as raw newlines, become escapes;
/// - a backslash that begins no escape of JSON, as in `\alpha`, becomes two; `\'` becomes `'`;
/// - a lone surrogate, such as `\ud800`, becomes U+FFFD;
/// - a comma before a closing bracket goes, and so does a second one in a row;
/// - a comma that is missing before a key or another value comes;
/// - strings in `'` or `“` get JSON's quotes; `None`, `True` and `False` become JSON's words;
/// - a number that would not be printed as it was written becomes a string;
/// - comments go, unless a quote is in them: they may then be text of a string cut short.
///
/// `plain` says how strings in JSON's own quotes end: [`Quote::Double`] or [`Quote::Unescaped`].
pub(super) fn repair(object: &str, plain: Quote) -> String {
    let mut mended = String::with_capacity(object.len() + object.len() / 16);
    let mut rest = object;
    // Whether a whole value or key is the last thing copied.
    let mut after_value = false;
    // No comment ends before the last so many bytes: looking once keeps the time linear.
    let mut comments_from = usize::MAX;
    while let Some((c, after)) = split_first(rest) {
        if after_value && matches!(c, '"' | '{' | '[') {
            mended.push(',');
        }
        let quote = match Quote::opening(rest.as_bytes()) {
            Some(Quote::Double) => Some(plain),
            other => other.filter(|_| !after_value),
        };
        let comment = if rest.len() <= comments_from { after_comment(rest) } else { None };
        if let Some(Err(beyond)) = comment {
            comments_from = beyond.len();
        }
        rest = if let Some(quote) = quote {
            copy_string(after, quote, &mut mended)
        } else if let Some(Ok(after)) = comment {
            after
        } else if c.is_ascii_alphanumeric() || c == '-' {
            copy_word(rest, &mut mended)
        } else if c == ',' && (closes(after) || !after_value) {
            after
        } else {
            mended.push(c);
            after
        };
        if quote.is_some() || !(c.is_ascii_whitespace() || matches!(c, '/' | '#')) {
            after_value =
                quote.is_some() || matches!(c, '}' | ']' | '-') || c.is_ascii_alphanumeric();
        }
    }
    mended
}

/// What follows the comment that begins `text`; or, where a quote is in it or it has no end, the
/// text before which none ends. `None` when no comment begins.
fn after_comment(text: &str) -> Option<Result<&str, &str>> {
    let end = match text.as_bytes() {
        [b'/', b'*', ..] => "*/",
        [b'/', b'/', ..] | [b'#', ..] => "\n",
        _ => return None,
    };
    let bytes = text.as_bytes();
    let is_end = |window: &[u8]| window == end.as_bytes();
    let stop = bytes.windows(end.len()).position(|at| at.starts_with(b"\"") || is_end(at));
    let (_, rest) = text.split_at_checked(stop.unwrap_or(text.len()))?;
    Some(rest.strip_prefix(end).ok_or(rest))
}

/// Copies the word or number that begins `text`, mended; gives what follows.
fn copy_word<'t>(text: &'t str, mended: &mut String) -> &'t str {
    let after = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c));
    // By length: to strip the rest as a suffix would compare all of it, for every word.
    let word = text.get(..text.len() - after.len()).unwrap_or_default();
    let is_number = word.bytes().all(is_in_number) && word.contains(|c: char| c.is_ascii_digit());
    match word {
        "None" => mended.push_str("null"),
        "True" => mended.push_str("true"),
        "False" => mended.push_str("false"),
        _ if is_number && !is_exact(word.as_bytes()) => {
            mended.extend(["\"", word, "\""]);
        }
        _ => mended.push_str(word),
    }
    after
}

/// Whether the next thing in `text` is a closing bracket.
fn closes(text: &str) -> bool {
    text.trim_ascii_start().starts_with(['}', ']'])
}

/// Copies a string whose opening quote was read, mended, in JSON's quotes; gives what follows.
fn copy_string<'t>(text: &'t str, quote: Quote, mended: &mut String) -> &'t str {
    mended.push('"');
    let mut rest = text;
    while let Some((c, after)) = split_first(rest) {
        if let Some(length) = quote.closing_len(rest.as_bytes()) {
            mended.push('"');
            return rest.get(length..).unwrap_or_default();
        }
        rest = match c {
            '"' => {
                mended.push_str("\\\"");
                after
            }
            '\\' => copy_escape(after, mended),
            '\0'..='\u{1f}' => {
                push_unicode_escape(u32::from(c), mended);
                after
            }
            _ => {
                mended.push(c);
                after
            }
        };
    }
    rest
}

/// Copies what follows a backslash inside a string, mended; gives what follows.
fn copy_escape<'t>(text: &'t str, mended: &mut String) -> &'t str {
    match split_first(text) {
        Some(('u', _)) => copy_unicode_escape(text, mended),
        Some((c @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't'), after)) => {
            mended.push('\\');
            mended.push(c);
            after
        }
        Some(('\'', after)) => {
            mended.push('\'');
            after
        }
        _ => {
            mended.push_str("\\\\");
            text
        }
    }
}

/// Copies `uXXXX`, or the two escapes of a surrogate pair; gives what follows.
fn copy_unicode_escape<'t>(text: &'t str, mended: &mut String) -> &'t str {
    let Some((unit, after)) = code_unit(text) else {
        mended.push_str("\\\\");
        return text;
    };
    match unit {
        0xd800..=0xdbff => {
            let low = after.strip_prefix('\\').and_then(code_unit);
            if let Some((low @ 0xdc00..=0xdfff, after_pair)) = low {
                push_unicode_escape(unit, mended);
                push_unicode_escape(low, mended);
                return after_pair;
            }
            push_unicode_escape(0xfffd, mended);
        }
        0xdc00..=0xdfff => push_unicode_escape(0xfffd, mended),
        _ => push_unicode_escape(unit, mended),
    }
    after
}

/// The number in `uXXXX` and the text after it, when `text` begins with one.
fn code_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, after) = text.strip_prefix('u')?.split_at_checked(4)?;
    // `from_str_radix` alone would take a sign.
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unit = u32::from_str_radix(digits, 16).ok().filter(|_| hex)?;
    Some((unit, after))
}

fn push_unicode_escape(unit: u32, mended: &mut String) {
    use std::fmt::Write;
    write!(mended, "\\u{unit:04x}").expect("writing to a String cannot fail");
}

fn split_first(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    Some((first, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn mends_each_fault() {
        let cases = [
            ("{\"a\":\"x\ny\tz\u{1}\"}", "x\ny\tz\u{1}"),
            (r#"{"a":"\alpha \(x\) C:\dir \'q\'"}"#, r"\alpha \(x\) C:\dir 'q'"),
            (r#"{"a":"\underline \u12 \u+123"}"#, r"\underline \u12 \u+123"),
            (
                r#"{"a":"\ud800 \udc00 \ud83d\ude00 \ud800\u0041"}"#,
                "\u{fffd} \u{fffd} 😀 \u{fffd}A",
            ),
            (r#"{"a":"\"q\" \\ \n, }", }"#, "\"q\" \\ \n, }"),
        ];
        for (broken, expected) in cases {
            assert!(serde_json::from_str::<Value>(broken).is_err(), "{broken}");
            let mended: Value = serde_json::from_str(&repair(broken, Quote::Double)).unwrap();
            assert_eq!(mended["a"], expected, "{broken}");
        }
        let words = r#"{'a':[None, True, -0.12345678901234567, 2.5, “x "y” z”], // 'b'
            /* d */ "b": 'it's "c"'}"#;
        let mended: Value = serde_json::from_str(&repair(words, Quote::Double)).unwrap();
        let expected = json!({"a": [null, true, "-0.12345678901234567", 2.5, "x \"y” z"],
            "b": "it's \"c\""});
        assert_eq!(mended, expected);
        let commas = [
            r#"{"a":[1,2, ],"b":"c",
            }"#,
            r#"{"a":[1,,2],, "b":"c"}"#,
            "{\"a\":[1,2]\n\"b\":\"c\"}",
        ];
        for broken in commas {
            let mended: Value = serde_json::from_str(&repair(broken, Quote::Double)).unwrap();
            assert_eq!(mended, json!({"a": [1, 2], "b": "c"}), "{broken}");
        }
        assert!(serde_json::from_str::<Value>(&repair(r#"{"a" "b"}"#, Quote::Double)).is_err());
    }

    proptest! {
        #[test]
        fn leaves_valid_json_its_value(key in ".*", text in any::<String>()) {
            let value = json!({ key: [text, 1.5, null, true, -3], "n": {} });
            let mended: Value = serde_json::from_str(&repair(&value.to_string(), Quote::Double)).unwrap();
            prop_assert_eq!(mended, value);
        }
    }
}
