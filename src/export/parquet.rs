//! `parquet`: a table in columns.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::cell::Cell;
use super::lines::encode;
use super::{Column, Exporter, Kind, Layout, RowWriter};
use crate::task::AcceptedTask;

/// Rows that are handed over at once.
const BATCH_ROWS: usize = 1_024;
/// The most bytes of texts that are handed over at once.
const BATCH_BYTES: usize = 4 << 20;
/// The most rows of a row group: enough to pack well, few enough to be read in parallel.
const GROUP_ROWS: usize = 100_000;
/// A row group ends when its packed pages are this large: they are held in memory until then.
const GROUP_BYTES: usize = 24 << 20;

/// Apache Parquet: texts as UTF-8, counts as 64-bit integers, scores as doubles; packed by Zstandard.
#[derive(Debug)]
pub(super) struct Parquet;

impl Exporter for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn about(&self) -> &'static str {
        "a table of instruction, input, output as Apache Parquet"
    }

    fn extension(&self) -> &'static str {
        "parquet"
    }

    fn is_table(&self) -> bool {
        true
    }

    fn can_be_packed(&self) -> bool {
        false
    }

    fn begin<'w>(
        &self,
        out: &'w mut (dyn Write + Send),
        layout: &'w Layout,
    ) -> io::Result<Box<dyn RowWriter + 'w>> {
        let fields = layout.columns().iter().map(|column| field(*column));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let properties = properties(layout.columns());
        let out = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties)).map_err(io)?;
        let builders = layout.columns().iter().map(|column| Builder::new(*column)).collect();
        Ok(Box::new(TableWriter { out, schema, layout, builders, rows: 0, json: Vec::new() }))
    }
}

fn field(column: Column) -> Field {
    let kind = match column.kind() {
        Kind::Text | Kind::Nested => DataType::Utf8,
        Kind::Integer => DataType::Int64,
        Kind::Number => DataType::Float64,
    };
    // Facts that are not known of every task.
    let can_be_missing = matches!(
        column,
        Column::NearestTask | Column::NearestScore | Column::ReceivedAt | Column::MostSimilar
    ) || column.kind() == Kind::Number;
    Field::new(column.name(), kind, can_be_missing)
}

/// Tasks differ from each other, so that a dictionary of their texts gains nothing, and statistics
/// of long texts are of no use to a reader.
fn properties(columns: &[Column]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("instructmill ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    for column in columns {
        let path = ColumnPath::from(column.name());
        let repeats = matches!(column, Column::System | Column::Model | Column::Examples);
        properties = properties.set_column_dictionary_enabled(path.clone(), repeats);
        if matches!(column.kind(), Kind::Text | Kind::Nested) {
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    properties.build()
}

struct TableWriter<'w> {
    out: ArrowWriter<&'w mut (dyn Write + Send)>,
    schema: SchemaRef,
    layout: &'w Layout,
    builders: Vec<Builder>,
    /// Rows in the builders.
    rows: usize,
    json: Vec<u8>,
}

impl RowWriter for TableWriter<'_> {
    fn write(&mut self, task: &AcceptedTask) -> io::Result<()> {
        for ((_, cell), builder) in self.layout.cells(task).zip(&mut self.builders) {
            builder.append(&cell, &mut self.json)?;
        }
        self.rows += 1;
        let bytes: usize = self.builders.iter().map(Builder::bytes).sum();
        if self.rows == BATCH_ROWS || bytes >= BATCH_BYTES {
            self.hand_over()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Vec<String>> {
        self.hand_over()?;
        self.out.finish().map_err(io)?;
        Ok(Vec::new())
    }
}

impl TableWriter<'_> {
    fn hand_over(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let arrays = self.builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays);
        self.out.write(&batch.map_err(io::Error::other)?).map_err(io)?;
        if self.out.in_progress_size() >= GROUP_BYTES {
            self.out.flush().map_err(io)?;
        }
        Ok(())
    }
}

enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
}

impl Builder {
    fn new(column: Column) -> Self {
        match column.kind() {
            Kind::Text | Kind::Nested => Self::Text(StringBuilder::new()),
            Kind::Integer => Self::Integer(Int64Builder::new()),
            Kind::Number => Self::Number(Float64Builder::new()),
        }
    }

    fn append(&mut self, cell: &Cell<'_>, json: &mut Vec<u8>) -> io::Result<()> {
        match (self, cell) {
            (Self::Text(texts), Cell::Text(text)) => texts.append_value(text),
            (Self::Text(texts), Cell::Null) => texts.append_null(),
            (Self::Text(texts), value) => {
                json.clear();
                encode(value, json)?;
                texts.append_value(String::from_utf8_lossy(json));
            }
            (Self::Integer(numbers), Cell::Integer(number)) => {
                numbers.append_value(i64::try_from(*number).unwrap_or(i64::MAX));
            }
            (Self::Integer(numbers), _) => numbers.append_null(),
            (Self::Number(numbers), Cell::Number(number)) => numbers.append_value(*number),
            (Self::Number(numbers), _) => numbers.append_null(),
        }
        Ok(())
    }

    /// Bytes of texts held.
    fn bytes(&self) -> usize {
        match self {
            Self::Text(texts) => texts.values_slice().len(),
            Self::Integer(_) | Self::Number(_) => 0,
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(texts) => Arc::new(texts.finish()),
            Self::Integer(numbers) => Arc::new(numbers.finish()),
            Self::Number(numbers) => Arc::new(numbers.finish()),
        }
    }
}

fn io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use arrow_array::cast::AsArray as _;
    use arrow_array::types::{Float64Type, Int64Type};
    use arrow_array::{Array as _, RecordBatch};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::super::{ExportOptions, ProvenanceForm};
    use super::*;
    use crate::task::{Candidate, Provenance, TaskRef};

    fn written(tasks: u64) -> (File, usize) {
        let options =
            ExportOptions { provenance: ProvenanceForm::Object, ..ExportOptions::default() };
        let layout = Layout::new(&Parquet, &options).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        let mut rows = Parquet.begin(&mut file, &layout).unwrap();
        for id in 0..tasks {
            let nearest = id.is_multiple_of(2).then_some((TaskRef::Seed(id), 0.5));
            let instruction = format!("{id} 语\u{0}");
            rows.write(&AcceptedTask {
                id,
                task: Candidate { instruction, ..Candidate::default() },
                provenance: Provenance { nearest, ..Provenance::default() },
                similarity: None,
            })
            .unwrap();
        }
        rows.finish().unwrap();
        (file, layout.columns().len())
    }

    #[test]
    fn columns_have_their_types_and_gaps() {
        let (file, columns) = written(2_000);
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let batches: Vec<RecordBatch> =
            reader.with_batch_size(2_000).build().unwrap().map(Result::unwrap).collect();
        let [batch] = &batches[..] else { panic!("{} batches", batches.len()) };
        assert_eq!((batch.num_rows(), batch.num_columns()), (2_000, columns));
        let column = |name| batch.column_by_name(name).unwrap();
        assert_eq!(column("instruction").as_string::<i32>().value(1_999), "1999 语\u{0}");
        assert_eq!(column("input").as_string::<i32>().value(0), "");
        assert_eq!(column("id").as_primitive::<Int64Type>().value(1_999), 1_999);
        assert_eq!(column("nearest_task").as_string::<i32>().value(4), "seed:4");
        let scores = column("nearest_score").as_primitive::<Float64Type>();
        assert_eq!((scores.null_count(), scores.value(0)), (1_000, 0.5));
    }

    #[test]
    fn no_tasks_are_a_table_too_and_groups_are_not_too_long() {
        let groups = |tasks| {
            let reader = ParquetRecordBatchReaderBuilder::try_new(written(tasks).0).unwrap();
            let metadata = reader.metadata();
            let rows = (0..metadata.num_row_groups()).map(|group| metadata.row_group(group));
            rows.map(parquet::file::metadata::RowGroupMetaData::num_rows).collect::<Vec<_>>()
        };
        assert_eq!(groups(0), [0; 0]);
        assert_eq!(groups(100_001), [100_000, 1]);
    }
}
