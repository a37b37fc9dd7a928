//! `csv`: rows of texts under a header.

use std::io::{self, BufRead, Read, Write};

use csv::{Reader, ReaderBuilder, StringRecord, Terminator, Writer, WriterBuilder};

use super::error::{DatasetError, Place};
use super::record::{Content, Record};
use super::source::Source;
use super::{Batch, Format, MAX_RECORD_BYTES, Records, too_long};

/// Comma-separated values, RFC 4180, with a header. Rows keep their texts; quotation marks are
/// written only where they are needed. Semicolons or tabs in place of commas, and the line ends,
/// are taken from the header line.
#[derive(Debug)]
pub(super) struct Csv;

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "rows under a header, separated by commas, semicolons or tabs"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv", "tsv"]
    }

    fn open<'w>(
        &self,
        source: Source,
        out: &'w mut (dyn Write + Send),
    ) -> Result<Box<dyn Records + 'w>, DatasetError> {
        let file = source.name().to_owned();
        let dialect = Dialect::of(source.head());
        let metered = Metered { input: source.into_bytes(), delimiter: dialect.delimiter, room: 0 };
        let mut input = ReaderBuilder::new().delimiter(dialect.delimiter).from_reader(metered);
        input.get_mut().begin_row();
        let columns = match input.headers() {
            Ok(columns) => unmarked(columns),
            Err(error) => return Err(failed(&file, 0, &input, &error)),
        };
        let mut out = WriterBuilder::new()
            .delimiter(dialect.delimiter)
            .terminator(dialect.line_end)
            .from_writer(out);
        if !columns.is_empty() {
            out.write_record(&columns).map_err(not_written)?;
        }
        Ok(Box::new(Table { file, input, out, columns, rows: Vec::new(), in_hand: 0, row: 0 }))
    }
}

/// The header without a byte order mark: before it there may have been blank lines.
fn unmarked(header: &StringRecord) -> StringRecord {
    header
        .iter()
        .enumerate()
        .map(|(at, name)| if at == 0 { name.trim_start_matches('\u{feff}') } else { name })
        .collect()
}

/// The input, which ends with an error where a row never does: the library holds a whole row.
struct Metered {
    input: Box<dyn BufRead + Send>,
    delimiter: u8,
    /// How much of the row may still be read.
    room: usize,
}

impl Metered {
    fn begin_row(&mut self) {
        self.room = MAX_RECORD_BYTES;
    }
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let length = self.input.read(buffer)?;
        let read = buffer.get(..length).unwrap_or_default();
        // The library keeps the place of each cell in eight bytes beside the text.
        let cells: usize = read.iter().map(|byte| usize::from(*byte == self.delimiter)).sum();
        self.room = self.room.saturating_sub(length + 8 * cells);
        Ok(length)
    }
}

struct Table<'w> {
    file: String,
    input: Reader<Metered>,
    out: Writer<&'w mut (dyn Write + Send)>,
    columns: StringRecord,
    /// Room for rows, the first `in_hand` of it in use.
    rows: Vec<StringRecord>,
    in_hand: usize,
    row: u64,
}

impl Table<'_> {
    /// Reads the next row into the room of that index and says how many bytes it has; `None` at the
    /// end of the file.
    fn read_row(&mut self, index: usize) -> Result<Option<usize>, DatasetError> {
        if index == self.rows.len() {
            self.rows.push(StringRecord::new());
        }
        let Some(row) = self.rows.get_mut(index) else { return Ok(None) };
        self.input.get_mut().begin_row();
        match self.input.read_record(row) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(failed(&self.file, self.row, &self.input, &error)),
        }
        self.row += 1;
        let bytes = row.as_slice().len();
        if bytes > MAX_RECORD_BYTES {
            return Err(too_long(&self.file, place(self.row, row)));
        }
        Ok(Some(bytes))
    }
}

impl Records for Table<'_> {
    fn advance(&mut self) -> Result<usize, DatasetError> {
        let (mut rows, mut bytes) = (0, 0);
        while Batch::has_room(rows, bytes) {
            let Some(length) = self.read_row(rows)? else { break };
            rows += 1;
            bytes += length;
        }
        self.in_hand = rows;
        Ok(rows)
    }

    fn record(&self, index: usize) -> Option<Record<'_>> {
        let cells = self.rows.get(index).filter(|_row| index < self.in_hand)?;
        let row = self.row - (self.in_hand - index) as u64 + 1;
        let content = Content::Cells { columns: &self.columns, cells };
        Some(Record { place: place(row, cells), content })
    }

    fn keep(&mut self, index: usize) -> Result<(), DatasetError> {
        let Some(row) = self.rows.get(index) else { return Ok(()) };
        self.out.write_record(row).map_err(not_written)
    }

    fn finish(mut self: Box<Self>) -> Result<(), DatasetError> {
        self.out.flush().map_err(DatasetError::Output)
    }
}

fn place(row: u64, cells: &StringRecord) -> Place {
    Place { row, line: cells.position().map(csv::Position::line) }
}

/// How a file separates cells and rows.
struct Dialect {
    delimiter: u8,
    line_end: Terminator,
}

impl Dialect {
    /// Of commas, semicolons and tabs, what is most often in the first line, blank ones and what is in
    /// quotation marks left out.
    fn of(head: &[u8]) -> Self {
        let mut quoted = false;
        let outside = |byte: &u8| {
            quoted ^= *byte == b'"';
            !quoted
        };
        let outside: Vec<u8> = head.iter().copied().filter(outside).collect();
        let mut lines = outside.split(|byte| *byte == b'\n');
        let first = lines.find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
        let mut delimiter = (b',', 0);
        for byte in *b",;\t" {
            let found = first.split(|other| *other == byte).count() - 1;
            if found > delimiter.1 {
                delimiter = (byte, found);
            }
        }
        let line_end =
            if first.ends_with(b"\r") { Terminator::CRLF } else { Terminator::Any(b'\n') };
        Self { delimiter: delimiter.0, line_end }
    }
}

/// As [`problem`], or that the row is too long.
fn failed(file: &str, good_rows: u64, input: &Reader<Metered>, error: &csv::Error) -> DatasetError {
    if input.get_ref().room == 0 {
        return too_long(file, Place { row: good_rows + 1, line: None });
    }
    problem(file, good_rows, error)
}

/// What is wrong after so many good rows.
fn problem(file: &str, good_rows: u64, error: &csv::Error) -> DatasetError {
    let file = file.to_owned();
    let line = error.position().map(csv::Position::line);
    let place = Some(Place { row: good_rows + 1, line });
    match error.kind() {
        csv::ErrorKind::Io(source) => DatasetError::NotReadable {
            file,
            source: io::Error::new(source.kind(), source.to_string()),
        },
        csv::ErrorKind::Utf8 { .. } => DatasetError::NotUtf8 { file, found: "not UTF-8", line },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let reason = format!(
                "the row has {len} cells and the header {expected_len}: put texts with \
                 separators or line breaks into quotation marks"
            );
            DatasetError::Malformed { file, place, reason }
        }
        _ => DatasetError::Malformed { file, place, reason: error.to_string() },
    }
}

fn not_written(error: csv::Error) -> DatasetError {
    DatasetError::Output(match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        other => io::Error::other(format!("{other:?}")),
    })
}
