//! Where strings begin and end: in JSON, and with the other quotes that models write.

use super::fields;

/// How far ahead anything here looks, so that no text makes it slow.
const MAX_LOOK: usize = 256;
/// The most bytes of an object's first key that are looked at.
const MAX_FIRST_KEY: usize = 40;

/// Bytes that end a key's name. The last begins `”` and other punctuation outside of ASCII.
const ENDS_NAME: &[u8] = b"\"'\\{}[]:,\n\xe2";

/// The quotes around a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    /// JSON's own: the next one that is not escaped ends the string.
    Double,
    /// JSON's own around text whose quotes were not escaped. One ends the string where the task
    /// goes on or ends after it.
    Unescaped,
    /// Python's `'`. One ends the string where punctuation of JSON follows.
    Single,
    /// `“` and `”`. The latter, or a plain `"`, ends the string where punctuation follows.
    Curly,
}

impl Quote {
    /// The quote that begins `rest`: of a string, or an apostrophe or other prose.
    pub(super) fn opening(rest: &[u8]) -> Option<Self> {
        match rest.first()? {
            b'"' => Some(Self::Double),
            b'\'' => Some(Self::Single),
            _ if rest.starts_with("“".as_bytes()) => Some(Self::Curly),
            _ => None,
        }
    }

    /// Bytes of the opening quote.
    pub(super) fn opening_len(self) -> usize {
        if self == Self::Curly { "“".len() } else { 1 }
    }

    /// Bytes of the quote that begins `rest`, if it ends a string.
    pub(super) fn closing_len(self, rest: &[u8]) -> Option<usize> {
        let after = |quote: &str| rest.strip_prefix(quote.as_bytes());
        let ends = match self {
            Self::Double => return after("\"").map(|_| 1),
            Self::Unescaped => after("\"").filter(|after| goes_on_as_task(ahead(after))),
            Self::Single => after("'").filter(|after| is_punctuation(after)),
            Self::Curly => after("”").or_else(|| after("\"")).filter(|after| is_punctuation(after)),
        };
        ends.map(|after| rest.len() - after.len())
    }
}

/// Whether `{"instruction":`, `{"id":` or the like begins `rest`, in these quotes.
///
/// Inside a string of valid JSON it cannot, in its own quotes: the quote would have a backslash
/// before it, or end the string and have a comma, colon or bracket after it.
pub(super) fn begins_object(rest: &[u8], quote: Quote) -> bool {
    rest.strip_prefix(b"{").is_some_and(|rest| key(ahead(rest).trim_ascii_start(), quote).is_some())
}

/// The first key of the object that begins `rest`, in any quotes.
pub(super) fn first_key(rest: &[u8]) -> Option<&[u8]> {
    let rest = ahead(rest.strip_prefix(b"{").unwrap_or(rest)).trim_ascii_start();
    key(rest, Quote::opening(rest)?)
}

/// The key that begins `rest`, when it is short, looks like a name and has a colon after it.
pub(super) fn key(rest: &[u8], quote: Quote) -> Option<&[u8]> {
    if Quote::opening(rest)? != quote {
        return None;
    }
    let rest = ahead(rest.get(quote.opening_len()..)?);
    let name = rest.iter().take(MAX_FIRST_KEY).take_while(|byte| !ENDS_NAME.contains(byte));
    let (name, after) = rest.split_at_checked(name.count())?;
    let after = after.get(quote.closing_len(after)?..)?.trim_ascii_start();
    let begins_well = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    (name.first().is_some_and(begins_well) && after.starts_with(b":")).then_some(name)
}

/// Whether punctuation that ends a key or value comes next, or nothing at all.
fn is_punctuation(rest: &[u8]) -> bool {
    ahead(rest).trim_ascii_start().first().is_none_or(|byte| b":,}]".contains(byte))
}

/// Whether what follows a string follows it here: a colon, the last brace, or a comma and the name
/// of a field.
fn goes_on_as_task(rest: &[u8]) -> bool {
    match rest.trim_ascii_start() {
        [b':', ..] => true,
        [b'}', rest @ ..] => rest.trim_ascii_start().is_empty(),
        [b',', rest @ ..] => {
            key(rest.trim_ascii_start(), Quote::Double).is_some_and(fields::is_name)
        }
        _ => false,
    }
}

/// The part of `rest` that is looked at.
fn ahead(rest: &[u8]) -> &[u8] {
    rest.get(..MAX_LOOK).unwrap_or(rest)
}

/// Whether the `]` that begins `rest` can end a list of objects: no key or value follows.
pub(super) fn list_ends(rest: &[u8]) -> bool {
    let rest = ahead(rest.get(1..).unwrap_or_default()).trim_ascii_start();
    let rest = rest.strip_prefix(b",").map_or(rest, <[u8]>::trim_ascii_start);
    !rest.starts_with(b"\"")
}
