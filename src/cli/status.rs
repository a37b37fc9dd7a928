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
    let report = report_in(&dir, &reader, reader.state()?)?;
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
    report_in(dir, &reader, reader.state()?)
}

/// The same, for a state that was read before.
pub(super) fn report_in(
    dir: &RunDir,
    reader: &RunReader,
    state: State,
) -> Result<RunReport, CliError> {
    let simulated = pipeline::is_simulated(reader)?;
    Ok(report(dir, &settings(dir)?, simulated, state, reader.summary()?))
}

/// The report on a session that has just ended.
pub(super) fn report_of(dir: &RunDir, outcome: &Outcome) -> Result<RunReport, CliError> {
    let message = outcome.error.as_ref().map(ToString::to_string);
    let state = (RunState::Stopped, Some(outcome.reason), message);
    Ok(report(dir, &settings(dir)?, outcome.simulated, state, outcome.summary.clone()))
}

/// Writes `summary.json`, whole or not at all.
pub(super) fn write_summary(dir: &RunDir, report: &RunReport) -> Result<(), CliError> {
    let mut file = AtomicFile::create(&dir.summary())?;
    file.make_private()?;
    file.write_all(to_json(report).as_bytes())?;
    Ok(file.commit()?)
}

/// How a run is, why it stopped, and with which error.
pub(super) type State = (RunState, Option<StopReason>, Option<String>);

/// What is told about every run.
pub(super) fn report(
    dir: &RunDir,
    settings: &Settings,
    simulated: bool,
    (state, stop_reason, message): State,
    summary: Summary,
) -> RunReport {
    let is_other = settings.output_model() != settings.first_model();
    RunReport {
        run: dir.path().to_owned(),
        simulated,
        provider: settings.provider.clone().unwrap_or_default(),
        model: settings.first_model().unwrap_or_default().to_owned(),
        output_model: settings.output_model().filter(|_| is_other).map(str::to_owned),
        target: settings.target.unwrap_or_default(),
        budget: settings.budget.map(|money| money.0),
        state,
        stop_reason,
        message,
        summary,
    }
}

/// The start of a text, and behind an arrow what the rule had against it.
fn sample(text: &str, detail: &str) -> String {
    let start: String = text.chars().take(200).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    let reason = if detail.is_empty() { String::new() } else { format!("  <- {detail}") };
    format!("{}{more}{}", start.escape_debug(), reason.escape_debug())
}

/// What each rule rejected most recently, with control characters made visible.
fn show_samples(reader: &RunReader, summary: &Summary, count: u32) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    for (stage, rule) in summary.rejections.keys() {
        writeln!(stdout, "\n{} · {rule}", stage.as_str())?;
        for (text, detail) in reader.rejected_samples(*stage, rule, count)? {
            writeln!(stdout, "  {}", sample(&text, &detail))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_told_from_what_the_rule_found() {
        assert_eq!(sample("Draw a manuscript.\n", "Draw"), "Draw a manuscript.\\n  <- Draw");
        assert_eq!(sample("No.", ""), "No.");
        let long = "x".repeat(201);
        assert!(sample(&long, "too long").ends_with("x...  <- too long"));
    }
}
