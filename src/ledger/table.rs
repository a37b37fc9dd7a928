//! The price table: dated facts about models, in LiteLLM's field names.
//!
//! The bundled table is a subset of facts from LiteLLM 1.109.1 (MIT licence), November 2026. Users
//! may pass LiteLLM's own, newer `model_prices_and_context_window.json` instead.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::PriceError;
use super::facts::{self, ModelFacts};
use crate::usd::Usd;

/// The bundled facts.
const BUNDLED: &str = include_str!("model_prices.json");
/// Where and when the bundled facts come from.
const BUNDLED_SOURCE: &str = "the bundled price table (LiteLLM 1.109.1, November 2026)";

/// The largest price file; LiteLLM's own has 2 MB.
const MAX_FILE_BYTES: u64 = 64_000_000;

/// The file, or enough of it to tell that it is too large.
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
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
    /// The file is no price table.
    #[error("the price file {} is larger than 64 MB: is it the right file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
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
        field: String,
    },
    /// A price is absurd.
    #[error("{origin}, {model}, {field}: {source}")]
    Price {
        /// Which table.
        origin: String,
        /// The model.
        model: String,
        /// The field's name in the table.
        field: String,
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
        let not_read = |source| PriceTableError::Read { path: path.to_owned(), source };
        let bytes = read_bytes(path).map_err(not_read)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(PriceTableError::TooLarge { path: path.to_owned() });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            not_read(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        Self::from_json(text, &path.display().to_string()).map_err(|error| {
            PriceTableError::Format { path: path.to_owned(), message: error.to_string() }
        })
    }

    /// A table from a text.
    pub(super) fn from_json(text: &str, origin: &str) -> serde_json::Result<Self> {
        let models = serde_json::from_str(text)?;
        Ok(Self { models, origin: origin.to_owned() })
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
        facts::read(entry).map(Some).map_err(|fault| fault.of(&self.origin, model))
    }

    /// What a token of a text that is embedded costs with a model, by the table's name or as
    /// `openai/NAME`, in USD; `None` when the model is not there.
    ///
    /// # Errors
    /// [`PriceTableError`] when the price is missing or absurd.
    pub fn embedding_price(&self, model: &str) -> Result<Option<Usd>, PriceTableError> {
        let entry = self.models.get(model).or_else(|| self.models.get(&format!("openai/{model}")));
        let Some(Value::Object(entry)) = entry else { return Ok(None) };
        facts::embedding_price(entry).map(Some).map_err(|fault| fault.of(&self.origin, model))
    }

    /// Whether the table has a model of this name.
    pub fn contains(&self, model: &str) -> bool {
        self.models.contains_key(model)
    }

    /// The names of all models in the table, in the order of the alphabet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// The entries whose name, provider and mode have all of the words of a query, whatever their
    /// case.
    pub fn search(&self, query: &str) -> Vec<Entry<'_>> {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let entries = self.models.iter().filter(|(_, value)| value.is_object());
        let entries = entries.map(|(name, value)| Entry::new(name, value));
        let has = |entry: &Entry<'_>| {
            let text = format!("{} {} {}", entry.name, entry.provider, entry.mode).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        entries.filter(has).collect()
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

    /// The models whose names are most like `model`, best first; those of one provider, if named.
    pub fn similar(&self, model: &str, provider: Option<&str>) -> Vec<&str> {
        let score = |name: &str| {
            let prefix = provider.and_then(|provider| name.strip_prefix(provider));
            let bare = prefix.and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
            strsim::jaro_winkler(model, bare)
        };
        let mut scored: Vec<(f64, &str)> = self
            .search("")
            .into_iter()
            .filter(|entry| provider.is_none_or(|wanted| entry.provider == wanted))
            .map(|entry| (score(entry.name), entry.name))
            .filter(|(score, _)| *score > 0.8)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        scored.into_iter().take(3).map(|(_, name)| name).collect()
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
                Err(PriceTableError::Field { field, .. }) if field == "output_cost_per_token" => {}
                Err(error) => panic!("{name}: {error}"),
            }
        }
        assert!(usable > 400, "{usable}");
    }

    #[test]
    fn embeddings_cost_what_their_texts_have() {
        let table = PriceTable::bundled();
        let small = table.embedding_price("text-embedding-3-small").unwrap();
        assert_eq!(small, Some(Usd::from_pico(20_000)));
        assert_eq!(table.embedding_price("all-minilm").unwrap(), None);
    }

    #[test]
    fn models_are_found_by_words_and_by_the_name_behind_their_providers() {
        let table = PriceTable::bundled();
        let names = |query| -> Vec<&str> {
            PriceTable::search(&table, query).into_iter().map(|entry| entry.name).collect()
        };
        assert!(names("GPT-4o MINI azure").contains(&"azure/gpt-4o-mini"));
        assert_eq!(names("no such model"), Vec::<&str>::new());
        let of = |model| table.entries_of(model).iter().map(|e| e.name).collect::<Vec<_>>();
        assert_eq!(of("gemini-2.5-flash"), ["gemini/gemini-2.5-flash"]);
        assert_eq!(of("gpt-4o-mini"), ["gpt-4o-mini"]);
        assert_eq!(of("4o-mini"), Vec::<&str>::new());
    }

    #[test]
    fn an_unknown_model_has_no_price_but_neighbours() {
        let table = PriceTable::bundled();
        assert_eq!(table.lookup("gpt-4o-minni").unwrap(), None);
        assert_eq!(table.similar("gpt-4o-minni", None).first(), Some(&"gpt-4o-mini"));
        assert_eq!(
            table.similar("gemini-2.5-flsh", Some("gemini")).first(),
            Some(&"gemini/gemini-2.5-flash")
        );
        assert!(table.similar("gpt-4o-mini", Some("groq")).is_empty());
        assert!(table.similar("zzz", None).is_empty());
    }

    #[test]
    fn refuses_prices_that_cannot_be_right() {
        let entry = |input: &str| {
            let text = format!(
                r#"{{"m": {{"input_cost_per_token": {input}, "output_cost_per_token": 1e-6}}}}"#
            );
            PriceTable { models: serde_json::from_str(&text).unwrap(), origin: "test".into() }
        };
        let message = |input: &str| entry(input).lookup("m").unwrap_err().to_string();
        insta::assert_snapshot!(message("0.15"), @"test, m, input_cost_per_token: 150000 USD per million tokens cannot be right: give the price of a million tokens, not of one token or of a thousand");
        insta::assert_snapshot!(message("1.5e-13"), @"test, m, input_cost_per_token: 0.000001 USD per million tokens is far below any model that is sold: give the price of a million tokens, not of one token or of a thousand (0 for what is free)");
        insta::assert_snapshot!(message("null"), @"test has no usable `input_cost_per_token` for m: give --price-in and --price-out");
        for bad in ["0.15", "-1e-7", "\"free\"", "1e300"] {
            assert!(entry(bad).lookup("m").is_err(), "{bad}");
        }
        assert!(entry("null").lookup("m").is_err());
        assert!(entry("0").lookup("m").unwrap().is_some());
    }
}
