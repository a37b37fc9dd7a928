//! Rules on how the instruction begins. An empty instruction meets none of them.

use super::{Built, FilterSettings, Rule, rule_if};
use crate::task::Candidate;

#[derive(Debug)]
struct WriteAProgram;

impl Rule for WriteAProgram {
    fn check(&self, candidate: &Candidate) -> Option<String> {
        // Case and all: "Write a programme" meets it, "write a program" does not.
        const OPENING: &str = "Write a program";
        candidate.instruction.starts_with(OPENING).then(|| OPENING.to_owned())
    }
}

#[derive(Debug)]
struct StartsWithPunctuation;

impl Rule for StartsWithPunctuation {
    fn check(&self, candidate: &Candidate) -> Option<String> {
        // The 32 characters of Python's `string.punctuation`.
        let first = candidate.instruction.chars().next()?;
        first.is_ascii_punctuation().then(|| first.to_string())
    }
}

#[derive(Debug)]
struct StartsWithNonAscii;

impl Rule for StartsWithNonAscii {
    fn check(&self, candidate: &Candidate) -> Option<String> {
        let first = candidate.instruction.chars().next()?;
        (!first.is_ascii()).then(|| format!("{first} (U+{:04X})", u32::from(first)))
    }
}

/// The rule `write_a_program`.
pub(super) fn write_a_program(_: &FilterSettings) -> Built {
    rule_if(true, WriteAProgram)
}

/// The rule `starts_with_punctuation`.
pub(super) fn starts_with_punctuation(_: &FilterSettings) -> Built {
    rule_if(true, StartsWithPunctuation)
}

/// The rule `starts_with_non_ascii`: nothing when seeds are not mostly ASCII.
pub(super) fn starts_with_non_ascii(settings: &FilterSettings) -> Built {
    rule_if(!settings.unicode, StartsWithNonAscii)
}
