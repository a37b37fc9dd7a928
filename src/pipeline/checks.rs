//! What has to hold before a run is opened for work: checked without a request, and before anything in it
//! is changed.

use super::failure::RunError;
use super::judge::Judge;
use super::lane::first_prompt_estimate;
use super::plan::typical_body_bytes;
use super::prepare::{PrepareError, stored_settings};
use crate::config::{BENCHMARKS_KEY, ConfigError, RunConfig, SEEDS_KEY, Settings};
use crate::event::Phase;
use crate::store::{BatchState, RunDir, RunReader};
use crate::summary::Summary;

/// A run goes on only with the settings and seed tasks it began with, and within its target and budget.
pub(super) fn check_begun(config: &RunConfig, dir: &RunDir) -> Result<(), PrepareError> {
    let Some(begun) = stored_settings(dir)? else { return Ok(()) };
    let reader = dir.read()?;
    let summary = reader.summary()?;
    check_room(config, &summary)?;
    if is_unused(&summary) {
        return Ok(());
    }
    let changes = config.settings.changes_since(&begun);
    if !changes.is_empty() {
        return Err(ConfigError::Changed(changes).into());
    }
    check_batches(config, &begun, &reader)?;
    let seeds = reader.meta(SEEDS_KEY)?;
    if seeds.is_some_and(|begun| begun != config.seeds.sha256) {
        let path = config.settings.seeds.as_ref().map(|path| path.display().to_string());
        return Err(ConfigError::SeedsChanged { path: path.unwrap_or_default() }.into());
    }
    let begun = reader.meta(BENCHMARKS_KEY)?.unwrap_or_default();
    let benchmarks = &config.rules.benchmarks;
    if begun != benchmarks.sha256() {
        let (before, now) = (!begun.is_empty(), !benchmarks.is_empty());
        return Err(ConfigError::BenchmarksChanged { before, now }.into());
    }
    Ok(())
}

/// Whether nothing was bought and nothing can have been: no task follows from the settings yet, and they
/// may still be corrected.
pub(super) fn is_unused(summary: &Summary) -> bool {
    let bought = summary.attempts.answered + summary.attempts.unconfirmed;
    let money = [summary.spent, summary.reserved, summary.unconfirmed];
    bought == 0 && summary.batches.is_empty() && money.iter().all(|part| part.is_zero())
}

/// Open batches are where they were sent, and another account does not have them: what they bring
/// would be bought again.
fn check_batches(
    config: &RunConfig,
    begun: &Settings,
    reader: &RunReader,
) -> Result<(), PrepareError> {
    let open = reader.open_batches()?.into_iter().filter(|batch| batch.state != BatchState::Begun);
    let moved: Vec<_> = open
        .map(|batch| config.settings.moves_since(begun, batch.phase))
        .filter(|changes| !changes.is_empty())
        .collect();
    let batches = moved.len();
    match moved.into_iter().next() {
        Some(changes) => Err(ConfigError::BatchesElsewhere { batches, changes }.into()),
        None => Ok(()),
    }
}

/// The target and the budget are not below what is there already.
pub(super) fn check_room(config: &RunConfig, summary: &Summary) -> Result<(), RunError> {
    let (accepted, target) = (summary.accepted, config.target);
    if accepted > target {
        return Err(RunError::TargetBelow { accepted, target });
    }
    let spent = summary.spent.saturating_add(summary.unconfirmed).saturating_add(summary.reserved);
    match config.budget {
        Some(budget) if spent > budget => Err(RunError::BudgetBelow { spent, budget }),
        _ => Ok(()),
    }
}

/// A request that is larger than a minute's tokens could never be sent within the limit.
pub(super) fn check_limit(config: &RunConfig, judge: &Judge) -> Result<(), RunError> {
    let prompt = first_prompt_estimate(typical_body_bytes(config, judge));
    let first = prompt + u64::from(config.request.max_output_tokens);
    let outputs = config.responses.as_ref().map(|responses| {
        let tasks = u64::from(responses.tasks_per_request);
        (Phase::Responses, tasks * u64::from(responses.max_output_tokens))
    });
    for (phase, needed) in [(config.first_phase(), first)].into_iter().chain(outputs) {
        let api = config.api(phase);
        match api.limits().iter().filter_map(|limits| limits.tokens_per_minute).min() {
            // Batches have limits of their own.
            Some(limit) if needed > limit && api.pace.batch.is_none() => {
                return Err(RunError::RequestOverLimit { needed, limit });
            }
            _ => {}
        }
    }
    Ok(())
}
