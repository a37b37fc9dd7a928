//! What stands for Parquet in a build without it: a name, and a message that says how to get it.

use std::io::Write;

use super::error::DatasetError;
use super::source::Source;
use super::{Format, Records};

/// Refuses every file.
#[derive(Debug)]
pub(super) struct Parquet;

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn about(&self) -> &'static str {
        "Apache Parquet (not in this build: needs `--features parquet`)"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["parquet"]
    }

    fn open<'w>(
        &self,
        source: Source,
        _out: &'w mut (dyn Write + Send),
    ) -> Result<Box<dyn Records + 'w>, DatasetError> {
        Err(DatasetError::NoParquet { file: source.name().to_owned() })
    }
}
