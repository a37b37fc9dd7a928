//! Where an export goes: stdout, a file, or a file for each split.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cli::failure::CliError;
use crate::dataset::PackedWriter;
use crate::export::{AtomicFile, Exporter, Layout, RowWriter};

/// Fills the files of an export: one writer for each.
pub(super) type Rows<'w> = Vec<Box<dyn RowWriter + 'w>>;

/// What filling gave, and what there is to remark on each file.
pub(super) struct Written<T> {
    pub(super) result: T,
    pub(super) remarks: Vec<Vec<String>>,
}

/// Lets `fill` write rows into files, and makes them appear when all of them are whole.
pub(super) fn to_files<T>(
    exporter: &dyn Exporter,
    layout: &Layout,
    paths: &[PathBuf],
    fill: impl FnOnce(&mut Rows<'_>) -> Result<T, CliError>,
) -> Result<Written<T>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        files.push(PackedWriter::new(Some(path), AtomicFile::create(path)?)?);
    }
    let outputs = files.iter_mut().map(|file| file as &mut (dyn Write + Send));
    let written = fill_all(exporter, layout, outputs, fill)?;
    let mut whole = Vec::new();
    for file in files {
        whole.push(file.finish()?);
    }
    for file in whole {
        file.commit()?;
    }
    Ok(written)
}

/// Lets `fill` write rows to stdout.
pub(super) fn to_stdout<T>(
    exporter: &dyn Exporter,
    layout: &Layout,
    fill: impl FnOnce(&mut Rows<'_>) -> Result<T, CliError>,
) -> Result<Written<T>, CliError> {
    let mut stdout = BufWriter::with_capacity(256 * 1024, io::stdout());
    let outputs = std::iter::once(&mut stdout as &mut (dyn Write + Send));
    let written = fill_all(exporter, layout, outputs, fill)?;
    stdout.flush()?;
    Ok(written)
}

fn fill_all<'w, T>(
    exporter: &dyn Exporter,
    layout: &'w Layout,
    outputs: impl Iterator<Item = &'w mut (dyn Write + Send)>,
    fill: impl FnOnce(&mut Rows<'_>) -> Result<T, CliError>,
) -> Result<Written<T>, CliError> {
    let mut rows = Vec::new();
    for output in outputs {
        rows.push(exporter.begin(output, layout)?);
    }
    let result = fill(&mut rows)?;
    let remarks = rows.into_iter().map(RowWriter::finish).collect::<io::Result<_>>()?;
    Ok(Written { result, remarks })
}

/// `data/tasks-test.jsonl.gz` for the split `test` of `data/tasks.jsonl.gz`.
pub(super) fn path_of_split(path: &Path, split: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let mut stem = Path::new(name);
    let mut extensions = OsString::new();
    for _ in 0..2 {
        let (Some(extension), Some(rest)) = (stem.extension(), stem.file_stem()) else { break };
        let mut with_dot = OsString::from(".");
        with_dot.push(extension);
        let is_packed = extension == "gz" || extension == "zst";
        with_dot.push(extensions);
        (extensions, stem) = (with_dot, Path::new(rest));
        if !is_packed {
            break;
        }
    }
    let mut name = OsString::from(stem);
    name.push("-");
    name.push(split);
    name.push(extensions);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_named_before_the_extensions() {
        for (path, split) in [
            ("tasks.jsonl", "tasks-test.jsonl"),
            ("out/my.tasks.jsonl.gz", "out/my.tasks-test.jsonl.gz"),
            ("tasks", "tasks-test"),
            ("tasks.zst", "tasks-test.zst"),
            (".hidden", ".hidden-test"),
        ] {
            assert_eq!(path_of_split(Path::new(path), "test"), Path::new(split), "{path}");
        }
    }
}
