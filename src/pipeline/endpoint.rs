//! Where requests go: an API, or the simulator in this process.

use super::failure::RunError;
use super::lane::{Lane, LaneSettings};
use crate::config::{RunConfig, Source};
use crate::provider::{HttpClient, HttpSettings, Provider};
use crate::simulator::{Simulator, SimulatorSettings};

/// The largest response body that is read, in bytes: far beyond any completion.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Where requests go: an API, or the simulator in this process.
pub(super) struct Endpoint {
    pub(super) provider: &'static dyn Provider,
    base_url: String,
    simulator: Option<Simulator>,
}

impl Endpoint {
    pub(super) async fn start(config: &RunConfig, next_request: u64) -> Result<Self, RunError> {
        match &config.source {
            Source::Api { provider, base_url, .. } => {
                Ok(Self { provider: *provider, base_url: base_url.clone(), simulator: None })
            }
            Source::Simulated { latency_ms, faults } => {
                let failed = |error: String| RunError::Simulator(error);
                let settings = SimulatorSettings {
                    // A session that goes on gets answers that earlier ones did not get.
                    seed: config.request.seed.wrapping_add(next_request),
                    price_in: config.price.input,
                    price_out: config.price.output,
                    rpm: config.pace.limits.requests_per_minute,
                    tpm: config.pace.limits.tokens_per_minute,
                    latency_ms: *latency_ms,
                    faults: faults.parse().map_err(|error| failed(format!("{error}")))?,
                    ..SimulatorSettings::default()
                };
                let anywhere = ([127, 0, 0, 1], 0).into();
                let simulator = Simulator::start(settings, anywhere)
                    .await
                    .map_err(|error| failed(error.to_string()))?;
                Ok(Self {
                    provider: codec(config),
                    base_url: simulator.base_url(),
                    simulator: Some(simulator),
                })
            }
        }
    }

    /// The lane to it.
    pub(super) fn lane(&self, config: &RunConfig) -> Result<Lane, RunError> {
        let api_key = match &config.source {
            Source::Api { api_key, .. } => api_key.clone(),
            Source::Simulated { .. } => None,
        };
        let client = HttpClient::new(HttpSettings {
            base_url: self.base_url.clone(),
            access: self.provider.access(),
            api_version: config.settings.api_version.clone(),
            api_key,
            connect_timeout: config.pace.connect_timeout,
            read_timeout: config.pace.read_timeout,
            total_timeout: config.pace.request_timeout,
            max_body_bytes: MAX_BODY_BYTES,
            concurrency: config.pace.concurrency,
        })?;
        let settings = LaneSettings {
            provider: self.provider,
            base_url: self.base_url.clone(),
            model: config.model.clone(),
            price: config.price,
            limits: config.pace.limits,
            concurrency: config.pace.concurrency,
            quirks: config.request.quirks,
        };
        Ok(Lane::new(settings, client))
    }

    pub(super) async fn stop(self) {
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
    }
}

/// The wire format of a run's responses. The simulator speaks chat completions, and legacy
/// completions where the template is a text to continue.
pub(super) fn codec(config: &RunConfig) -> &'static dyn Provider {
    match &config.source {
        Source::Api { provider, .. } => *provider,
        Source::Simulated { .. } if config.request.template.name() == "alpaca" => {
            &crate::provider::OpenAiCompletions
        }
        Source::Simulated { .. } => &crate::provider::OpenAi,
    }
}
