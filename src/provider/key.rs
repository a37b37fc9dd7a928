//! The API key: one type that never prints itself.

use std::borrow::Cow;
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

    /// `text` with every occurrence of the key replaced by `(redacted)`.
    ///
    /// Keys under eight bytes stay: they are placeholders such as `EMPTY`, not secrets.
    pub fn scrub(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for needle in self.needles() {
            if clean.contains(needle.as_ref()) {
                clean = clean.replace(needle.as_ref(), REDACTED);
            }
        }
        clean
    }

    /// [`scrub`](Self::scrub) for a body that may not be UTF-8. The usual body, without the key, is
    /// handed back as it is.
    pub(super) fn scrub_bytes(&self, body: Vec<u8>) -> Vec<u8> {
        self.needles().fold(body, |body, needle| replace_bytes(body, needle.as_bytes()))
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

    /// The key as it may stand in text: itself, and with `\/` as some JSON writers escape `/`.
    fn needles(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let key = self.0.expose_secret();
        let secret = key.len() >= MIN_SCRUBBED_BYTES;
        let escaped = key.contains('/').then(|| Cow::Owned(key.replace('/', "\\/")));
        std::iter::once(Cow::Borrowed(key)).chain(escaped).filter(move |_| secret)
    }
}

/// `body` with every `needle` (not empty) replaced by `(redacted)`.
fn replace_bytes(body: Vec<u8>, needle: &[u8]) -> Vec<u8> {
    // Nearly every window differs in its first byte, which is cheaper to see than the whole.
    let is_match = |window: &[u8]| window.first() == needle.first() && window == needle;
    let find = |haystack: &[u8]| haystack.windows(needle.len()).position(is_match);
    let Some(mut at) = find(&body) else { return body };
    let mut clean = Vec::with_capacity(body.len());
    let mut rest = body.as_slice();
    loop {
        let (before, after) = rest.split_at(at);
        clean.extend_from_slice(before);
        clean.extend_from_slice(REDACTED.as_bytes());
        rest = after.get(needle.len()..).unwrap_or_default();
        match find(rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    clean.extend_from_slice(rest);
    clean
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
    fn placeholders_are_not_scrubbed() {
        assert_eq!(key("EMPTY").scrub("EMPTY is a word"), "EMPTY is a word");
    }
}
