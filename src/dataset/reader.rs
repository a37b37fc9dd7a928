//! A file read for its texts: a format and a shape together.

use std::io::Write;

use super::error::DatasetError;
use super::record::Record;
use crate::task::Compared;

use super::shape::{SHAPES, Shape, append_paths};
use super::source::{Meter, Source};
use super::{Format, Records};

/// Which text of each record is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// A part of it, found by the shape of the first record.
    Part(Compared),
    /// Fields by their names or dotted paths.
    Fields(Vec<String>),
}

/// Reads records, gives their texts, and writes those that are kept.
pub struct Reader<'w> {
    file: String,
    format: &'static dyn Format,
    meter: Meter,
    size: Option<u64>,
    records: Box<dyn Records + 'w>,
    selection: Selection,
    shape: Option<&'static Shape>,
    /// The texts of the batch, one after the other, and where each ends.
    texts: String,
    ends: Vec<usize>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("file", &self.file).finish_non_exhaustive()
    }
}

impl<'w> Reader<'w> {
    /// Starts reading a source of that format; the kept records go to `out`.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] when it can't be read or is in another format.
    pub fn new(
        source: Source,
        format: &'static dyn Format,
        selection: Selection,
        out: &'w mut (dyn Write + Send),
    ) -> Result<Self, DatasetError> {
        let (file, meter, size) = (source.name().to_owned(), source.meter(), source.size());
        let records = format.open(source, out)?;
        let (texts, ends) = (String::new(), Vec::new());
        Ok(Self { file, format, meter, size, records, selection, shape: None, texts, ends })
    }

    /// Reads the next batch and its texts in place of the one in hand, and says how many records it
    /// has: none at the end of the file.
    ///
    /// # Errors
    ///
    /// [`DatasetError`], at the first record that can't be read or does not fit the shape.
    pub fn advance(&mut self) -> Result<usize, DatasetError> {
        let count = self.records.advance()?;
        self.texts.clear();
        self.ends.clear();
        for index in 0..count {
            let Some(record) = self.records.record(index) else { break };
            append(&self.file, &record, &self.selection, &mut self.shape, &mut self.texts)?;
            self.ends.push(self.texts.len());
        }
        Ok(count)
    }

    /// The texts of the batch, in its order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let text = self.texts.get(start..*end).unwrap_or_default();
            start = *end;
            text
        })
    }

    /// A record of the batch, counted from 0.
    pub fn record(&self, index: usize) -> Option<Record<'_>> {
        self.records.record(index)
    }

    /// Writes a record of the batch. Within a batch the indexes rise.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Output`].
    pub fn keep(&mut self, index: usize) -> Result<(), DatasetError> {
        self.records.keep(index)
    }

    /// Completes the output.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Output`].
    pub fn finish(self) -> Result<(), DatasetError> {
        self.records.finish()
    }

    /// The name of the file for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The name of its format.
    pub fn format(&self) -> &'static str {
        self.format.name()
    }

    /// The name of its shape; `None` before the first record and when fields are named.
    pub fn shape(&self) -> Option<&'static str> {
        self.shape.map(|shape| shape.name)
    }

    /// How many bytes have been read, and of how many where that is known.
    pub fn progress(&self) -> (u64, Option<u64>) {
        (self.meter.bytes(), self.size)
    }
}

/// Appends the text of a record. The first record decides the shape.
fn append(
    file: &str,
    record: &Record<'_>,
    selection: &Selection,
    shape: &mut Option<&'static Shape>,
    texts: &mut String,
) -> Result<(), DatasetError> {
    let appended = match selection {
        Selection::Fields(paths) => append_paths(paths, record, texts),
        Selection::Part(compare) => {
            let shape = match *shape {
                Some(shape) => shape,
                None => shape.insert(shape_of(file, record)?),
            };
            shape.append(record, *compare, texts)
        }
    };
    appended.map_err(|flaw| flaw.at(file, record.place))
}

fn shape_of(file: &str, record: &Record<'_>) -> Result<&'static Shape, DatasetError> {
    let keys = record.keys().map_err(|flaw| flaw.at(file, record.place))?;
    Shape::of_keys(&keys).ok_or_else(|| {
        let shapes: Vec<String> = SHAPES
            .iter()
            .map(|shape| format!("{} ({})", shape.name, shape.keys.join(", ")))
            .collect();
        DatasetError::UnknownShape { file: file.to_owned(), keys, shapes: shapes.join(", ") }
    })
}
