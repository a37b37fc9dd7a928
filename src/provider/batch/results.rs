//! Results of a batch, line by line as they come: memory is one line, however long the file.

use bytes::Bytes;
use reqwest::Response;

use super::call::CallError;
use crate::chat::SIMULATED_HEADER;
use crate::provider::failure::Failure;
use crate::provider::key::ApiKey;

/// A line of results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawLine {
    /// Without its line break and without the key, should the server echo it.
    Whole(Bytes),
    /// Longer than allowed; the rest of it was passed over.
    TooLong,
}

/// Results that are still to come.
#[derive(Debug)]
pub struct Results {
    response: Response,
    key: Option<ApiKey>,
    lines: Lines,
    /// So many bytes more, and it is no answer to what was asked.
    left: u64,
    is_at_end: bool,
}

impl Results {
    pub(super) fn new(
        response: Response,
        key: Option<ApiKey>,
        most_of_line: usize,
        most: u64,
    ) -> Self {
        let lines = Lines { most: most_of_line, ..Lines::default() };
        Self { response, key, lines, left: most, is_at_end: false }
    }

    /// Whether the server says that its answers are made up.
    pub fn is_simulated(&self) -> bool {
        self.response.headers().contains_key(SIMULATED_HEADER)
    }

    /// The next line that is not empty; `None` at the end.
    ///
    /// # Errors
    /// [`CallError`] when the connection breaks, or there is more than allowed.
    pub async fn next(&mut self) -> Result<Option<RawLine>, CallError> {
        loop {
            if let Some(line) = self.lines.take(self.is_at_end) {
                return Ok(Some(self.scrubbed(line)));
            }
            if self.is_at_end {
                return Ok(None);
            }
            let key = self.key.as_ref();
            match self.response.chunk().await.map_err(|error| Failure::of(error, key))? {
                None => self.is_at_end = true,
                Some(chunk) => {
                    let bytes = chunk.len() as u64;
                    self.left = self.left.checked_sub(bytes).ok_or(CallError::Unreadable {
                        message: "it is longer than all its lines can be".to_owned(),
                    })?;
                    self.lines.add(&chunk);
                }
            }
        }
    }

    fn scrubbed(&self, line: RawLine) -> RawLine {
        match (line, &self.key) {
            (RawLine::Whole(line), Some(key)) => {
                RawLine::Whole(key.scrub_bytes(line.to_vec()).into())
            }
            (line, _) => line,
        }
    }
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
struct Lines {
    buffer: Vec<u8>,
    /// Up to here there is no line break.
    searched: usize,
    /// The rest of a line that was too long is passed over.
    skips: bool,
    most: usize,
}

impl Lines {
    fn add(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next line that is not empty; at the end also one without a line break.
    fn take(&mut self, at_end: bool) -> Option<RawLine> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            let found = rest.iter().position(|byte| *byte == b'\n');
            let Some(end) = found.map(|at| self.searched + at) else {
                self.searched = self.buffer.len();
                if at_end && !self.buffer.is_empty() {
                    return self.finish(self.buffer.len());
                }
                if self.buffer.len() > self.most && !self.skips {
                    self.skips = true;
                    self.clear();
                    return Some(RawLine::TooLong);
                }
                if self.skips {
                    self.clear();
                }
                return None;
            };
            if let Some(line) = self.finish(end) {
                return Some(line);
            }
        }
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.searched = 0;
    }

    /// Takes the line up to `end` out; `None` when it is empty or to be passed over.
    fn finish(&mut self, end: usize) -> Option<RawLine> {
        let mut line: Vec<u8> = self.buffer.drain(..(end + 1).min(self.buffer.len())).collect();
        self.searched = 0;
        while line.last().is_some_and(u8::is_ascii_whitespace) {
            line.pop();
        }
        if std::mem::take(&mut self.skips) || line.is_empty() {
            return None;
        }
        if line.len() > self.most {
            return Some(RawLine::TooLong);
        }
        Some(RawLine::Whole(line.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(chunks: &[&[u8]], most: usize) -> Vec<RawLine> {
        let mut lines = Lines { most, ..Lines::default() };
        let mut found = Vec::new();
        for chunk in chunks {
            lines.add(chunk);
            found.extend(std::iter::from_fn(|| lines.take(false)));
        }
        found.extend(std::iter::from_fn(|| lines.take(true)));
        found
    }

    fn whole(text: &str) -> RawLine {
        RawLine::Whole(Bytes::from(text.to_owned()))
    }

    #[test]
    fn lines_are_cut_wherever_the_chunks_are() {
        let expected = [whole("one"), whole("two"), whole("three")];
        assert_eq!(cut(&[b"on", b"e\r\n\n", b"two\nthr", b"ee"], 10), expected);
        assert_eq!(cut(&[], 10), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let expected = [whole("a"), RawLine::TooLong, whole("b")];
        assert_eq!(cut(&[b"a\n1234", b"5678", b"90\nb\n"], 5), expected);
        assert_eq!(cut(&[b"a\n1234567890\nb\n"], 5), expected);
        assert_eq!(cut(&[b"a\n1234567", b"890"], 5), [whole("a"), RawLine::TooLong]);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in "[ab\n]{0,60}", size in 1usize..9) {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let expected: Vec<RawLine> =
                text.lines().filter(|line| !line.is_empty()).map(whole).collect();
            prop_assert_eq!(cut(&chunks, 100), expected);
        }
    }
}
