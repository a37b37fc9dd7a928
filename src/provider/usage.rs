//! Token counts as replies have them, made into the classes that are billed.

use crate::chat::TokenUsage;

/// What a reply says that it used, where parts are counted within the whole.
///
/// Counts that contradict this, with a part that is larger than its whole, come from servers that count
/// the part beside the whole. Then both were used: the bill can't be for less than what is reported.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// All of the prompt.
    pub(super) prompt: u64,
    /// What of it was read from a cache.
    pub(super) cached_input: u64,
    /// What of it was written to a cache.
    pub(super) cache_write: u64,
    /// All of the output.
    pub(super) output: u64,
    /// What of it was hidden reasoning.
    pub(super) reasoning: u64,
}

impl Counts {
    /// The classes that are billed.
    pub(super) fn usage(self) -> TokenUsage {
        let Self { prompt, cached_input, cache_write, output, reasoning } = self;
        let of_cache = cached_input.saturating_add(cache_write);
        TokenUsage {
            input: prompt.checked_sub(of_cache).unwrap_or(prompt),
            cached_input,
            cache_write,
            output: if reasoning > output { output.saturating_add(reasoning) } else { output },
            reasoning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_within_the_whole() {
        let counts =
            Counts { prompt: 100, cached_input: 60, cache_write: 40, output: 50, reasoning: 50 };
        let expected =
            TokenUsage { input: 0, cached_input: 60, cache_write: 40, output: 50, reasoning: 50 };
        assert_eq!(counts.usage(), expected);
    }

    #[test]
    fn parts_that_are_larger_than_the_whole_come_on_top() {
        let counts =
            Counts { prompt: 100, cached_input: 60, cache_write: 41, output: 50, reasoning: 51 };
        let expected = TokenUsage {
            input: 100,
            cached_input: 60,
            cache_write: 41,
            output: 101,
            reasoning: 51,
        };
        assert_eq!(counts.usage(), expected);
        let endless = Counts { output: 1, reasoning: u64::MAX, ..Counts::default() };
        assert_eq!(endless.usage().output, u64::MAX);
    }
}
