//! Where the completions come from: which provider, at which address, with which key.

use super::resolve::{SIMULATED, provider_names, unknown, value, within};
use super::{ConfigError, EndpointSettings, Environment, Settings, Source, endpoint};
use crate::ledger::{Entry, PriceTable};
use crate::provider::{self, ApiKey, OpenAiCompletions, OpenAiResponses, PROVIDERS, Provider};
use crate::simulator::Faults;

/// The longest mean latency of the simulated provider: ten minutes.
const MAX_LATENCY_MS: u64 = 600_000;

/// Finds the source: the provider named; without a name the one that serves the model by the price
/// table, `openai` for other models, and the simulator where nothing says that an API is meant.
pub(super) fn find(
    settings: &mut Settings,
    table: &PriceTable,
    environment: Environment<'_>,
) -> Result<Source, ConfigError> {
    if settings.provider.is_none() {
        settings.provider = Some(default_provider(settings, table, environment)?.to_owned());
    }
    let name = settings.provider.clone().unwrap_or_default();
    if name == SIMULATED {
        return simulated(settings);
    }
    let provider =
        provider::by_name(&name).ok_or_else(|| unknown("provider", &name, &provider_names()))?;
    strip_provider(settings, provider);
    api(provider, settings, environment)
}

fn simulated(settings: &mut Settings) -> Result<Source, ConfigError> {
    let latency_ms = *settings.simulated_latency_ms.get_or_insert(200);
    let faults = settings.simulated_faults.get_or_insert_default().clone();
    faults.parse::<Faults>().map_err(|error| value("simulated-faults", error.to_string()))?;
    within("simulated-latency-ms", latency_ms, 0, MAX_LATENCY_MS)?;
    Ok(Source::Simulated { latency_ms, faults })
}

/// `gemini/gemini-2.5-flash` is the table's name; the server knows what stands behind the slash.
fn strip_provider(settings: &mut Settings, provider: &dyn Provider) {
    let prefix = provider.access().table_name.map(|name| format!("{name}/"));
    let bare = prefix.and_then(|prefix| settings.model.as_deref()?.strip_prefix(&prefix));
    if let Some(bare) = bare.map(str::to_owned) {
        settings.model = Some(bare);
    }
}

fn default_provider(
    settings: &Settings,
    table: &PriceTable,
    environment: Environment<'_>,
) -> Result<&'static str, ConfigError> {
    let is_set = |name: &str| (environment.get)(name).is_some_and(|value| !value.is_empty());
    // Whoever names a server without a provider means the API that nearly every server speaks.
    let has_own = |one: &EndpointSettings| one.base_url.is_some();
    let names_servers = settings.endpoints.as_ref().is_some_and(|all| all.iter().any(has_own));
    if names_servers || settings.base_url.is_some() || is_set("OPENAI_BASE_URL") {
        return Ok("openai");
    }
    let Some(model) = &settings.model else {
        return Ok(if is_set("OPENAI_API_KEY") { "openai" } else { SIMULATED });
    };
    let mut names: Vec<&str> =
        table.entries_of(model.trim()).iter().filter_map(serving).map(Provider::name).collect();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [] => Ok("openai"),
        [name] => Ok(name),
        _ => Err(ConfigError::Providers { model: model.clone(), providers: names }),
    }
}

/// The provider that serves a model of the table.
fn serving(entry: &Entry<'_>) -> Option<&'static dyn Provider> {
    match (entry.provider, entry.mode) {
        ("openai", "responses") => Some(&OpenAiResponses),
        ("text-completion-openai", _) => Some(&OpenAiCompletions),
        (table_name, _) => {
            PROVIDERS.iter().copied().find(|p| p.access().table_name == Some(table_name))
        }
    }
}

fn api(
    provider: &'static dyn Provider,
    settings: &mut Settings,
    environment: Environment<'_>,
) -> Result<Source, ConfigError> {
    let access = provider.access();
    let set = |name: &str| (environment.get)(name).filter(|value| !value.trim().is_empty());
    let default = || access.base_url_env.and_then(set).or(access.base_url.map(str::to_owned));
    let base_url = settings.base_url.clone().or_else(default);
    if let Some(base_url) = &base_url {
        provider::check_base_url(base_url)?;
        settings.base_url = Some(base_url.clone());
    }
    let endpoints = endpoint::resolve(provider, settings, base_url.as_deref(), environment)?;
    if let Some(first) = endpoints.first() {
        let (base_url, api_key) = (first.base_url.clone(), first.api_key.clone());
        return Ok(Source::Api { provider, base_url, api_key, endpoints });
    }
    let base_url = base_url.ok_or(ConfigError::NoBaseUrl { variable: access.base_url_env })?;
    let api_key = key_in(provider, settings.api_key_env.as_ref(), &base_url, environment)?;
    Ok(Source::Api { provider, base_url, api_key, endpoints })
}

/// The key for an address: in the variable that is named, or else in the provider's own. A server of
/// one's own may need none, unless one is named.
pub(super) fn key_in(
    provider: &dyn Provider,
    named: Option<&String>,
    base_url: &str,
    environment: Environment<'_>,
) -> Result<Option<ApiKey>, ConfigError> {
    let access = provider.access();
    // Not stored unless it was said: a key is no part of a run.
    let variable = named.cloned().unwrap_or_else(|| access.api_key_env.to_owned());
    check_variable(&variable)?;
    match (environment.get)(&variable).filter(|value| !value.trim().is_empty()) {
        Some(key) => {
            ApiKey::new(key).map(Some).map_err(|source| ConfigError::Key { variable, source })
        }
        None if named.is_none() && (access.self_hosted || provider::is_loopback(base_url)) => {
            Ok(None)
        }
        None => Err(ConfigError::NoKey { variable }),
    }
}

/// Who gives the key in place of its variable must not see it again in a message or find it stored.
fn check_variable(name: &str) -> Result<(), ConfigError> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(is_part) && name.starts_with(|c: char| !c.is_ascii_digit()) {
        return Ok(());
    }
    let message = "takes the name of an environment variable, such as OPENAI_API_KEY, not the key";
    Err(value("api-key-env", message))
}
