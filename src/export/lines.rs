//! JSONL: one JSON object a line.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::task::AcceptedTask;

use super::{Layout, RowWriter};

/// Writes each task as one line of JSON.
pub(super) struct LineWriter<'w> {
    out: &'w mut (dyn Write + Send),
    layout: &'w Layout,
    buffer: Vec<u8>,
}

impl<'w> LineWriter<'w> {
    pub(super) fn new(out: &'w mut (dyn Write + Send), layout: &'w Layout) -> Self {
        Self { out, layout, buffer: Vec::new() }
    }
}

impl RowWriter for LineWriter<'_> {
    fn write(&mut self, task: &AcceptedTask) -> io::Result<()> {
        self.buffer.clear();
        encode(&self.layout.row(task), &mut self.buffer)?;
        self.buffer.push(b'\n');
        self.out.write_all(&self.buffer)
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        self.out.flush()?;
        Ok(Vec::new())
    }
}

/// Appends a value as JSON without any line break in it.
pub(super) fn encode(value: &impl Serialize, buffer: &mut Vec<u8>) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(buffer, OneLine))?;
    Ok(())
}

/// The characters that JSON leaves as they are but that some readers take for the end of a line,
/// Python's `str.splitlines` among them.
const LINE_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// Compact JSON that is one line by every definition of a line.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.is_ascii() {
            return out.write_all(fragment.as_bytes());
        }
        for piece in fragment.split_inclusive(LINE_BREAKS) {
            let mut chars = piece.chars();
            match chars.next_back() {
                Some(last) if LINE_BREAKS.contains(&last) => {
                    write!(out, "{}\\u{:04x}", chars.as_str(), u32::from(last))?;
                }
                _ => out.write_all(piece.as_bytes())?,
            }
        }
        Ok(())
    }
}
