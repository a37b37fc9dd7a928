//! Texts put aside: in memory while they are few, in a temporary file beyond.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use tempfile::SpooledTempFile;

/// How many bytes of texts stay in memory.
const MEMORY_BYTES: usize = 32 << 20;
/// How many bytes are collected before they are put aside.
const PENDING_BYTES: usize = 64 << 10;

/// Texts by their number, from 0, of which memory holds little more than where each ends.
#[derive(Debug)]
pub(super) struct TextSpool {
    file: SpooledTempFile,
    /// How many bytes are in the file.
    written: u64,
    /// What comes after them.
    pending: String,
    ends: Vec<u64>,
}

impl TextSpool {
    pub(super) fn new() -> Self {
        Self::with_memory(MEMORY_BYTES)
    }

    fn with_memory(bytes: usize) -> Self {
        let file = SpooledTempFile::new(bytes);
        Self { file, written: 0, pending: String::new(), ends: Vec::new() }
    }

    /// Adds the text with the next number.
    pub(super) fn push(&mut self, text: &str) -> io::Result<()> {
        self.pending.push_str(text);
        self.ends.push(self.written + self.pending.len() as u64);
        if self.pending.len() < PENDING_BYTES {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(self.written))?;
        self.file.write_all(self.pending.as_bytes())?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// The text with that number; empty when there is none.
    pub(super) fn get(&mut self, number: u32) -> io::Result<String> {
        let number = number as usize;
        let end = self.ends.get(number).copied().unwrap_or_default();
        let start = number.checked_sub(1).and_then(|n| self.ends.get(n)).copied().unwrap_or(0);
        if start >= self.written {
            let place = |at: u64| usize::try_from(at.saturating_sub(self.written));
            let range = place(start).ok().zip(place(end).ok());
            let text = range.and_then(|(start, end)| self.pending.get(start..end));
            return Ok(text.unwrap_or_default().to_owned());
        }
        self.file.seek(SeekFrom::Start(start))?;
        let mut text = String::new();
        (&mut self.file).take(end.saturating_sub(start)).read_to_string(&mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_texts_back_from_memory_and_from_the_file() {
        for memory in [0, MEMORY_BYTES] {
            let mut spool = TextSpool::with_memory(memory);
            let texts: Vec<String> =
                (0..40).map(|n| format!("{n} 語").repeat(n * 137 % 2_000)).collect();
            for (number, text) in (0..).zip(&texts) {
                spool.push(text).unwrap();
                assert_eq!(spool.get(number).unwrap(), *text);
                assert_eq!(spool.get(number / 2).unwrap(), texts[number as usize / 2]);
            }
            assert!(spool.written > 0);
            for (number, text) in (0..).zip(&texts) {
                assert_eq!(spool.get(number).unwrap(), *text);
            }
            assert_eq!(spool.get(40).unwrap(), "");
        }
    }
}
