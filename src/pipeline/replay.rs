//! Replay: the accepted tasks of a run, derived again from its journal, at no cost.

use super::endpoint::codec;
use super::failure::RunError;
use super::judge::Judge;
use super::prepare::read;
use crate::config::RunConfig;
use crate::event::Verdict;
use crate::store::RunReader;
use crate::summary::Rejections;
use crate::task::{AcceptedTask, Provenance};

/// What a replay came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayTotals {
    /// Responses read.
    pub responses: u64,
    /// Accepted tasks.
    pub accepted: u64,
    /// Items rejected, by stage and rule.
    pub rejections: Rejections,
}

/// Judges the responses of a run again, in the order of the journal and under the rules of
/// `config`, until the target of `config` is reached, and calls `each` for every accepted task.
///
/// With the rules that the run had, the tasks are those of the run, in the same order.
///
/// # Errors
/// Those of the journal as [`RunError`], and those of `each`.
pub fn replay<E: From<RunError>>(
    config: &RunConfig,
    reader: &RunReader,
    mut each: impl FnMut(&AcceptedTask) -> Result<(), E>,
) -> Result<ReplayTotals, E> {
    let provider = codec(config);
    let mut judge =
        Judge::new(&config.rules, config.seeds.tasks.clone()).map_err(RunError::from)?;
    let mut totals = ReplayTotals::default();
    let mut seq = 0;
    while totals.accepted < config.target {
        let Some(response) = reader.response_after(seq).map_err(RunError::from)? else { break };
        seq = response.seq;
        totals.responses += 1;
        let (items, _) = read(provider, config, &response);
        for verdict in judge.judge(0, items, config.target - totals.accepted) {
            if let Some(rejection) = &verdict.rejection {
                let key = (rejection.stage, rejection.rule.to_owned());
                *totals.rejections.entry(key).or_default() += 1;
                continue;
            }
            let provenance = Provenance {
                request_index: response.request_index,
                response_seq: response.seq,
                item_index: verdict.item_index,
                model: config.model.clone(),
                examples: response.examples.clone(),
                nearest: verdict.nearest.map(|nearest| (nearest.task, nearest.score)),
                ..Provenance::default()
            };
            let Verdict { candidate: task, .. } = verdict;
            let id = totals.accepted;
            each(&AcceptedTask { id, task, provenance, similarity: None })?;
            totals.accepted += 1;
        }
    }
    Ok(totals)
}
