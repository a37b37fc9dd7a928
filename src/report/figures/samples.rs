//! A few texts to look at: evenly spread accepted tasks, and by chance what each rule turned away.

use std::collections::BTreeMap;

use super::JudgedText;
use crate::event::Stage;

/// Accepted tasks that are kept to be looked at.
const TASKS: u64 = 200;
/// Rejected items that are kept of each rule.
const PER_RULE: usize = 4;
/// Characters that are kept of each text.
const MOST_CHARS: usize = 1_200;

/// A text that may have been cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Its beginning, or all of it.
    pub text: String,
    /// How many characters it has in all, when some were left out.
    pub cut_from: Option<u64>,
}

impl Sample {
    /// The first characters of a text.
    pub(super) fn of(text: &str) -> Self {
        Self::cut(text, MOST_CHARS)
    }

    /// At most so many characters of a text.
    pub(crate) fn cut(text: &str, most: usize) -> Self {
        match text.char_indices().nth(most) {
            None => Self { text: text.to_owned(), cut_from: None },
            Some((end, _)) => {
                let all = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
                let begin = text.get(..end).unwrap_or_default();
                Self { text: begin.to_owned(), cut_from: Some(all) }
            }
        }
    }
}

/// An accepted task to be looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSample {
    /// Its number in the order of acceptance, from 0.
    pub id: u64,
    /// What is to be done.
    pub instruction: Sample,
    /// Context; may be empty.
    pub input: Sample,
    /// The answer.
    pub output: Sample,
}

/// Accepted tasks, evenly spread over the run.
#[derive(Debug)]
pub(super) struct TaskSamples {
    accepted: u64,
    tasks: Vec<TaskSample>,
}

impl TaskSamples {
    pub(super) fn new(accepted: u64) -> Self {
        Self { accepted, tasks: Vec::new() }
    }

    /// Keeps the task with this number if it is one of those at even distances.
    pub(super) fn note(&mut self, id: u64, text: &JudgedText<'_>) {
        let taken = u64::try_from(self.tasks.len()).unwrap_or(u64::MAX);
        let next = if self.accepted <= TASKS { taken } else { taken * self.accepted / TASKS };
        if taken < TASKS && id >= next {
            self.tasks.push(TaskSample {
                id,
                instruction: Sample::of(text.instruction),
                input: Sample::of(text.input),
                output: Sample::of(text.output),
            });
        }
    }

    pub(super) fn tasks(&self) -> &[TaskSample] {
        &self.tasks
    }
}

/// What one rule turned away.
#[derive(Debug, Clone, Default)]
pub struct RuleSamples {
    /// How many.
    pub seen: u64,
    /// Some of them with what exactly met the rule; each has had the same chance to be here.
    pub samples: Vec<(Sample, Sample)>,
}

/// Samples of each rule, drawn so that the same run gives the same ones.
#[derive(Debug)]
pub(super) struct Rejects {
    rules: BTreeMap<(Stage, String), RuleSamples>,
    chance: fastrand::Rng,
}

impl Default for Rejects {
    fn default() -> Self {
        Self { rules: BTreeMap::new(), chance: fastrand::Rng::with_seed(0) }
    }
}

impl Rejects {
    /// Reservoir sampling (Vitter's algorithm R): the n-th item takes a place with the probability
    /// places / n.
    pub(super) fn note(&mut self, stage: Stage, rule: &str, text: &JudgedText<'_>) {
        let key = (stage, rule.to_owned());
        let kept = self.rules.entry(key).or_default();
        kept.seen += 1;
        let place = self.chance.u64(..kept.seen);
        let sample = || (Sample::of(text.instruction), Sample::of(text.detail));
        if kept.samples.len() < PER_RULE {
            kept.samples.push(sample());
        } else if let Some(old) =
            usize::try_from(place).ok().and_then(|place| kept.samples.get_mut(place))
        {
            *old = sample();
        }
    }

    pub(super) fn rules(&self) -> &BTreeMap<(Stage, String), RuleSamples> {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(instruction: &str) -> JudgedText<'_> {
        JudgedText { instruction, ..JudgedText::default() }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "é🦀".repeat(50_000);
        let sample = Sample::of(&long);
        assert_eq!(sample.text.chars().count(), MOST_CHARS);
        assert_eq!(sample.cut_from, Some(100_000));
        assert_eq!(Sample::of("é").cut_from, None);
    }

    #[test]
    fn tasks_are_spread_over_the_run() {
        for (accepted, first, last) in [(3, 0, 2), (200, 0, 199), (1_000, 0, 995)] {
            let mut samples = TaskSamples::new(accepted);
            (0..accepted).for_each(|id| samples.note(id, &text("do")));
            let ids: Vec<u64> = samples.tasks().iter().map(|task| task.id).collect();
            assert_eq!(ids.len() as u64, accepted.min(TASKS));
            assert_eq!((ids[0], *ids.last().unwrap()), (first, last));
        }
    }

    #[test]
    fn late_rejects_have_the_chance_of_early_ones() {
        let mut rejects = Rejects::default();
        let texts: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        for rule in 0..50 {
            for item in &texts {
                rejects.note(Stage::Filter, &format!("rule{rule}"), &text(item));
            }
        }
        let kept = rejects.rules().values().flat_map(|rule| &rule.samples);
        let late = kept.filter(|(sample, _)| sample.text.parse::<u64>().unwrap() >= 5_000).count();
        assert!((70..130).contains(&late), "{late} of 200");
    }
}
