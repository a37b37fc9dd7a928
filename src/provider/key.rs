//! The API key: one type that never prints itself.

use std::fmt;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::access::KeyHeader;

/// What stands where a key stood.
const REDACTED: &str = "(redacted)";

/// Shorter keys are placeholders that local servers ask for (`EMPTY`, `ollama`), not secrets.
/// Scrubbing them would damage ordinary text.
const MIN_SCRUBBED_BYTES: usize = 8;

/// A secret API key.
///
/// `Debug` and `Display` print `(redacted)`; the memory is wiped when the key is dropped. Nothing
/// outside `provider` can read the text back.
#[derive(Clone)]
pub struct ApiKey(SecretString);

/// The text can't be an API key. No variant holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// Nothing, or only white space.
    #[error("the API key is empty")]
    Empty,
    /// Quotes of a shell or an env file came along.
    #[error("the API key is wrapped in quotes: take them away")]
    Quoted,
    /// White space between other characters, as in `Bearer sk-...` or two lines.
    #[error("the API key has white space inside: give the bare key, without `Bearer`, on one line")]
    WhitespaceInside,
    /// A control or non-ASCII character, such as a dash or quote of a word processor.
    #[error(
        "the API key has a character that no HTTP header can carry: copy it again as plain text"
    )]
    NotPrintableAscii,
}

impl ApiKey {
    /// Takes a key; white space around it (the line end of a file) is dropped.
    ///
    /// # Errors
    ///
    /// When nothing is left, or the rest can't be sent in an HTTP header as it is.
    pub fn new(text: String) -> Result<Self, ApiKeyError> {
        // The original allocation becomes a secret at once, so that it is wiped on every path.
        let given = SecretString::from(text);
        let key = given.expose_secret().trim();
        if key.is_empty() {
            return Err(ApiKeyError::Empty);
        }
        if key.starts_with(['"', '\'', '`']) || key.ends_with(['"', '\'', '`']) {
            return Err(ApiKeyError::Quoted);
        }
        if key.contains(char::is_whitespace) {
            return Err(ApiKeyError::WhitespaceInside);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApiKeyError::NotPrintableAscii);
        }
        Ok(Self(SecretString::from(key)))
    }

    /// `text` with every occurrence of the key replaced by `(redacted)`, in capitals or small letters,
    /// escaped as in JSON or not.
    ///
    /// Keys under eight bytes stay: they are placeholders such as `EMPTY`, not secrets.
    pub fn scrub(&self, text: &str) -> String {
        let clean = self.replaced(text.as_bytes(), Case::Any);
        clean.map_or_else(|| text.to_owned(), |clean| String::from_utf8_lossy(&clean).into_owned())
    }

    /// [`scrub`](Self::scrub) for a body, which may not be UTF-8, and in which only the key's own
    /// letters count. The usual body, without the key, is handed back as it is.
    pub(super) fn scrub_bytes(&self, body: Vec<u8>) -> Vec<u8> {
        self.replaced(&body, Case::Own).unwrap_or(body)
    }

    /// `text` without the key; `None` when it is not in there.
    fn replaced(&self, text: &[u8], case: Case) -> Option<Vec<u8>> {
        let key = self.0.expose_secret().as_bytes();
        let first = key.first().filter(|_| key.len() >= MIN_SCRUBBED_BYTES)?;
        let (mut clean, mut copied, mut at) = (Vec::new(), 0, 0);
        while let Some(byte) = text.get(at) {
            // Nearly every place differs in its first byte, which is cheaper to see than the whole.
            let may_begin = *byte == b'\\' || byte.eq_ignore_ascii_case(first);
            let spelled = if may_begin { spelled(text.get(at..)?, key, case) } else { None };
            let Some(length) = spelled else {
                at += 1;
                continue;
            };
            clean.extend_from_slice(text.get(copied..at)?);
            clean.extend_from_slice(REDACTED.as_bytes());
            at += length;
            copied = at;
        }
        clean.extend_from_slice(text.get(copied..)?);
        (copied > 0).then_some(clean)
    }

    /// The header that carries the key, its value marked sensitive.
    pub(super) fn header(&self, place: KeyHeader) -> (HeaderName, HeaderValue) {
        let key = self.0.expose_secret();
        let (name, value) = match place {
            KeyHeader::Bearer => (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))),
            KeyHeader::Named(name) => (HeaderName::from_static(name), HeaderValue::from_str(key)),
        };
        let mut value = value.expect("a key holds graphic ASCII only");
        value.set_sensitive(true);
        (name, value)
    }
}

/// Whether capitals and small letters are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Own,
    Any,
}

/// Backslashes before one character, at most: JSON inside JSON inside JSON.
const MAX_BACKSLASHES: usize = 8;

/// The length of `key` at the start of `text`, each of its characters as it is, behind backslashes
/// (`\/`), or as `\u0061`: a server could escape it so that it appears only when the text is read.
fn spelled(text: &[u8], key: &[u8], case: Case) -> Option<usize> {
    let same = |a: u8, b: u8| a == b || (case == Case::Any && a.eq_ignore_ascii_case(&b));
    let mut at = 0;
    for wanted in key {
        let slashes =
            text.iter().skip(at).take(MAX_BACKSLASHES).take_while(|b| **b == b'\\').count();
        let rest = text.get(at + slashes..)?;
        let escaped = if slashes > 0 { code_unit(rest) } else { None };
        at += slashes;
        at += match (escaped, rest.first()) {
            (Some(byte), _) if same(byte, *wanted) => 5,
            _ if *wanted == b'\\' && slashes > 0 => 0,
            (_, Some(byte)) if same(*byte, *wanted) => 1,
            _ => return None,
        };
    }
    Some(at)
}

/// The ASCII character of `u0061` at the start of `text`.
fn code_unit(text: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(text.strip_prefix(b"u00")?.get(..2)?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u8::from_str_radix(digits, 16).ok()
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ApiKey {
        ApiKey::new(text.to_owned()).unwrap()
    }

    #[test]
    fn a_key_never_prints_itself() {
        let key = key("sk-test-0123456789");
        assert_eq!(
            format!("{key} {key:?} {:?}", Some(&key)),
            "(redacted) (redacted) Some((redacted))"
        );
        for place in [KeyHeader::Bearer, KeyHeader::Named("x-api-key")] {
            assert_eq!(format!("{:?}", key.header(place).1), "Sensitive");
        }
    }

    #[test]
    fn white_space_around_a_key_is_dropped_and_mistakes_are_named() {
        assert_eq!(key(" sk-abc\r\n").header(KeyHeader::Bearer).1, "Bearer sk-abc");
        let (name, value) = key(" sk-abc").header(KeyHeader::Named("x-api-key"));
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-api-key", "sk-abc"));
        for (text, error) in [
            ("", ApiKeyError::Empty),
            (" \n", ApiKeyError::Empty),
            ("\"sk-abc\"", ApiKeyError::Quoted),
            ("'sk-abc", ApiKeyError::Quoted),
            ("Bearer sk-abc", ApiKeyError::WhitespaceInside),
            ("sk-a\nX-Evil: 1", ApiKeyError::WhitespaceInside),
            ("sk-a\u{7}", ApiKeyError::NotPrintableAscii),
            ("sk\u{2013}abc", ApiKeyError::NotPrintableAscii),
        ] {
            assert_eq!(ApiKey::new(text.to_owned()).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn scrubbing_takes_every_occurrence_out_of_text_and_bytes() {
        let key = key("sk/test+0123");
        let text = "a sk/test+0123 b sk\\/test+0123 c sk/test+012";
        let clean = "a (redacted) b (redacted) c sk/test+012";
        assert_eq!(key.scrub(text), clean);
        assert_eq!(key.scrub_bytes(text.into()), clean.as_bytes());
        assert_eq!(
            key.scrub_bytes(b"\xffsk/test+0123sk/test+0123".to_vec()),
            b"\xff(redacted)(redacted)"
        );
    }

    #[test]
    fn a_key_in_escapes_is_found() {
        let key = key("sk/te\\st+0");
        let unit = |c: char| format!("\\u{:04x}", u32::from(c));
        let once: String = "sk/te\\st+0".chars().map(unit).collect();
        let twice = once.replace('\\', "\\\\");
        let mixed = r"s\u006B/te\\st+\u0030";
        for spelling in [&once, &twice, mixed, r"sk\/te\\st\+0", r"sk/te\st+0"] {
            let body = format!("{{\"a\":\"\\n{spelling}!\"}}");
            let clean = key.scrub_bytes(body.into_bytes());
            assert_eq!(String::from_utf8(clean).unwrap(), r#"{"a":"\n(redacted)!"}"#, "{spelling}");
        }
        assert_eq!(key.scrub(r"http://SK/TE\ST+0.example"), "http://(redacted).example");
        assert_eq!(key.scrub_bytes(b"SK/te\\st+0".into()), b"SK/te\\st+0");
        let backslashes = "\\".repeat(100_000);
        assert_eq!(key.scrub(&backslashes), backslashes);
    }

    #[test]
    fn placeholders_are_not_scrubbed() {
        assert_eq!(key("EMPTY").scrub("EMPTY is a word"), "EMPTY is a word");
    }
}
