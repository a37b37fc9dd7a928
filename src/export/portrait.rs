//! What a data set looks like as a whole, counted while it is written.

use std::collections::HashMap;

use crate::task::AcceptedTask;

/// Openings that are told apart; beyond that many, new ones are only counted as others.
const MAX_OPENINGS: usize = 100_000;
/// Equal parts of the scale of similarity.
const BINS: usize = 10;
/// English words of grammar. A text in Latin letters is taken for English when one word in ten is
/// among them.
const ENGLISH: [&str; 14] =
    ["the", "a", "an", "of", "and", "to", "in", "is", "for", "with", "that", "on", "it", "as"];

/// Figures of a data set.
#[derive(Debug, Clone, Default)]
pub struct Portrait {
    rows: u64,
    with_input: u64,
    instruction: Lengths,
    output: Lengths,
    openings: HashMap<String, u64>,
    /// How many tasks have their nearest in each tenth of the scale.
    nearest: [u64; BINS],
    languages: HashMap<&'static str, u64>,
}

/// Lengths of texts in characters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lengths {
    total: u64,
    count: u64,
    /// The most characters.
    pub longest: u64,
}

impl Lengths {
    fn add(&mut self, text: &str) {
        let length = text.chars().count() as u64;
        self.total += length;
        self.count += 1;
        self.longest = self.longest.max(length);
    }

    /// The mean, rounded to whole characters.
    pub fn mean(&self) -> u64 {
        (self.total + self.count / 2).checked_div(self.count).unwrap_or(0)
    }
}

impl Portrait {
    /// Counts a task.
    pub fn add(&mut self, accepted: &AcceptedTask) {
        let task = &accepted.task;
        self.rows += 1;
        self.with_input += u64::from(!task.input.is_empty());
        self.instruction.add(&task.instruction);
        self.output.add(&task.output);
        self.add_opening(&task.instruction);
        let nearest = accepted.provenance.nearest;
        if let Some(bin) = nearest.and_then(|(_, score)| self.nearest.get_mut(bin(score))) {
            *bin += 1;
        }
        // The answer decides; a single word of it may be no word at all.
        let texts = [&task.output, &task.instruction];
        let language = texts.into_iter().find_map(|text| language(text));
        *self.languages.entry(language.unwrap_or_default()).or_default() += 1;
    }

    fn add_opening(&mut self, instruction: &str) {
        let words: Vec<String> =
            instruction.split_whitespace().take(2).map(str::to_lowercase).collect();
        let opening = words.join(" ");
        if self.openings.len() < MAX_OPENINGS || self.openings.contains_key(&opening) {
            *self.openings.entry(opening).or_default() += 1;
        }
    }

    /// Tasks.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Tasks with an input.
    pub fn with_input(&self) -> u64 {
        self.with_input
    }

    /// Lengths of instructions.
    pub fn instruction(&self) -> Lengths {
        self.instruction
    }

    /// Lengths of outputs.
    pub fn output(&self) -> Lengths {
        self.output
    }

    /// Whether there may be more openings than are told apart.
    pub fn has_more_openings(&self) -> bool {
        self.openings.len() >= MAX_OPENINGS
    }

    /// Different first two words of instructions; up to a hundred thousand are told apart.
    pub fn openings(&self) -> u64 {
        self.openings.len() as u64
    }

    /// The most frequent of them with their counts, the most frequent first.
    pub fn top_openings(&self, count: usize) -> Vec<(&str, u64)> {
        let mut openings: Vec<_> =
            self.openings.iter().map(|(opening, count)| (opening.as_str(), *count)).collect();
        openings.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        openings.truncate(count);
        openings
    }

    /// How many tasks have the nearest of those before them in each tenth from 0 to 1; `None` when
    /// the run did not record it.
    pub fn nearest(&self) -> Option<[u64; BINS]> {
        (self.nearest.iter().sum::<u64>() > 0).then_some(self.nearest)
    }

    /// The languages that at least one task in twenty is in, by ISO 639-1, as far as script and a
    /// few words of grammar tell them: others in Latin letters than English are not named.
    pub fn languages(&self) -> Vec<&'static str> {
        let mut known: Vec<(&'static str, u64)> = self
            .languages
            .iter()
            .filter(|(name, count)| !name.is_empty() && **count * 20 >= self.rows)
            .map(|(name, count)| (*name, *count))
            .collect();
        known.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        known.into_iter().map(|(name, _)| name).collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a score is from 0 to 1, and a cast stays within the type"
)]
fn bin(score: f64) -> usize {
    ((score * 10.0) as usize).min(BINS - 1)
}

/// The language of a text, where its script or a few words of grammar tell it.
fn language(text: &str) -> Option<&'static str> {
    let (mut letters, mut han, mut kana, mut hangul, mut cyrillic) = (0_u64, 0, 0, 0, 0);
    for character in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        match character {
            '\u{3040}'..='\u{30ff}' => kana += 1,
            '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' => han += 1,
            '\u{ac00}'..='\u{d7af}' => hangul += 1,
            '\u{400}'..='\u{4ff}' => cyrillic += 1,
            _ => {}
        }
    }
    let half = letters / 2 + 1;
    match () {
        () if letters == 0 => None,
        () if kana * 10 >= letters && kana + han >= half => Some("ja"),
        () if han >= half => Some("zh"),
        () if hangul >= half => Some("ko"),
        // Several languages share it.
        () if cyrillic >= half => None,
        () => is_english(text).then_some("en"),
    }
}

fn is_english(text: &str) -> bool {
    let (mut words, mut of_grammar) = (0_u64, 0);
    for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
        words += 1;
        of_grammar += u64::from(ENGLISH.iter().any(|other| word.eq_ignore_ascii_case(other)));
    }
    of_grammar * 10 >= words.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Candidate, Provenance, TaskRef};

    fn task(instruction: &str, input: &str, output: &str, score: Option<f64>) -> AcceptedTask {
        let [instruction, input, output] = [instruction, input, output].map(str::to_owned);
        let nearest = score.map(|score| (TaskRef::Seed(0), score));
        AcceptedTask {
            id: 0,
            task: Candidate { instruction, input, output },
            provenance: Provenance { nearest, ..Provenance::default() },
            similarity: None,
        }
    }

    #[test]
    fn counts_what_a_card_shows() {
        let mut portrait = Portrait::default();
        assert_eq!((portrait.nearest(), portrait.output().mean()), (None, 0));
        portrait.add(&task("Write a poem", "", "语言", Some(0.0)));
        portrait.add(&task("write A song", "x", "four", Some(1.0)));
        portrait.add(&task("Sing", "", "a", Some(0.69)));
        assert_eq!((portrait.rows(), portrait.with_input(), portrait.openings()), (3, 1, 2));
        assert_eq!(portrait.top_openings(1), [("write a", 2)]);
        assert_eq!((portrait.output().mean(), portrait.output().longest), (2, 4));
        assert_eq!(portrait.nearest(), Some([1, 0, 0, 0, 0, 0, 1, 0, 0, 1]));
    }

    #[test]
    fn names_only_languages_that_it_can_tell() {
        for (text, expected) in [
            ("The cat is on the mat.", Some("en")),
            ("Le chat est sur le tapis.", None),
            ("潮汐主要由月球引起。", Some("zh")),
            ("猫はマットの上にいます。", Some("ja")),
            ("고양이가 매트 위에 있다.", Some("ko")),
            ("Кот лежит на коврике.", None),
            ("42", None),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
    }
}
