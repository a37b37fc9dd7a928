//! Money in configuration files: a decimal number or a string, read without binary fractions.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::usd::{Usd, UsdError};

/// An amount in USD as people write it; stored as a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money(pub Usd);

impl FromStr for Money {
    type Err = UsdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MoneyVisitor)
    }
}

struct MoneyVisitor;

impl MoneyVisitor {
    fn read<E: Error>(text: &str) -> Result<Money, E> {
        text.parse().map_err(E::custom)
    }
}

impl Visitor<'_> for MoneyVisitor {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount in US dollars, such as 4.50")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Money, E> {
        Self::read(text)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Money, E> {
        Self::read(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Money, E> {
        Self::read(&number.to_string())
    }

    /// The shortest text that reads back as the same float is what was written in the file.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Money, E> {
        Self::read(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_are_the_same_money() {
        for json in ["0.1", "\"0.1\"", "\"0.10\"", "1e-1"] {
            let money: Money = serde_json::from_str(json).unwrap();
            assert_eq!(money.0, Usd::from_pico(100_000_000_000), "{json}");
        }
        for json in ["-1", "\"NaN\"", "true", "\"five\""] {
            assert!(serde_json::from_str::<Money>(json).is_err(), "{json}");
        }
    }
}
