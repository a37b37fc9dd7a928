//! How much memory a run takes: what it keeps of each accepted task, so that every one of them can be
//! shown as an example and compared with.

use crate::config::RunConfig;
use crate::pool::MAX_EXAMPLE_CHARS;

/// Bytes of an index entry and what goes with it, beside the text: a run to 1,000,000 tasks of 345 bytes
/// took 1,320 for each, the program itself included.
const BESIDE_THE_TEXT: u64 = 1_000;
/// Components of an embedding where nobody says how many, as OpenAI's small model has; two bytes each.
const USUAL_DIMENSIONS: u64 = 1_536;
/// Bytes of a component.
const COMPONENT: u64 = 2;

/// Bytes that so many more tasks take, by the length of the seed tasks.
pub(super) fn footprint(config: &RunConfig, tasks: u64) -> u64 {
    let seeds = &config.seeds.tasks;
    let bytes = seeds.iter().map(|seed| {
        let instance = seed.instances.first();
        // Outputs that are bought apart are never shown.
        let output = instance.filter(|_| config.responses.is_none());
        let texts = [instance.map(|one| &one.input), output.map(|one| &one.output)];
        let whole =
            seed.instruction.len() + texts.into_iter().flatten().map(String::len).sum::<usize>();
        // Longer ones are no examples, and not kept.
        if whole > MAX_EXAMPLE_CHARS { seed.instruction.len() } else { whole }
    });
    let text = bytes.sum::<usize>() / seeds.len().max(1);
    let embedding = config.embedding.as_ref().map_or(0, |embedding| {
        COMPONENT * embedding.dimensions.map_or(USUAL_DIMENSIONS, u64::from)
    });
    let each = u64::try_from(text).unwrap_or(u64::MAX).saturating_add(BESIDE_THE_TEXT + embedding);
    each.saturating_mul(tasks)
}
