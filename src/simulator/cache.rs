//! Prompt caches as providers keep them: `OpenAI`'s of any prefix, from 1,024 tokens in steps of 128,
//! and Anthropic's up to the places that a request marks. Both forget what nobody has asked for.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::wire::{Request, tokens};

/// The shortest prefix that is cached, in tokens.
const SHORTEST: u64 = 1_024;
/// Longer ones are cached in steps of so many tokens.
const STEP: u64 = 128;
const BYTES_PER_TOKEN: usize = 4;
/// How long a prefix is kept after it was last used: five minutes at Anthropic, five to ten at
/// `OpenAI`.
const KEPT: Duration = Duration::from_secs(300);
/// Prefixes that are kept, at most.
const MOST: usize = 200_000;

/// Which part of a request's prompt may come from a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Caching {
    /// None.
    #[default]
    Never,
    /// The longest prefix that was seen before.
    Automatic,
    /// The first so many texts, which the request marks.
    Marked(usize),
}

/// Prompt tokens that came from a cache or went into one at a price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) cached: u64,
    pub(super) written: u64,
}

/// The prefixes seen, with when they were last used.
#[derive(Debug, Default)]
pub(super) struct Cache(HashMap<u64, Instant>);

impl Cache {
    /// Looks a prompt up and keeps it.
    pub(super) fn look_up(&mut self, now: Instant, request: &Request) -> Found {
        match request.caching {
            Caching::Never => Found::default(),
            Caching::Automatic => self.automatic(now, request),
            Caching::Marked(texts) => self.marked(now, request, texts),
        }
    }

    fn automatic(&mut self, now: Instant, request: &Request) -> Found {
        let text = request.texts.join("\n").into_bytes();
        let mut hasher = DefaultHasher::new();
        request.model.hash(&mut hasher);
        let (mut found, mut length) = (Found::default(), 0);
        let mut next = SHORTEST;
        while let Some(part) = text.get(length..in_bytes(next)) {
            part.hash(&mut hasher);
            if self.use_prefix(now, hasher.finish()) {
                found.cached = next;
            }
            length = in_bytes(next);
            next += STEP;
        }
        found
    }

    fn marked(&mut self, now: Instant, request: &Request, texts: usize) -> Found {
        let marked: Vec<&String> = request.texts.iter().take(texts).collect();
        let size = tokens(marked.iter().map(|text| text.len()).sum());
        if size < SHORTEST {
            return Found::default();
        }
        let mut hasher = DefaultHasher::new();
        (&request.model, marked).hash(&mut hasher);
        if self.use_prefix(now, hasher.finish()) {
            Found { cached: size, written: 0 }
        } else {
            Found { cached: 0, written: size }
        }
    }

    /// Keeps a prefix; true when it was there.
    fn use_prefix(&mut self, now: Instant, hash: u64) -> bool {
        if self.0.len() >= MOST {
            self.0.retain(|_, used| now.duration_since(*used) < KEPT);
        }
        let before = self.0.insert(hash, now);
        before.is_some_and(|used| now.duration_since(used) < KEPT)
    }
}

fn in_bytes(tokens: u64) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(caching: Caching, system: &str, user: &str) -> Request {
        Request {
            model: "m".to_owned(),
            texts: vec![system.to_owned(), user.to_owned()],
            caching,
            ..Request::default()
        }
    }

    #[test]
    fn a_prefix_that_was_seen_is_cached_in_steps() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let system = "s".repeat(4 * 1_300);
        let mut look =
            |user: &str| cache.look_up(now, &request(Caching::Automatic, &system, user)).cached;
        assert_eq!(look("first"), 0);
        assert_eq!(look("another"), 1_280);
        assert_eq!(look("another"), 1_280);
        let short = "s".repeat(4 * 1_000);
        for _ in 0..2 {
            assert_eq!(cache.look_up(now, &request(Caching::Automatic, &short, "x")).cached, 0);
        }
    }

    #[test]
    fn what_is_marked_is_written_once_and_forgotten_after_five_minutes() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let system = "s".repeat(4 * 2_000);
        let mut look = |seconds, user: &str| {
            let now = now + Duration::from_secs(seconds);
            let found = cache.look_up(now, &request(Caching::Marked(1), &system, user));
            (found.cached, found.written)
        };
        assert_eq!(look(0, "a"), (0, 2_000));
        assert_eq!(look(200, "b"), (2_000, 0));
        assert_eq!(look(499, "c"), (2_000, 0));
        assert_eq!(look(799, "d"), (0, 2_000));
        let short = request(Caching::Marked(1), "short", "x");
        assert_eq!(cache.look_up(now, &short), Found::default());
    }
}
