//! What a simulator is like.

use std::fmt;

use super::faults::Faults;
use crate::usd::Usd;

/// What a simulator is like.
#[derive(Clone, Default)]
pub struct SimulatorSettings {
    /// Seeds everything that it writes and every fault.
    pub seed: u64,
    /// The only model that exists; `None`: any does.
    pub model: Option<String>,
    /// USD per prompt token.
    pub price_in: Usd,
    /// USD per output token.
    pub price_out: Usd,
    /// USD per prompt token from the cache; `None`: as any other.
    pub price_cached: Option<Usd>,
    /// How many of a hundred prompt tokens come from the cache.
    pub cached_percent: u64,
    /// Hidden reasoning before each answer, in output tokens.
    pub reasoning_tokens: u64,
    /// USD per token of a text that is embedded.
    pub price_embedding: Usd,
    /// USD per prompt token of a request in a batch; `None`: half of `price_in`.
    pub price_batch_in: Option<Usd>,
    /// USD per output token of a request in a batch; `None`: half of `price_out`.
    pub price_batch_out: Option<Usd>,
    /// How long a batch takes, in milliseconds.
    pub batch_latency_ms: u64,
    /// Prompt tokens in open batches, at most, as OpenAI limits them; `None`: no limit.
    pub batch_tokens: Option<u64>,
    /// The list of batches is refused.
    pub hides_batches: bool,
    /// Requests for completions per minute; `None`: no limit.
    pub rpm: Option<u64>,
    /// Tokens per minute, `max_tokens` counted at admission as OpenAI does; `None`: no limit.
    pub tpm: Option<u64>,
    /// Mean latency of an answer, in milliseconds; each answer takes up to 30 % more or less.
    pub latency_ms: u64,
    /// What goes wrong, and how often.
    pub faults: Faults,
    /// The only key that is accepted; `None`: any or none.
    pub api_key: Option<String>,
    /// The account's credit in USD: an answer that would take the bill above it is refused.
    pub quota: Option<Usd>,
    /// Parameters that the model does not take, refused with a 400.
    pub reject_params: Vec<String>,
}

impl fmt::Debug for SimulatorSettings {
    /// Leaves the key out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart, so that no field is forgotten here.
        let Self {
            seed,
            model,
            price_in,
            price_out,
            price_cached,
            cached_percent,
            reasoning_tokens,
            price_embedding,
            price_batch_in,
            price_batch_out,
            batch_latency_ms,
            batch_tokens,
            hides_batches,
            rpm,
            tpm,
            latency_ms,
            faults,
            api_key,
            quota,
            reject_params,
        } = self;
        f.debug_struct("SimulatorSettings")
            .field("seed", seed)
            .field("model", model)
            .field("price_in", price_in)
            .field("price_out", price_out)
            .field("price_cached", price_cached)
            .field("cached_percent", cached_percent)
            .field("reasoning_tokens", reasoning_tokens)
            .field("price_embedding", price_embedding)
            .field("price_batch_in", price_batch_in)
            .field("price_batch_out", price_batch_out)
            .field("batch_latency_ms", batch_latency_ms)
            .field("batch_tokens", batch_tokens)
            .field("hides_batches", hides_batches)
            .field("rpm", rpm)
            .field("tpm", tpm)
            .field("latency_ms", latency_ms)
            .field("faults", faults)
            .field("api_key", &api_key.as_ref().map(|_| "(redacted)"))
            .field("quota", quota)
            .field("reject_params", reject_params)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_not_printed() {
        let api_key = Some("sk-secret".to_owned());
        let settings = SimulatorSettings { api_key, seed: 17, ..SimulatorSettings::default() };
        let text = format!("{settings:?} {settings:#?}");
        assert!(!text.contains("sk-secret"), "{text}");
        assert!(text.contains("seed: 17") && text.contains("(redacted)"), "{text}");
    }
}
