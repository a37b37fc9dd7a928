//! `alpaca`: one JSON array, like Stanford Alpaca's `alpaca_data.json`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::PrettyFormatter;

use crate::task::AcceptedTask;

use super::{Exporter, Layout, RowWriter};

/// As deep as in the original's file.
const INDENT: &[u8] = b"    ";

/// A JSON array of `instruction`, `input` and `output`, indented by four spaces, in UTF-8.
#[derive(Debug)]
pub(super) struct Alpaca;

impl Exporter for Alpaca {
    fn name(&self) -> &'static str {
        "alpaca"
    }

    fn about(&self) -> &'static str {
        "one JSON array of {instruction, input, output}, as Stanford Alpaca's alpaca_data.json"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn begin<'w>(
        &self,
        out: &'w mut (dyn Write + Send),
        layout: &'w Layout,
    ) -> io::Result<Box<dyn RowWriter + 'w>> {
        out.write_all(b"[")?;
        Ok(Box::new(ArrayWriter { out, layout, is_empty: true, item: Vec::new() }))
    }
}

struct ArrayWriter<'w> {
    out: &'w mut (dyn Write + Send),
    layout: &'w Layout,
    is_empty: bool,
    /// The JSON of one task, before it is moved to the right.
    item: Vec<u8>,
}

impl RowWriter for ArrayWriter<'_> {
    fn write(&mut self, task: &AcceptedTask) -> io::Result<()> {
        self.item.clear();
        let indented = PrettyFormatter::with_indent(INDENT);
        let row = self.layout.row(task);
        row.serialize(&mut Serializer::with_formatter(&mut self.item, indented))?;

        self.out.write_all(if self.is_empty { b"\n" } else { b",\n" })?;
        self.is_empty = false;
        // Line breaks within texts are escaped, so that every one here is of the layout.
        for line in self.item.split_inclusive(|byte| *byte == b'\n') {
            self.out.write_all(INDENT)?;
            self.out.write_all(line)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        self.out.write_all(if self.is_empty { b"]\n" } else { b"\n]\n" })?;
        self.out.flush()?;
        Ok(Vec::new())
    }
}
