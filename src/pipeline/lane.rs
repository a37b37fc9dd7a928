//! A lane: where the requests of a phase go. A model at a price, what a session has learnt about its
//! API, and one site or several where it is to be had. Ledger, journal and the end of the sending
//! are common to all lanes.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::select_all;

use super::failure::RunError;
use super::site::{Pass, Site};
use crate::chat::TokenUsage;
use crate::config::BatchPace;
use crate::ledger::{Encoding, Price, PromptBound};
use crate::provider::{ApiError, BatchApi, Provider, Quirks};

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

/// What is known of a lane before its first request.
#[derive(Debug)]
pub(super) struct LaneSettings {
    pub(super) provider: &'static dyn Provider,
    pub(super) model: String,
    pub(super) price: Price,
    /// The encoding by which prompts are counted for the worst case; `None`: by their bytes.
    pub(super) encoding: Option<Encoding>,
    pub(super) concurrency: usize,
    pub(super) quirks: Quirks,
    /// `None` when each request goes alone.
    pub(super) batches: Option<BatchLane>,
}

/// Where the requests of a phase go.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) provider: &'static dyn Provider,
    pub(super) model: String,
    pub(super) price: Price,
    pub(super) prompt_bound: PromptBound,
    /// At least one.
    sites: Vec<Arc<Site>>,
    /// Sites that are not set aside.
    usable: Mutex<usize>,
    /// How its requests go in batches; `None` when each goes alone.
    pub(super) batches: Option<BatchLane>,
    /// Requests under way at once, at most.
    concurrency: usize,
    /// Requests under way now; only the collector changes it.
    in_flight: AtomicUsize,
    /// Whether an answer of this session was lost to reasoning.
    lost_to_reasoning: AtomicBool,
    quirks: Mutex<Quirks>,
    /// The most that a response has shown; 0 before the first.
    tokens_per_kb: AtomicU64,
}

impl Lane {
    pub(super) fn new(settings: LaneSettings, sites: Vec<Site>) -> Self {
        Self {
            provider: settings.provider,
            model: settings.model,
            price: settings.price,
            prompt_bound: PromptBound::new(settings.encoding),
            usable: Mutex::new(sites.len()),
            sites: sites.into_iter().map(Arc::new).collect(),
            batches: settings.batches,
            concurrency: settings.concurrency,
            in_flight: AtomicUsize::new(0),
            lost_to_reasoning: AtomicBool::new(false),
            quirks: Mutex::new(settings.quirks),
            tokens_per_kb: AtomicU64::new(0),
        }
    }

    /// All sites, also those that were set aside.
    pub(super) fn sites(&self) -> &[Arc<Site>] {
        &self.sites
    }

    /// The only one of a lane whose requests go in batches: nothing else has its batches.
    pub(super) fn first_site(&self) -> &Site {
        self.sites.first().expect("a lane has a site")
    }

    /// Whether the model is to be had in several places.
    pub(super) fn is_spread(&self) -> bool {
        self.sites.len() > 1
    }

    /// Whether another site could take what one cannot.
    pub(super) fn has_choice(&self) -> bool {
        *self.usable.lock().unwrap_or_else(PoisonError::into_inner) > 1
    }

    /// Waits until one request of `tokens` tokens may be sent somewhere: at the site with room that
    /// is asked the least for its weight.
    pub(super) async fn pass(&self, tokens: u64) -> Pass {
        if let [only] = self.sites.as_slice() {
            let pass = Arc::clone(only).pass(tokens).await;
            return pass.expect("the only site of a lane is never set aside");
        }
        loop {
            let mut usable: Vec<_> = self.sites.iter().filter(|s| !s.is_set_aside()).collect();
            usable.sort_by(|a, b| a.load().total_cmp(&b.load()));
            let passes = usable.into_iter().map(|site| Box::pin(Arc::clone(site).pass(tokens)));
            // Polled in their order: of several that have room, the first gives its pass. One that is
            // set aside meanwhile gives none.
            if let (Some(pass), ..) = select_all(passes).await {
                return pass;
            }
        }
    }

    /// Asks a site no more, for a trouble that is its own. False when there is no other: then the
    /// trouble is the run's.
    pub(super) fn set_aside(&self, site: &Site, error: &RunError) -> bool {
        let mut usable = self.usable.lock().unwrap_or_else(PoisonError::into_inner);
        if site.is_set_aside() {
            return true;
        }
        if *usable <= 1 {
            return false;
        }
        *usable -= 1;
        tracing::warn!(endpoint = site.name, %error, "an endpoint is set aside; the others go on");
        site.set_aside();
        true
    }

    /// Requests under way or waiting for the rate limit.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether another request may be under way. The first to a site goes alone: a wrong key, model or
    /// URL then costs one request, not a pool's worth.
    pub(super) fn has_room(&self) -> bool {
        if let Some(batches) = self.batches {
            let places = if self.is_proven() { self.places() } else { batches.pace.requests };
            return self.in_flight() < places;
        }
        let usable = self.sites.iter().filter(|site| !site.is_set_aside());
        let places: usize = usable.map(|site| site.places.count()).sum();
        self.in_flight() < places.min(self.concurrency)
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

    /// What a request with this bound on its prompt counts against a limit on tokens, when its body is
    /// not there any more.
    pub(super) fn estimate_bounded(&self, prompt_bound: u64) -> u64 {
        match self.prompt_bound.encoding() {
            // It was counted, and rather high.
            Some(_) => prompt_bound,
            None => self.estimate_tokens(usize::try_from(prompt_bound).unwrap_or(usize::MAX), 0),
        }
    }

    /// Compares the bill for a prompt with its bound.
    pub(super) fn note_bill(&self, usage: &TokenUsage, prompt_bound: u64) {
        let billed = usage.prompt_total();
        if self.prompt_bound.refute(billed, prompt_bound) {
            tracing::warn!(
                model = self.model,
                billed,
                prompt_bound,
                "a prompt was billed above what its count allows: --token-bound does not fit this \
                 model, and prompts are bounded by their bytes from now on"
            );
        }
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
        self.sites.iter().any(|site| site.is_proven())
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
}
