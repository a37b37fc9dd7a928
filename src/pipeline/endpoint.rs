//! Where requests go: an API, or the simulator in this process.

use std::sync::Arc;
use std::time::Duration;

use super::failure::RunError;
use super::lane::{BatchLane, Lane, LaneSettings};
use super::memory::{Known, Memory};
use super::site::{Site, SiteSettings};
use crate::config::{Api, EmbeddingConfig, EndpointConfig, Pace, RunConfig, SIMULATED, Source};
use crate::event::Phase;
use crate::ledger::Price;
use crate::provider::{Access, ApiKey, HttpClient, HttpSettings, Provider, Quirks, Transport};
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
                    price_cached: Some(api.price.cached_input),
                    price_cache_write: Some(api.price.cache_write),
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

    /// The lane to it, with what earlier sessions found out.
    pub(super) fn lane(&self, api: Api<'_>, memory: &Memory) -> Result<Lane, RunError> {
        let addresses = match api.source.endpoints() {
            [] => vec![self.address(api)],
            several => several.iter().map(|one| Address::of(one, api.pace)).collect(),
        };
        let site = |address: Address| {
            let known = memory.known(api.model, &address.site.name);
            let version = api.version.map(str::to_owned);
            address.site(self.provider.access(), version, api.pace, known, self.transport.clone())
        };
        let batches = api.pace.batch.and_then(|pace| {
            let api = self.provider.batches()?;
            Some(BatchLane { api, pace })
        });
        let settings = LaneSettings {
            provider: self.provider,
            model: api.model.to_owned(),
            price: *api.price,
            encoding: api.encoding,
            concurrency: api.pace.concurrency,
            quirks: api.quirks,
            batches,
        };
        let sites = addresses.into_iter().map(site).collect::<Result<_, _>>()?;
        Ok(Lane::new(settings, sites))
    }

    /// The one address, where there are not several.
    fn address(&self, api: Api<'_>) -> Address {
        let (api_key, name) = match api.source {
            Source::Api { api_key, base_url, .. } => (api_key.clone(), base_url.clone()),
            // Its address is another in each session.
            Source::Simulated { .. } => (None, SIMULATED.to_owned()),
        };
        let site = SiteSettings {
            name,
            base_url: self.base_url.clone(),
            weight: 1,
            limits: api.pace.limits,
            concurrency: api.pace.concurrency,
            adapts: api.pace.adapts,
        };
        Address { site, api_key }
    }

    /// The lane to where embeddings come from, which is here unless it is an API of its own.
    pub(super) fn embedding_lane(
        &self,
        embedding: &EmbeddingConfig,
        pace: &Pace,
        memory: &Memory,
    ) -> Result<Lane, RunError> {
        let base_url = embedding.base_url.clone().unwrap_or_else(|| self.base_url.clone());
        // Nearly every server of embeddings speaks OpenAI's dialect.
        let provider = &crate::provider::OpenAi;
        let site = SiteSettings {
            name: embedding.base_url.clone().unwrap_or_else(|| SIMULATED.to_owned()),
            base_url,
            weight: 1,
            limits: embedding.limits,
            concurrency: 1,
            adapts: false,
        };
        let address = Address { site, api_key: embedding.api_key.clone() };
        let known = memory.known(&embedding.model, &address.site.name);
        let settings = LaneSettings {
            provider,
            model: embedding.model.clone(),
            price: Price::flat(embedding.price, Usd::ZERO),
            // Texts that are embedded cost next to nothing.
            encoding: None,
            concurrency: 1,
            quirks: Quirks::default(),
            batches: None,
        };
        Ok(Lane::new(
            settings,
            vec![address.site(provider.access(), None, pace, known, self.transport.clone())?],
        ))
    }

    pub(super) async fn stop(self) {
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
    }
}

/// A site before it has a client.
struct Address {
    site: SiteSettings,
    api_key: Option<ApiKey>,
}

impl Address {
    fn of(endpoint: &EndpointConfig, pace: &Pace) -> Self {
        let site = SiteSettings {
            name: endpoint.name.clone(),
            base_url: endpoint.base_url.clone(),
            weight: endpoint.weight,
            limits: endpoint.limits(pace.limits),
            concurrency: pace.concurrency,
            adapts: pace.adapts,
        };
        Self { site, api_key: endpoint.api_key.clone() }
    }

    fn site(
        self,
        access: Access,
        api_version: Option<String>,
        pace: &Pace,
        known: Known,
        transport: Option<Arc<dyn Transport>>,
    ) -> Result<Site, RunError> {
        // A file that is uploaded keeps the server silent for as long as it takes.
        let read_timeout = match pace.batch {
            Some(_) => pace.read_timeout.max(LONGEST_UPLOAD),
            None => pace.read_timeout,
        };
        let settings = HttpSettings {
            base_url: self.site.base_url.clone(),
            access,
            api_version,
            api_key: self.api_key,
            connect_timeout: pace.connect_timeout,
            read_timeout,
            total_timeout: pace.request_timeout,
            max_body_bytes: MAX_BODY_BYTES,
            concurrency: self.site.concurrency,
        };
        let client = HttpClient::over(settings, transport)?;
        Ok(Site::new(self.site, client, known))
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
