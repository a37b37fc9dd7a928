//! One entry of a price table, in LiteLLM's field names.

use serde_json::{Map, Value};

use super::price::{LongContext, Price, PriceError, Rates, per_million};
use super::table::PriceTableError;
use crate::chat::{ModelTraits, ReasoningEffort};
use crate::usd::Usd;

/// What a price table knows of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFacts {
    /// The price by class. A class that the table does not price apart costs its parent's price.
    pub price: Price,
    /// The price of requests that are sent in a batch, where the table has one.
    pub batch_price: Option<Price>,
    /// The most prompt tokens that the model takes.
    pub max_input_tokens: Option<u64>,
    /// The most output tokens that the model can produce.
    pub max_output_tokens: Option<u64>,
    /// The fewest prompt tokens that the provider caches.
    pub cached_from_tokens: Option<u64>,
    /// What the model takes and does.
    pub traits: ModelTraits,
    /// When the provider stops to serve it, as `YYYY-MM-DD`.
    pub deprecated: Option<String>,
    /// Where the table has it from.
    pub source: Option<String>,
}

/// What is wrong with a field of an entry.
#[derive(Debug)]
pub(super) struct Fault {
    field: String,
    /// `None`: it is missing, or no number.
    price: Option<PriceError>,
}

impl Fault {
    pub(super) fn of(self, origin: &str, model: &str) -> PriceTableError {
        let (origin, model, field) = (origin.to_owned(), model.to_owned(), self.field);
        match self.price {
            None => PriceTableError::Field { origin, model, field },
            Some(source) => PriceTableError::Price { origin, model, field, source },
        }
    }
}

/// Reads an entry.
pub(super) fn read(entry: &Map<String, Value>) -> Result<ModelFacts, Fault> {
    let number = |field| entry.get(field).and_then(Value::as_u64);
    let text = |field| entry.get(field).and_then(Value::as_str).map(str::to_owned);
    let required = |price: Option<Price>, field: &str| {
        price.ok_or_else(|| Fault { field: field.to_owned(), price: None })
    };
    let missing = match entry.get("input_cost_per_token") {
        None | Some(Value::Null) => "input_cost_per_token",
        Some(_) => "output_cost_per_token",
    };
    Ok(ModelFacts {
        price: required(price(entry, "")?, missing)?,
        batch_price: price(entry, "_batches")?,
        max_input_tokens: number("max_input_tokens"),
        max_output_tokens: number("max_output_tokens"),
        cached_from_tokens: number("prompt_cache_min_tokens"),
        traits: traits(entry),
        deprecated: text("deprecation_date"),
        source: text("source"),
    })
}

/// What a token of a text that is embedded costs: there is no output.
pub(super) fn embedding_price(entry: &Map<String, Value>) -> Result<Usd, Fault> {
    let field = "input_cost_per_token";
    amount(entry, field)?.ok_or_else(|| Fault { field: field.to_owned(), price: None })
}

/// The price in the fields with this ending, and the one for long prompts.
fn price(entry: &Map<String, Value>, ending: &str) -> Result<Option<Price>, Fault> {
    let Some(usual) = rates(entry, ending)? else { return Ok(None) };
    let mut long: Option<LongContext> = None;
    for above in thresholds(entry) {
        let ending = format!("_above_{above}k_tokens{ending}");
        let Some(rates) = rates(entry, &ending)? else { continue };
        // Where there are several limits, the dearest price counts from the first of them.
        long = Some(match long {
            None => LongContext { above: above.saturating_mul(1_000), rates },
            Some(first) => LongContext { rates: first.rates.dearer(rates), ..first },
        });
    }
    Ok(Some(Price::new(usual, long)))
}

/// The limits, in thousands of tokens, above which a prompt is long.
fn thresholds(entry: &Map<String, Value>) -> Vec<u64> {
    let threshold = |field: &String| {
        let rest = field.strip_prefix("input_cost_per_token_above_")?;
        rest.split_once("k_tokens")?.0.parse().ok()
    };
    let mut thresholds: Vec<u64> = entry.keys().filter_map(threshold).collect();
    thresholds.sort_unstable();
    thresholds.dedup();
    thresholds
}

/// The prices in the fields with this ending; `None` when one that makes the bill is missing.
fn rates(entry: &Map<String, Value>, ending: &str) -> Result<Option<Rates>, Fault> {
    let class = |name: &str| amount(entry, &format!("{name}{ending}"));
    let (Some(input), Some(output)) =
        (class("input_cost_per_token")?, class("output_cost_per_token")?)
    else {
        return Ok(None);
    };
    Ok(Some(Rates {
        input,
        cached_input: class("cache_read_input_token_cost")?.unwrap_or(input),
        cache_write: class("cache_creation_input_token_cost")?.unwrap_or(input),
        output,
        reasoning: class("output_cost_per_reasoning_token")?.unwrap_or(output),
    }))
}

/// A price in USD per token; `None` when the field is absent or null.
fn amount(entry: &Map<String, Value>, field: &str) -> Result<Option<Usd>, Fault> {
    let absent = || Fault { field: field.to_owned(), price: None };
    match entry.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            // The shortest text that reads back as the same number is what the table's author
            // wrote, so no binary fraction gets into the money.
            let per_token: Usd = number.to_string().parse().map_err(|_ignored| absent())?;
            per_million(per_token.saturating_mul(1_000_000))
                .map(Some)
                .map_err(|error| Fault { field: field.to_owned(), price: Some(error) })
        }
        Some(_) => Err(absent()),
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
    use serde_json::json;

    use super::*;

    fn entry(value: &Value) -> ModelFacts {
        read(value.as_object().unwrap()).unwrap()
    }

    fn pico(amount: u64) -> Usd {
        Usd::from_pico(amount)
    }

    #[test]
    fn long_prompts_and_batches_have_prices_of_their_own() {
        let facts = entry(&json!({
            "input_cost_per_token": 1.25e-6,
            "output_cost_per_token": 1e-5,
            "cache_read_input_token_cost": 1.25e-7,
            "input_cost_per_token_above_200k_tokens": 2.5e-6,
            "output_cost_per_token_above_200k_tokens": 1.5e-5,
            "cache_read_input_token_cost_above_200k_tokens": 2.5e-7,
            "input_cost_per_token_batches": 6.25e-7,
            "output_cost_per_token_batches": 5e-6,
            "input_cost_per_token_above_200k_tokens_batches": 1.25e-6,
            "output_cost_per_token_above_200k_tokens_batches": 7.5e-6,
            "input_cost_per_token_above_200k_tokens_priority": 4.5e-6,
            "cache_creation_input_token_cost_above_1hr": 6e-6,
        }));
        let long = facts.price.long_context.unwrap();
        assert_eq!(
            (long.above, long.rates.input, long.rates.output),
            (200_000, pico(2_500_000), pico(15_000_000))
        );
        assert_eq!(
            (facts.price.cached_input, long.rates.cached_input),
            (pico(125_000), pico(250_000))
        );
        let batch = facts.batch_price.unwrap();
        assert_eq!((batch.input, batch.output), (pico(625_000), pico(5_000_000)));
        assert_eq!(batch.long_context.unwrap().rates.output, pico(7_500_000));
    }

    #[test]
    fn several_limits_count_at_the_dearest_price_from_the_first() {
        let facts = entry(&json!({
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": 1e-6,
            "input_cost_per_token_above_256k_tokens": 3e-6,
            "output_cost_per_token_above_256k_tokens": 3e-6,
            "input_cost_per_token_above_128k_tokens": 2e-6,
            "output_cost_per_token_above_128k_tokens": 4e-6,
        }));
        let long = facts.price.long_context.unwrap();
        assert_eq!(
            (long.above, long.rates.input, long.rates.output),
            (128_000, pico(3_000_000), pico(4_000_000))
        );
        assert_eq!(facts.batch_price, None);
    }
}
