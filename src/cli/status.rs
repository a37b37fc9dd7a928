//! `instructmill status`, and the report that ends a session.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::args::StatusArgs;
use super::failure::{CliError, harmless};
use super::watch;
use crate::config::Settings;
use crate::export::AtomicFile;
use crate::pipeline::{self, Outcome};
use crate::report::{RunReport, to_json, to_text};
use crate::store::{RunDir, RunReader};
use crate::summary::{RunState, StopReason, Summary};

pub(super) fn run(args: &StatusArgs) -> Result<ExitCode, CliError> {
    let dir = RunDir::new(&args.run);
    if let Some(seconds) = args.watch {
        return watch::run(&dir, args.json, Duration::from_secs(seconds));
    }
    let reader = dir.read()?;
    let report = report(&dir, &settings(&dir)?, reader.state()?, reader.summary()?);
    let text = if args.json { to_json(&report) } else { harmless(&to_text(&report)).into_owned() };
    io::stdout().write_all(text.as_bytes())?;
    if args.samples > 0 {
        show_samples(&reader, &report.summary, args.samples)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn settings(dir: &RunDir) -> Result<Settings, CliError> {
    Ok(pipeline::stored_settings(dir)?.unwrap_or_default())
}

/// The report on a run as it is stored.
pub(super) fn stored(dir: &RunDir) -> Result<RunReport, CliError> {
    let reader = dir.read()?;
    Ok(report(dir, &settings(dir)?, reader.state()?, reader.summary()?))
}

/// The report on a session that has just ended.
pub(super) fn report_of(dir: &RunDir, outcome: &Outcome) -> Result<RunReport, CliError> {
    let message = outcome.error.as_ref().map(ToString::to_string);
    let state = (RunState::Stopped, Some(outcome.reason), message);
    Ok(report(dir, &settings(dir)?, state, outcome.summary.clone()))
}

/// Writes `summary.json`, whole or not at all.
pub(super) fn write_summary(dir: &RunDir, report: &RunReport) -> Result<(), CliError> {
    let mut file = AtomicFile::create(&dir.summary())?;
    file.make_private()?;
    file.write_all(to_json(report).as_bytes())?;
    Ok(file.commit()?)
}

/// What is told about every run.
pub(super) fn report(
    dir: &RunDir,
    settings: &Settings,
    (state, stop_reason, message): (RunState, Option<StopReason>, Option<String>),
    summary: Summary,
) -> RunReport {
    let provider = settings.provider.clone().unwrap_or_default();
    RunReport {
        run: dir.path().to_owned(),
        simulated: provider == crate::config::SIMULATED,
        provider,
        model: settings.model.clone().unwrap_or_default(),
        target: settings.target.unwrap_or_default(),
        budget: settings.budget.map(|money| money.0),
        state,
        stop_reason,
        message,
        summary,
    }
}

/// What each rule rejected most recently, with control characters made visible.
fn show_samples(reader: &RunReader, summary: &Summary, count: u32) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    for (stage, rule) in summary.rejections.keys() {
        writeln!(stdout, "\n{} · {rule}", stage.as_str())?;
        for (text, detail) in reader.rejected_samples(*stage, rule, count)? {
            let shown: String = text.chars().take(200).collect();
            writeln!(stdout, "  {} {}", shown.escape_debug(), detail.escape_debug())?;
        }
    }
    Ok(())
}
