//! Contamination: whether a task holds a text of a benchmark that models are to be tested on.
//!
//! Two rules, asked in this order:
//!
//! - `benchmark_13gram`: the task's texts share 13 words in a row with a benchmark text. That is the
//!   filter of GPT-3's training data (Brown et al., "Language Models are Few-Shot Learners", 2020,
//!   appendix C), where words are lower-cased and without punctuation; the appendix's measure of
//!   overlap takes shorter runs for benchmarks of shorter texts, but never of fewer than 8 words.
//!   So a benchmark text of 8 to 12 words must be there as a whole, and one of fewer than 8 words
//!   is left to the second rule. Unlike there, no run of words is excused for being frequent.
//! - `benchmark_rouge_l`: the task's instruction has a ROUGE-L above the threshold with a benchmark
//!   text.
//!
//! Words are those of `rouge-l-unicode` without the punctuation inside of them: an ideograph is a
//! word, and so 13 of them are a run.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};
use unicode_normalization::char::is_combining_mark;

use super::NoveltyIndex;
use super::index::RougeLIndex;
use super::tokenize::Tokenizer;
use super::vocabulary::{Item, Vocabulary};

/// The words in a row that are too many.
const LONGEST: usize = 13;
/// A benchmark text of fewer words is no evidence by its words alone.
const SHORTEST: usize = 8;

/// The texts of benchmarks, against which tasks are checked.
#[derive(Debug)]
pub struct Contamination {
    passages: Passages,
    texts: RougeLIndex,
}

/// Why a task is contaminated.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlap {
    /// The number of the benchmark text: how many were inserted before it.
    pub text: u32,
    /// The rule: `benchmark_13gram` or `benchmark_rouge_l`.
    pub rule: &'static str,
    /// What they share, for a person to read.
    pub detail: String,
}

impl Contamination {
    /// No benchmark text yet; `threshold` is that of the ROUGE-L rule.
    pub fn new(threshold: f64) -> Self {
        let texts = RougeLIndex::new(Tokenizer::Unicode, threshold);
        Self { passages: Passages::default(), texts }
    }

    /// Adds a benchmark text.
    pub fn insert(&mut self, text: &str) {
        self.passages.insert(text);
        self.texts.insert(text);
    }

    /// What a task has of a benchmark; `all` is its instruction, input and output. Of several runs of
    /// words the first in the task is named, with the first benchmark text that has it.
    pub fn find(&self, instruction: &str, all: &str) -> Option<Overlap> {
        if let Some((text, words)) = self.passages.find(all) {
            let detail = format!("`{}`", words.join(" "));
            return Some(Overlap { text, rule: "benchmark_13gram", detail });
        }
        let similar = self.texts.duplicate_of(instruction)?;
        let detail = format!("{:.3}", similar.score);
        Some(Overlap { text: similar.entry, rule: "benchmark_rouge_l", detail })
    }
}

/// Every run of words that must not occur.
#[derive(Debug, Default)]
struct Passages {
    vocabulary: Vocabulary,
    /// The words of all texts, one after the other.
    words: Vec<Item>,
    /// Where each text ends.
    ends: Vec<usize>,
    hasher: DefaultHashBuilder,
    /// Where in `words` each run begins; a table for each length from [`SHORTEST`] on.
    runs: [HashTable<usize>; LONGEST - SHORTEST + 1],
}

impl Passages {
    fn insert(&mut self, text: &str) {
        let start = self.words.len();
        let (vocabulary, words) = (&mut self.vocabulary, &mut self.words);
        for_each_word(text, |word| words.push(vocabulary.number(word)));
        self.ends.push(words.len());
        let length = (words.len() - start).min(LONGEST);
        let Some(runs) = length.checked_sub(SHORTEST).map(|table| &mut self.runs[table]) else {
            return;
        };
        let (words, hasher) = (&self.words, &self.hasher);
        let run = |first: usize| &words[first..first + length];
        for first in start..=words.len() - length {
            let hash = hasher.hash_one(run(first));
            if runs.find(hash, |known| run(*known) == run(first)).is_none() {
                runs.insert_unique(hash, first, |known| hasher.hash_one(run(*known)));
            }
        }
    }

    /// The number of the text, and the run of words.
    fn find(&self, text: &str) -> Option<(u32, Vec<String>)> {
        let (mut words, mut spellings) = (Vec::new(), Vec::new());
        for_each_word(text, |word| {
            words.push(self.vocabulary.get(word));
            spellings.push(word.to_owned());
        });
        let mut first = 0;
        for stretch in words.split(Option::is_none) {
            let known: Vec<Item> = stretch.iter().copied().flatten().collect();
            if let Some((start, length, place)) = self.find_known(&known) {
                let text = self.ends.partition_point(|end| *end <= place);
                let text = u32::try_from(text).expect("memory ends before 2^32 texts");
                let from = first + start;
                return Some((text, spellings[from..from + length].to_vec()));
            }
            first += stretch.len() + 1;
        }
        None
    }

    /// The first run among words that benchmarks have: its start, its length and where it is from.
    fn find_known(&self, words: &[Item]) -> Option<(usize, usize, usize)> {
        (0..words.len()).find_map(|start| {
            (SHORTEST..=LONGEST).rev().find_map(|length| {
                let run = words.get(start..start + length)?;
                let table = &self.runs[length - SHORTEST];
                let same = |place: &usize| self.words[*place..*place + length] == *run;
                let place = table.find(self.hasher.hash_one(run), same)?;
                Some((start, length, *place))
            })
        })
    }
}

/// Hands over the words of a text, without the apostrophes, points and underscores inside of them.
fn for_each_word(text: &str, mut visit: impl FnMut(&str)) {
    let belongs = |c: &char| c.is_alphanumeric() || is_combining_mark(*c);
    Tokenizer::Unicode.for_each_token(text, |token| {
        if token.chars().all(|c| belongs(&c)) {
            visit(token);
        } else {
            visit(&token.chars().filter(belongs).collect::<String>());
        }
    });
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::novelty::by_name;

    fn benchmark(texts: &[&str]) -> Contamination {
        let mut contamination = Contamination::new(0.7);
        for text in texts {
            contamination.insert(text);
        }
        contamination
    }

    fn numbers(range: std::ops::Range<u32>) -> String {
        range.map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ")
    }

    fn rule(
        contamination: &Contamination,
        instruction: &str,
        all: &str,
    ) -> Option<(&'static str, u32)> {
        contamination.find(instruction, all).map(|overlap| (overlap.rule, overlap.text))
    }

    #[test]
    fn thirteen_words_in_a_row_are_too_many_and_twelve_are_not() {
        let contamination = benchmark(&["too short to tell", &numbers(0..30)]);
        let task = |words: &str| rule(&contamination, "other", &format!("and so {words} it ends"));
        assert_eq!(task(&numbers(5..18)), Some(("benchmark_13gram", 1)));
        assert_eq!(task(&numbers(5..17)), None);
        assert_eq!(task(&format!("{} x {}", numbers(0..12), numbers(12..24))), None);
        let found = contamination.find("", &numbers(20..33).to_uppercase().replace(' ', "...\n"));
        assert_eq!(found, None);
        let found = contamination.find("", &numbers(17..33).to_uppercase().replace(' ', "...\n"));
        assert_eq!(found.unwrap().detail, format!("`{}`", numbers(17..30)));
    }

    #[test]
    fn a_short_text_must_be_there_as_a_whole() {
        let contamination = benchmark(&[&numbers(0..8), &numbers(100..107), &numbers(200..212)]);
        let task = |words: &str| rule(&contamination, "other", words);
        assert_eq!(task(&numbers(0..9)), Some(("benchmark_13gram", 0)));
        assert_eq!(task(&numbers(1..9)), None);
        assert_eq!(task(&numbers(100..107)), None);
        assert_eq!(task(&numbers(199..212)), Some(("benchmark_13gram", 2)));
        assert_eq!(task(&numbers(200..211)), None);
    }

    #[test]
    fn instructions_are_compared_by_rouge_l() {
        let contamination = benchmark(&["Which planet is the largest?", "给出三个保持健康的提示"]);
        let find = |instruction: &str| rule(&contamination, instruction, instruction);
        assert_eq!(find("Which planet is the largest one?"), Some(("benchmark_rouge_l", 0)));
        assert_eq!(find("Which planet is the smallest of all?"), None);
        assert_eq!(find("请给出三个保持健康的提示"), Some(("benchmark_13gram", 1)));
        assert_eq!(find("给出三个保持健康提示"), Some(("benchmark_rouge_l", 1)));
    }

    #[test]
    fn punctuation_and_case_do_not_hide_a_text() {
        let text = "Don't use 3.14 when the well-known constant PI isn't what's being asked for";
        let contamination = benchmark(&[text]);
        let task =
            "don’t use 314, when “the well known” constant pi isn’t what’s BEING asked; for it";
        assert_eq!(rule(&contamination, "", task), Some(("benchmark_13gram", 0)));
        let chinese = benchmark(&["一个农夫有十七只羊，除了九只以外都死了，还剩几只？"]);
        let task = "题目：农夫有十七只羊。除了九只以外都死了";
        assert_eq!(rule(&chinese, "", task), Some(("benchmark_13gram", 0)));
    }

    fn some_words(most: usize) -> impl Strategy<Value = Vec<u8>> {
        vec(0_u8..3, 0..most)
    }

    /// The rule as it is written down: every run of the task beside every run of every text.
    fn found_by_definition(texts: &[Vec<u8>], task: &[u8]) -> Option<u32> {
        let banned = |text: &[u8]| {
            let length = text.len().min(LONGEST);
            let runs: Vec<Vec<u8>> = text.windows(length.max(1)).map(<[u8]>::to_vec).collect();
            if length < SHORTEST { Vec::new() } else { runs }
        };
        let banned: Vec<Vec<Vec<u8>>> = texts.iter().map(|text| banned(text)).collect();
        (0..task.len()).find_map(|start| {
            (SHORTEST..=LONGEST).rev().find_map(|length| {
                let run = task.get(start..start + length)?.to_vec();
                let text = banned.iter().position(|runs| runs.contains(&run))?;
                u32::try_from(text).ok()
            })
        })
    }

    proptest! {
        #[test]
        fn runs_are_found_as_defined(
            texts in vec(some_words(18), 0..12), task in some_words(60),
        ) {
            const WORDS: [&str; 3] = ["a", "b", "c"];
            let spell = |words: &[u8]| {
                words.iter().map(|n| WORDS[usize::from(*n)]).collect::<Vec<_>>().join(" ")
            };
            let mut passages = Passages::default();
            for text in &texts {
                passages.insert(&spell(text));
            }
            let found = passages.find(&spell(&task)).map(|(text, _)| text);
            prop_assert_eq!(found, found_by_definition(&texts, &task));
        }

        #[test]
        fn any_text_is_checked(texts in vec(".{0,60}", 0..4), task in ".{0,60}") {
            let mut contamination = Contamination::new(0.7);
            for text in &texts {
                contamination.insert(text);
            }
            let rouge = by_name("rouge-l-unicode").unwrap();
            let near = texts.iter().any(|text| rouge.score(text, &task) > 0.7);
            prop_assert_eq!(contamination.find(&task, "").is_some(), near);
        }
    }
}
