//! Rules on the number of words of the instruction.

use unicode_segmentation::UnicodeSegmentation;

use super::{Built, FilterSettings, Rule, is_python_space, rule_if};
use crate::task::Candidate;

/// How words are counted.
#[derive(Debug, Clone, Copy)]
enum Words {
    /// As Python's `str.split()` cuts them, like the original.
    Spaced,
    /// As UAX #29 cuts them: each CJK ideograph is a word.
    Unicode,
}

impl Words {
    fn of(settings: &FilterSettings) -> Self {
        if settings.unicode { Self::Unicode } else { Self::Spaced }
    }

    fn count(self, text: &str) -> usize {
        self.count_to(text, usize::MAX)
    }

    /// The words of a text; the first `limit` only, so that what is long is not read whole.
    fn count_to(self, text: &str, limit: usize) -> usize {
        match self {
            Self::Spaced => {
                let words = text.split(is_python_space).filter(|word| !word.is_empty());
                words.take(limit).count()
            }
            Self::Unicode => text.unicode_words().take(limit).count(),
        }
    }
}

#[derive(Debug)]
struct TooShort {
    min: usize,
    words: Words,
}

impl Rule for TooShort {
    fn check(&self, candidate: &Candidate) -> Option<String> {
        let count = self.words.count_to(&candidate.instruction, self.min);
        (count < self.min).then(|| format!("{}, the minimum is {}", words(count), self.min))
    }
}

#[derive(Debug)]
struct TooLong {
    max: usize,
    words: Words,
}

impl Rule for TooLong {
    fn check(&self, candidate: &Candidate) -> Option<String> {
        // A word has at least a byte.
        if candidate.instruction.len() <= self.max {
            return None;
        }
        let count = self.words.count(&candidate.instruction);
        (count > self.max).then(|| format!("{}, the maximum is {}", words(count), self.max))
    }
}

fn words(count: usize) -> String {
    if count == 1 { "1 word".to_owned() } else { format!("{count} words") }
}

/// The rule `too_short`.
pub(super) fn too_short(settings: &FilterSettings) -> Built {
    rule_if(true, TooShort { min: settings.min_words, words: Words::of(settings) })
}

/// The rule `too_long`.
pub(super) fn too_long(settings: &FilterSettings) -> Built {
    rule_if(true, TooLong { max: settings.max_words, words: Words::of(settings) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_python_split() {
        for (text, expected) in [
            ("", 0),
            (" \t\n\u{B}\u{C}\r\u{1C}\u{1D}\u{1E}\u{1F}\u{85}\u{A0}\u{3000}", 0),
            ("one", 1),
            ("  one  two ", 2),
            ("a\u{1C}b\u{1F}c\u{A0}d\u{2009}e\u{3000}f", 6),
            // No white space to Python: the zero-width space and the byte order mark.
            ("a\u{200B}b\u{FEFF}c", 1),
            ("don't stop-gap -- 3.14", 4),
            ("给出三个提示", 1),
        ] {
            assert_eq!(Words::Spaced.count(text), expected, "{text:?}");
        }
    }

    // The characters for which CPython 3.11 says `c.isspace()`.
    #[test]
    fn white_space_is_pythons() {
        let seen: Vec<u32> =
            ('\0'..=char::MAX).filter(|c| is_python_space(*c)).map(u32::from).collect();
        let expected: Vec<u32> = (0x9..=0xD)
            .chain(0x1C..=0x20)
            .chain([0x85, 0xA0, 0x1680])
            .chain(0x2000..=0x200A)
            .chain([0x2028, 0x2029, 0x202F, 0x205F, 0x3000])
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn unicode_words_count_each_ideograph() {
        for (text, expected) in [
            ("", 0),
            ("。？🙂", 0),
            ("给出三个提示。", 6),
            ("用Python写一个程序", 7),
            ("don't stop 3.14", 3),
            ("한국어 텍스트", 2),
        ] {
            assert_eq!(Words::Unicode.count(text), expected, "{text:?}");
        }
    }
}
