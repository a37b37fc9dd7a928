//! `instructmill export`: accepted tasks to a file or stdout.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use super::args::ExportArgs;
use super::failure::{CliError, say};
use super::output::check_output;
use crate::config::{Environment, RunConfig, SIMULATED, Settings};
use crate::export::{AtomicFile, ExportOptions, Exporter, RowWriter, by_name};
use crate::pipeline::{self, Lookback};
use crate::report::count;
use crate::store::RunDir;

pub(super) fn run(args: &ExportArgs) -> Result<ExitCode, CliError> {
    let dir = RunDir::new(&args.run);
    let output = args.output.as_deref().filter(|path| *path != Path::new("-"));
    if let Some(output) = output {
        dir.read()?;
        check_output(&dir, output)?;
    }
    let with = ExportOptions { with_provenance: args.with_provenance };
    let written = write_export(&dir, &args.format, output, &with, args.with_similarity)?;
    let target = output.map_or("stdout".to_owned(), |path| path.display().to_string());
    say(&format!("exported {} tasks as {} to {target}", count(written), args.format));
    Ok(ExitCode::SUCCESS)
}

/// Writes the accepted tasks of a run and returns how many there are.
pub(super) fn write_export(
    dir: &RunDir,
    format: &str,
    output: Option<&Path>,
    options: &ExportOptions,
    with_similarity: bool,
) -> Result<u64, CliError> {
    let reader = dir.read()?;
    let settings = pipeline::stored_settings(dir)?.unwrap_or_default();
    if settings.provider.as_deref() == Some(SIMULATED) {
        say("SIMULATED: these tasks are made up. Do not train on them.");
    }
    let model = settings.output_model().unwrap_or_default().to_owned();
    let mut lookback = if with_similarity { Some(lookback(settings)?) } else { None };
    to_output(exporter(format)?, options, output, |rows| {
        let mut written = 0;
        reader.for_each_accepted::<CliError>(&model, |mut task| {
            written += 1;
            if let Some(lookback) = &mut lookback {
                lookback.compare(&mut task);
            }
            Ok(rows.write(&task)?)
        })?;
        Ok(written)
    })
}

/// The seed tasks of a run, and how it compares.
fn lookback(settings: Settings) -> Result<Lookback, CliError> {
    // An export sends nothing, so it needs no key: a placeholder stands in for it.
    let environment = Environment { get: &|_name| Some("unused-by-export".to_owned()) };
    let config = RunConfig::resolve(settings, environment)?;
    Ok(Lookback::new(&config.rules, &config.seeds.tasks))
}

pub(super) fn exporter(format: &str) -> Result<&'static dyn Exporter, CliError> {
    by_name(format).ok_or_else(|| CliError::usage(format!("`{format}` is no export format")))
}

/// Opens the output, lets `write` fill it with rows, and makes the file appear whole.
pub(super) fn to_output<T>(
    exporter: &dyn Exporter,
    options: &ExportOptions,
    output: Option<&Path>,
    write: impl FnOnce(&mut dyn RowWriter) -> Result<T, CliError>,
) -> Result<T, CliError> {
    match output {
        Some(path) => {
            let mut file = AtomicFile::create(path)?;
            let result = fill(exporter, options, &mut file, write)?;
            file.commit()?;
            Ok(result)
        }
        None => {
            let mut stdout = BufWriter::new(io::stdout().lock());
            let result = fill(exporter, options, &mut stdout, write)?;
            stdout.flush()?;
            Ok(result)
        }
    }
}

fn fill<T>(
    exporter: &dyn Exporter,
    options: &ExportOptions,
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn RowWriter) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let mut rows = exporter.begin(out, options)?;
    let result = write(rows.as_mut())?;
    rows.finish()?;
    Ok(result)
}
