//! What the run's model costs, and what is known about it.

use super::{ConfigError, Money, Settings, Source};
use crate::ledger::{ModelFacts, Price, PriceTable, per_million};
use crate::provider::is_loopback;
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

/// The table that prices and facts come from.
pub(super) fn table(settings: &Settings) -> Result<PriceTable, ConfigError> {
    Ok(match &settings.prices {
        Some(path) => PriceTable::from_file(path)?,
        None => PriceTable::bundled(),
    })
}

/// Finds the price: the flags, or the table, or nothing on a server of one's own. A model without a
/// price is refused.
pub(super) fn find(
    settings: &Settings,
    table: &PriceTable,
    source: &Source,
    model: &str,
) -> Result<Priced, ConfigError> {
    let name = table_name(settings, table, source, model);
    let facts = || name.as_deref().map_or(Ok(None), |name| table.lookup(name));
    match (settings.price_in, settings.price_out) {
        (Some(input), Some(output)) => Ok(Priced {
            price: Price::flat(per_token("price-in", input)?, per_token("price-out", output)?),
            origin: "--price-in and --price-out".to_owned(),
            // An entry with an unusable price can still say what the model takes.
            facts: facts().ok().flatten(),
        }),
        (Some(_), None) => Err(half("price-out", "price-in")),
        (None, Some(_)) => Err(half("price-in", "price-out")),
        (None, None) if is_own_server(source) && settings.price_model.is_none() => Ok(Priced {
            price: Price::default(),
            origin: "a server on this machine".to_owned(),
            facts: None,
        }),
        (None, None) => match facts()? {
            Some(facts) if facts.price.is_free() => Err(ConfigError::Free {
                origin: table.origin().to_owned(),
                model: model.to_owned(),
            }),
            Some(facts) if settings.batch == Some(true) => match facts.batch_price {
                Some(price) => {
                    let origin = format!("{}, for batches", table.origin());
                    Ok(Priced { price, origin, facts: Some(facts) })
                }
                None => Err(ConfigError::NoBatchPrice {
                    origin: table.origin().to_owned(),
                    model: model.to_owned(),
                }),
            },
            Some(facts) => Ok(Priced {
                price: facts.price,
                origin: table.origin().to_owned(),
                facts: Some(facts),
            }),
            None => {
                let wanted = settings.price_model.as_deref().unwrap_or(model);
                let similar = similar(table, source, wanted);
                Err(ConfigError::UnknownPrice { model: wanted.to_owned(), similar })
            }
        },
    }
}

/// A server that people run themselves, on this machine.
fn is_own_server(source: &Source) -> bool {
    matches!(source, Source::Api { provider, .. } if provider.access().self_hosted)
        && source.addresses().into_iter().all(is_loopback)
}

/// The table's name of the model. A provider with a name in the table has the prices that stand
/// there under its own name, never another's for a model of the same name.
fn table_name(
    settings: &Settings,
    table: &PriceTable,
    source: &Source,
    model: &str,
) -> Option<String> {
    if let Some(name) = &settings.price_model {
        return Some(name.clone());
    }
    let (own, others) = match source {
        Source::Simulated { .. } => (Some("openai"), true),
        // A gateway has models of every maker behind this API.
        Source::Api { provider, .. } => {
            let own = provider.access().table_name;
            (own, own == Some("openai"))
        }
    };
    let own = own?;
    let prefixed = format!("{own}/{}", model.strip_prefix("models/").unwrap_or(model));
    let names = [prefixed.as_str(), model];
    let found = names.into_iter().find(|name| {
        let entry = table.entries_of(name).into_iter().find(|entry| entry.name == *name);
        entry.is_some_and(|entry| others || entry.provider == own)
    });
    found.map(str::to_owned)
}

fn per_token(flag: &'static str, price: Money) -> Result<Usd, ConfigError> {
    per_million(price.0).map_err(|source| ConfigError::Price { flag, source })
}

fn half(missing: &'static str, given: &str) -> ConfigError {
    let message = format!("needed beside --{given}, in USD per million tokens");
    ConfigError::Value { flag: missing, message }
}

/// Names that are much like the model's, of its provider unless that has models of every maker.
fn similar(table: &PriceTable, source: &Source, model: &str) -> String {
    let own = match source {
        Source::Simulated { .. } => None,
        Source::Api { provider, .. } => provider.access().table_name,
    };
    match table.similar(model, own.filter(|name| *name != "openai")).as_slice() {
        [] => String::new(),
        names => format!(". The table has {}", names.join(", ")),
    }
}
