//! `parquet`: the columns of Apache Parquet, read as rows.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, BooleanArray, RecordBatch, types};
use arrow_schema::DataType;
use arrow_select::filter::filter_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::WriterProperties;

use super::error::{DatasetError, Place};
use super::record::{Content, Record};
use super::source::{Meter, Source};
use super::{Batch, Format, Records};

/// Where Arrow keeps its own schema in a file's metadata; the writer adds it anew.
const ARROW_SCHEMA: &str = "ARROW:schema";
/// The most rows of a row group, which is held in memory until it is whole.
const MAX_GROUP_ROWS: usize = 1 << 20;

/// Apache Parquet. The output has the schema, the metadata, the compression and the size of row
/// groups of the input. Files are jumped in, so a stream or packed file goes through a temporary one.
#[derive(Debug)]
pub(super) struct Parquet;

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn about(&self) -> &'static str {
        "Apache Parquet"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["parquet"]
    }

    fn open<'w>(
        &self,
        source: Source,
        out: &'w mut (dyn Write + Send),
    ) -> Result<Box<dyn Records + 'w>, DatasetError> {
        let name = source.name().to_owned();
        let (meter, size) = (source.meter(), source.size().unwrap_or_default());
        let broken = |error: ParquetError| malformed(&name, &error);
        let file: File = source.into_file()?;
        let opened = ParquetRecordBatchReaderBuilder::try_new(file).map_err(broken)?;
        let rows = u64::try_from(opened.metadata().file_metadata().num_rows()).unwrap_or_default();
        let properties = properties(opened.metadata());
        let schema = Arc::clone(opened.schema());
        let input = opened.with_batch_size(Batch::MAX_RECORDS).build().map_err(broken)?;
        let out = ArrowWriter::try_new(out, schema, Some(properties)).map_err(not_written)?;
        Ok(Box::new(Table {
            file: name,
            input,
            out,
            batch: None,
            kept: Vec::new(),
            json: String::new(),
            records: Vec::new(),
            row: 0,
            progress: Progress { meter, size, rows },
        }))
    }
}

fn properties(metadata: &ParquetMetaData) -> WriterProperties {
    let own: Option<Vec<KeyValue>> = metadata
        .file_metadata()
        .key_value_metadata()
        .map(|pairs| pairs.iter().filter(|pair| pair.key != ARROW_SCHEMA).cloned().collect());
    let first = metadata.row_groups().first();
    let rows = first.map_or(MAX_GROUP_ROWS, |group| {
        usize::try_from(group.num_rows()).unwrap_or(MAX_GROUP_ROWS)
    });
    let builder = WriterProperties::builder()
        .set_key_value_metadata(own)
        .set_max_row_group_row_count(Some(rows.clamp(1, MAX_GROUP_ROWS)));
    match first.and_then(|group| group.columns().first()) {
        Some(column) => builder.set_compression(column.compression()).build(),
        None => builder.build(),
    }
}

struct Table<'w> {
    file: String,
    input: ParquetRecordBatchReader,
    out: ArrowWriter<&'w mut (dyn Write + Send)>,
    batch: Option<RecordBatch>,
    /// Which rows of the batch are to be written.
    kept: Vec<bool>,
    /// The rows of the batch as JSON, and where each is.
    json: String,
    records: Vec<Range<usize>>,
    /// Rows read.
    row: u64,
    progress: Progress,
}

/// Rows read, told as bytes of the file.
struct Progress {
    meter: Meter,
    size: u64,
    rows: u64,
}

impl Table<'_> {
    /// Writes the kept rows of the batch in hand.
    fn write_kept(&mut self) -> Result<(), DatasetError> {
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let mask = BooleanArray::from(std::mem::take(&mut self.kept));
        let kept = filter_record_batch(&batch, &mask)
            .map_err(|error| DatasetError::Output(io::Error::other(error)))?;
        self.out.write(&kept).map_err(not_written)
    }
}

impl Records for Table<'_> {
    fn advance(&mut self) -> Result<usize, DatasetError> {
        self.write_kept()?;
        self.records.clear();
        self.json.clear();
        let Some(batch) = self.input.next() else { return Ok(0) };
        let batch = batch.map_err(|error| malformed(&self.file, &error))?;
        for row in 0..batch.num_rows() {
            let start = self.json.len();
            append_row(&batch, row, &mut self.json);
            self.records.push(start..self.json.len());
        }
        self.row += batch.num_rows() as u64;
        let Progress { meter, size, rows } = &self.progress;
        let bytes = u128::from(*size) * u128::from(self.row) / u128::from((*rows).max(1));
        meter.set(u64::try_from(bytes).unwrap_or(*size));
        self.kept = vec![false; batch.num_rows()];
        self.batch = Some(batch);
        Ok(self.records.len())
    }

    fn record(&self, index: usize) -> Option<Record<'_>> {
        let json = self.json.get(self.records.get(index)?.clone())?;
        let row = self.row - (self.records.len() - index) as u64 + 1;
        Some(Record { place: Place { row, line: None }, content: Content::Json(json) })
    }

    fn keep(&mut self, index: usize) -> Result<(), DatasetError> {
        if let Some(kept) = self.kept.get_mut(index) {
            *kept = true;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), DatasetError> {
        self.write_kept()?;
        self.out.finish().map_err(not_written)?;
        Ok(())
    }
}

/// Appends a row as a JSON object. Columns of types that JSON does not have, such as dates, are
/// left out.
fn append_row(batch: &RecordBatch, row: usize, json: &mut String) {
    let schema = batch.schema_ref();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    append_object(names.zip(batch.columns().iter().map(AsRef::as_ref)), row, json);
}

fn append_object<'a>(
    columns: impl Iterator<Item = (&'a str, &'a dyn Array)>,
    row: usize,
    json: &mut String,
) {
    json.push('{');
    let start = json.len();
    for (name, column) in columns {
        let before = json.len();
        if before > start {
            json.push(',');
        }
        append_text(name, json);
        json.push(':');
        if !append_value(column, row, json) {
            json.truncate(before);
        }
    }
    json.push('}');
}

/// Appends one value; `false` when it has a type that JSON does not have.
fn append_value(column: &dyn Array, row: usize, json: &mut String) -> bool {
    if column.is_null(row) {
        json.push_str("null");
        return true;
    }
    match column.data_type() {
        DataType::Null => json.push_str("null"),
        DataType::Utf8 => append_text(column.as_string::<i32>().value(row), json),
        DataType::LargeUtf8 => append_text(column.as_string::<i64>().value(row), json),
        DataType::Utf8View => append_text(column.as_string_view().value(row), json),
        DataType::Boolean => {
            json.push_str(if column.as_boolean().value(row) { "true" } else { "false" });
        }
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns().iter().map(AsRef::as_ref);
            let names = fields.iter().map(|field| field.name().as_str());
            append_object(names.zip(columns), row, json);
        }
        DataType::List(_) => append_list(&*column.as_list::<i32>().value(row), json),
        DataType::LargeList(_) => append_list(&*column.as_list::<i64>().value(row), json),
        _ => return append_number(column, row, json),
    }
    true
}

fn append_list(items: &dyn Array, json: &mut String) {
    json.push('[');
    for row in 0..items.len() {
        if row > 0 {
            json.push(',');
        }
        if !append_value(items, row, json) {
            json.push_str("null");
        }
    }
    json.push(']');
}

fn append_number(column: &dyn Array, row: usize, json: &mut String) -> bool {
    macro_rules! value {
        ($kind:ident) => {
            serde_json::to_string(&column.as_primitive::<types::$kind>().value(row))
        };
    }
    let number = match column.data_type() {
        DataType::Int8 => value!(Int8Type),
        DataType::Int16 => value!(Int16Type),
        DataType::Int32 => value!(Int32Type),
        DataType::Int64 => value!(Int64Type),
        DataType::UInt8 => value!(UInt8Type),
        DataType::UInt16 => value!(UInt16Type),
        DataType::UInt32 => value!(UInt32Type),
        DataType::UInt64 => value!(UInt64Type),
        DataType::Float32 => value!(Float32Type),
        DataType::Float64 => value!(Float64Type),
        _ => return false,
    };
    json.push_str(&number.unwrap_or_else(|_not_finite| "null".to_owned()));
    true
}

fn append_text(text: &str, json: &mut String) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

fn malformed(file: &str, error: &dyn std::error::Error) -> DatasetError {
    let reason = format!("not a Parquet file that can be read ({error}): is it whole?");
    DatasetError::Malformed { file: file.to_owned(), place: None, reason }
}

fn not_written(error: ParquetError) -> DatasetError {
    DatasetError::Output(match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::Seek as _;

    use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
    use arrow_array::{ArrayRef, Date32Array, Int64Array};
    use arrow_schema::{Field, Fields, Schema};
    use parquet::basic::Compression;

    use crate::task::Compared;

    use super::super::{Reader, Selection};
    use super::*;

    const ROWS: usize = 2_500;

    /// Conversations, a number that is sometimes absent, and a date.
    fn batch() -> RecordBatch {
        let turn = Fields::from(vec![
            Field::new("content", DataType::Utf8, true),
            Field::new("role", DataType::Utf8, true),
        ]);
        let mut turns = ListBuilder::new(StructBuilder::from_fields(turn, 0));
        for row in 0..ROWS {
            for (role, content) in [("user", format!("\"{row}\" 語")), ("assistant", "x".into())] {
                let values = turns.values();
                for (index, text) in [content.as_str(), role].into_iter().enumerate() {
                    let texts = values.field_builder::<StringBuilder>(index).unwrap();
                    texts.append_value(text);
                }
                values.append(true);
            }
            turns.append(true);
        }
        let columns: [(&str, ArrayRef); 3] = [
            ("messages", Arc::new(turns.finish())),
            ("n", Arc::new((0..2_500).map(|n| (n % 3 > 0).then_some(n)).collect::<Int64Array>())),
            ("day", Arc::new((0..2_500).map(Some).collect::<Date32Array>())),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
            .collect();
        let metadata = HashMap::from([("origin".to_owned(), "test".to_owned())]);
        let schema = Schema::new_with_metadata(fields, metadata);
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    fn written(batch: &RecordBatch) -> Vec<u8> {
        let own = vec![KeyValue::new("licence".to_owned(), "MIT".to_owned())];
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(own))
            .set_max_row_group_row_count(Some(1_000))
            .build();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn opened(bytes: &[u8]) -> ParquetRecordBatchReaderBuilder<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        ParquetRecordBatchReaderBuilder::try_new(file).unwrap()
    }

    fn pass(bytes: &[u8], keep: impl Fn(u64) -> bool) -> (Vec<String>, Vec<u8>) {
        let source = Source::stream("data", io::Cursor::new(bytes.to_vec())).unwrap();
        let (mut texts, mut out) = (Vec::new(), Vec::new());
        let selection = Selection::Part(Compared::All);
        let mut reader = Reader::new(source, &Parquet, selection, &mut out).unwrap();
        loop {
            let count = reader.advance().unwrap();
            if count == 0 {
                break;
            }
            texts.extend(reader.texts().map(str::to_owned));
            for index in 0..count {
                let place = reader.record(index).unwrap().place;
                if keep(place.row) {
                    reader.keep(index).unwrap();
                }
            }
        }
        reader.finish().unwrap();
        (texts, out)
    }

    #[test]
    fn rows_keep_their_columns_and_the_file_its_properties() {
        let batch = batch();
        let (texts, out) = pass(&written(&batch), |row| row % 7 > 0);
        let expected: Vec<String> = (0..ROWS).map(|row| format!("\"{row}\" 語\nx")).collect();
        assert_eq!(texts, expected);

        let (before, after) = (opened(&written(&batch)), opened(&out));
        assert_eq!(after.schema(), before.schema());
        let pairs = after.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(pairs.iter().any(|pair| pair.key == "licence"));
        assert_eq!(pairs.iter().filter(|pair| pair.key == ARROW_SCHEMA).count(), 1);
        let group = after.metadata().row_group(0);
        assert_eq!((group.num_rows(), group.column(0).compression()), (1_000, Compression::SNAPPY));

        let mask: BooleanArray = (1..=ROWS).map(|row| Some(row % 7 > 0)).collect();
        let kept = filter_record_batch(&batch, &mask).unwrap();
        let rows: Vec<RecordBatch> = after.build().unwrap().map(Result::unwrap).collect();
        let rows = arrow_select::concat::concat_batches(&kept.schema(), &rows).unwrap();
        assert_eq!(rows.columns(), kept.columns());
    }

    #[test]
    fn rows_are_json() {
        let mut json = String::new();
        append_row(&batch(), 3, &mut json);
        assert_eq!(
            json,
            r#"{"messages":[{"content":"\"3\" 語","role":"user"},{"content":"x","role":"assistant"}],"n":null}"#
        );
    }

    #[test]
    fn a_file_without_rows_and_a_cut_one() {
        let empty = written(&batch().slice(0, 0));
        let (texts, out) = pass(&empty, |_| true);
        assert!(texts.is_empty());
        assert_eq!(opened(&out).schema(), opened(&empty).schema());
        let source = Source::stream("data", &b"PAR1 and no end"[..]).unwrap();
        let mut out = Vec::new();
        let refusal = Parquet.open(source, &mut out).err().unwrap().to_string();
        assert!(refusal.starts_with("data: not a Parquet file"), "{refusal}");
    }
}
