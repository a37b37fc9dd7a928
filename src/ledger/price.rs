//! What one token costs, by class.

use crate::usd::{Usd, UsdError};

/// A price above this, in USD per million tokens, is taken for a typing error: the dearest model
/// that is sold costs 600.
const ABSURD_PER_MILLION: &str = "1000";
/// A price below this and above nothing, in USD per million tokens, is taken for one of a token or of
/// a thousand: the cheapest model that is sold costs ten times this.
const TINY_PER_MILLION: &str = "0.001";

/// What one token costs in each class. All amounts in USD per token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// A prompt token that is neither read from nor written to a cache.
    pub input: Usd,
    /// A prompt token read from the provider's cache.
    pub cached_input: Usd,
    /// A prompt token written to the provider's cache.
    pub cache_write: Usd,
    /// An output token.
    pub output: Usd,
    /// An output token spent on hidden reasoning.
    pub reasoning: Usd,
}

impl Rates {
    /// One price for all prompt tokens and one for all output tokens.
    pub fn flat(input: Usd, output: Usd) -> Self {
        Self { input, cached_input: input, cache_write: input, output, reasoning: output }
    }

    /// The price of a prompt token in the dearest class that can apply.
    pub fn dearest_input(&self) -> Usd {
        self.input.max(self.cached_input).max(self.cache_write)
    }

    /// The price of an output token in the dearest class that can apply.
    pub fn dearest_output(&self) -> Usd {
        self.output.max(self.reasoning)
    }

    fn worst_case(&self, prompt_tokens: u64, output_tokens: u64) -> Usd {
        let input = self.dearest_input().saturating_mul(prompt_tokens);
        input.saturating_add(self.dearest_output().saturating_mul(output_tokens))
    }

    /// The dearer of two prices in each class.
    pub(super) fn dearer(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached_input: self.cached_input.max(other.cached_input),
            cache_write: self.cache_write.max(other.cache_write),
            output: self.output.max(other.output),
            reasoning: self.reasoning.max(other.reasoning),
        }
    }
}

/// What a request with a long prompt costs: all of its tokens, not only those above the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongContext {
    /// A prompt of more tokens than this is long. Tokens from the cache count.
    pub above: u64,
    /// The prices then.
    pub rates: Rates,
}

/// The price of one token in each class. All amounts in USD per token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// A prompt token that is neither read from nor written to a cache.
    pub input: Usd,
    /// A prompt token read from the provider's cache.
    pub cached_input: Usd,
    /// A prompt token written to the provider's cache.
    pub cache_write: Usd,
    /// An output token.
    pub output: Usd,
    /// An output token spent on hidden reasoning.
    pub reasoning: Usd,
    /// Other prices for requests with a long prompt.
    pub long_context: Option<LongContext>,
}

impl Price {
    /// One price for all prompt tokens and one for all output tokens.
    pub fn flat(input: Usd, output: Usd) -> Self {
        Self::new(Rates::flat(input, output), None)
    }

    /// A price by class, and another one for long prompts.
    pub fn new(rates: Rates, long_context: Option<LongContext>) -> Self {
        let Rates { input, cached_input, cache_write, output, reasoning } = rates;
        Self { input, cached_input, cache_write, output, reasoning, long_context }
    }

    /// The prices of a request whose prompt has so many tokens.
    pub fn rates(&self, prompt_tokens: u64) -> Rates {
        match self.long_context {
            Some(long) if prompt_tokens > long.above => long.rates,
            _ => self.usual(),
        }
    }

    fn usual(&self) -> Rates {
        let Self { input, cached_input, cache_write, output, reasoning, .. } = *self;
        Rates { input, cached_input, cache_write, output, reasoning }
    }

    /// Whether nothing costs anything.
    pub fn is_free(&self) -> bool {
        let rates = self.rates(u64::MAX).dearer(self.usual());
        rates.dearest_input().is_zero() && rates.dearest_output().is_zero()
    }

    /// An upper bound on the cost of a request with at most so many tokens each way. When the prompt
    /// may be a long one, the dearer of both prices counts.
    pub fn worst_case(&self, prompt_tokens: u64, output_tokens: u64) -> Usd {
        let rates = self.usual().dearer(self.rates(prompt_tokens));
        rates.worst_case(prompt_tokens, output_tokens)
    }
}

/// Why a price is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not an amount of money.
    #[error(transparent)]
    Amount(#[from] UsdError),
    /// Finer than a picodollar a token.
    #[error("{0} USD per million tokens is finer than instructmill counts (six decimals)")]
    TooFine(Usd),
    /// So low that it must be a mistake.
    #[error(
        "{0} USD per million tokens is far below any model that is sold: give the price of a \
         million tokens, not of one token or of a thousand (0 for what is free)"
    )]
    Tiny(Usd),
    /// So high that it must be a mistake.
    #[error(
        "{0} USD per million tokens cannot be right: give the price of a million tokens, not of \
         one token or of a thousand"
    )]
    Absurd(Usd),
}

/// The price of one token from a price per million tokens.
///
/// # Errors
/// [`PriceError`] when the price has more than six decimals, or is absurdly high or low.
pub fn per_million(price: Usd) -> Result<Usd, PriceError> {
    const MILLION: u64 = 1_000_000;
    let limit = |text: &str| text.parse::<Usd>().unwrap_or(Usd::MAX);
    if price > limit(ABSURD_PER_MILLION) {
        return Err(PriceError::Absurd(price));
    }
    if !price.is_zero() && price < limit(TINY_PER_MILLION) {
        return Err(PriceError::Tiny(price));
    }
    let per_token = price.share(MILLION);
    if per_token.saturating_mul(MILLION) == price {
        Ok(per_token)
    } else {
        Err(PriceError::TooFine(price))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Usd {
        text.parse().unwrap()
    }

    #[test]
    fn a_price_per_million_is_a_whole_number_of_picodollars_per_token() {
        assert_eq!(per_million(price("0.15")), Ok(Usd::from_pico(150_000)));
        assert_eq!(per_million(price("20")), Ok(Usd::from_pico(20_000_000)));
        assert_eq!(per_million(price("0.001001")), Ok(Usd::from_pico(1_001)));
        assert_eq!(per_million(price("0")), Ok(Usd::ZERO));
        assert!(matches!(per_million(price("0.1000001")), Err(PriceError::TooFine(_))));
    }

    #[test]
    fn a_price_of_another_number_of_tokens_is_refused() {
        for absurd in ["150000", "1000.1"] {
            assert!(matches!(per_million(price(absurd)), Err(PriceError::Absurd(_))), "{absurd}");
        }
        for tiny in ["0.00000015", "0.00015", "0.000999"] {
            assert!(matches!(per_million(price(tiny)), Err(PriceError::Tiny(_))), "{tiny}");
        }
    }

    #[test]
    fn the_worst_case_takes_the_dearest_class() {
        let rates = Rates {
            input: Usd::from_pico(10),
            cached_input: Usd::from_pico(1),
            cache_write: Usd::from_pico(12),
            output: Usd::from_pico(40),
            reasoning: Usd::from_pico(50),
        };
        let price = Price::new(rates, None);
        assert_eq!(price.worst_case(100, 10), Usd::from_pico(1_700));
        assert!(!price.is_free());
        assert!(Price::default().is_free());
    }

    #[test]
    fn a_prompt_that_may_be_long_is_reserved_at_the_dearer_price() {
        let usual = Rates::flat(Usd::from_pico(10), Usd::from_pico(40));
        let long = Rates::flat(Usd::from_pico(20), Usd::from_pico(60));
        let price = Price::new(usual, Some(LongContext { above: 100, rates: long }));
        assert_eq!(price.worst_case(100, 1), Usd::from_pico(1_040));
        assert_eq!(price.worst_case(101, 1), Usd::from_pico(2_080));
        assert_eq!((price.rates(100), price.rates(101)), (usual, long));
        let discount = Price::new(long, Some(LongContext { above: 100, rates: usual }));
        assert_eq!(discount.worst_case(101, 1), Usd::from_pico(2_080));
        let free = Rates::default();
        assert!(!Price::new(free, Some(LongContext { above: 100, rates: long })).is_free());
    }
}
