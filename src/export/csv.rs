//! `csv`: a table as text.

use std::io::{self, Write};

use csv::{Terminator, Writer, WriterBuilder};

use super::cell::Cell;
use super::lines::encode;
use super::{Exporter, Layout, RowWriter};
use crate::task::AcceptedTask;

/// Comma-separated values by RFC 4180: a header, CRLF behind every row, quotation marks where they
/// are needed, UTF-8 without a byte order mark.
///
/// Texts are written as they are, because trainers read them: an answer that begins with `-` is a
/// list far more often than a formula. Programs for spreadsheets take `=`, `+`, `-`, `@`, a tab or
/// a carriage return at the start of a cell for a formula, which can read files and send them away.
/// Such cells are counted and remarked on, and get an apostrophe in front when
/// [`spreadsheet_safe`](super::ExportOptions::spreadsheet_safe) asks for it.
#[derive(Debug)]
pub(super) struct Csv;

impl Exporter for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "a table of instruction, input, output by RFC 4180"
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn is_table(&self) -> bool {
        true
    }

    fn begin<'w>(
        &self,
        out: &'w mut (dyn Write + Send),
        layout: &'w Layout,
    ) -> io::Result<Box<dyn RowWriter + 'w>> {
        let mut out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
        out.write_record(layout.columns().iter().map(|column| column.name()))?;
        Ok(Box::new(TableWriter { out, layout, cell: Vec::new(), formulas: 0 }))
    }
}

struct TableWriter<'w> {
    out: Writer<&'w mut (dyn Write + Send)>,
    layout: &'w Layout,
    cell: Vec<u8>,
    /// Cells that a spreadsheet would take for a formula.
    formulas: u64,
}

impl RowWriter for TableWriter<'_> {
    fn write(&mut self, task: &AcceptedTask) -> io::Result<()> {
        for (_, cell) in self.layout.cells(task) {
            self.cell.clear();
            match cell {
                Cell::Null => {}
                Cell::Text(text) => {
                    if starts_formula(&text) {
                        self.formulas += 1;
                        if self.layout.spreadsheet_safe {
                            self.cell.push(b'\'');
                        }
                    }
                    self.cell.extend_from_slice(text.as_bytes());
                }
                value => encode(&value, &mut self.cell)?,
            }
            self.out.write_field(&self.cell)?;
        }
        Ok(self.out.write_record(None::<&[u8]>)?)
    }

    fn finish(mut self: Box<Self>) -> io::Result<Vec<String>> {
        self.out.flush()?;
        if self.formulas == 0 {
            return Ok(Vec::new());
        }
        let cells = self.formulas;
        Ok(vec![if self.layout.spreadsheet_safe {
            format!("{cells} cells got an apostrophe in front, so that no spreadsheet runs them")
        } else {
            format!(
                "{cells} cells begin like formulas: to open the file in a spreadsheet, export it \
                 with --spreadsheet-safe"
            )
        }])
    }
}

fn starts_formula(text: &str) -> bool {
    matches!(text.as_bytes().first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r'))
}
