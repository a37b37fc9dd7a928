//! Filters: rules on a candidate's own text, in the original's order.
//!
//! The rules on the instruction are Stanford Alpaca's, with its semantics: what a word is, which
//! keywords there are, how a text may begin. The rules on input and output come after them and are
//! this program's own. [`FILTERS`] lists them all; [`FilterSettings`] switches rules off and sets
//! their limits; a [`FilterChain`] applies those that remain. Nothing here does I/O.

mod content;
mod keyword;
mod length;
mod opening;
mod placeholder;
mod refusal;

use std::fmt::Debug;

use crate::event::{Rejection, Stage};
use crate::task::Candidate;

/// One rule, ready to be applied.
trait Rule: Debug + Send + Sync {
    /// `None` when the candidate passes, else what met the rule, for a person to read.
    fn check(&self, candidate: &Candidate) -> Option<String>;
}

/// A rule made from the settings, or nothing where they leave it without effect.
type Built = Result<Option<Box<dyn Rule>>, FilterError>;

/// A rule that any settings can make, where it `applies`.
#[expect(clippy::unnecessary_wraps, reason = "what every entry of FILTERS returns")]
fn rule_if(applies: bool, rule: impl Rule + 'static) -> Built {
    Ok(applies.then(|| Box::new(rule) as Box<dyn Rule>))
}

/// The part of a candidate that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The instruction.
    Instruction,
    /// The output, alone or beside the input.
    Output,
}

/// A rule as users know it.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// The name in configuration, verdicts and reports, in `snake_case`.
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// The part of a candidate that it is about.
    pub part: Part,
    build: fn(&FilterSettings) -> Built,
}

/// Every rule, in the order in which they are applied: those on the instruction in the original's
/// order, then those on input and output.
pub static FILTERS: &[Filter] = &[
    Filter {
        name: "too_short",
        about: "the instruction has fewer words than the minimum",
        part: Part::Instruction,
        build: length::too_short,
    },
    Filter {
        name: "too_long",
        about: "the instruction has more words than the maximum",
        part: Part::Instruction,
        build: length::too_long,
    },
    Filter {
        name: "keyword",
        about: "the instruction names something a text model cannot see or make, such as an image",
        part: Part::Instruction,
        build: keyword::keyword,
    },
    Filter {
        name: "write_a_program",
        about: "the instruction begins with \"Write a program\"",
        part: Part::Instruction,
        build: opening::write_a_program,
    },
    Filter {
        name: "starts_with_punctuation",
        about: "the instruction begins with ASCII punctuation",
        part: Part::Instruction,
        build: opening::starts_with_punctuation,
    },
    Filter {
        name: "starts_with_non_ascii",
        about: "the instruction begins with a character outside ASCII",
        part: Part::Instruction,
        build: opening::starts_with_non_ascii,
    },
    Filter {
        name: "empty_output",
        about: "the output is empty or blank",
        part: Part::Output,
        build: content::empty_output,
    },
    Filter {
        name: "output_equals_input",
        about: "the output repeats the input",
        part: Part::Output,
        build: content::output_equals_input,
    },
    Filter {
        name: "refusal",
        about: "the output begins by declining the task or speaking as a language model",
        part: Part::Output,
        build: refusal::refusal,
    },
    Filter {
        name: "placeholder",
        about: "the output has an unfilled placeholder, such as \"[Your Name]\"",
        part: Part::Output,
        build: placeholder::placeholder,
    },
];

/// Which rules apply, and their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterSettings {
    /// Names of rules that do not apply.
    pub disabled: Vec<String>,
    /// The fewest words an instruction may have.
    pub min_words: usize,
    /// The most words an instruction may have.
    pub max_words: usize,
    /// Words and phrases an instruction may not contain, white space around them aside; `None`
    /// stands for the original's 18.
    pub keywords: Option<Vec<String>>,
    /// For seeds that are not mostly ASCII: words are counted as UAX #29 cuts them, each CJK
    /// ideograph a word, and `starts_with_non_ascii` does not apply.
    pub unicode: bool,
    /// Whether the rules on input and output apply. The original has none.
    pub content: bool,
}

impl Default for FilterSettings {
    /// The original's limits, and the rules on input and output as well.
    fn default() -> Self {
        Self {
            disabled: Vec::new(),
            min_words: 4,
            max_words: 150,
            keywords: None,
            unicode: false,
            content: true,
        }
    }
}

/// Settings that make no sense.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A name in `disabled` is no rule's.
    #[error("there is no filter `{name}`{}", hint(*.suggestion))]
    UnknownFilter {
        /// The name as it was given.
        name: String,
        /// The rule with the most similar name, when one is similar.
        suggestion: Option<&'static str>,
    },
    /// No instruction could satisfy both limits.
    #[error("min_words ({min}) is above max_words ({max}): every instruction would be rejected")]
    WordLimits {
        /// The fewest words allowed.
        min: usize,
        /// The most words allowed.
        max: usize,
    },
    /// A keyword that has nothing to look for.
    #[error("keyword {position} is blank")]
    BlankKeyword {
        /// Its place in the list, from 1.
        position: usize,
    },
    /// The keywords together are more than can be searched for.
    #[error("the keywords ({count}) are too many or too long to search for")]
    KeywordsTooLarge {
        /// How many there are.
        count: usize,
        /// What the search says.
        source: regex::Error,
    },
}

fn hint(suggestion: Option<&str>) -> String {
    if let Some(name) = suggestion {
        return format!("; did you mean `{name}`?");
    }
    let names: Vec<_> = FILTERS.iter().map(|filter| filter.name).collect();
    format!("; the filters are {}", names.join(", "))
}

/// The rules that apply, in order.
#[derive(Debug)]
pub struct FilterChain {
    rules: Vec<(&'static Filter, Box<dyn Rule>)>,
}

impl FilterChain {
    /// Makes the rules that `settings` ask for.
    ///
    /// # Errors
    ///
    /// An unknown name in `disabled`, `min_words` above `max_words`, or keywords that cannot be
    /// searched for; whether or not the rule concerned is switched off.
    pub fn new(settings: &FilterSettings) -> Result<Self, FilterError> {
        for name in &settings.disabled {
            known(name)?;
        }
        let (min, max) = (settings.min_words, settings.max_words);
        if min > max {
            return Err(FilterError::WordLimits { min, max });
        }
        let mut rules = Vec::new();
        for filter in FILTERS {
            let rule = (filter.build)(settings)?;
            let disabled = settings.disabled.iter().any(|name| name == filter.name);
            if let (Some(rule), false) = (rule, disabled) {
                rules.push((filter, rule));
            }
        }
        Ok(Self { rules })
    }

    /// Applies the rules in order.
    ///
    /// # Errors
    ///
    /// The first rule that the candidate meets, and what met it.
    pub fn check(&self, candidate: &Candidate) -> Result<(), Rejection> {
        self.check_where(candidate, |_| true)
    }

    /// Applies the rules on one part, in order.
    ///
    /// # Errors
    ///
    /// The first rule that the candidate meets, and what met it.
    pub fn check_part(&self, part: Part, candidate: &Candidate) -> Result<(), Rejection> {
        self.check_where(candidate, |filter| filter.part == part)
    }

    fn check_where(
        &self,
        candidate: &Candidate,
        applies: impl Fn(&Filter) -> bool,
    ) -> Result<(), Rejection> {
        let met =
            self.rules.iter().filter(|(filter, _)| applies(filter)).find_map(|(filter, rule)| {
                rule.check(candidate).map(|detail| (filter.name, detail))
            });
        match met {
            Some((rule, detail)) => Err(Rejection { stage: Stage::Filter, rule, detail }),
            None => Ok(()),
        }
    }

    /// The names of the rules that apply, in order.
    pub fn rules(&self) -> Vec<&'static str> {
        self.rules.iter().map(|(filter, _)| filter.name).collect()
    }
}

/// Checks that a rule has this name.
fn known(name: &str) -> Result<(), FilterError> {
    /// Below this Jaro-Winkler similarity two names have little in common.
    const SIMILAR: f64 = 0.75;

    if FILTERS.iter().any(|filter| filter.name == name) {
        return Ok(());
    }
    let suggestion = FILTERS
        .iter()
        .map(|filter| (strsim::jaro_winkler(filter.name, name), filter.name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name);
    Err(FilterError::UnknownFilter { name: name.to_owned(), suggestion })
}

/// White space to Python's `str.split` and `str.strip`: Unicode's, and four control characters.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1C}'..='\u{1F}')
}

#[cfg(test)]
mod tests;
