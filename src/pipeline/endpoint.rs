//! Where requests go: an API, or the simulator in this process.

use std::sync::Arc;
use std::time::Duration;

use super::failure::RunError;
use super::lane::{BatchLane, Lane, LaneSettings};
use crate::config::{Api, EmbeddingConfig, Pace, RunConfig, Source};
use crate::event::Phase;
use crate::ledger::Price;
use crate::provider::{HttpClient, HttpSettings, Provider, Quirks, Transport};
use crate::simulator::{Simulator, SimulatorSettings};
use crate::usd::Usd;

/// The largest response body that is read, in bytes: 64 for each of the 128,000 output tokens that
/// the longest answers of today's models have.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// The longest that a file of requests is on its way.
const LONGEST_UPLOAD: Duration = Duration::from_hours(1);

/// Where the requests of a phase go.
pub(super) struct Endpoint {
    provider: &'static dyn Provider,
    base_url: String,
    simulator: Option<Simulator>,
    /// Carries requests in place of sockets.
    transport: Option<Arc<dyn Transport>>,
}

impl Endpoint {
    pub(super) async fn start(
        config: &RunConfig,
        phase: Phase,
        next_request: u64,
        transport: Option<Arc<dyn Transport>>,
    ) -> Result<Self, RunError> {
        let api = config.api(phase);
        let provider = codec(config, phase);
        match api.source {
            Source::Api { base_url, .. } => {
                Ok(Self { provider, base_url: base_url.clone(), simulator: None, transport })
            }
            Source::Simulated { latency_ms, faults } => {
                let failed = |error: String| RunError::Simulator(error);
                let settings = SimulatorSettings {
                    // A session that goes on gets answers that earlier ones did not get.
                    seed: config.request.seed.wrapping_add(next_request),
                    price_in: api.price.input,
                    price_out: api.price.output,
                    price_embedding: config.embedding.as_ref().map_or(Usd::ZERO, |e| e.price),
                    rpm: api.pace.limits.requests_per_minute,
                    tpm: api.pace.limits.tokens_per_minute,
                    latency_ms: *latency_ms,
                    // The price of the configuration is that of batches, where there are any.
                    price_batch_in: Some(api.price.input),
                    price_batch_out: Some(api.price.output),
                    batch_latency_ms: latency_ms.saturating_mul(10),
                    faults: faults.parse().map_err(|error| failed(format!("{error}")))?,
                    ..SimulatorSettings::default()
                };
                let anywhere = ([127, 0, 0, 1], 0).into();
                let simulator = Simulator::start(settings, anywhere)
                    .await
                    .map_err(|error| failed(error.to_string()))?;
                let base_url = simulator.base_url();
                Ok(Self { provider, base_url, simulator: Some(simulator), transport })
            }
        }
    }

    /// The lane to it.
    pub(super) fn lane(&self, api: Api<'_>) -> Result<Lane, RunError> {
        let api_key = match api.source {
            Source::Api { api_key, .. } => api_key.clone(),
            Source::Simulated { .. } => None,
        };
        let batches = api.pace.batch.and_then(|pace| {
            let api = self.provider.batches()?;
            Some(BatchLane { api, pace })
        });
        // A file that is uploaded keeps the server silent for as long as it takes.
        let read_timeout = match batches {
            Some(_) => api.pace.read_timeout.max(LONGEST_UPLOAD),
            None => api.pace.read_timeout,
        };
        let settings = HttpSettings {
            base_url: self.base_url.clone(),
            access: self.provider.access(),
            api_version: api.version.map(str::to_owned),
            api_key,
            connect_timeout: api.pace.connect_timeout,
            read_timeout,
            total_timeout: api.pace.request_timeout,
            max_body_bytes: MAX_BODY_BYTES,
            concurrency: api.pace.concurrency,
        };
        let client = HttpClient::over(settings, self.transport.clone())?;
        let settings = LaneSettings {
            provider: self.provider,
            base_url: self.base_url.clone(),
            model: api.model.to_owned(),
            price: *api.price,
            limits: api.pace.limits,
            concurrency: api.pace.concurrency,
            quirks: api.quirks,
            batches,
        };
        Ok(Lane::new(settings, client))
    }

    /// The lane to where embeddings come from, which is here unless it is an API of its own.
    pub(super) fn embedding_lane(
        &self,
        embedding: &EmbeddingConfig,
        pace: &Pace,
    ) -> Result<Lane, RunError> {
        let base_url = embedding.base_url.clone().unwrap_or_else(|| self.base_url.clone());
        let settings = HttpSettings {
            base_url: base_url.clone(),
            access: crate::provider::OpenAi.access(),
            api_version: None,
            api_key: embedding.api_key.clone(),
            connect_timeout: pace.connect_timeout,
            read_timeout: pace.read_timeout,
            total_timeout: pace.request_timeout,
            max_body_bytes: MAX_BODY_BYTES,
            concurrency: 1,
        };
        let client = HttpClient::over(settings, self.transport.clone())?;
        let settings = LaneSettings {
            // Nearly every server of embeddings speaks OpenAI's dialect.
            provider: &crate::provider::OpenAi,
            base_url,
            model: embedding.model.clone(),
            price: Price::flat(embedding.price, Usd::ZERO),
            limits: embedding.limits,
            concurrency: 1,
            quirks: Quirks::default(),
            batches: None,
        };
        Ok(Lane::new(settings, client))
    }

    pub(super) async fn stop(self) {
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
    }
}

/// The wire format of a phase's responses. The simulator speaks chat completions, and legacy
/// completions where the template is a text to continue.
pub(super) fn codec(config: &RunConfig, phase: Phase) -> &'static dyn Provider {
    match config.api(phase).source {
        Source::Api { provider, .. } => *provider,
        Source::Simulated { .. } if config.request.template.name() == "alpaca" => {
            &crate::provider::OpenAiCompletions
        }
        Source::Simulated { .. } => &crate::provider::OpenAi,
    }
}
