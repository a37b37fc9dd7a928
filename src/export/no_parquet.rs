//! What stands for Parquet in a build without it: a name, and a message that says how to get it.

use std::io::{self, Write};

use super::{Exporter, Layout, RowWriter};

const MISSING: &str = "this build has no Parquet: build it with `cargo build --release --features \
                       parquet`, or export as jsonl";

/// Writes nothing.
#[derive(Debug)]
pub(super) struct Parquet;

impl Exporter for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn about(&self) -> &'static str {
        "Apache Parquet (not in this build: needs `--features parquet`)"
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

    fn missing(&self) -> Option<&'static str> {
        Some(MISSING)
    }

    fn begin<'w>(
        &self,
        _out: &'w mut (dyn Write + Send),
        _layout: &'w Layout,
    ) -> io::Result<Box<dyn RowWriter + 'w>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, MISSING))
    }
}
