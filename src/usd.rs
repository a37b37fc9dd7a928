//! Money as whole picodollars: exact, ordered, without floating point.
//!
//! A price in dollars per million tokens with up to six decimals is a whole number of picodollars
//! per token, and a `u64` holds 18.4 million dollars.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

/// Picodollars in one dollar.
const PICO_PER_USD: u128 = 1_000_000_000_000;

/// An amount of money in picodollars (10⁻¹² USD), never negative.
///
/// Sums saturate at [`Usd::MAX`]: an amount that large fails every comparison with a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(u64);

impl Usd {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest amount, about 18.4 million dollars.
    pub const MAX: Self = Self(u64::MAX);

    /// An amount from picodollars.
    pub const fn from_pico(pico: u64) -> Self {
        Self(pico)
    }

    /// The amount in picodollars.
    pub const fn pico(self) -> u64 {
        self.0
    }

    /// Whether this is no money at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or [`Usd::MAX`] when it does not fit.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or zero when `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum, or `None` when it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The amount times a count of tokens or requests, or [`Usd::MAX`] when it does not fit.
    #[must_use]
    pub const fn saturating_mul(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// The amount divided among `parts`, rounded down; the whole amount when `parts` is zero.
    #[must_use]
    pub fn share(self, parts: u64) -> Self {
        Self(self.0 / parts.max(1))
    }

    /// A number of dollars for display in floating point, such as a rate or a projection. Never
    /// used in a decision about money.
    #[expect(clippy::cast_precision_loss, reason = "for display only")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e12
    }

    /// The amount with `decimals` places after the point, rounded up, such as `$0.0213`.
    pub fn display(self, decimals: u32) -> String {
        let unit = 10_u64.pow(12_u32.saturating_sub(decimals.min(12)));
        let rounded = Self(self.0.div_ceil(unit).saturating_mul(unit));
        let text = rounded.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let width = decimals as usize;
        if width == 0 { format!("${whole}") } else { format!("${whole}.{fraction:0<width$}") }
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// The exact amount in dollars as a decimal number without trailing zeros, such as `0.00015`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pico = u128::from(self.0);
        let (whole, fraction) = (pico / PICO_PER_USD, pico % PICO_PER_USD);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:012}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsdError {
    /// Not a decimal number.
    #[error("`{0}` is not an amount in US dollars: expected a decimal number such as 4.50")]
    NotANumber(String),
    /// Below zero.
    #[error("`{0}` is negative")]
    Negative(String),
    /// More than [`Usd::MAX`].
    #[error("`{0}` is more than instructmill can count (about 18 million dollars)")]
    TooLarge(String),
}

/// Reads a decimal number of dollars, with an optional exponent as in `1.5e-07`. Parts of a
/// picodollar are rounded up.
impl FromStr for Usd {
    type Err = UsdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_scaled(text, 12).map(Self)
    }
}

/// Reads a decimal number and gives it times `10^scale`, rounded up to a whole number.
fn parse_scaled(text: &str, scale: i32) -> Result<u64, UsdError> {
    let not_a_number = || UsdError::NotANumber(text.to_owned());
    let too_large = || UsdError::TooLarge(text.to_owned());
    let trimmed = text.trim();
    if let Some(rest) = trimmed.strip_prefix('-') {
        return match parse_scaled(rest, scale) {
            Ok(0) if !rest.starts_with('-') => Ok(0),
            Ok(0) | Err(UsdError::NotANumber(_) | UsdError::Negative(_)) => Err(not_a_number()),
            _ => Err(UsdError::Negative(text.to_owned())),
        };
    }
    let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.parse::<i32>().map_err(|_ignored| not_a_number())?)
        }
        None => (trimmed, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(not_a_number());
    }
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    let fraction_len = i32::try_from(fraction.len()).map_err(|_ignored| not_a_number())?;
    // The value is `digits` times ten to this power.
    let power = scale.saturating_add(exponent).saturating_sub(fraction_len);
    if power >= 0 {
        let factor = u32::try_from(power).ok().and_then(|p| 10_u64.checked_pow(p));
        let number = digits.parse::<u64>().map_err(|_ignored| too_large())?;
        factor.and_then(|f| number.checked_mul(f)).ok_or_else(too_large)
    } else {
        let cut = usize::try_from(power.unsigned_abs()).unwrap_or(usize::MAX);
        let kept = digits.len().saturating_sub(cut);
        let (head, tail) = digits.split_at(kept);
        let number = if head.is_empty() {
            0
        } else {
            head.parse::<u64>().map_err(|_ignored| too_large())?
        };
        let round_up = u64::from(tail.bytes().any(|b| b != b'0'));
        number.checked_add(round_up).ok_or_else(too_large)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_and_price_tables_write() {
        for (text, pico) in [
            ("0", 0),
            ("-0", 0),
            ("1", 1_000_000_000_000),
            ("4.50", 4_500_000_000_000),
            (".5", 500_000_000_000),
            ("1.5e-07", 150_000),
            ("7.5E-8", 75_000),
            ("0.0000000000001", 1),
            ("600", 600_000_000_000_000),
            ("1e3", 1_000_000_000_000_000),
            ("0e99", 0),
        ] {
            assert_eq!(text.parse(), Ok(Usd(pico)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_an_amount() {
        for text in [
            "", ".", "abc", "NaN", "inf", "1e", "1.2.3", "$5", "1_000", "--1", "--0", "-abc",
            "0x10", "٣",
        ] {
            assert!(matches!(text.parse::<Usd>(), Err(UsdError::NotANumber(_))), "{text}");
        }
        assert!(matches!("-1".parse::<Usd>(), Err(UsdError::Negative(_))));
        for text in ["18446745", "1e30", "1e2147483647", "99999999999999999999999"] {
            assert!(matches!(text.parse::<Usd>(), Err(UsdError::TooLarge(_))), "{text}");
        }
    }

    #[test]
    fn shows_rounded_up() {
        let amount: Usd = "0.02131".parse().expect("a number");
        assert_eq!(amount.display(4), "$0.0214");
        assert_eq!(amount.display(2), "$0.03");
        assert_eq!(Usd::ZERO.display(2), "$0.00");
        assert_eq!("12".parse::<Usd>().expect("a number").display(0), "$12");
    }

    proptest! {
        #[test]
        fn display_round_trips(pico: u64) {
            prop_assert_eq!(Usd(pico).to_string().parse(), Ok(Usd(pico)));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            drop(text.parse::<Usd>());
        }
    }
}
