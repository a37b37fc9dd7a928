//! The price table: dated facts about models, in LiteLLM's field names.
//!
//! The bundled table is a subset of facts from LiteLLM 1.109.1 (MIT licence), November 2026. Users
//! may pass LiteLLM's own, newer `model_prices_and_context_window.json` instead.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Price, PriceError, per_million};
use crate::chat::{ModelTraits, ReasoningEffort};
use crate::usd::Usd;

/// The bundled facts.
const BUNDLED: &str = include_str!("model_prices.json");
/// Where and when the bundled facts come from.
const BUNDLED_SOURCE: &str = "the bundled price table (LiteLLM 1.109.1, November 2026)";

/// What the table knows of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFacts {
    /// The price by class. A class that the table does not price apart costs its parent's price.
    pub price: Price,
    /// The most output tokens that the model can produce.
    pub max_output_tokens: Option<u64>,
    /// What the model takes and does.
    pub traits: ModelTraits,
}

/// An entry of the table: who serves the model, and through which kind of API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The table's name of the model.
    pub name: &'a str,
    /// LiteLLM's name of the provider; empty when the table does not say.
    pub provider: &'a str,
    /// `chat`, `responses`, `completion`, `embedding` or another; empty when the table does not say.
    pub mode: &'a str,
}

impl<'a> Entry<'a> {
    fn new(name: &'a str, value: &'a Value) -> Self {
        let text = |field| value.get(field).and_then(Value::as_str).unwrap_or_default();
        Self { name, provider: text("litellm_provider"), mode: text("mode") }
    }
}

/// Why a price table or one of its entries cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceTableError {
    /// The file cannot be read.
    #[error("cannot read the price file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a JSON object of models.
    #[error("the price file {} is not LiteLLM's format (a JSON object, one key a model): {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// A price is missing or is not a number.
    #[error("{origin} has no usable `{field}` for {model}: give --price-in and --price-out")]
    Field {
        /// Which table.
        origin: String,
        /// The model.
        model: String,
        /// The field's name in the table.
        field: &'static str,
    },
    /// A price is absurd.
    #[error("{origin}, {model}, {field}: {source}")]
    Price {
        /// Which table.
        origin: String,
        /// The model.
        model: String,
        /// The field's name in the table.
        field: &'static str,
        /// What is wrong with it.
        source: PriceError,
    },
}

/// A table of models.
#[derive(Debug, Clone)]
pub struct PriceTable {
    models: Map<String, Value>,
    origin: String,
}

impl PriceTable {
    /// The table that comes with the program.
    ///
    /// # Panics
    /// Never: a unit test reads the bundled table.
    pub fn bundled() -> Self {
        let models = serde_json::from_str(BUNDLED)
            .expect("the bundled table is a JSON object: a unit test parses it");
        Self { models, origin: BUNDLED_SOURCE.to_owned() }
    }

    /// A table from a file in LiteLLM's format.
    ///
    /// # Errors
    /// [`PriceTableError::Read`] or [`PriceTableError::Format`].
    pub fn from_file(path: &Path) -> Result<Self, PriceTableError> {
        let text = std::fs::read(path)
            .map_err(|source| PriceTableError::Read { path: path.to_owned(), source })?;
        let models = serde_json::from_slice(&text).map_err(|error| PriceTableError::Format {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        Ok(Self { models, origin: path.display().to_string() })
    }

    /// Which table this is, for people.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The facts of a model by the table's name for it; `None` when it is not there.
    ///
    /// # Errors
    /// [`PriceTableError`] when the entry's prices are missing or absurd: a model without a price
    /// must never count as free.
    pub fn lookup(&self, model: &str) -> Result<Option<ModelFacts>, PriceTableError> {
        let entry = self.models.get(model);
        let Some(Value::Object(entry)) = entry else { return Ok(None) };
        let price = |field| self.price(model, entry, field);
        let required = |field| {
            price(field)?.ok_or_else(|| PriceTableError::Field {
                origin: self.origin.clone(),
                model: model.to_owned(),
                field,
            })
        };
        let input = required("input_cost_per_token")?;
        let output = required("output_cost_per_token")?;
        Ok(Some(ModelFacts {
            price: Price {
                input,
                cached_input: price("cache_read_input_token_cost")?.unwrap_or(input),
                cache_write: price("cache_creation_input_token_cost")?.unwrap_or(input),
                output,
                reasoning: price("output_cost_per_reasoning_token")?.unwrap_or(output),
            },
            max_output_tokens: entry.get("max_output_tokens").and_then(Value::as_u64),
            traits: traits(entry),
        }))
    }

    /// The entries of a model, by the table's own name or by the part of it behind the provider's:
    /// `deepseek-chat` finds `deepseek/deepseek-chat`. An exact name hides the others.
    pub fn entries_of(&self, model: &str) -> Vec<Entry<'_>> {
        match self.models.get_key_value(model) {
            Some((name, value)) => vec![Entry::new(name, value)],
            None => {
                let behind = |name: &str| {
                    name.strip_suffix(model).is_some_and(|before| before.ends_with('/'))
                };
                let found = self.models.iter().filter(|(name, _)| behind(name));
                found.map(|(name, value)| Entry::new(name, value)).collect()
            }
        }
    }

    /// The models whose names are most like `model`, best first.
    pub fn similar(&self, model: &str) -> Vec<&str> {
        let mut scored: Vec<(f64, &str)> = self
            .models
            .keys()
            .map(|name| (strsim::jaro_winkler(model, name), name.as_str()))
            .filter(|(score, _)| *score > 0.8)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        scored.into_iter().take(3).map(|(_, name)| name).collect()
    }

    /// One price of an entry in USD per token; `None` when the field is absent or null.
    fn price(
        &self,
        model: &str,
        entry: &Map<String, Value>,
        field: &'static str,
    ) -> Result<Option<Usd>, PriceTableError> {
        let absent = || PriceTableError::Field {
            origin: self.origin.clone(),
            model: model.to_owned(),
            field,
        };
        match entry.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => {
                // The shortest text that reads back as the same number is what the table's author
                // wrote, so no binary fraction gets into the money.
                let per_token: Usd = number.to_string().parse().map_err(|_ignored| absent())?;
                per_million(per_token.saturating_mul(1_000_000)).map(Some).map_err(|source| {
                    PriceTableError::Price {
                        origin: self.origin.clone(),
                        model: model.to_owned(),
                        field,
                        source,
                    }
                })
            }
            Some(_) => Err(absent()),
        }
    }
}

/// The `supports_*` fields.
fn traits(entry: &Map<String, Value>) -> ModelTraits {
    let says = |field| entry.get(field).and_then(Value::as_bool);
    let effort = entry.get("default_reasoning_effort").and_then(Value::as_str);
    ModelTraits {
        reasoning: says("supports_reasoning"),
        response_schema: says("supports_response_schema"),
        system_messages: says("supports_system_messages"),
        sampling: says("supports_sampling_params"),
        default_effort: effort.and_then(ReasoningEffort::by_name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_todays_prices_exactly() {
        let facts = PriceTable::bundled().lookup("gpt-4o-mini").unwrap().unwrap();
        assert_eq!(facts.price.input, Usd::from_pico(150_000));
        assert_eq!(facts.price.cached_input, Usd::from_pico(75_000));
        assert_eq!(facts.price.output, Usd::from_pico(600_000));
        assert_eq!(facts.traits.response_schema, Some(true));
        assert_eq!(facts.traits.reasoning, None);
    }

    #[test]
    fn every_priced_entry_of_the_bundled_table_is_usable() {
        let table = PriceTable::bundled();
        let mut usable = 0;
        for name in table.models.keys() {
            match table.lookup(name) {
                Ok(facts) => usable += usize::from(facts.is_some()),
                // Embedding models have no output price: they can't generate anyway.
                Err(PriceTableError::Field { field: "output_cost_per_token", .. }) => {}
                Err(error) => panic!("{name}: {error}"),
            }
        }
        assert!(usable > 400, "{usable}");
    }

    #[test]
    fn an_unknown_model_has_no_price_but_neighbours() {
        let table = PriceTable::bundled();
        assert_eq!(table.lookup("gpt-4o-minni").unwrap(), None);
        assert_eq!(table.similar("gpt-4o-minni").first(), Some(&"gpt-4o-mini"));
        assert!(table.similar("zzz").is_empty());
    }

    #[test]
    fn refuses_prices_that_cannot_be_right() {
        let entry = |input: &str| {
            let text = format!(
                r#"{{"m": {{"input_cost_per_token": {input}, "output_cost_per_token": 1e-6}}}}"#
            );
            PriceTable { models: serde_json::from_str(&text).unwrap(), origin: "test".into() }
        };
        for bad in ["0.15", "-1e-7", "\"free\"", "1e300"] {
            assert!(entry(bad).lookup("m").is_err(), "{bad}");
        }
        assert!(entry("null").lookup("m").is_err());
        assert!(entry("0").lookup("m").unwrap().is_some());
    }
}
