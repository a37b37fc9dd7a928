//! `jsonl`: one JSON object a line. Kept lines are written byte for byte.

use std::io::{self, BufRead, Read as _, Write};
use std::ops::Range;

use super::error::{DatasetError, Fault, Flaw, Place};
use super::record::{Content, Record};
use super::source::Source;
use super::{Batch, Format, MAX_RECORD_BYTES, Records};

/// JSON Lines, <https://jsonlines.org>. Blank lines are left out.
#[derive(Debug)]
pub(super) struct Jsonl;

impl Format for Jsonl {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn about(&self) -> &'static str {
        "one JSON object a line"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["jsonl", "ndjson"]
    }

    fn open<'w>(
        &self,
        source: Source,
        out: &'w mut (dyn Write + Send),
    ) -> Result<Box<dyn Records + 'w>, DatasetError> {
        let file = source.name().to_owned();
        let input = source.into_bytes();
        Ok(Box::new(LineRecords {
            file,
            input,
            out,
            text: String::new(),
            lines: Vec::new(),
            row: 0,
            line: 0,
        }))
    }
}

struct LineRecords<'w> {
    file: String,
    input: Box<dyn BufRead + Send>,
    out: &'w mut (dyn Write + Send),
    /// The lines in hand.
    text: String,
    lines: Vec<Line>,
    row: u64,
    line: u64,
}

/// Where a line is in the text, its end included.
struct Line {
    bytes: Range<usize>,
    place: Place,
}

impl LineRecords<'_> {
    /// Appends the next line, its end included; `false` at the end of the file.
    fn read_line(&mut self, bytes: &mut Vec<u8>) -> Result<bool, DatasetError> {
        let start = bytes.len();
        let most = MAX_RECORD_BYTES as u64 + 1;
        let read = (&mut self.input).take(most).read_until(b'\n', bytes);
        let read = read.map_err(|source| self.not_readable(source))?;
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        let place = Place { row: self.row + 1, line: Some(self.line) };
        if read > MAX_RECORD_BYTES {
            return Err(super::too_long(&self.file, place));
        }
        let is_blank = bytes.get(start..).is_some_and(|line| line.trim_ascii().is_empty());
        if is_blank {
            bytes.truncate(start);
        } else {
            self.row += 1;
            self.lines.push(Line { bytes: start..bytes.len(), place });
        }
        Ok(true)
    }

    fn not_readable(&self, source: io::Error) -> DatasetError {
        DatasetError::NotReadable { file: self.file.clone(), source }
    }

    /// The text of the lines in hand.
    fn decode(&self, bytes: Vec<u8>) -> Result<String, DatasetError> {
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let broken = self.lines.iter().find(|line| line.bytes.end > at);
            let line = broken.and_then(|line| line.place.line);
            DatasetError::NotUtf8 { file: self.file.clone(), found: "not UTF-8", line }
        })
    }

    /// Tells a first record that is laid out over several lines from one that is broken.
    fn check_first(&self) -> Result<(), DatasetError> {
        let Some(first) = self.lines.first().filter(|line| line.place.row == 1) else {
            return Ok(());
        };
        let json = self.text.get(first.bytes.clone()).unwrap_or_default();
        let read = serde_json::from_str::<serde::de::IgnoredAny>(json);
        if read.is_err_and(|error| error.is_eof()) && self.lines.len() > 1 {
            let flaw = Flaw::of_record(Fault::SpreadOverLines);
            return Err(flaw.at(&self.file, first.place));
        }
        Ok(())
    }
}

impl Records for LineRecords<'_> {
    fn advance(&mut self) -> Result<usize, DatasetError> {
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.clear();
        self.lines.clear();
        while Batch::has_room(self.lines.len(), bytes.len()) && self.read_line(&mut bytes)? {}
        self.text = self.decode(bytes)?;
        self.check_first()?;
        Ok(self.lines.len())
    }

    fn record(&self, index: usize) -> Option<Record<'_>> {
        let line = self.lines.get(index)?;
        let json = self.text.get(line.bytes.clone())?.trim_ascii_end();
        Some(Record { place: line.place, content: Content::Json(json) })
    }

    fn keep(&mut self, index: usize) -> Result<(), DatasetError> {
        let line = self.lines.get(index).and_then(|line| self.text.get(line.bytes.clone()));
        self.out.write_all(line.unwrap_or_default().as_bytes()).map_err(DatasetError::Output)
    }

    fn finish(self: Box<Self>) -> Result<(), DatasetError> {
        Ok(())
    }
}
