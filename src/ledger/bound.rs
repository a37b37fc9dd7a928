//! From tokens to money: bounds before a request leaves, costs after it was answered.

use super::Price;
use crate::chat::TokenUsage;
use crate::usd::Usd;

/// Tokens that a server may add to a prompt on its own: a chat template's markers, a default
/// system message, a rendering of the response schema's wrapper. The longest default system
/// message seen in open models' chat templates is under 100 tokens.
pub(super) const SERVER_PROMPT_TOKENS: u64 = 256;

/// Reported usage beyond this many times the bound is taken for an error of the server.
const PLAUSIBLE_FACTOR: u64 = 4;

/// Bytes of text in one token, at most: the longest tokens in use are runs of 128 spaces.
const LONGEST_TOKEN_BYTES: u64 = 128;

/// An upper bound on the prompt tokens of a request, from the size of its JSON body in bytes.
///
/// No tokenizer in use makes more tokens than its text has bytes, and the body holds every text of
/// the request, the response schema included.
pub fn prompt_token_bound(body_bytes: usize) -> u64 {
    u64::try_from(body_bytes).unwrap_or(u64::MAX).saturating_add(SERVER_PROMPT_TOKENS)
}

/// What an answered request cost, by class, at the prices for the length of its prompt.
pub fn cost_of(price: &Price, usage: &TokenUsage) -> Usd {
    let price = price.rates(usage.prompt_total());
    let reasoning = usage.reasoning.min(usage.output);
    let plain_output = usage.output.saturating_sub(reasoning);
    [
        price.input.saturating_mul(usage.input),
        price.cached_input.saturating_mul(usage.cached_input),
        price.cache_write.saturating_mul(usage.cache_write),
        price.output.saturating_mul(plain_output),
        price.reasoning.saturating_mul(reasoning),
    ]
    .into_iter()
    .sum()
}

/// Whether reported usage can be believed, given the bounds that the request was sent with.
///
/// A little more than the bound is believed (and paid): the provider's count is the bill. Several
/// times the bound is a broken counter, and the request counts at its worst case instead.
pub fn is_plausible(usage: &TokenUsage, prompt_bound: u64, max_output_tokens: u64) -> bool {
    usage.prompt_total() <= prompt_bound.saturating_mul(PLAUSIBLE_FACTOR)
        && usage.output <= max_output_tokens.saturating_mul(PLAUSIBLE_FACTOR)
}

/// Whether reported usage can be all of it, given the bound on the prompt that was sent and the bytes
/// of the text that came back.
///
/// A server that reports 1 token for a page has not counted, and what it bills is unknown: the
/// request then counts at its worst case.
pub fn is_enough(usage: &TokenUsage, prompt_bound: u64, text_bytes: usize) -> bool {
    let sent = prompt_bound.saturating_sub(SERVER_PROMPT_TOKENS);
    let text_bytes = u64::try_from(text_bytes).unwrap_or(u64::MAX);
    usage.prompt_total().saturating_mul(LONGEST_TOKEN_BYTES) >= sent
        && usage.output.saturating_mul(LONGEST_TOKEN_BYTES) >= text_bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{LongContext, Rates};
    use super::*;

    #[test]
    fn each_class_has_its_price() {
        let rates = Rates {
            input: Usd::from_pico(100),
            cached_input: Usd::from_pico(10),
            cache_write: Usd::from_pico(125),
            output: Usd::from_pico(400),
            reasoning: Usd::from_pico(500),
        };
        let price = Price::new(rates, None);
        let usage =
            TokenUsage { input: 1, cached_input: 2, cache_write: 3, output: 5, reasoning: 4 };
        assert_eq!(cost_of(&price, &usage), Usd::from_pico(100 + 20 + 375 + 400 + 2_000));
    }

    #[test]
    fn a_broken_counter_is_not_believed() {
        let usage = |input, output| TokenUsage { input, output, ..TokenUsage::default() };
        assert!(is_plausible(&usage(110, 60), 100, 50));
        assert!(!is_plausible(&usage(u64::MAX, 1), 100, 50));
        assert!(!is_plausible(&usage(1, 1 << 63), 100, 50));
    }

    #[test]
    fn a_counter_that_does_not_count_is_not_believed() {
        let usage = |input, output| TokenUsage { input, output, ..TokenUsage::default() };
        let bound = prompt_token_bound(12_800);
        assert!(is_enough(&usage(100, 10), bound, 1_280));
        assert!(!is_enough(&usage(99, 10), bound, 1_280));
        assert!(!is_enough(&usage(100, 9), bound, 1_280));
        assert!(!is_enough(&usage(0, 1), bound, 1));
        let cached = TokenUsage { cached_input: 100, output: 1, ..TokenUsage::default() };
        assert!(is_enough(&cached, bound, 1));
    }

    proptest! {
        #[test]
        fn usage_within_its_bound_never_costs_more_than_the_worst_case(
            classes in proptest::array::uniform10(0u64..1_000_000),
            above in 0u64..30_000,
            spare in 0u64..10_000,
            tokens in proptest::array::uniform5(0u64..10_000),
        ) {
            let rates = |first: usize| {
                let own: [u64; 5] = std::array::from_fn(|n| classes[first.saturating_add(n)]);
                let [input, cached_input, cache_write, output, reasoning] = own.map(Usd::from_pico);
                Rates { input, cached_input, cache_write, output, reasoning }
            };
            let price = Price::new(rates(0), Some(LongContext { above, rates: rates(5) }));
            let usage = TokenUsage {
                input: tokens[0], cached_input: tokens[1], cache_write: tokens[2],
                output: tokens[3], reasoning: tokens[4],
            };
            let worst = price.worst_case(usage.prompt_total().saturating_add(spare), usage.output);
            prop_assert!(cost_of(&price, &usage) <= worst);
        }
    }
}
