//! A lane: one API with its limits, its price and what a session has learnt about it. A run has a
//! lane for each API that it asks; ledger, journal and the end of the sending are common to all.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::chat::TokenUsage;
use crate::config::BatchPace;
use crate::ledger::Price;
use crate::limit::{Announced, Limiter, Limits};
use crate::provider::{ApiError, BatchApi, Counted, HttpClient, Provider, Quirks, ResponseHeaders};

/// Prompt tokens per thousand bytes of a request's body, before any response has told: more than
/// any common tokenizer makes of English or Chinese JSON text.
const FIRST_TOKENS_PER_KB: u64 = 500;

/// The prompt tokens of a body of this size, before any response has told.
pub(super) fn first_prompt_estimate(body_bytes: usize) -> u64 {
    tokens_of(body_bytes, FIRST_TOKENS_PER_KB)
}

fn tokens_of(body_bytes: usize, per_kb: u64) -> u64 {
    u64::try_from(body_bytes).unwrap_or(u64::MAX).saturating_mul(per_kb) / 1_000
}

/// How requests to an API go in batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLane {
    pub(super) api: &'static dyn BatchApi,
    pub(super) pace: BatchPace,
}

/// What is known of an API before its first request.
#[derive(Debug)]
pub(super) struct LaneSettings {
    pub(super) provider: &'static dyn Provider,
    pub(super) base_url: String,
    pub(super) model: String,
    pub(super) price: Price,
    pub(super) limits: Limits,
    pub(super) concurrency: usize,
    pub(super) quirks: Quirks,
    /// `None` when each request goes alone.
    pub(super) batches: Option<BatchLane>,
}

/// One API.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) provider: &'static dyn Provider,
    pub(super) client: HttpClient,
    pub(super) base_url: String,
    pub(super) model: String,
    pub(super) limiter: Limiter,
    pub(super) price: Price,
    /// How its requests go in batches; `None` when each goes alone.
    pub(super) batches: Option<BatchLane>,
    /// Requests under way at once, at most.
    concurrency: usize,
    /// Requests under way now; only the collector changes it.
    in_flight: AtomicUsize,
    /// Whether a completion has come in this session: key, model and URL are right.
    proven: AtomicBool,
    /// Whether an answer of this session was lost to reasoning.
    lost_to_reasoning: AtomicBool,
    quirks: Mutex<Quirks>,
    last_success: Mutex<Instant>,
    pause_step: AtomicU32,
    /// The most that a response has shown; 0 before the first.
    tokens_per_kb: AtomicU64,
}

impl Lane {
    pub(super) fn new(settings: LaneSettings, client: HttpClient) -> Self {
        Self {
            provider: settings.provider,
            client,
            base_url: settings.base_url,
            model: settings.model,
            limiter: Limiter::new(settings.limits),
            price: settings.price,
            batches: settings.batches,
            concurrency: settings.concurrency,
            in_flight: AtomicUsize::new(0),
            proven: AtomicBool::new(false),
            lost_to_reasoning: AtomicBool::new(false),
            quirks: Mutex::new(settings.quirks),
            last_success: Mutex::new(Instant::now()),
            pause_step: AtomicU32::new(0),
            tokens_per_kb: AtomicU64::new(0),
        }
    }

    /// Requests under way or waiting for the rate limit.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether another request may be under way. The first goes alone: a wrong key, model or URL
    /// then costs one request, not a pool's worth.
    pub(super) fn has_room(&self) -> bool {
        let places = match (self.batches, self.is_proven()) {
            (Some(_), true) => self.places(),
            (Some(batches), false) => batches.pace.requests,
            (None, true) => self.concurrency,
            (None, false) => 1,
        };
        self.in_flight() < places
    }

    /// Requests under way at once, at most, once the API has proven to work.
    pub(super) fn places(&self) -> usize {
        let in_batches = |it: BatchLane| it.pace.requests.saturating_mul(it.pace.at_once);
        self.batches.map_or(self.concurrency, in_batches)
    }

    /// A request begins.
    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request that began is over.
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// What a request with a body of this size and this limit on its output counts against the
    /// tokens per minute.
    pub(super) fn estimate_tokens(&self, body_bytes: usize, max_output_tokens: u64) -> u64 {
        let prompt = match self.tokens_per_kb.load(Ordering::Relaxed) {
            0 => first_prompt_estimate(body_bytes),
            learned => tokens_of(body_bytes, learned),
        };
        prompt.saturating_add(max_output_tokens)
    }

    /// Learns how many tokens the model makes of a body.
    pub(super) fn note_usage(&self, usage: &TokenUsage, body_bytes: usize) {
        let bytes = u64::try_from(body_bytes).unwrap_or(u64::MAX).max(1);
        // Five percent over the largest share seen: an estimate below the truth is a debt.
        let seen = usage.prompt_total().saturating_mul(1_050) / bytes;
        self.tokens_per_kb.fetch_max(seen.max(1), Ordering::Relaxed);
    }

    /// Whether a completion has come in this session.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// A completion has come, with or without usage.
    pub(super) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    /// Whether this is the first answer of the session that is lost to reasoning.
    pub(super) fn first_loss(&self) -> bool {
        !self.lost_to_reasoning.swap(true, Ordering::Relaxed)
    }

    pub(super) fn quirks(&self) -> Quirks {
        // Nothing that holds one of these locks can panic, so a poisoned one guards sound data.
        *self.quirks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lesson from a 400; true when the request should be sent again.
    pub(super) fn learn(&self, error: &ApiError) -> bool {
        let mut quirks = self.quirks.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *quirks;
        if let Some(lesson) = quirks.learn(error) {
            tracing::info!(lesson, "the API does not take a parameter");
        }
        *quirks != before
    }

    /// Takes note of the limits that the server announces.
    pub(super) fn note_limits(&self, headers: &ResponseHeaders) {
        let lowest = |counted| {
            let limits = headers.limits.iter().filter(|standing| standing.counts == counted);
            limits.filter_map(|standing| standing.limit).filter(|limit| *limit > 0).min()
        };
        self.limiter.announce(Announced {
            requests: lowest(Counted::Requests),
            tokens: lowest(Counted::Tokens),
        });
    }

    pub(super) fn note_success(&self) {
        *self.last_success.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.pause_step.store(0, Ordering::Relaxed);
    }

    /// How long nothing has succeeded, if that is longer than `limit`.
    pub(super) fn without_success_for(&self, limit: Duration) -> Option<Duration> {
        let last = *self.last_success.lock().unwrap_or_else(PoisonError::into_inner);
        Some(last.elapsed()).filter(|elapsed| *elapsed > limit)
    }

    /// Which step of the exponential pause is next. All requests that were refused in one wave
    /// share a step.
    pub(super) fn next_pause_step(&self) -> u32 {
        let step = &self.pause_step;
        let paused = self.limiter.paused_until().is_some_and(|until| until > Instant::now());
        if paused { step.load(Ordering::Relaxed) } else { step.fetch_add(1, Ordering::Relaxed) }
    }
}
