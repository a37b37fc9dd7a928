//! `instructmill export`: accepted tasks to a file or stdout.

mod args;
mod files;
mod hub;
mod selection;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(super) use self::args::ExportArgs;
use self::files::{Rows, Written, path_of_split, to_files, to_stdout};
use self::selection::Tasks;
use super::failure::{CliError, say};
use super::output::check_output;
use crate::config::Settings;
use crate::export::{
    ExportOptions, Exporter, Layout, LayoutError, ProvenanceForm, RowWriter, TrainingFile, by_name,
    trainer_snippets,
};
use crate::pipeline;
use crate::report::count;
use crate::store::{RunDir, RunReader};

pub(super) fn run(args: &ExportArgs) -> Result<ExitCode, CliError> {
    if args.format == hub::HF {
        hub::run(args)?;
        return Ok(ExitCode::SUCCESS);
    }
    hub_flags_are_for_hf(args)?;
    let (exporter, layout) = layout(&args.format, &args.options(ProvenanceForm::Object))?;
    check(args, exporter)?;
    let dir = RunDir::new(&args.run);
    let reader = dir.read()?;
    reader.hold_still()?;
    let settings = settings(&dir, &reader)?;
    let mut tasks = Tasks::new(&reader, &settings, args)?;
    match args.output.as_deref().filter(|path| *path != Path::new("-")) {
        None => {
            let written = to_stdout(exporter, &layout, |rows| fill(&mut tasks, rows))?;
            conclude(args, &["stdout".to_owned()], &written, &tasks);
        }
        Some(path) => {
            let targets = targets(args, path);
            let paths: Vec<PathBuf> = targets.iter().map(|(_, path)| path.clone()).collect();
            paths.iter().try_for_each(|path| check_output(&dir, path))?;
            let written = to_files(exporter, &layout, &paths, |rows| fill(&mut tasks, rows))?;
            let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            conclude(args, &shown, &written, &tasks);
            if args.snippets || io::stderr().is_terminal() {
                say_snippets(&layout, &targets);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a format that this program cannot write, before there is anything to write.
pub(super) fn check_format(format: &str) -> Result<(), CliError> {
    layout(format, &ExportOptions::default()).map(drop)
}

/// Writes the accepted tasks of a run to a file and returns how many there are.
pub(super) fn write_export(dir: &RunDir, format: &str, output: &Path) -> Result<u64, CliError> {
    let (exporter, layout) = layout(format, &ExportOptions::default())?;
    let reader = dir.read()?;
    let mut tasks = Tasks::all(&reader, &settings(dir, &reader)?)?;
    let written = to_files(exporter, &layout, &[output.to_owned()], |rows| fill(&mut tasks, rows))?;
    say_remarks(&written);
    Ok(written.result.iter().sum())
}

/// Opens the output, lets `write` fill it with rows, and makes the file appear whole.
pub(super) fn to_output<T>(
    format: &str,
    output: Option<&Path>,
    write: impl FnOnce(&mut dyn RowWriter) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let (exporter, layout) = layout(format, &ExportOptions::default())?;
    let fill = |rows: &mut Rows<'_>| match rows.first_mut() {
        Some(rows) => write(rows.as_mut()),
        None => Err(CliError::failure("there is no output to write to")),
    };
    let written = match output {
        Some(path) => to_files(exporter, &layout, &[path.to_owned()], fill)?,
        None => to_stdout(exporter, &layout, fill)?,
    };
    say_remarks(&written);
    Ok(written.result)
}

fn settings(dir: &RunDir, reader: &RunReader) -> Result<Settings, CliError> {
    say_simulated(reader)?;
    Ok(pipeline::stored_settings(dir)?.unwrap_or_default())
}

/// Says of made-up tasks that they are.
pub(super) fn say_simulated(reader: &RunReader) -> Result<(), CliError> {
    if pipeline::is_simulated(reader)? {
        say("SIMULATED: these tasks are made up. Do not train on them.");
    }
    Ok(())
}

/// The format of that name, and what it writes with these options.
fn layout(
    format: &str,
    options: &ExportOptions,
) -> Result<(&'static dyn Exporter, Layout), CliError> {
    let unknown = || CliError::usage(format!("`{format}` is no export format"));
    let exporter = by_name(format).ok_or_else(unknown)?;
    if let Some(missing) = exporter.missing() {
        return Err(CliError::usage(missing));
    }
    Ok((exporter, Layout::new(exporter, options)?))
}

impl From<LayoutError> for CliError {
    fn from(error: LayoutError) -> Self {
        Self::usage(error.to_string())
    }
}

/// A flag that changes nothing is a mistake that nobody would notice.
fn hub_flags_are_for_hf(args: &ExportArgs) -> Result<(), CliError> {
    let given = [
        ("--license", args.license.is_some()),
        ("--language", !args.languages.is_empty()),
        ("--title", args.title.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(CliError::usage(format!("{flag} is for --format hf"))),
        None => Ok(()),
    }
}

/// What flags contradict each other in.
fn check(args: &ExportArgs, exporter: &dyn Exporter) -> Result<(), CliError> {
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    if args.split.is_some() && path.is_none() {
        let message = "--split writes a file for each split: name them with --output";
        return Err(CliError::usage(message));
    }
    let extension = path.and_then(Path::extension).and_then(|extension| extension.to_str());
    if !exporter.can_be_packed() && matches!(extension, Some("gz" | "zst")) {
        return Err(CliError::usage(format!(
            "{} is packed inside already, and readers jump in it: leave the extension out",
            exporter.name()
        )));
    }
    if args.spreadsheet_safe && exporter.name() != "csv" {
        return Err(CliError::usage("--spreadsheet-safe is for --format csv"));
    }
    Ok(())
}

/// The files of an export, each with the split that it holds.
fn targets(args: &ExportArgs, path: &Path) -> Vec<(Option<String>, PathBuf)> {
    match &args.split {
        None => vec![(None, path.to_owned())],
        Some(shares) => {
            shares.names().map(|name| (Some(name.to_owned()), path_of_split(path, name))).collect()
        }
    }
}

/// Writes every selected task into the rows of its split, and says how many each got.
fn fill(tasks: &mut Tasks<'_>, rows: &mut Rows<'_>) -> Result<Vec<u64>, CliError> {
    let mut counts = vec![0; rows.len()];
    tasks.for_each(|split, task| {
        if let (Some(rows), Some(count)) = (rows.get_mut(split), counts.get_mut(split)) {
            rows.write(task)?;
            *count += 1;
        }
        Ok(())
    })?;
    Ok(counts)
}

fn conclude(args: &ExportArgs, targets: &[String], written: &Written<Vec<u64>>, tasks: &Tasks<'_>) {
    for (target, rows) in targets.iter().zip(&written.result) {
        say(&format!("exported {} tasks as {} to {target}", count(*rows), args.format));
    }
    if args.split.is_some() {
        let together = count(tasks.together());
        say(&format!("{together} tasks are alike and stay with each other in one split"));
    }
    say_remarks(written);
}

/// What trainers have to be told about the files.
fn say_snippets(layout: &Layout, targets: &[(Option<String>, PathBuf)]) {
    let files: Vec<TrainingFile<'_>> = targets
        .iter()
        .map(|(split, path)| TrainingFile { path, split: split.as_deref() })
        .collect();
    match trainer_snippets(layout, &files) {
        Some(snippets) => say(&format!("\n{}", snippets.trim_end())),
        None => say("note: neither LLaMA-Factory nor Axolotl reads such rows; try --format jsonl"),
    }
}

fn say_remarks<T>(written: &Written<T>) {
    for remark in written.remarks.iter().flatten() {
        say(&format!("note: {remark}"));
    }
}
