//! The embeddings of the tasks that a judge knows from the start: seeds, and what earlier sessions
//! accepted.

use std::borrow::Borrow;
use std::collections::HashSet;

use super::bought::Bought;
use super::judge::Judge;
use crate::event::Phase;
use crate::novelty::is_embeddable;
use crate::store::{RunReader, StoreError};
use crate::task::Candidate;

/// Gives the judge the embeddings of the tasks that he knows, as far as they were bought, and the
/// texts of those that are still to be bought, each once. Without such texts he can begin.
pub(super) fn lay<R: Borrow<RunReader>>(
    judge: &mut Judge,
    first: Phase,
    bought: &Bought<R>,
) -> Result<Vec<String>, StoreError> {
    let (mut missing, mut known) = (Vec::new(), HashSet::new());
    if judge.without_embedding() == 0 {
        return Ok(missing);
    }
    let mut texts = judge.seed_texts();
    for_each_task(first, bought.reader(), |task| {
        texts.push(judge.compared_text(task).into_owned());
    })?;
    // Those that are still without come last.
    let done = texts.len().saturating_sub(judge.without_embedding());
    for text in texts.into_iter().skip(done) {
        if !is_embeddable(&text) {
            if missing.is_empty() {
                judge.embed(None);
            }
        } else if let Some(embedding) = bought.get(&text)? {
            if missing.is_empty() {
                judge.embed(Some(&embedding));
            }
        } else if known.insert(text.clone()) {
            missing.push(text);
        }
    }
    Ok(missing)
}

/// The tasks that entered the pool in earlier sessions, in their order.
fn for_each_task(
    first: Phase,
    reader: &RunReader,
    mut each: impl FnMut(&Candidate),
) -> Result<(), StoreError> {
    if first == Phase::Instructions {
        return reader.for_each_open_task(|stored| {
            each(&stored.task);
            Ok(())
        });
    }
    reader.for_each_accepted("", |accepted| {
        each(&accepted.task);
        Ok(())
    })
}
