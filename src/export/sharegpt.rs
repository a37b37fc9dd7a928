//! `sharegpt`: conversations of two turns, in ShareGPT's words.

use std::io::{self, Write};

use super::lines::LineWriter;
use super::{Column, Exporter, Layout, RowWriter};

/// One object a line with `conversations`, turns of `from` and `value`. A system text is a first turn
/// from `system`.
#[derive(Debug)]
pub(super) struct ShareGpt;

impl Exporter for ShareGpt {
    fn name(&self) -> &'static str {
        "sharegpt"
    }

    fn about(&self) -> &'static str {
        "one conversation of human and gpt a line, for LLaMA-Factory, Axolotl and their like"
    }

    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn columns(&self) -> &'static [Column] {
        &[Column::Conversations]
    }

    fn begin<'w>(
        &self,
        out: &'w mut (dyn Write + Send),
        layout: &'w Layout,
    ) -> io::Result<Box<dyn RowWriter + 'w>> {
        Ok(Box::new(LineWriter::new(out, layout)))
    }
}
