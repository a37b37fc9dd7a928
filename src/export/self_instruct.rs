//! `self-instruct`: tasks with a list of instances, in the form of seed tasks.

use std::io::{self, Write};

use super::lines::LineWriter;
use super::{Column, Exporter, Layout, RowWriter};

/// One object of `instruction` and `instances` a line, of which there is one: what `--seeds` reads.
#[derive(Debug)]
pub(super) struct SelfInstruct;

impl Exporter for SelfInstruct {
    fn name(&self) -> &'static str {
        "self-instruct"
    }

    fn about(&self) -> &'static str {
        "one {instruction, instances: [{input, output}]} a line, as Self-Instruct's seed tasks"
    }

    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn columns(&self) -> &'static [Column] {
        &[Column::Instruction, Column::Instances]
    }

    fn begin<'w>(
        &self,
        out: &'w mut (dyn Write + Send),
        layout: &'w Layout,
    ) -> io::Result<Box<dyn RowWriter + 'w>> {
        Ok(Box::new(LineWriter::new(out, layout)))
    }
}
