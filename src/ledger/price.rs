//! What one token costs, by class.

use crate::usd::{Usd, UsdError};

/// A price above this, in USD per million tokens, is taken for a typing error: the dearest model
/// in the bundled table costs under a thousand.
const ABSURD_PER_MILLION: &str = "10000";

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
}

impl Price {
    /// One price for all prompt tokens and one for all output tokens.
    pub fn flat(input: Usd, output: Usd) -> Self {
        Self { input, cached_input: input, cache_write: input, output, reasoning: output }
    }

    /// Whether nothing costs anything.
    pub fn is_free(&self) -> bool {
        self.dearest_input().is_zero() && self.dearest_output().is_zero()
    }

    /// The price of a prompt token in the dearest class that can apply.
    pub fn dearest_input(&self) -> Usd {
        self.input.max(self.cached_input).max(self.cache_write)
    }

    /// The price of an output token in the dearest class that can apply.
    pub fn dearest_output(&self) -> Usd {
        self.output.max(self.reasoning)
    }

    /// An upper bound on the cost of a request with at most so many tokens each way.
    pub fn worst_case(&self, prompt_tokens: u64, output_tokens: u64) -> Usd {
        let input = self.dearest_input().saturating_mul(prompt_tokens);
        input.saturating_add(self.dearest_output().saturating_mul(output_tokens))
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
/// [`PriceError`] when the price has more than six decimals or is absurdly high.
pub fn per_million(price: Usd) -> Result<Usd, PriceError> {
    const MILLION: u64 = 1_000_000;
    if ABSURD_PER_MILLION.parse().is_ok_and(|limit: Usd| price > limit) {
        return Err(PriceError::Absurd(price));
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
        assert_eq!(per_million(price("0.000001")), Ok(Usd::from_pico(1)));
        assert!(matches!(per_million(price("0.0000001")), Err(PriceError::TooFine(_))));
        assert!(matches!(per_million(price("150000")), Err(PriceError::Absurd(_))));
    }

    #[test]
    fn the_worst_case_takes_the_dearest_class() {
        let price = Price {
            input: Usd::from_pico(10),
            cached_input: Usd::from_pico(1),
            cache_write: Usd::from_pico(12),
            output: Usd::from_pico(40),
            reasoning: Usd::from_pico(50),
        };
        assert_eq!(price.worst_case(100, 10), Usd::from_pico(1_700));
        assert!(!price.is_free());
        assert!(Price::default().is_free());
    }
}
