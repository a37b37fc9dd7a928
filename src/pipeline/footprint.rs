//! How much memory a run takes: what it keeps of each accepted task, so that every one of them can be
//! shown as an example and compared with.

use crate::config::RunConfig;
use crate::pool::MAX_EXAMPLE_CHARS;
use crate::report::{bytes, count};

/// Bytes of an index entry and what goes with it, beside the text, while a run grows: one to 1,000,000
/// tasks of 345 bytes took 1,320 for each, the program itself included.
const BESIDE_THE_TEXT: u64 = 1_000;
/// The same of a run that is taken up: 1,000,000 tasks of 400 bytes took 710 for each.
const BESIDE_A_STORED_TEXT: u64 = 350;
/// Components of an embedding where nobody says how many, as OpenAI's small model has; two bytes each.
const USUAL_DIMENSIONS: u64 = 1_536;
/// Bytes of a component.
const COMPONENT: u64 = 2;

/// Bytes that so many more tasks take, by the length of the seed tasks.
pub(super) fn footprint(config: &RunConfig, tasks: u64) -> u64 {
    of_tasks(config, tasks, BESIDE_THE_TEXT)
}

/// What is to be said before the stored tasks of a run are read back, when they take more memory than
/// is available. The system may end the process meanwhile, and that could not be told any more.
pub(super) fn too_little_for_stored(
    config: &RunConfig,
    tasks: u64,
    available: Option<u64>,
) -> Option<String> {
    let needed = of_tasks(config, tasks, BESIDE_A_STORED_TEXT);
    let available = available.filter(|available| needed > *available)?;
    Some(format!(
        "the {} tasks of this run take about {} of memory, and {} can be had here: should the system \
         kill the process, nothing is lost, and the same command goes on where there is more",
        count(tasks),
        bytes(needed),
        bytes(available),
    ))
}

fn of_tasks(config: &RunConfig, tasks: u64, beside_the_text: u64) -> u64 {
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
    let each = u64::try_from(text).unwrap_or(u64::MAX).saturating_add(beside_the_text + embedding);
    each.saturating_mul(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Settings};

    #[test]
    fn stored_tasks_that_do_not_fit_are_told_of() {
        let settings = Settings { provider: Some("simulated".to_owned()), ..Settings::default() };
        let config = RunConfig::resolve(settings, Environment { get: &|_| None }).unwrap();
        let told = |tasks, available| too_little_for_stored(&config, tasks, available);
        assert_eq!(told(1_000_000, None), None);
        assert_eq!(told(1_000_000, Some(2_000_000_000)), None);
        assert_eq!(told(1_000, Some(2_000_000)), None);
        insta::assert_snapshot!(
            told(1_000_000, Some(500_000_000)).unwrap(),
            @"the 1,000,000 tasks of this run take about 683 MB of memory, and 500 MB can be had here: should the system kill the process, nothing is lost, and the same command goes on where there is more"
        );
        // Tasks to come take more than tasks that are there: reading back leaves no holes.
        assert!(footprint(&config, 1_000) > of_tasks(&config, 1_000, BESIDE_A_STORED_TEXT));
    }
}
