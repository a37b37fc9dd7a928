//! What a simulator is like.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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
    /// USD per prompt token that goes into the cache where a request marks it; `None`: as any other.
    pub price_cache_write: Option<Usd>,
    /// How many of a hundred prompt tokens come from the cache; 0: those that were seen before.
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
    /// Whether the limits are enforced by the second, with a burst of one second's worth, instead of
    /// by the minute.
    pub smooth: bool,
    /// Whether the limits are kept from the client.
    pub hides_limits: bool,
    /// Other limits from some time on, in the order of their times.
    pub limits_changes: Vec<LimitsChange>,
    /// Answers that are written at once, while other requests wait; `None`: any number.
    pub slots: Option<usize>,
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

/// Other limits from some time on. Written as `30s:rpm=300,tpm=90000`; what it does not name stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsChange {
    /// Since the first request.
    pub after: Duration,
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Tokens per minute.
    pub tpm: Option<u64>,
}

impl FromStr for LimitsChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not of the form 30s:rpm=300,tpm=90000");
        let (after, limits) = text.split_once(':').ok_or_else(wrong)?;
        let seconds = after.trim().strip_suffix('s').ok_or_else(wrong)?;
        let seconds: u64 = seconds.parse().map_err(|_not_a_number| wrong())?;
        let mut change = Self { after: Duration::from_secs(seconds), rpm: None, tpm: None };
        for limit in limits.split(',') {
            let (name, number) = limit.split_once('=').ok_or_else(wrong)?;
            let number = number.trim().parse().map_err(|_not_a_number| wrong())?;
            match name.trim() {
                "rpm" => change.rpm = Some(number),
                "tpm" => change.tpm = Some(number),
                _ => return Err(wrong()),
            }
        }
        Ok(change)
    }
}

impl SimulatorSettings {
    /// Requests and tokens per minute, so long after the first request.
    pub(super) fn limits(&self, after: Duration) -> (Option<u64>, Option<u64>) {
        let past = self.limits_changes.iter().filter(|change| change.after <= after);
        past.fold((self.rpm, self.tpm), |(rpm, tpm), change| {
            (change.rpm.or(rpm), change.tpm.or(tpm))
        })
    }
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
            price_cache_write,
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
            smooth,
            hides_limits,
            limits_changes,
            slots,
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
            .field("price_cache_write", price_cache_write)
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
            .field("smooth", smooth)
            .field("hides_limits", hides_limits)
            .field("limits_changes", limits_changes)
            .field("slots", slots)
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
    fn limits_change_with_time() {
        let limits_changes = vec!["30s:rpm=300".parse().unwrap(), "60s:tpm=9".parse().unwrap()];
        let settings =
            SimulatorSettings { rpm: Some(600), limits_changes, ..SimulatorSettings::default() };
        let at = |seconds| settings.limits(Duration::from_secs(seconds));
        assert_eq!(at(29), (Some(600), None));
        assert_eq!(at(30), (Some(300), None));
        assert_eq!(at(61), (Some(300), Some(9)));
        for wrong in ["", "30:rpm=1", "30s", "30s:rpm", "30s:rpm=x", "30s:rps=1"] {
            assert!(wrong.parse::<LimitsChange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        let api_key = Some("sk-secret".to_owned());
        let settings = SimulatorSettings { api_key, seed: 17, ..SimulatorSettings::default() };
        let text = format!("{settings:?} {settings:#?}");
        assert!(!text.contains("sk-secret"), "{text}");
        assert!(text.contains("seed: 17") && text.contains("(redacted)"), "{text}");
    }
}
