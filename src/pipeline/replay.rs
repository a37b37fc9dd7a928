//! Replay: the accepted tasks of a run, derived again from its journal, at no cost.

use super::bought::Bought;
use super::failure::RunError;
use super::judge::Judge;
use super::prepare::read;
use crate::config::RunConfig;
use crate::event::{Fate, Verdict};
use crate::novelty::is_embeddable;
use crate::store::{RunReader, StoredResponse};
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
    let seeds = config.seeds.tasks.clone();
    let mut judge =
        Judge::new(&config.rules, seeds, config.first_phase()).map_err(RunError::from)?;
    let bought = Bought::new(config, reader);
    embed_seeds(&mut judge, &bought)?;
    let mut totals = ReplayTotals::default();
    let mut seq = 0;
    while totals.accepted < config.target {
        let Some(response) = reader.response_after(seq).map_err(RunError::from)? else { break };
        seq = response.seq;
        totals.responses += 1;
        let source = source_of(config, &response);
        let reading = read(config, response);
        let missing = config.target - totals.accepted;
        let judged = judge.judge(reading, 0, missing, &|text| bought.get(text))?;
        for verdict in judged.verdicts {
            match &verdict.fate {
                Fate::Accepted => {}
                Fate::Open => continue,
                Fate::Rejected(rejection) => {
                    let key = (rejection.stage, rejection.rule.to_owned());
                    *totals.rejections.entry(key).or_default() += 1;
                    continue;
                }
            }
            let provenance = Provenance {
                item_index: verdict.item_index,
                nearest: verdict.nearest.map(|nearest| (nearest.task, nearest.score)),
                ..source.clone()
            };
            let Verdict { candidate: task, .. } = verdict;
            let id = totals.accepted;
            each(&AcceptedTask { id, task, provenance, similarity: None })?;
            totals.accepted += 1;
        }
    }
    Ok(totals)
}

/// Gives the judge the embeddings of the seed tasks, which are all that he knows.
fn embed_seeds(judge: &mut Judge, bought: &Bought<&RunReader>) -> Result<(), RunError> {
    if judge.without_embedding() == 0 {
        return Ok(());
    }
    for text in judge.seed_texts() {
        let embedding = bought.get(&text)?;
        if embedding.is_none() && is_embeddable(&text) {
            return Err(RunError::no_embedding(&text));
        }
        judge.embed(embedding.as_ref());
    }
    Ok(())
}

/// What all tasks of a response have in common.
fn source_of(config: &RunConfig, response: &StoredResponse) -> Provenance {
    Provenance {
        request_index: response.request_index,
        response_seq: response.seq,
        model: config.output_model().to_owned(),
        examples: response.examples.clone(),
        ..Provenance::default()
    }
}
