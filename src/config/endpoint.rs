//! Several places where one model is to be had: keys of several accounts, servers of one's own.

use serde::{Deserialize, Serialize};

use super::resolve::{Environment, value, within};
use super::source::key_in;
use super::{ConfigError, Settings};
use crate::limit::Limits;
use crate::provider::{self, ApiKey, Provider};

/// What a configuration says of one endpoint. What it leaves open, the settings of the run say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointSettings {
    /// Where the API is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The environment variable that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// Its share of the requests while it has room, beside the weights of the others; 1 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Requests per minute that this account allows.
    #[serde(skip_serializing_if = "Option::is_none", alias = "rpm")]
    pub requests_per_minute: Option<u64>,
    /// Tokens per minute that this account allows.
    #[serde(skip_serializing_if = "Option::is_none", alias = "tpm")]
    pub tokens_per_minute: Option<u64>,
}

/// One of several places where a model is to be had.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// What it is called: its address, and the variable of its key.
    pub name: String,
    /// Where the API is.
    pub base_url: String,
    /// The key; a server on this machine may need none.
    pub api_key: Option<ApiKey>,
    /// Its share of the requests while it has room.
    pub weight: u32,
    /// Requests per minute, where the settings of the run are not meant.
    pub requests_per_minute: Option<u64>,
    /// Tokens per minute, where the settings of the run are not meant.
    pub tokens_per_minute: Option<u64>,
}

impl EndpointConfig {
    /// The limits here, where those of the run are `run`.
    pub fn limits(&self, run: Limits) -> Limits {
        Limits {
            requests_per_minute: self.requests_per_minute.or(run.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute.or(run.tokens_per_minute),
            ..run
        }
    }
}

/// Reads the list; `base_url` is where those are that do not say it.
pub(super) fn resolve(
    provider: &dyn Provider,
    settings: &Settings,
    base_url: Option<&str>,
    environment: Environment<'_>,
) -> Result<Vec<EndpointConfig>, ConfigError> {
    let given = settings.endpoints.as_deref().unwrap_or_default();
    let one = |settings_of: &EndpointSettings| {
        endpoint(provider, settings, settings_of, base_url, environment)
    };
    let endpoints: Vec<EndpointConfig> = given.iter().map(one).collect::<Result<_, _>>()?;
    for (number, endpoint) in endpoints.iter().enumerate() {
        if endpoints.iter().take(number).any(|other| other.name == endpoint.name) {
            return Err(wrong(format!("{} is there twice", endpoint.name)));
        }
    }
    Ok(endpoints)
}

fn endpoint(
    provider: &dyn Provider,
    run: &Settings,
    own: &EndpointSettings,
    base_url: Option<&str>,
    environment: Environment<'_>,
) -> Result<EndpointConfig, ConfigError> {
    let base_url = own.base_url.as_deref().or(base_url);
    let variable = provider.access().base_url_env;
    let base_url = base_url.ok_or(ConfigError::NoBaseUrl { variable })?.to_owned();
    provider::check_base_url(&base_url).map_err(|error| wrong(error.to_string()))?;
    let api_key = key(provider, run, own, &base_url, environment)?;
    for limit in [own.requests_per_minute, own.tokens_per_minute] {
        if limit == Some(0) {
            return Err(wrong("a limit of 0 would send nothing: leave it out".to_owned()));
        }
    }
    let variable = own.api_key_env.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    Ok(EndpointConfig {
        name: format!("{base_url}{variable}"),
        base_url,
        api_key,
        weight: within("endpoints", own.weight.unwrap_or(1), 1, 1_000)?,
        requests_per_minute: own.requests_per_minute,
        tokens_per_minute: own.tokens_per_minute,
    })
}

/// The key: the run's own goes to the run's own address only.
fn key(
    provider: &dyn Provider,
    run: &Settings,
    own: &EndpointSettings,
    base_url: &str,
    environment: Environment<'_>,
) -> Result<Option<ApiKey>, ConfigError> {
    let is_elsewhere = own.base_url.is_some() && own.base_url != run.base_url;
    let named = match &own.api_key_env {
        None if !is_elsewhere => run.api_key_env.as_ref(),
        own => own.as_ref(),
    };
    if named.is_none() && is_elsewhere && !provider.access().self_hosted {
        if provider::is_loopback(base_url) {
            return Ok(None);
        }
        let message =
            format!("name the environment variable that holds the key for {base_url}: api_key_env");
        return Err(wrong(message));
    }
    key_in(provider, named, base_url, environment)
}

fn wrong(message: String) -> ConfigError {
    value("endpoints", message)
}
