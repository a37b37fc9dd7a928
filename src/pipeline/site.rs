//! A site: one address of an API with one key, with what that account allows and how it fares. A lane
//! has one or several.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::memory::Known;
use crate::chat::TokenUsage;
use crate::limit::{Announced, Learnt, Limiter, Limits, Permit, Place, Places};
use crate::provider::{Counted, HttpClient, ResponseHeaders};

/// Failures in a row that are the requests' own affair.
const TOLERATED_FAILURES: u32 = 3;
/// So many waves of failures, each after a longer pause, and a site counts as gone.
const UNREACHABLE_WAVES: u32 = 4;
/// The pause after the first of them.
const FIRST_REST: Duration = Duration::from_secs(1);

/// What is known of a site before its first request.
#[derive(Debug)]
pub(super) struct SiteSettings {
    /// What it is called.
    pub(super) name: String,
    pub(super) base_url: String,
    pub(super) weight: u32,
    pub(super) limits: Limits,
    /// Requests under way at once, at most.
    pub(super) concurrency: usize,
    /// Whether their number is found by trying.
    pub(super) adapts: bool,
}

/// One address of an API with one key.
#[derive(Debug)]
pub(super) struct Site {
    /// What it is called.
    pub(super) name: String,
    pub(super) base_url: String,
    pub(super) client: HttpClient,
    pub(super) limiter: Limiter,
    pub(super) places: Places,
    weight: u32,
    /// Requests under way now.
    under_way: AtomicU32,
    /// Whether a completion has come in this session: key, model and URL are right.
    proven: AtomicBool,
    last_success: Mutex<Instant>,
    pause_step: AtomicU32,
    /// Attempts since the last success that failed for reasons that may pass.
    failures: AtomicU32,
    /// Whether it is asked no more.
    set_aside: AtomicBool,
}

impl Site {
    pub(super) fn new(settings: SiteSettings, client: HttpClient, known: Known) -> Self {
        let limiter = Limiter::new(settings.limits);
        let Known { requests_per_minute, smooth, concurrency } = known;
        limiter.recall(Learnt { requests_per_minute, smooth });
        let places = if settings.adapts {
            Places::found_by_trying(settings.concurrency, concurrency)
        } else {
            Places::fixed(settings.concurrency)
        };
        Self {
            name: settings.name,
            base_url: settings.base_url,
            client,
            limiter,
            places,
            weight: settings.weight.max(1),
            under_way: AtomicU32::new(0),
            proven: AtomicBool::new(false),
            last_success: Mutex::new(Instant::now()),
            pause_step: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            set_aside: AtomicBool::new(false),
        }
    }

    /// The right to send one request here; `None` when the site was set aside.
    pub(super) async fn pass(self: Arc<Self>, tokens: u64) -> Option<Pass> {
        let place = self.places.take().await?;
        let permit = self.limiter.acquire(tokens).await;
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Some(Pass { permit, place, stay: Stay(self) })
    }

    /// How much is asked of it beside what it should be asked, for comparison with others.
    pub(super) fn load(&self) -> f64 {
        f64::from(self.under_way.load(Ordering::Relaxed) + 1) / f64::from(self.weight)
    }

    /// What has been found out about it.
    pub(super) fn known(&self) -> Known {
        let Learnt { requests_per_minute, smooth } = self.limiter.learnt();
        Known { requests_per_minute, smooth, concurrency: self.places.found() }
    }

    /// Whether a completion has come in this session.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// A completion has come, with or without usage.
    pub(super) fn prove(&self) {
        if !self.proven.swap(true, Ordering::Relaxed) {
            self.places.open();
        }
    }

    pub(super) fn is_set_aside(&self) -> bool {
        self.set_aside.load(Ordering::Relaxed)
    }

    /// Lets no request go there any more. The lane sees to it that another is left.
    pub(super) fn set_aside(&self) {
        self.set_aside.store(true, Ordering::Relaxed);
        self.places.close();
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
        *lock(&self.last_success) = Instant::now();
        self.pause_step.store(0, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
    }

    /// How long nothing has succeeded, if that is longer than `limit`.
    pub(super) fn without_success_for(&self, limit: Duration) -> Option<Duration> {
        Some(lock(&self.last_success).elapsed()).filter(|elapsed| *elapsed > limit)
    }

    /// Which step of the exponential pause is next. All requests that were refused in one wave
    /// share a step.
    pub(super) fn next_pause_step(&self) -> u32 {
        let step = &self.pause_step;
        let paused = self.limiter.paused_until().is_some_and(|until| until > Instant::now());
        if paused { step.load(Ordering::Relaxed) } else { step.fetch_add(1, Ordering::Relaxed) }
    }

    /// An attempt failed for a reason that may pass. Whether so many have in a row that it seems not to.
    pub(super) fn keeps_failing(&self) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed) >= TOLERATED_FAILURES
    }

    /// It does not work now. The site rests, so that others are asked meanwhile; false when it has
    /// rested often enough.
    pub(super) fn rest(&self) -> bool {
        let step = self.next_pause_step();
        if step >= UNREACHABLE_WAVES {
            return false;
        }
        self.limiter.pause_until(Instant::now() + FIRST_REST * 2_u32.pow(step));
        true
    }
}

/// Nothing that holds one of these locks can panic, so a poisoned one guards sound data.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to send one request to a site: a place among those under way, within its limits.
/// Dropped, it counts as used.
#[derive(Debug)]
#[must_use = "a pass that is dropped counts as used"]
pub(super) struct Pass {
    permit: Permit,
    place: Place,
    stay: Stay,
}

/// Counts a request as under way at a site until it is dropped.
#[derive(Debug)]
struct Stay(Arc<Site>);

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pass {
    pub(super) fn site(&self) -> &Arc<Site> {
        &self.stay.0
    }

    /// The request leaves now.
    pub(super) fn leave(&mut self) {
        self.permit.leave();
    }

    /// The request was answered and used so much, of at most so many tokens of output.
    pub(super) fn settle(self, usage: &TokenUsage, max_output_tokens: u64) {
        if self.permit.counts_reserved_tokens() {
            // Of the prompt only an estimate was reserved.
            let output = usage.output.max(max_output_tokens);
            self.permit.settle_as_counted(usage.prompt_total().saturating_add(output));
        } else {
            self.permit.settle(usage.total());
        }
        // Where nothing is written, what is read takes the time.
        let done = if usage.output == 0 { usage.prompt_total() } else { usage.output };
        self.place.finished(done);
    }

    /// The server refused the request for its rate: nobody passes before `until`.
    pub(super) fn refused(self, until: Instant) {
        self.permit.refused(until);
    }

    /// The request never left.
    pub(super) fn cancel(self) {
        self.permit.cancel();
    }

    /// No answer came in time. What it used stays used.
    pub(super) fn timed_out(self) {
        self.place.timed_out();
    }
}
