//! Whether requests go in batches, and how large those are.

use super::resolve::{value, within};
use super::{ConfigError, Settings, Source};
use crate::provider::{BatchApi, BatchLimits, OpenAi, PROVIDERS, Provider};

/// A wave of this many requests, at ten tasks each, still lets later ones show accepted tasks as
/// examples.
const DEFAULT_REQUESTS: u32 = 1_000;
const DEFAULT_AT_ONCE: u32 = 4;

/// How requests go in batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPace {
    /// Requests in one batch, at most.
    pub requests: usize,
    /// Batches at the provider at once, at most.
    pub at_once: usize,
    /// Prompt tokens in batches at once, at most; `None`: no limit is known.
    pub tokens: Option<u64>,
}

/// What a batch of this source may hold.
///
/// # Errors
/// [`ConfigError::Value`] when it has no batches, or is several places.
pub(super) fn limits(source: &Source) -> Result<BatchLimits, ConfigError> {
    if source.endpoints().len() > 1 {
        let message = "a batch is known where it was made only: leave it out, or the endpoints";
        return Err(value("batch", message));
    }
    let provider: &dyn Provider = match source {
        Source::Simulated { .. } => &OpenAi,
        Source::Api { provider, .. } => *provider,
    };
    provider.batches().map(BatchApi::limits).ok_or_else(|| {
        let able = PROVIDERS.iter().filter(|provider| provider.batches().is_some());
        let names: Vec<&str> = able.map(|provider| provider.name()).collect();
        let message = format!(
            "{} has no batches that this program speaks: leave it out, or take one of {}",
            provider.name(),
            names.join(", ")
        );
        value("batch", message)
    })
}

/// Checks that the source has batches, if they are asked for.
pub(super) fn check(settings: &Settings, source: &Source) -> Result<(), ConfigError> {
    if settings.batch == Some(true) { limits(source).map(drop) } else { Ok(()) }
}

/// How requests go in batches; `None` when each goes alone.
pub(super) fn resolve(
    settings: &mut Settings,
    source: &Source,
) -> Result<Option<BatchPace>, ConfigError> {
    if settings.batch != Some(true) {
        // What is off is off, whether that was said or not.
        settings.batch = None;
        return Ok(None);
    }
    let most = limits(source)?.requests;
    let requests = *settings.batch_requests.get_or_insert(DEFAULT_REQUESTS) as usize;
    let at_once = *settings.batch_concurrency.get_or_insert(DEFAULT_AT_ONCE);
    if settings.batch_tokens == Some(0) {
        return Err(value("batch-tokens", "0 would send nothing: leave it out for no limit"));
    }
    Ok(Some(BatchPace {
        requests: within("batch-requests", requests, 1, most)?,
        at_once: within("batch-concurrency", at_once, 1, 1_000)? as usize,
        tokens: settings.batch_tokens,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, RunConfig};
    use crate::usd::Usd;

    fn resolve_with(settings: Settings) -> Result<RunConfig, ConfigError> {
        let get = |name: &str| name.ends_with("_API_KEY").then(|| "sk-test-0123456789".to_owned());
        RunConfig::resolve(settings, Environment { get: &get })
    }

    fn batch(model: &str) -> Settings {
        Settings {
            model: Some(model.into()),
            budget: "5".parse().ok(),
            batch: Some(true),
            ..Settings::default()
        }
    }

    #[test]
    fn requests_in_batches_have_the_price_of_batches() {
        let config = resolve_with(batch("gpt-4o-mini")).unwrap();
        assert_eq!(config.price.output, Usd::from_pico(300_000));
        let pace = BatchPace { requests: 1_000, at_once: 4, tokens: None };
        assert_eq!(config.pace.batch, Some(pace));
        let config = resolve_with(batch("claude-haiku-4-5")).unwrap();
        assert_eq!(config.price.output, Usd::from_pico(2_500_000));
        let given = Settings {
            price_in: "1".parse().ok(),
            price_out: "2".parse().ok(),
            ..batch("gpt-4o-mini")
        };
        assert_eq!(resolve_with(given).unwrap().price.output, Usd::from_pico(2_000_000));
        let off = Settings { batch: Some(false), ..batch("gpt-4o-mini") };
        let config = resolve_with(off).unwrap();
        assert_eq!((config.pace.batch, config.settings.batch), (None, None));
        assert_eq!(config.price.output, Usd::from_pico(600_000));
    }

    #[test]
    fn what_has_no_batches_or_no_price_for_them_is_refused() {
        let error = |settings| resolve_with(settings).unwrap_err().to_string();
        let provider =
            |name: &str, model: &str| Settings { provider: Some(name.into()), ..batch(model) };
        insta::assert_snapshot!(
            error(provider("gemini", "gemini-2.5-flash")),
            @"--batch: gemini has no batches that this program speaks: leave it out, or take one of openai, openai-responses, openai-completions, anthropic"
        );
        insta::assert_snapshot!(
            error(provider("openai", "gpt-4")),
            @"the price of batches with `gpt-4` is not known to the bundled price table (LiteLLM 1.109.1, November 2026): give that price with --price-in and --price-out in USD per million tokens, or leave out --batch"
        );
        insta::assert_snapshot!(
            error(Settings { batch_requests: Some(50_001), ..batch("gpt-4o-mini") }),
            @"--batch-requests: 50001 is not between 1 and 50000"
        );
        insta::assert_snapshot!(
            error(Settings { batch_tokens: Some(0), ..batch("gpt-4o-mini") }),
            @"--batch-tokens: 0 would send nothing: leave it out for no limit"
        );
    }
}
