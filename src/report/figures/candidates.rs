//! Every candidate once: what became of it, and what the accepted ones are like.

use std::collections::BTreeMap;

use super::samples::{Rejects, TaskSamples};
use super::{Distribution, Growth, RuleSamples, TaskSample, VerbTally};
use crate::event::Stage;
use crate::summary::Summary;

/// One judged candidate.
#[derive(Debug, Clone, Copy, Default)]
pub struct JudgedText<'a> {
    /// The stage and the rule that turned it away; `None`: accepted.
    pub rejected_by: Option<(Stage, &'a str)>,
    /// What exactly met the rule; may be empty.
    pub detail: &'a str,
    /// The instruction, or the raw text of an item that could not be read.
    pub instruction: &'a str,
    /// The input; empty when there is none.
    pub input: &'a str,
    /// The output.
    pub output: &'a str,
    /// The similarity to the most similar task, where it was stored.
    pub score: Option<f64>,
}

/// All candidates of a run, counted.
#[derive(Debug)]
pub struct CandidateFigures {
    growth: Growth,
    accepted: u64,
    with_input: u64,
    labels: u64,
    instruction_words: Distribution,
    input_words: Distribution,
    output_words: Distribution,
    languages: BTreeMap<&'static str, u64>,
    verbs: VerbTally,
    accepted_scores: Distribution,
    duplicate_scores: Distribution,
    tasks: TaskSamples,
    rejects: Rejects,
}

impl CandidateFigures {
    /// For a run with these totals.
    pub fn new(summary: &Summary) -> Self {
        Self {
            growth: Growth::new(summary.accepted + summary.rejected_at(Stage::Novelty)),
            accepted: 0,
            with_input: 0,
            labels: 0,
            instruction_words: Distribution::default(),
            input_words: Distribution::default(),
            output_words: Distribution::default(),
            languages: BTreeMap::new(),
            verbs: VerbTally::default(),
            accepted_scores: Distribution::default(),
            duplicate_scores: Distribution::default(),
            tasks: TaskSamples::new(summary.accepted),
            rejects: Rejects::default(),
        }
    }

    /// Takes the next candidate, in the order of the journal.
    pub fn note(&mut self, text: &JudgedText<'_>) {
        let Some((stage, rule)) = text.rejected_by else {
            self.note_accepted(text);
            return;
        };
        self.rejects.note(stage, rule, text);
        if stage == Stage::Novelty {
            self.growth.note(false);
            if let Some(score) = text.score {
                self.duplicate_scores.note_score(score);
            }
        }
    }

    fn note_accepted(&mut self, text: &JudgedText<'_>) {
        self.tasks.note(self.accepted, text);
        self.growth.note(true);
        self.accepted += 1;
        if let Some(score) = text.score {
            self.accepted_scores.note_score(score);
        }
        self.instruction_words.note(super::word_count(text.instruction));
        if !text.input.trim().is_empty() {
            self.with_input += 1;
            self.input_words.note(super::word_count(text.input));
        }
        self.output_words.note(super::word_count(text.output));
        self.labels += u64::from(super::asks_for_a_label(text.instruction, text.output));
        *self.languages.entry(super::language_of(text.instruction)).or_default() += 1;
        self.verbs.note(text.instruction);
    }

    /// The share of novel candidates as the pool grew.
    pub fn growth(&self) -> &Growth {
        &self.growth
    }

    /// Accepted tasks.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Accepted tasks that have an input.
    pub fn with_input(&self) -> u64 {
        self.with_input
    }

    /// Accepted tasks that ask for one of a few labels.
    pub fn labels(&self) -> u64 {
        self.labels
    }

    /// Words of the instructions.
    pub fn instruction_words(&self) -> &Distribution {
        &self.instruction_words
    }

    /// Words of the inputs that there are.
    pub fn input_words(&self) -> &Distribution {
        &self.input_words
    }

    /// Words of the outputs.
    pub fn output_words(&self) -> &Distribution {
        &self.output_words
    }

    /// Accepted tasks by the language of their instruction, the most frequent first.
    pub fn languages(&self) -> Vec<(&'static str, u64)> {
        let mut languages: Vec<_> = self.languages.iter().map(|(name, n)| (*name, *n)).collect();
        languages.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        languages
    }

    /// Verbs of the instructions, and their objects.
    pub fn verbs(&self) -> &VerbTally {
        &self.verbs
    }

    /// Similarities of accepted tasks to the most similar task before, where they were stored; in
    /// hundredths, rounded down.
    pub fn accepted_scores(&self) -> &Distribution {
        &self.accepted_scores
    }

    /// Similarities of duplicates to the task that they duplicate; in hundredths, rounded down.
    pub fn duplicate_scores(&self) -> &Distribution {
        &self.duplicate_scores
    }

    /// Accepted tasks to look at, evenly spread over the run.
    pub fn tasks(&self) -> &[TaskSample] {
        self.tasks.tasks()
    }

    /// What each rule turned away, with some of it to look at.
    pub fn rejects(&self) -> &BTreeMap<(Stage, String), RuleSamples> {
        self.rejects.rules()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_candidate_is_counted_where_it_belongs() {
        let summary = Summary { accepted: 2, ..Summary::default() };
        let mut figures = CandidateFigures::new(&summary);
        let accepted = JudgedText {
            instruction: "Classify the animal.",
            input: "cat",
            output: "mammal",
            score: Some(0.4),
            ..JudgedText::default()
        };
        figures.note(&accepted);
        figures.note(&JudgedText { input: " ", output: "a b c d e f", score: None, ..accepted });
        let by = |stage, rule| JudgedText { rejected_by: Some((stage, rule)), ..accepted };
        figures.note(&JudgedText { score: Some(0.75), ..by(Stage::Novelty, "rouge-l") });
        figures.note(&by(Stage::Filter, "too_short"));
        assert_eq!((figures.accepted(), figures.with_input(), figures.labels()), (2, 1, 1));
        assert_eq!(figures.growth().pool(), 2);
        assert_eq!(figures.accepted_scores().between(40, 40), 1);
        assert_eq!(figures.duplicate_scores().between(75, 75), 1);
        assert_eq!(figures.languages(), [("English", 2)]);
        assert_eq!(figures.rejects().len(), 2);
        assert_eq!(figures.tasks().len(), 2);
        assert_eq!(figures.verbs().named(), 2);
    }
}
