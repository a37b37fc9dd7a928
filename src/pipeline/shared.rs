//! What all workers share: the parts that a request needs on its way, and the signals between
//! workers and collector.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::worker::Job;
use crate::chat::TokenUsage;
use crate::ledger::{Ledger, Price};
use crate::limit::{Limiter, Permit};
use crate::provider::{ApiError, HttpClient, Provider, Quirks};
use crate::store::{AttemptEnd, Journal, unix_ms};
use crate::summary::AttemptCounts;
use crate::template::Template;

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

/// What all workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) provider: &'static dyn Provider,
    pub(super) template: &'static dyn Template,
    pub(super) client: HttpClient,
    pub(super) base_url: String,
    pub(super) limiter: Limiter,
    pub(super) ledger: Ledger,
    pub(super) journal: Journal,
    pub(super) price: Price,
    pub(super) max_output_tokens: u64,
    pub(super) max_attempts: u32,
    pub(super) run_seed: u64,
    pub(super) run_id: String,
    pub(super) signals: Signals,
}

/// What workers and collector tell each other.
#[derive(Debug)]
pub(super) struct Signals {
    /// True from the moment when nothing more may be sent.
    stopping: watch::Receiver<bool>,
    /// Whether a completion has come in this session: key, model and URL are right.
    proven: AtomicBool,
    quirks: Mutex<Quirks>,
    tally: Mutex<(AttemptCounts, TokenUsage)>,
    last_success: Mutex<Instant>,
    pause_step: AtomicU32,
    /// The most that a response has shown; 0 before the first.
    tokens_per_kb: AtomicU64,
}

impl Signals {
    pub(super) fn new(
        stopping: watch::Receiver<bool>,
        quirks: Quirks,
        counts: AttemptCounts,
        usage: TokenUsage,
    ) -> Self {
        Self {
            stopping,
            proven: AtomicBool::new(false),
            quirks: Mutex::new(quirks),
            tally: Mutex::new((counts, usage)),
            last_success: Mutex::new(Instant::now()),
            pause_step: AtomicU32::new(0),
            tokens_per_kb: AtomicU64::new(0),
        }
    }
}

/// Nothing that holds one of these locks can panic, so a poisoned one guards sound data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// A permit for the next attempt of a job; `None` when the run is stopping.
    pub(super) async fn permit(&self, job: &Job) -> Option<Permit> {
        let tokens = self.estimate_tokens(job.body.len());
        let mut stopping = self.signals.stopping.clone();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => None,
            permit = self.limiter.acquire(tokens) => Some(permit),
        }
    }

    /// Waits; true when the run began to stop meanwhile.
    pub(super) async fn stopped_within(&self, pause: Duration) -> bool {
        let mut stopping = self.signals.stopping.clone();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => true,
            () = tokio::time::sleep(pause) => false,
        }
    }

    /// What a request of this size counts against the tokens per minute.
    pub(super) fn estimate_tokens(&self, body_bytes: usize) -> u64 {
        let prompt = match self.signals.tokens_per_kb.load(Ordering::Relaxed) {
            0 => first_prompt_estimate(body_bytes),
            learned => tokens_of(body_bytes, learned),
        };
        prompt.saturating_add(self.max_output_tokens)
    }

    /// Learns how many tokens the model makes of a body, and adds up the usage.
    pub(super) fn note_usage(&self, usage: &TokenUsage, body_bytes: usize) {
        lock(&self.signals.tally).1.add(usage);
        let bytes = u64::try_from(body_bytes).unwrap_or(u64::MAX).max(1);
        // Five percent over the largest share seen: an estimate below the truth is a debt.
        let seen = usage.prompt_total().saturating_mul(1_050) / bytes;
        self.signals.tokens_per_kb.fetch_max(seen.max(1), Ordering::Relaxed);
    }

    /// Whether a completion has come in this session.
    pub(super) fn is_proven(&self) -> bool {
        self.signals.proven.load(Ordering::Relaxed)
    }

    /// A completion has come, with or without usage.
    pub(super) fn prove(&self) {
        self.signals.proven.store(true, Ordering::Relaxed);
    }

    pub(super) fn quirks(&self) -> Quirks {
        *lock(&self.signals.quirks)
    }

    /// Takes a lesson from a 400; true when the request should be sent again.
    pub(super) fn learn(&self, error: &ApiError) -> bool {
        let mut quirks = lock(&self.signals.quirks);
        let before = *quirks;
        if let Some(lesson) = quirks.learn(error) {
            tracing::info!(lesson, "the API does not take a parameter");
        }
        *quirks != before
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut AttemptCounts)) {
        change(&mut lock(&self.signals.tally).0);
    }

    pub(super) fn tally(&self) -> (AttemptCounts, TokenUsage) {
        *lock(&self.signals.tally)
    }

    pub(super) fn note_success(&self) {
        *lock(&self.signals.last_success) = Instant::now();
        self.signals.pause_step.store(0, Ordering::Relaxed);
    }

    /// How long nothing has succeeded, if that is longer than `limit`.
    pub(super) fn without_success_for(&self, limit: Duration) -> Option<Duration> {
        Some(lock(&self.signals.last_success).elapsed()).filter(|elapsed| *elapsed > limit)
    }

    /// Which step of the exponential pause is next. All requests that were refused in one wave
    /// share a step.
    pub(super) fn next_pause_step(&self) -> u32 {
        let step = &self.signals.pause_step;
        let paused = self.limiter.paused_until().is_some_and(|until| until > Instant::now());
        if paused { step.load(Ordering::Relaxed) } else { step.fetch_add(1, Ordering::Relaxed) }
    }

    pub(super) async fn end(&self, attempt_id: u64, end: AttemptEnd) {
        // A closed journal has failed everybody who waits for it; its error ends the run.
        drop(self.journal.end(attempt_id, end, unix_ms()).await);
    }

    pub(super) async fn end_refused(&self, attempt_id: u64, status: Option<u16>, message: String) {
        self.end(attempt_id, AttemptEnd::Refused { status, message }).await;
    }

    pub(super) async fn end_unconfirmed(&self, attempt_id: u64, message: String) {
        self.end(attempt_id, AttemptEnd::Unconfirmed { message }).await;
    }
}
