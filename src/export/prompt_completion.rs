//! `prompt-completion`: a text and what is to be written behind it.

use std::io::{self, Write};

use super::lines::LineWriter;
use super::{Column, Exporter, Layout, RowWriter};

/// One object of `prompt` and `completion` a line, both texts, as TRL's trainers read them. They join
/// the two as they are: a prompt ends in a blank line, or as its template does.
#[derive(Debug)]
pub(super) struct PromptCompletion;

impl Exporter for PromptCompletion {
    fn name(&self) -> &'static str {
        "prompt-completion"
    }

    fn about(&self) -> &'static str {
        "one {prompt, completion} a line, for TRL's SFTTrainer and its like"
    }

    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn columns(&self) -> &'static [Column] {
        &[Column::Prompt, Column::Completion]
    }

    fn begin<'w>(
        &self,
        out: &'w mut (dyn Write + Send),
        layout: &'w Layout,
    ) -> io::Result<Box<dyn RowWriter + 'w>> {
        Ok(Box::new(LineWriter::new(out, layout)))
    }
}
