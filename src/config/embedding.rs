//! Where embeddings come from and what they cost.

use super::prices;
use super::resolve::{Environment, value, within};
use super::{ConfigError, Settings, Source};
use crate::ledger::per_million;
use crate::limit::Limits;
use crate::novelty::Combination;
use crate::provider::{self, ApiKey, KeyHeader};
use crate::usd::Usd;

/// The model whose price a simulated run is billed at when it names none.
const REHEARSED_MODEL: &str = "text-embedding-3-small";
/// What the simulator calls its model.
const SIMULATED_MODEL: &str = "simulated-embedding";

/// Where embeddings come from and what they cost.
#[derive(Debug, Clone)]
pub struct EmbeddingConfig {
    /// The model's name as the server knows it.
    pub model: String,
    /// Where the API is; `None` in a simulated run.
    pub base_url: Option<String>,
    /// The key; a server on this machine may need none.
    pub api_key: Option<ApiKey>,
    /// The length asked for; `None` leaves it to the model.
    pub dimensions: Option<u32>,
    /// USD per token of a text.
    pub price: Usd,
    /// Where the price comes from, for people.
    pub price_origin: String,
    /// Requests and tokens per minute.
    pub limits: Limits,
}

/// What the similarities need; `None` when none of them compares embeddings.
pub(super) fn resolve(
    settings: &mut Settings,
    source: &Source,
    duplicates: &Combination,
    environment: Environment<'_>,
) -> Result<Option<EmbeddingConfig>, ConfigError> {
    if !duplicates.needs_embeddings() {
        return Ok(None);
    }
    let (base_url, api_key) = api(settings, source, environment)?;
    let model = model(settings, source)?;
    let (price, price_origin) = price(settings, &model)?;
    let dimensions = settings.embedding_dimensions;
    let dimensions =
        dimensions.map(|d| within("embedding-dimensions", d, 1, 65_536)).transpose()?;
    let limit = |flag, limit| match limit {
        Some(0) => Err(value(flag, "0 would send nothing: leave it out for no limit")),
        limit => Ok(limit),
    };
    let limits = Limits {
        requests_per_minute: limit("embedding-rpm", settings.embedding_rpm)?,
        tokens_per_minute: limit("embedding-tpm", settings.embedding_tpm)?,
        count_reserved_tokens: false,
    };
    Ok(Some(EmbeddingConfig { model, base_url, api_key, dimensions, price, price_origin, limits }))
}

/// The base URL and the key: those of the run, unless others are given. The run's key goes nowhere
/// else.
fn api(
    settings: &Settings,
    source: &Source,
    environment: Environment<'_>,
) -> Result<(Option<String>, Option<ApiKey>), ConfigError> {
    let given = settings.embedding_base_url.clone();
    let Source::Api { provider, base_url, api_key, .. } = source else {
        let message = "a simulated run asks no API: leave it out, or name a --provider";
        return match given {
            Some(_) => Err(value("embedding-base-url", message)),
            None => Ok((None, None)),
        };
    };
    if given.is_none() && provider.access().key_header != KeyHeader::Bearer {
        let message =
            format!("{} has no embeddings of this kind: name an API that has", provider.name());
        return Err(value("embedding-base-url", message));
    }
    let is_other = given.as_ref().is_some_and(|url| url != base_url);
    let url = given.unwrap_or_else(|| base_url.clone());
    provider::check_base_url(&url)
        .map_err(|error| value("embedding-base-url", error.to_string()))?;
    let api_key = match &settings.embedding_api_key_env {
        Some(variable) => Some(key(variable, environment)?),
        None if !is_other => api_key.clone(),
        None if provider::is_loopback(&url) => None,
        None => {
            let message = format!("name the environment variable that holds the key for {url}");
            return Err(value("embedding-api-key-env", message));
        }
    };
    Ok((Some(url), api_key))
}

fn key(variable: &str, environment: Environment<'_>) -> Result<ApiKey, ConfigError> {
    let variable = variable.to_owned();
    match (environment.get)(&variable).filter(|key| !key.trim().is_empty()) {
        Some(key) => ApiKey::new(key).map_err(|source| ConfigError::Key { variable, source }),
        None => Err(ConfigError::NoKey { variable }),
    }
}

fn model(settings: &mut Settings, source: &Source) -> Result<String, ConfigError> {
    let simulated = || source.is_simulated().then(|| SIMULATED_MODEL.to_owned());
    match settings.embedding_model.clone().or_else(simulated) {
        Some(model) if !model.trim().is_empty() => {
            settings.embedding_model = Some(model.clone());
            Ok(model.trim().to_owned())
        }
        _ => {
            let message =
                "the similarity `embedding` needs a model, such as text-embedding-3-small";
            Err(value("embedding-model", message))
        }
    }
}

fn price(settings: &Settings, model: &str) -> Result<(Usd, String), ConfigError> {
    let flag = "embedding-price";
    if let Some(price) = settings.embedding_price {
        let price = per_million(price.0).map_err(|source| ConfigError::Price { flag, source })?;
        return Ok((price, format!("--{flag}")));
    }
    let table = prices::table(settings)?;
    let name = if model == SIMULATED_MODEL { REHEARSED_MODEL } else { model };
    // Nothing is also what the table says of models whose price is not known.
    match table.embedding_price(name)?.filter(|price| !price.is_zero()) {
        Some(price) => Ok((price, table.origin().to_owned())),
        None => {
            let message = format!(
                "the price of `{model}` is not known: give it in USD per million tokens (0 for a \
                 server of your own)"
            );
            Err(value(flag, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Money, RunConfig};

    fn resolve_with(settings: Settings, key: Option<&str>) -> Result<RunConfig, ConfigError> {
        let get = |name: &str| key.filter(|_| name == "OPENAI_API_KEY").map(str::to_owned);
        RunConfig::resolve(settings, Environment { get: &get })
    }

    fn money(text: &str) -> Option<Money> {
        text.parse().ok()
    }

    fn real() -> Settings {
        Settings { model: Some("gpt-4o-mini".into()), budget: money("5"), ..Settings::default() }
    }

    fn with_embeddings() -> Settings {
        Settings {
            similarity: Some("rouge-l+embedding".into()),
            embedding_model: Some("text-embedding-3-small".into()),
            ..real()
        }
    }

    #[test]
    fn embeddings_come_from_the_api_of_the_run_unless_another_is_named() {
        let key = Some("sk-test-0123456789");
        let embedding = resolve_with(with_embeddings(), key).unwrap().embedding.unwrap();
        assert_eq!(embedding.base_url.as_deref(), Some("https://api.openai.com/v1"));
        assert_eq!((embedding.price, embedding.api_key.is_some()), (Usd::from_pico(20_000), true));
        let local = Settings {
            embedding_base_url: Some("http://localhost:8094/v1".into()),
            embedding_price: money("0"),
            ..with_embeddings()
        };
        // The key of the run is not for this server.
        assert!(resolve_with(local, key).unwrap().embedding.unwrap().api_key.is_none());
        assert!(resolve_with(real(), key).unwrap().embedding.is_none());
        let rehearsal =
            Settings { similarity: with_embeddings().similarity, ..Settings::default() };
        let rehearsal = resolve_with(rehearsal, None).unwrap();
        assert_eq!(rehearsal.embedding.unwrap().base_url, None);
        assert_eq!(rehearsal.settings.embedding_model.as_deref(), Some("simulated-embedding"));
    }

    #[test]
    fn mistakes_about_embeddings_are_answered_before_anything_is_sent() {
        let key = Some("sk-test-0123456789");
        let error = |settings: Settings| resolve_with(settings, key).unwrap_err().to_string();
        insta::assert_snapshot!(
            error(Settings { embedding_model: None, ..with_embeddings() }),
            @"--embedding-model: the similarity `embedding` needs a model, such as text-embedding-3-small"
        );
        insta::assert_snapshot!(
            error(Settings { embedding_model: Some("minilm".into()), ..with_embeddings() }),
            @"--embedding-price: the price of `minilm` is not known: give it in USD per million tokens (0 for a server of your own)"
        );
        insta::assert_snapshot!(
            error(Settings { embedding_base_url: Some("https://e.org/v1".into()), ..with_embeddings() }),
            @"--embedding-api-key-env: name the environment variable that holds the key for https://e.org/v1"
        );
        insta::assert_snapshot!(
            error(Settings { embedding_base_url: Some("e.org".into()), ..with_embeddings() }),
            @"--embedding-base-url: the base URL must start with http:// or https://, as in https://api.openai.com/v1"
        );
        insta::assert_snapshot!(
            error(Settings { embedding_tpm: Some(0), ..with_embeddings() }),
            @"--embedding-tpm: 0 would send nothing: leave it out for no limit"
        );
        let free = Settings { price_in: money("0"), price_out: money("0"), ..with_embeddings() };
        insta::assert_snapshot!(
            error(Settings { budget: None, ..free }),
            @"--budget is required: `text-embedding-3-small` costs money. Give the most that may be spent, in USD"
        );
        let simulated = Settings { provider: Some("simulated".into()), ..with_embeddings() };
        insta::assert_snapshot!(
            error(Settings { embedding_base_url: Some("https://e.org/v1".into()), ..simulated }),
            @"--embedding-base-url: a simulated run asks no API: leave it out, or name a --provider"
        );
    }
}
