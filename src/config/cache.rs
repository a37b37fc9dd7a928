//! Whether the constant part of prompts is worth a place in the provider's cache.

use super::prices::Priced;
use super::resolve::unknown;
use super::{ConfigError, Settings, Source};
use crate::chat::{Prompt, Role};

/// The values of `prompt_cache`.
pub const PROMPT_CACHE: [&str; 2] = ["auto", "off"];

/// The fewest prompt tokens that are cached where the table does not say: `OpenAI`'s, and most of
/// Anthropic's models'.
const USUAL_MINIMUM: u64 = 1_024;
/// Bytes of text in a token, at least, roughly: a prefix that turns out shorter than the minimum is
/// not cached, and costs what it would have cost.
const BYTES_PER_TOKEN: u64 = 3;
/// With fewer requests than this a dearer first one is not made good by cheaper later ones.
const FEWEST_REQUESTS: u64 = 3;

/// From which length on the constant part of a prompt is cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// The fewest tokens that the provider caches.
    pub from_tokens: u64,
    /// What the part is called where a name helps the provider to find it.
    pub key: String,
}

impl CacheConfig {
    /// The name of the constant part of a prompt, its system messages, when that is long enough.
    pub fn key_for(&self, prompt: &Prompt) -> Option<String> {
        let Prompt::Messages(messages) = prompt else { return None };
        let system = messages.iter().take_while(|message| message.role == Role::System);
        let bytes: usize = system.map(|message| message.content.len()).sum();
        let tokens = u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_TOKEN;
        (tokens >= self.from_tokens).then(|| self.key.clone())
    }
}

/// Nothing is cached where that would save nothing, as far as the price is known: with prices from
/// flags nobody knows what a write costs.
pub(super) fn resolve(
    settings: &mut Settings,
    source: &Source,
    priced: &Priced,
    phase: &str,
) -> Result<Option<CacheConfig>, ConfigError> {
    let choice = settings.prompt_cache.get_or_insert_with(|| PROMPT_CACHE[0].to_owned());
    if !PROMPT_CACHE.contains(&choice.as_str()) {
        return Err(unknown("prompt-cache", choice, &PROMPT_CACHE));
    }
    let saves = priced.price.cached_input < priced.price.input;
    let is_wanted = choice == PROMPT_CACHE[0] && !source.is_simulated() && saves;
    let requests = settings.max_requests.unwrap_or(u64::MAX);
    let minimum = priced.facts.as_ref().and_then(|facts| facts.cached_from_tokens);
    Ok((is_wanted && requests >= FEWEST_REQUESTS).then(|| CacheConfig {
        from_tokens: minimum.unwrap_or(USUAL_MINIMUM),
        key: format!("instructmill-{phase}-{}", settings.seed.unwrap_or_default()),
    }))
}
