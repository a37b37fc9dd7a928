//! What the run's model costs, and what is known about it.

use super::{ConfigError, Money, Settings};
use crate::ledger::{ModelFacts, Price, PriceTable, per_million};
use crate::usd::Usd;

/// The model whose price a simulated run is billed at when it names none.
pub(super) const REHEARSED_MODEL: &str = "gpt-4o-mini";

/// A price with where it comes from, and the model's facts where the table has them.
#[derive(Debug)]
pub(super) struct Priced {
    pub(super) price: Price,
    pub(super) origin: String,
    pub(super) facts: Option<ModelFacts>,
}

/// Finds the price: the flags, or the table. A model without a price is refused.
pub(super) fn find(settings: &Settings, model: &str) -> Result<Priced, ConfigError> {
    let table = match &settings.prices {
        Some(path) => PriceTable::from_file(path)?,
        None => PriceTable::bundled(),
    };
    match (settings.price_in, settings.price_out) {
        (Some(input), Some(output)) => Ok(Priced {
            price: Price::flat(per_token("price-in", input)?, per_token("price-out", output)?),
            origin: "--price-in and --price-out".to_owned(),
            // An entry with an unusable price can still say what the model takes.
            facts: table.lookup(model).ok().flatten(),
        }),
        (Some(_), None) => Err(half("price-out", "price-in")),
        (None, Some(_)) => Err(half("price-in", "price-out")),
        (None, None) => match table.lookup(model)? {
            Some(facts) => Ok(Priced {
                price: facts.price,
                origin: table.origin().to_owned(),
                facts: Some(facts),
            }),
            None => Err(ConfigError::UnknownPrice {
                model: model.to_owned(),
                similar: similar(&table, model),
            }),
        },
    }
}

fn per_token(flag: &'static str, price: Money) -> Result<Usd, ConfigError> {
    per_million(price.0).map_err(|source| ConfigError::Price { flag, source })
}

fn half(missing: &'static str, given: &str) -> ConfigError {
    let message = format!("needed beside --{given}, in USD per million tokens");
    ConfigError::Value { flag: missing, message }
}

fn similar(table: &PriceTable, model: &str) -> String {
    match table.similar(model).as_slice() {
        [] => String::new(),
        names => format!(". The table has {}", names.join(", ")),
    }
}
