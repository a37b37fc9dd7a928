//! `jsonl`: Alpaca's objects, one a line.

use std::io::{self, Write};

use super::lines::LineWriter;
use super::{Exporter, Layout, RowWriter};

/// One object of `instruction`, `input` and `output` a line.
#[derive(Debug)]
pub(super) struct Jsonl;

impl Exporter for Jsonl {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn about(&self) -> &'static str {
        "one {instruction, input, output} a line"
    }

    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn begin<'w>(
        &self,
        out: &'w mut (dyn Write + Send),
        layout: &'w Layout,
    ) -> io::Result<Box<dyn RowWriter + 'w>> {
        Ok(Box::new(LineWriter::new(out, layout)))
    }
}
